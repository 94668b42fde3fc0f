# SPDX-License-Identifier: BSD-2-Clause
"""From live functions to typed IR: ``build_program`` reads the given functions and everything that they call.

The builder is split by what is read: :mod:`build_statements`, :mod:`build_contracts` (and ghost code),
:mod:`build_kinds` (``isinstance``, ``match``), :mod:`build_proofs` (what only contracts and ghost code have),
:mod:`build_calls`, :mod:`build_construct` (packed values, records), :mod:`build_expressions`, :mod:`build_operators`,
:mod:`build_types` (implicit conversions), :mod:`build_scope` (names and what holds where).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from tessera.ir.build_effects import check_effects
from tessera.ir.build_errors import REASONS, describe
from tessera.ir.build_source import SourceFiles
from tessera.ir.build_statements import Statements
from tessera.ir.nodes import Function, Program, Promise, Return
from tessera.ir.values import component_types
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.memory import StaticObject
from tessera.lang.structs import static_entry
from tessera.lang.types import ArrayOf, UnknownType, is_mathematical, is_packed, is_struct


class _FunctionBuilder(Statements):
    """Reads one function."""

    def build(self) -> Function:
        """The function as IR. Raises :class:`Diagnostic` at the first mistake."""
        self.loops = []
        if self.info.kind == "specification" and not self.specification:
            self.only_in_proofs(self.node, f"the specification function {self.node.name}")
        parameters, self.result = self.signature(self.info)
        self._check_parameters(parameters)
        for name, type_ in parameters.items():
            self.declared[name] = type_
            self.flow.assigned.add(name)
        contracts, statements = self.head()
        body = self.block(statements)
        if self.flow.live:
            if self.result is not None:
                self._missing_return()
            body.append(Return(self._last_line(), None))
        return Function(
            self.info,
            self.file,
            self.node.lineno,
            list(parameters.items()),
            self.result,
            self.declared,
            body,
            contracts,
        )

    def _check_parameters(self, parameters: dict[str, Any]) -> None:
        arguments = self.node.args
        if arguments.vararg or arguments.kwarg:
            self.unsupported(ast.copy_location(ast.Starred(value=ast.Name("arguments")), self.node))
        for default in (*arguments.defaults, *(default for default in arguments.kw_defaults if default)):
            self.fail(
                default,
                "unsupported",
                "default arguments are not part of the language",
                why="every call shows everything that it passes",
                fix="pass the value at every call",
            )
        nodes = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for node, (name, type_) in zip(nodes, parameters.items(), strict=True):
            if type_ is None or type_ is NoReturn or isinstance(type_, ArrayOf):
                shown = "an array" if isinstance(type_, ArrayOf) else describe(type_)
                fix = "pass the object that holds it" if isinstance(type_, ArrayOf) else ""
                self.fail(node, "unknown-type", f"the parameter {name!r} cannot be {shown}", fix=fix)
        if self.info.kind not in ("invariant", "specification"):
            places: list[ast.AST] = [*nodes, self.node]
            for place, type_ in zip(places, [*parameters.values(), self.result], strict=True):
                if _is_for_proofs(type_):
                    self.only_in_proofs(place, f"a value of type {describe(type_)}")
        if isinstance(self.result, ArrayOf):
            self.fail(self.node, "unknown-type", "a function cannot return an array", fix="return its object")
        if self.info.owner is not None and is_packed(self.info.owner):
            self.local_names.add(next(iter(parameters)))

    def _missing_return(self) -> None:
        last = self.node.body[-1]
        if self.result is NoReturn:
            self.fail(
                last,
                "missing-return",
                f"{self.node.name} is marked NoReturn, but its end can be reached",
                fix="end with a loop that does not end, or with a call that does not return",
            )
        self.fail(
            last,
            "missing-return",
            f"{self.node.name} can end without returning {describe(self.result)}",
            why="after this statement there is a path on which nothing is returned",
            fix="return a value on every path; a match over all kinds still needs `case _`",
        )

    def _last_line(self) -> int:
        return self.node.body[-1].end_lineno or self.node.lineno


def _is_for_proofs(type_: Any) -> bool:
    return is_mathematical(type_) or any(map(_is_for_proofs, component_types(type_) or ()))


class _ProgramBuilder:
    """Reads functions until none is left, and checks what concerns all of them."""

    def __init__(self, specification: bool, promises: Mapping[str, Sequence[Promise]]) -> None:
        self.specification = specification
        self.promises = promises
        self.proof_calls: list[tuple[str, Location]] = []
        self.sources = SourceFiles()
        self.functions: dict[str, Function] = {}
        self.externals: dict[str, FunctionInfo] = {}
        self.known: dict[str, FunctionInfo] = {}
        self.calls: dict[str, list[tuple[str, Location]]] = {}
        self.statics: dict[int, StaticObject] = {}
        self.errors: list[Diagnostic] = []

    def build(self, roots: Iterable[FunctionInfo]) -> Program:
        waiting = list(roots)
        for info in waiting:
            self._admit(info, Location(info.function.__code__.co_filename, info.function.__code__.co_firstlineno))
        position = 0
        while position < len(waiting):
            info = waiting[position]
            position += 1
            if info.name in self.functions or info.name in self.calls or info.name in self.externals:
                continue
            if info.kind in ("intrinsic", "extern"):
                self.externals[info.name] = info
                continue
            waiting += self._function(info)
        self._check_recursion()
        self.errors += check_effects(self.functions, self.externals, self.calls, self.proof_calls)
        if self.errors:
            unique = {(str(e), e.location): e for e in self.errors}
            raise Diagnostics(
                sorted(unique.values(), key=lambda e: (e.location.file, e.location.line, e.location.column))
            )
        statics = [self.statics[offset] for offset in sorted(self.statics)]
        for entry in statics:
            name_static(entry)
        return Program(self.functions, self.externals, statics)

    def _admit(self, info: FunctionInfo, location: Location) -> None:
        """Two functions of one name would be taken for each other."""
        if self.known.setdefault(info.name, info) is not info:
            raise Diagnostic(
                "duplicate-function",
                location,
                f"there are two functions named {info.name}",
                why="functions are told apart by module and qualified name",
                fix="give one of them another name",
            )

    def _function(self, info: FunctionInfo) -> list[FunctionInfo]:
        self.calls[info.name] = []
        callees: list[FunctionInfo] = []
        try:
            builder = _FunctionBuilder(info, self.sources, self.specification, self.promises.get(info.name, ()))
            self.functions[info.name] = builder.build()
            for callee, node in builder.calls:
                location = builder.location(node)
                self._admit(callee, location)
                self.calls[info.name].append((callee.name, location))
                callees.append(callee)
        except Diagnostic as error:
            self.errors.append(error)
            return callees
        except UnknownType as error:
            code = info.function.__code__
            why, fix = REASONS["bad-layout"]
            place = Location(code.co_filename, code.co_firstlineno)
            self.errors.append(Diagnostic("bad-layout", place, str(error), why=why, fix=fix))
            return callees
        self.statics.update(builder.statics)
        self.proof_calls += [(callee.name, builder.location(node)) for callee, node in builder.proof_calls]
        return callees

    def _check_recursion(self) -> None:
        done: set[str] = set()
        for root in self.calls:
            # Depth first without recursion of our own: call chains of a program may be long.
            path: list[str] = []
            stack: list[tuple[str, int]] = [(root, 0)]
            while stack:
                name, position = stack.pop()
                if position == 0:
                    if name in done:
                        continue
                    path.append(name)
                calls = self.calls.get(name, [])
                if position == len(calls):
                    done.add(name)
                    path.pop()
                    continue
                stack.append((name, position + 1))
                callee, location = calls[position]
                if callee in path:
                    cycle = [*path[path.index(callee) :], callee]
                    self.errors.append(
                        Diagnostic(
                            "recursion",
                            location,
                            f"this call is recursive: {' -> '.join(part.rpartition('.')[2] for part in cycle)}",
                            why="the stack is of fixed size, and every entry to the kernel is bounded",
                            fix="write a loop",
                        )
                    )
                elif callee not in done:
                    stack.append((callee, 0))


def name_static(entry: StaticObject) -> None:
    """Name a static object after the module-level name that holds it."""
    if entry.name:
        return
    entry.name = f"{entry.module}.static_{entry.offset}"
    module = sys.modules.get(entry.module)
    for name, value in vars(module).items() if module is not None else ():
        if is_struct(type(value)) and static_entry(value) is entry:
            entry.name = f"{entry.module}.{name}"
            return


def build_program(
    roots: Iterable[Any], specification: bool = False, promises: Mapping[str, Sequence[Promise]] | None = None
) -> Program:
    """Read functions of the language, with everything that they call, into IR.

    With ``specification`` contracts and ghost code are read too, and what they call is part of the program; else they
    leave nothing. ``promises`` are more that functions are to keep, by name. ``roots`` are functions with a decorator
    of :mod:`tessera.lang`, or their :class:`FunctionInfo`.
    Raises :class:`Diagnostics` with every function's first mistake, in the order of files and lines.
    """
    infos: list[FunctionInfo] = []
    for root in roots:
        function = root.fget if isinstance(root, property) else root
        info = function if isinstance(function, FunctionInfo) else info_of(function)
        if info is None:
            raise TypeError(f"{root!r} is not a function of the language; decorate it with @compiled")
        infos.append(info)
    return _ProgramBuilder(specification, promises or {}).build(infos)

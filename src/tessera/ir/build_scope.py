# SPDX-License-Identifier: BSD-2-Clause
"""What the builder knows while it reads one function: names, their types, and what holds at the current point.

Flow-sensitive facts are of two kinds: which names are assigned on every path, and of which kind a packed value in a
name is known to be.
"""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tessera.ir.build_errors import REASONS, UNSUPPORTED, close_match
from tessera.ir.build_source import SourceFiles
from tessera.ir.nodes import Expression, Promise
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.lang.functions import FunctionInfo
from tessera.lang.memory import StaticObject
from tessera.lang.structs import Layout, static_entry
from tessera.lang.types import UnknownType, is_struct, resolve


@dataclass(frozen=True)
class Live:
    """Known when the program is built: a constant, or an object such as a module, a class or a function."""

    value: Any


@dataclass(frozen=True)
class Choice:
    """``a if c else b`` where at least one side is a constant without width; the context gives the type."""

    condition: Expression
    then: Value
    otherwise: Value


@dataclass(frozen=True)
class Length:
    """``len(text)``: a u64, but a plain ``int`` under CPython, so a name cannot be bound to it as it is."""

    expression: Expression


@dataclass(frozen=True)
class Parts:
    """``(a, 0)``: a tuple in which a constant without width waits for the context to give it one."""

    values: tuple[Value, ...]
    nodes: tuple[ast.expr, ...]


@dataclass(frozen=True)
class Method:
    """A method with the object that it is called on."""

    info: FunctionInfo
    receiver: Expression


Value = Live | Choice | Length | Parts | Method | Expression


def means(value: Value | None, thing: object) -> bool:
    """Whether a value is this very live object."""
    return isinstance(value, Live) and value.value is thing


@dataclass
class Flow:
    """What holds at a point of a function; ``live`` is false where no path leads."""

    assigned: set[str]
    narrowed: dict[str, Any] = field(default_factory=dict)
    live: bool = True

    def with_facts(self, facts: dict[str, Any]) -> Flow:
        """A copy in which names hold the given kinds."""
        return Flow(set(self.assigned), self.narrowed | facts, self.live)

    def without_facts(self, names: Iterable[str]) -> Flow:
        """A copy that forgets the kinds of names, because a loop assigns them."""
        gone = set(names)
        return Flow(set(self.assigned), {n: k for n, k in self.narrowed.items() if n not in gone}, self.live)

    @staticmethod
    def join(flows: Iterable[Flow]) -> Flow:
        """What holds where several paths meet."""
        living = [flow for flow in flows if flow.live]
        if not living:
            return Flow(set(), {}, False)
        first, *rest = living
        assigned = set(first.assigned).intersection(*(flow.assigned for flow in rest))
        narrowed = {n: k for n, k in first.narrowed.items() if all(flow.narrowed.get(n) is k for flow in rest)}
        return Flow(assigned, narrowed)


def _without_type(function: ast.FunctionDef, module: str) -> ast.arg | ast.expr | ast.FunctionDef:
    """The part of a function's signature that has no type of the language."""
    for argument in function.args.args:
        if argument.annotation is not None and not _is_type(argument.annotation, module):
            return argument
    return function.returns if function.returns is not None and not _is_type(function.returns, module) else function


def _is_type(annotation: ast.expr, module: str) -> bool:
    try:
        resolve(ast.unparse(annotation), module)
    except UnknownType:
        return False
    return True


class Scope(ABC):
    """State of the builder for one function, name resolution, and how errors are located."""

    def __init__(
        self,
        info: FunctionInfo,
        sources: SourceFiles,
        specification: bool = False,
        promises: Sequence[Promise] = (),
    ) -> None:
        self.promises = promises
        # What names mean in the promise that is being read, before those of the module.
        self.names: Mapping[str, Any] = {}
        source = sources.find(info.function)  # type: ignore[arg-type]
        self.sources = sources
        self.info = info
        self.file = source.file
        self.node = source.node
        code = info.function.__code__
        self.module: str = info.function.__module__
        # The compiler of CPython has found out already which names are local: exactly those that are assigned.
        self.local_names = {*code.co_varnames, *code.co_cellvars}
        self.declared: dict[str, Any] = {}
        # Names that only ghost code assigns.
        self.ghosts: set[str] = set()
        # Whether contracts and ghost code are read at all, whether some is being read, and of which sort it is.
        self.specification = specification
        self.proof = specification and info.kind in ("invariant", "specification")
        self.ghost_block = False
        self.entry_state = False
        # Names of loops over constants, which are written out: each turn has its own constants.
        self.unrolled: dict[str, Live] = {}
        self.flow = Flow(set())
        self.calls: list[tuple[FunctionInfo, ast.AST]] = []
        self.proof_calls: list[tuple[FunctionInfo, ast.AST]] = []
        self.statics: dict[int, StaticObject] = {}
        self._fresh = 0
        cells = info.function.__closure__ or ()
        self._closure = dict(zip(code.co_freevars, cells, strict=True))

    @abstractmethod
    def value(self, node: ast.expr) -> Value:
        """Read an expression."""

    def location(self, node: ast.AST) -> Location:
        """Where a node stands in the file."""
        return Location(self.file, getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1)

    def fail(self, node: ast.AST, rule: str, what: str, *, why: str = "", fix: str = "") -> NoReturn:
        """Report a mistake of the program's author."""
        usual_why, usual_fix = REASONS.get(rule, ("", ""))
        raise Diagnostic(rule, self.location(node), what, why=why or usual_why, fix=fix or usual_fix)

    def only_in_proofs(self, node: ast.AST, what: str) -> None:
        """Refuse in code that runs what only contracts and ghost code have."""
        if not self.proof:
            self.fail(
                node,
                "ghost",
                f"{what} stands in code that runs",
                why="compiled code contains no contracts and no ghost code, and has no values of theirs",
                fix="use it in contracts, `with ghost:` blocks and specification functions only",
            )

    def signature(self, info: FunctionInfo) -> tuple[dict[str, Any], Any]:
        """Types of the parameters and of the result; a mistake is reported where the function is defined."""
        try:
            parameters, result = info.signature()
        except UnknownType as error:
            source = self.sources.find(info.function)  # type: ignore[arg-type]
            node = _without_type(source.node, info.function.__module__)
            why, fix = REASONS["unknown-type"]
            place = Location(source.file, node.lineno, node.col_offset + 1)
            what = f"{info.function.__qualname__}: {error}"
            raise Diagnostic("unknown-type", place, what, why=why, fix=fix) from None
        return parameters, result

    def unsupported(self, node: ast.AST) -> NoReturn:
        """Report syntax that the language does not have."""
        name, why, fix = UNSUPPORTED.get(
            type(node), (type(node).__name__, "it has no meaning in machine code", "see docs/language.md")
        )
        self.fail(node, "unsupported", f"{name} is not part of the language", why=why, fix=fix)

    def make(
        self, node: ast.AST, operation: str, type_: Any, operands: tuple[Expression, ...] = (), data: Any = None
    ) -> Expression:
        """An expression located at a node."""
        return Expression(
            operation, type_, operands, data, getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1
        )

    def fresh(self, purpose: str, type_: Any) -> str:
        """A new local that no name of the source can clash with."""
        self._fresh += 1
        name = f"{purpose}.{self._fresh}"
        self.declared[name] = type_
        return name

    def text(self, node: ast.AST) -> str:
        """A short form of the source of a node, for messages."""
        text = ast.unparse(node)
        return text if len(text) <= 60 else text[:57] + "..."

    def name(self, node: ast.Name) -> Value:
        """The value of a name: a local, or what it means in the live module."""
        if node.id in self.local_names:
            return self._local(node)
        if node.id in self._closure:
            try:
                return self.live(node, self._closure[node.id].cell_contents)
            except ValueError:
                self.fail(node, "unknown-name", f"the name {node.id!r} of the enclosing function has no value yet")
        if node.id in self.names:
            return self.live(node, self.names[node.id])
        scope = self.info.function.__globals__
        if node.id in scope:
            return self.live(node, scope[node.id])
        if hasattr(builtins, node.id):
            return Live(getattr(builtins, node.id))
        self.fail(
            node,
            "unknown-name",
            f"the name {node.id!r} is not known here",
            fix=close_match(node.id, [*self.local_names, *scope, *vars(builtins)]),
        )

    def _local(self, node: ast.Name) -> Value:
        name = node.id
        if name in self.unrolled:
            return self.live(node, self.unrolled[name].value)
        if name in self.ghosts and not self.proof:
            self.fail(
                node,
                "ghost",
                f"{name!r} exists only in ghost code",
                why="compiled code does not contain `with ghost:` blocks",
                fix="assign the name outside of the ghost block",
            )
        if name not in self.flow.assigned:
            if name == "_":
                self.fail(node, "unknown-name", "'_' holds no value", fix="give the value a name")
            self.fail(
                node,
                "not-assigned",
                f"{name!r} may be read before it is assigned",
                why="there is a path from the start of the function to this place that does not assign it",
                fix=f"assign {name!r} on every path, or before the branch or loop",
            )
        return self.make(node, "local", self.flow.narrowed.get(name, self.declared[name]), data=name)

    def live(self, node: ast.AST, value: Any) -> Value:
        """A live object as a value. A static object becomes a place in memory: its fields are not constants."""
        if not is_struct(type(value)):
            return Live(value)
        entry = static_entry(value)
        if entry is None:
            self.fail(
                node,
                "not-static",
                f"{self.text(node)} is a reference that was made when the module was imported",
                why="only objects made by static(...) keep their place in the compiled program",
                fix=f"write static({type(value).__name__}), or make the reference in the function with at(...)",
            )
        self.statics[entry.offset] = entry
        return self.make(node, "static", type(value), data=entry)

    def layout(self, cls: Any, node: ast.AST) -> Layout:
        """The layout of a struct; a mistake in it is reported where the struct is first used."""
        try:
            return cls.__struct__.layout()  # type: ignore[no-any-return]
        except UnknownType as error:
            self.fail(
                node,
                "bad-layout",
                f"{cls.__name__} has no layout: {error}",
                why="every field needs a type of the language and a place in the object",
                fix=f"correct the declaration of {cls.__name__}",
            )

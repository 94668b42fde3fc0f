# SPDX-License-Identifier: BSD-2-Clause
"""What a function's obligations depend on, as a digest: with the same digest they are the same, and proved again.

That is the text of the function and of all that is read in place with it, the contracts of what it calls, all
invariants and what they call, everything in the kernel's modules that is no function body (layouts, constants,
imports), and the prover itself with the language and the solvers.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import tessera
from tessera.ir.nodes import Contract, Expression, Function, Ghost
from tessera.lang.types import type_name
from tessera.smt.cache import key_of
from tessera.smt.session import Session, World
from tessera.smt.walk import everything_below
from tessera.smt.worker import STRATEGIES_VERSION, versions

_ROOT = Path(tessera.__file__).resolve().parent
# Parts that matter as a whole; of the kernel only what a function sees does.
_WHOLE = ("lang", "ir", "smt", "abi", "arch")
_OWN = (
    "proof/claims.py",
    "proof/kernel.py",
    "proof/invariants.py",
    "proof/readers.py",
    "proof/hints.py",
    "proof/laws.py",
    "proof/slices.py",
)


class Fingerprints:
    """Digests of the functions of one program; ``settings`` are the limits of solvers and the like."""

    def __init__(self, world: World, settings: str = "") -> None:
        self.world = world
        self.settings = settings
        self.session = Session(world)
        self._definitions: dict[str, dict[tuple[int, str], str]] = {}
        self._skeletons: dict[str, str] = {}
        self._of_calls: dict[str, _Calls] = {}
        files = {function.file for function in world.program.functions.values()}
        own = {
            (function.info.function.__code__.co_filename, function.info.function.__code__.co_firstlineno)
            for function in world.program.functions.values()
        }
        for file in sorted(files):
            self._read(file, {line for name, line in own if name == file})

    def of(self, name: str) -> str:
        """The digest of a function of the program."""
        return key_of(self.of_rest, "function", *self._code(name))

    def of_laws(self, group: str) -> str:
        """The digest of laws: they depend on layouts, not on functions."""
        return key_of(self._tools, "laws", group, *self._skeletons.values())

    @cached_property
    def _tools(self) -> str:
        """The prover, the language and the solvers."""
        folders = [path for part in _WHOLE for path in sorted((_ROOT / part).rglob("*.py"))]
        files = [*folders, *(_ROOT / name for name in _OWN)]
        parts = [f"{path.relative_to(_ROOT)}\n{path.read_text(encoding='utf-8')}" for path in files if path.exists()]
        python = ".".join(map(str, sys.version_info[:3]))
        return key_of(python, versions(), str(STRATEGIES_VERSION), self.settings, *parts)

    @cached_property
    def of_rest(self) -> str:
        """What matters to every function."""
        world, objects = self.world, self.world.objects
        memory = [one.function.name for one in world.invariants]
        packed = [one.name for functions in world.of_packed.values() for one in functions]
        classes = (sorted(cls.__name__ for cls in group) for group in (objects.single, objects.placed, objects.mortal))
        facts = [
            *(",".join(group) for group in classes),
            ",".join(cls.__name__ for cls in objects.structs),
            ",".join(key.label for key in self.session.all_keys()),
            ",".join(sorted(world.opaque)),
        ]
        return key_of(self._tools, *facts, *self._skeletons.values(), *self._whole([*memory, *packed]))

    def _read(self, file: str, own: set[int]) -> None:
        """Part a module into the definitions of the program's functions and the rest."""
        source = Path(file).read_text(encoding="utf-8")
        lines = source.splitlines()
        tree = ast.parse(source)
        definitions = self._definitions[file] = {}
        waiting: list[ast.AST] = [tree]
        while waiting:
            block = waiting.pop()
            body = getattr(block, "body", None)
            if not isinstance(body, list):
                continue
            kept = []
            for node in body:
                if isinstance(node, ast.FunctionDef):
                    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                    if first in own:
                        definitions[first, node.name] = "\n".join(lines[first - 1 : node.end_lineno])
                        continue
                kept.append(node)
                waiting.append(node)
            block.body = kept  # type: ignore[attr-defined]
        # Of the rest comments do not matter, nor where it stands.
        self._skeletons[file] = ast.dump(tree)

    def _text(self, function: Function) -> str:
        code = function.info.function.__code__
        text = self._definitions[code.co_filename].get((code.co_firstlineno, code.co_name))
        if text is None:  # a function that was made in another way than by a definition in its file
            raise LookupError(f"the definition of {function.name} is not found in {code.co_filename}")
        return text

    def _code(self, name: str) -> list[str]:
        """The function, what is read in place with it, and the contracts of everything else that it calls."""
        functions = self.world.program.functions
        parts: dict[str, str] = {}
        in_contracts: list[str] = []
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if f"text {one}" in parts:
                continue
            function = functions[one]
            parts[f"text {one}"] = self._text(function)
            parts[f"refines {one}"] = "\n".join(each.whole for each in function.contracts)
            in_contracts += self._calls(one).proofs
            for callee in self._calls(one).body:
                if callee not in functions:
                    parts[f"outside {callee}"] = ""
                elif self.session.is_inlined(functions[callee]):
                    waiting.append(callee)
                else:
                    parts[f"contract {callee}"] = self._contract(functions[callee])
                    in_contracts += self._calls(callee).head
        return [f"{key}\n{parts[key]}" for key in sorted(parts)] + self._whole(in_contracts)

    def _calls(self, name: str) -> _Calls:
        if name not in self._of_calls:
            self._of_calls[name] = _Calls(self.world.program.functions[name])
        return self._of_calls[name]

    def _contract(self, function: Function) -> str:
        """What callers see of a function."""
        written = ",".join(sorted(key.label for key in self.world.writes.of_function(function.name)))
        parameters = ",".join(f"{name}:{type_name(type_)}" for name, type_ in function.parameters)
        contracts = "\n".join(f"{one.kind} {one.result} {one.text} {one.whole}" for one in function.contracts)
        return f"{parameters} -> {type_name(function.result)}\nwrites {written}\n{contracts}"

    def _whole(self, names: Iterable[str]) -> list[str]:
        """Functions with everything that they call: contracts read all of it in place."""
        functions = self.world.program.functions
        found: dict[str, str] = {}
        waiting = list(names)
        while waiting:
            one = waiting.pop()
            if one in functions and one not in found:
                found[one] = self._text(functions[one])
                waiting += self._calls(one).body
                waiting += self._calls(one).proofs
        return [f"{key}\n{found[key]}" for key in sorted(found)]


class _Calls:
    """What a function calls, by where: ``body``, ghost code included; the contracts at its ``head``; and in ``proofs``,
    which are those, loops' contracts and ghost code."""

    def __init__(self, function: Function) -> None:
        below = [node for statement in function.body for node in everything_below(statement)]
        self.body = list(dict.fromkeys(_calls_among(below)))
        self.head = list(dict.fromkeys(_calls_in(function.contracts)))
        inner = [one for one in below if isinstance(one, (Contract, Ghost))]
        self.proofs = list(dict.fromkeys((*self.head, *_calls_in(inner))))


def _calls_in(parts: Iterable[Contract | Ghost]) -> Iterator[str]:
    for part in parts:
        yield from _calls_among(everything_below(part))


def _calls_among(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Expression) and node.operation == "call":
            yield node.data.name

# SPDX-License-Identifier: BSD-2-Clause
"""What a function can write, read off its statements: the frame of calls and loops that say nothing narrower."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tessera.ir.nodes import Assign, Contract, Expression, For, Function, GhostStore, Statement, Store, While
from tessera.lang.types import ArrayType
from tessera.smt.heap import Key
from tessera.smt.objects import Objects, keys_of, live_key, parts_of, target_of
from tessera.smt.walk import everything_below


class Writes:
    """Write sets of functions, by program."""

    def __init__(self, functions: dict[str, Function], objects: Objects) -> None:
        self.functions = functions
        self.objects = objects
        self._of_function: dict[str, frozenset[Key]] = {}

    def of_function(self, name: str) -> frozenset[Key]:
        """The maps that a function may write, with all that it calls. The call graph has no cycles."""
        if name not in self._of_function:
            function = self.functions.get(name)
            self._of_function[name] = frozenset() if function is None else self.of_statements(function.body)
        return self._of_function[name]

    def of_statements(self, statements: Iterable[Statement]) -> frozenset[Key]:
        """The maps that statements may write."""
        found: set[Key] = set()
        for statement in statements:
            for node in everything_below(statement):
                if isinstance(node, Contract):
                    continue
                if isinstance(node, Store):
                    found.update(self.of_place(node.place))
                elif isinstance(node, GhostStore):
                    found.add(self.objects.ghost_key(node.field.struct, node.field.name, node.field.type))
                elif isinstance(node, Expression):
                    if node.operation == "call":
                        found |= self.of_function(node.data.name)
                    elif node.operation in ("begin_lives", "end_lives"):
                        found.update(self.of_lives(node))
        return frozenset(found)

    def of_lives(self, node: Expression) -> Iterator[Key]:
        """The maps that change where objects begin or end."""
        struct, source = node.data
        yield live_key(struct)
        if source is not None:
            yield live_key(source)
        if node.operation == "begin_lives":
            for one in (struct, *(part.struct for part in parts_of(struct))):
                yield from self.objects.own_keys(one)
                yield live_key(one)

    def of_place(self, place: Expression) -> Iterator[Key]:
        """The maps of a stored place."""
        while place.operation == "element_place":
            place = place.operands[0]
        struct = target_of(place.operands[0].type)
        field = place.data
        arity = 0 if struct in self.objects.single else 1
        type_ = field.type
        if isinstance(type_, ArrayType):
            type_, arity = type_.element, arity + 1
        for key, _ in keys_of(struct, field.name, type_, arity):
            yield key


def assigned_locals(statements: Iterable[Statement]) -> set[str]:
    """The locals that statements assign."""
    found: set[str] = set()
    for statement in statements:
        for node in everything_below(statement):
            if isinstance(node, Assign):
                found.add(node.name)
            elif isinstance(node, For):
                found.add(node.name)
            elif isinstance(node, Expression) and node.operation == "let":
                found.add(node.data)
    return found


def loops_in(function: Function) -> Iterator[Any]:
    """Loops of a function."""
    for statement in function.body:
        for node in everything_below(statement):
            if isinstance(node, (While, For)):
                yield node

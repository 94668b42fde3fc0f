# SPDX-License-Identifier: BSD-2-Clause
"""Mutants: small faults put into the code of functions under proof, each of which some obligation must refute.

A proof that also holds of faulty code says little. Only code that runs is changed, never contracts, ghost code or
assertions: those are what finds the fault.
"""

from __future__ import annotations

import copy
import linecache
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from tessera.ir.nodes import (
    Assert,
    Contract,
    Evaluate,
    Expression,
    Function,
    Ghost,
    If,
    Return,
    Statement,
    Store,
    While,
)
from tessera.ir.values import mask_of
from tessera.lang.types import is_enum, is_word
from tessera.smt.walk import parts_of

SEED = 3

# What an operation becomes. Each has the same operands and the same type of result.
_OPERATIONS = {
    "add": "sub",
    "sub": "add",
    "wrapping_add": "wrapping_sub",
    "wrapping_sub": "wrapping_add",
    "lt": "le",
    "le": "lt",
    "gt": "ge",
    "ge": "gt",
    "eq": "ne",
    "ne": "eq",
    "and_then": "or_else",
    "or_else": "and_then",
    "and": "or",
    "or": "and",
    "shl": "shr",
    "shr": "shl",
    "min": "max",
    "max": "min",
}
_SIGNS = {
    "add": "+", "sub": "-", "wrapping_add": "wrapping +", "wrapping_sub": "wrapping -", "lt": "<", "le": "<=",
    "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "and_then": "and", "or_else": "or", "and": "&", "or": "|",
    "shl": "<<", "shr": ">>",
}  # fmt: skip

# How a mutant is made: from a copy of the function, by the position of a node in it.
Edit = Callable[[Any], None]


@dataclass(frozen=True)
class Mutant:
    """One fault: ``change`` says it in words, ``source`` is the line that it is in.

    ``position`` is the node's number in the function's code and ``variant`` which of the node's faults it is.
    """

    function: str
    file: str
    line: int
    change: str
    source: str
    position: int
    variant: int
    occurrence: int = 1

    @property
    def key(self) -> str:
        """Names the fault whatever stands above its function."""
        number = f" #{self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.function.removeprefix('tessera.')}: {self.change} in `{self.source}`{number}"


def mutants_of(function: Function) -> list[Mutant]:
    """Every fault that can be put into a function, in the order of its text."""
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for position, node in enumerate(_code(function)):
        for variant, (change, _) in enumerate(_faults(node)):
            line = node.line
            source = linecache.getline(function.file, line).strip()
            mutant = Mutant(function.name, function.file, line, change, source, position, variant)
            seen[mutant.key] = seen.get(mutant.key, 0) + 1
            found.append(Mutant(*_fields(mutant), seen[mutant.key]))
    return found


def mutated(function: Function, mutant: Mutant) -> Function:
    """The function with the fault in it."""
    # Types, functions and fields are shared; only the tree is new.
    changed = copy.copy(function)
    changed.body = _copied(function.body)
    node = next(node for position, node in enumerate(_code(changed)) if position == mutant.position)
    _faults(node)[mutant.variant][1](node)
    return changed


def sample(functions: Sequence[Function], count: int, seed: int = SEED) -> list[Mutant]:
    """So many mutants, the same ones for the same code: the functions take turns, each in an order of its own."""
    waiting = []
    for function in functions:
        one = mutants_of(function)
        random.Random(f"{seed} {function.name}").shuffle(one)
        waiting.append(one)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(waiting):
        for one in waiting:
            if one and len(chosen) < count:
                chosen.append(one.pop())
    return chosen


def _fields(mutant: Mutant) -> tuple[str, str, int, str, str, int, int]:
    m = mutant
    return m.function, m.file, m.line, m.change, m.source, m.position, m.variant


def _copied(node: Any) -> Any:
    """A copy of statements and expressions; all else in them is shared."""
    if isinstance(node, list):
        return [_copied(one) for one in node]
    if isinstance(node, tuple):
        return tuple(_copied(one) for one in node)
    if isinstance(node, (Expression, Statement)):
        one = copy.copy(node)
        for name, value in vars(node).items():
            if name == "operands" or (name not in ("type", "data", "contracts") and isinstance(node, Statement)):
                setattr(one, name, _copied(value))
        return one
    return node


def _code(function: Function) -> Iterator[Statement | Expression]:
    """The statements and expressions of code that runs, outermost first."""
    stack: list[Any] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        if isinstance(node, (Ghost, Assert, Contract)):
            continue
        yield node
        stack.extend(reversed([part for part in parts_of(node) if isinstance(part, (Expression, Statement))]))


def _faults(node: Statement | Expression) -> list[tuple[str, Edit]]:
    """The faults that a node can have: in words, and how the node is changed."""
    if isinstance(node, Expression):
        return [*_operation_faults(node), *_constant_faults(node), *_field_faults(node)]
    found: list[tuple[str, Edit]] = []
    if isinstance(node, If) and node.condition.operation not in ("eq", "ne", "constant"):
        found.append(("the condition is negated", _negate))
    if isinstance(node, While) and node.condition.operation not in ("eq", "ne", "constant"):
        found.append(("the condition is negated", _negate))
    if isinstance(node, If):
        found.append(("the branch is never taken", _condition(0)))
        if node.otherwise:
            found.append(("the other branch is never taken", _condition(1)))
    if isinstance(node, Store):
        found.append(("the assignment is left out", _drop))
    if isinstance(node, Evaluate) and node.value.type is not NoReturn:
        found.append(("the call is left out", _drop))
    if isinstance(node, Return) and node.value is not None and node.value.type is bool:
        found.append(("the result is negated", _negate_result))
    return found


def _operation_faults(node: Expression) -> list[tuple[str, Edit]]:
    other = _OPERATIONS.get(node.operation)
    if other is not None:
        change = f"{_SIGNS.get(node.operation, node.operation)} becomes {_SIGNS.get(other, other)}"
        return [(change, lambda one: setattr(one, "operation", other))]
    return []


def _constant_faults(node: Expression) -> list[tuple[str, Edit]]:
    if node.operation != "constant":
        return []
    value = int(node.data or 0)
    if node.type is bool:
        return [(f"{bool(value)} becomes {not value}", lambda one: setattr(one, "data", 1 - value))]
    if is_enum(node.type):
        members = list(node.type)
        place = next((number for number, one in enumerate(members) if int(one) == value), None)
        if place is None or len(members) < 2:
            return []
        other = members[(place + 1) % len(members)]
        change = f"{members[place].name} becomes {other.name}"
        return [(change, lambda one: setattr(one, "data", int(other)))]
    if not is_word(node.type):
        return []
    numbers = [number for number in (value + 1, value - 1) if 0 <= number <= mask_of(node.type)]
    return [(f"{value} becomes {number}", _data(number)) for number in numbers]


def _field_faults(node: Expression) -> list[tuple[str, Edit]]:
    if node.operation == "field_place":
        owner = node.operands[0].type
        struct = getattr(owner, "target", owner)
        fields = list(struct.__struct__.layout().fields.values())
    elif node.operation in ("get_bits", "set_bits"):
        fields = list(node.operands[0].type.__packed__.fields().values())
    else:
        return []
    alike = [one for one in fields if one.type == node.data.type and one.name != node.data.name]
    after = [one for one in alike if fields.index(one) > fields.index(node.data)] if node.data in fields else []
    return [(f"{node.data.name} becomes {one.name}", _data(one)) for one in [*after, *alike][:1]]


def _data(value: Any) -> Edit:
    return lambda node: setattr(node, "data", value)


def _negate(node: Any) -> None:
    node.condition = _opposite(node.condition)


def _negate_result(node: Any) -> None:
    node.value = _opposite(node.value)


def _opposite(condition: Expression) -> Expression:
    return Expression("not", bool, (condition,), None, condition.line, condition.column)


def _condition(value: int) -> Edit:
    def edit(node: Any) -> None:
        # The condition is still evaluated: it may break a rule or call something.
        line, column = node.condition.line, node.condition.column
        constant = Expression("constant", bool, (), value, line, column)
        node.condition = Expression("let", bool, (node.condition, constant), "left.out", line, column)

    return edit


def _drop(node: Any) -> None:
    """A statement without effect; its place in a list of statements stays taken."""
    node.__class__ = If
    line = node.line
    vars(node).clear()
    vars(node).update(line=line, condition=Expression("constant", bool, (), 0, line), then=[], otherwise=[])

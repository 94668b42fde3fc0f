# SPDX-License-Identifier: BSD-2-Clause
"""Values that are one of a few numbers: references in a small universe, kinds and members of enumerations.

What is known of them is kept as a condition for each number, so that comparing two of them and reading memory at one
needs no arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import z3

Scalar = Any  # a number or bool where it is known, a z3 expression, or a Choice
# A value with more possibilities is a bit-vector.
MAX_OPTIONS = 48


class Choice:
    """Exactly one of the conditions holds; the value is then its number."""

    __slots__ = ("options", "vectors")

    def __init__(self, options: dict[int, Any]) -> None:
        self.options = options
        self.vectors: dict[int, Any] = {}

    def vector(self, width: int) -> Any:
        """The value as a bit-vector."""
        if width not in self.vectors:
            numbers = list(self.options)
            found: Any = z3.BitVecVal(numbers[0], width)
            for number in numbers[1:]:
                found = z3.If(self.options[number], z3.BitVecVal(number, width), found)
            self.vectors[width] = found
        return self.vectors[width]

    def mapped(self, function: Callable[[int], int]) -> Scalar:
        """A function of the value."""
        found: dict[int, list[Any]] = {}
        for number, condition in self.options.items():
            found.setdefault(function(number), []).append(condition)
        return made({number: joined(False, conditions) for number, conditions in found.items()})

    def test(self, predicate: Callable[[int], bool]) -> Scalar:
        """Whether a predicate holds of the value."""
        true = [condition for number, condition in self.options.items() if predicate(number)]
        return True if len(true) == len(self.options) else joined(False, true)


def made(options: dict[int, Any]) -> Scalar:
    """The value that is one of these: a number where there is only one."""
    kept = {number: condition for number, condition in options.items() if condition is not False}
    for number, condition in kept.items():
        if condition is True:
            return number
    return next(iter(kept)) if len(kept) == 1 else Choice(kept)


def unknown_choice(name: str, numbers: Iterable[int]) -> tuple[Scalar, Any]:
    """An unknown one of some numbers, and what must hold so that it is one."""
    listed = sorted(set(numbers))
    if len(listed) == 1:
        return listed[0], True
    width = (len(listed) - 1).bit_length()
    place = z3.BitVec(name, width)
    options = {number: place == position for position, number in enumerate(listed)}
    return Choice(options), z3.ULE(place, len(listed) - 1)


def chosen(condition: Any, then: Scalar, otherwise: Scalar) -> Scalar | None:
    """One of two values that are numbers or choices; ``None`` if there would be too many possibilities."""
    first = then.options if isinstance(then, Choice) else {then: True}
    second = otherwise.options if isinstance(otherwise, Choice) else {otherwise: True}
    numbers = dict.fromkeys([*first, *second])
    if len(numbers) > MAX_OPTIONS:
        return None
    negated = z3.Not(condition)
    options = {}
    for number in numbers:
        a, b = first.get(number, False), second.get(number, False)
        if a is b:
            options[number] = a
        else:
            options[number] = joined(False, [joined(True, [condition, a]), joined(True, [negated, b])])
    return made(options)


def is_symbolic(value: Scalar) -> bool:
    """Whether a value is not known."""
    return isinstance(value, (Choice, z3.ExprRef))


def key_of(value: Scalar) -> Any:
    """What tells values apart."""
    if isinstance(value, z3.ExprRef):
        return -1 - int(value.get_id())
    return ("choice", id(value)) if isinstance(value, Choice) else value


def joined(all_of: bool, parts: Iterable[Scalar]) -> Scalar:
    """Conjunction or disjunction of conditions."""
    kept = []
    for part in parts:
        if isinstance(part, bool):
            if part is not all_of:
                return part
        else:
            kept.append(part)
    if not kept:
        return all_of
    return kept[0] if len(kept) == 1 else (z3.And if all_of else z3.Or)(*kept)


def negated(value: Scalar) -> Scalar:
    """The contrary of a condition."""
    return not value if isinstance(value, bool) else z3.Not(value)

# SPDX-License-Identifier: BSD-2-Clause
"""Fixed-width words under plain CPython: the checked arithmetic of the language.

``+ - *`` must not overflow, shifts must be in range, divisors must not be zero, and a conversion must keep the value;
anything else raises :class:`Violation`. Intended wrap and truncation are spelled out (:func:`wrapping_add`,
:func:`truncate`). There is no implicit widening: mixing widths raises :class:`TypeError`, which the front end reports
before anything runs. For a type checker every word is an ``int``; the front end checks widths.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

T = TypeVar("T")


class Violation(Exception):
    """A broken rule of the language at run time: what native debug code stops on and the prover must exclude.

    ``rule`` is one of :data:`RULES`.
    """

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}: {detail}" if detail else rule)
        self.rule = rule


RULES = {
    "overflow": "the result of + - * does not fit the word",
    "shift": "the shift amount is not less than the width of the word",
    "divide": "the divisor is zero",
    "narrow": "the value does not fit the narrower type",
    "field": "the value does not fit the packed field",
    "enum": "the value is not a member of the enumeration",
    "index": "the index is outside of the array",
    "null": "the reference is None",
    "assert": "the assertion does not hold",
    "unreachable": "a place marked as unreachable was reached",
    "variant": "the packed value is not of this kind",
    "address": "the address is outside of memory or misaligned",
}


class Word(int):
    """An unsigned machine word; subclasses fix ``width`` in bits."""

    width: ClassVar[int] = 0
    maximum: ClassVar[int] = 0

    def __new__(cls, value: int = 0) -> Word:
        number = int(value)
        if not 0 <= number <= cls.maximum:
            raise Violation("narrow", f"{number:#x} in u{cls.width}")
        return int.__new__(cls, number)

    def _operand(self, other: object) -> int:
        if type(other) is type(self):
            return int(other)
        if isinstance(other, (Word, bool)) or not isinstance(other, int):
            raise TypeError(f"u{self.width} with {type(other).__name__}")
        if not 0 <= int(other) <= self.maximum:
            raise TypeError(f"constant {int(other)} does not fit u{self.width}")
        return int(other)

    def __bool__(self) -> bool:
        raise TypeError("a word is not a condition: compare it with 0")

    def __invert__(self) -> Word:
        return type(self)(self.maximum ^ int(self))

    def __neg__(self) -> Word:
        raise TypeError("words are unsigned: use wrapping_sub(0, x)")

    def __repr__(self) -> str:
        return f"u{self.width}({int(self):#x})"

    __str__ = int.__repr__
    __hash__ = int.__hash__


def _check_shift(word: type[Word], left: int, right: int) -> None:
    if right >= word.width:
        raise Violation("shift", f"by {right}")


def _check_divisor(word: type[Word], left: int, right: int) -> None:
    if right == 0:
        raise Violation("divide")


def _define(name: str, function: Callable[[int, int], int], check: Callable[..., None] | None, *, cut: bool) -> None:
    def compute(word: type[Word], left: int, right: int) -> Word:
        if check is not None:
            check(word, left, right)
        result = function(left, right)
        if cut:
            result &= word.maximum
        elif not 0 <= result <= word.maximum:
            raise Violation("overflow", f"{left:#x} {name} {right:#x}")
        return word(result)

    def forward(self: Word, other: object) -> Word:
        return compute(type(self), int(self), self._operand(other))

    def reflected(self: Word, other: object) -> Word:
        return compute(type(self), self._operand(other), int(self))

    setattr(Word, f"__{name}__", forward)
    setattr(Word, f"__r{name}__", reflected)


for _name, _function, _check, _cut in (
    ("add", operator.add, None, False),
    ("sub", operator.sub, None, False),
    ("mul", operator.mul, None, False),
    ("floordiv", operator.floordiv, _check_divisor, False),
    ("mod", operator.mod, _check_divisor, False),
    ("and", operator.and_, None, False),
    ("or", operator.or_, None, False),
    ("xor", operator.xor, None, False),
    ("lshift", operator.lshift, _check_shift, True),
    ("rshift", operator.rshift, _check_shift, False),
):
    _define(_name, _function, _check, cut=_cut)


def _define_comparison(name: str) -> None:
    function = getattr(operator, name)

    def compare(self: Word, other: object) -> bool:
        return bool(function(int(self), self._operand(other)))

    setattr(Word, f"__{name}__", compare)


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _define_comparison(_name)
for _name in ("truediv", "pow", "divmod", "rtruediv", "rpow", "rdivmod"):
    setattr(Word, f"__{_name}__", None)


def word_type(bits: int) -> type[Word]:
    """The word class of this width."""
    return WORDS[bits]


def _make(bits: int) -> type[Word]:
    return type(f"u{bits}", (Word,), {"width": bits, "maximum": (1 << bits) - 1, "__module__": __name__})


WORDS: dict[int, type[Word]] = {bits: _make(bits) for bits in (8, 16, 32, 64, 128)}

if TYPE_CHECKING:
    u8 = int
    u16 = int
    u32 = int
    u64 = int
    u128 = int
    from builtins import max as max
    from builtins import min as min
    from builtins import range as range
else:
    u8, u16, u32, u64, u128 = (WORDS[bits] for bits in (8, 16, 32, 64, 128))

    def range(first: int, second: int | None = None) -> Iterator[Word]:
        """Like the built-in, over words: u64 if both bounds are constants."""
        start, stop = (0, first) if second is None else (first, second)
        word = next((type(bound) for bound in (stop, start) if isinstance(bound, Word)), WORDS[64])
        return (word(i) for i in builtins.range(int(start), int(stop)))

    def _pick(chooser, left, right):
        word = type(left) if isinstance(left, Word) else type(right)
        return word(chooser(int(left), left._operand(right) if isinstance(left, Word) else right._operand(left)))

    def min(left, right):
        """The smaller of two words."""
        return _pick(builtins.min, left, right)

    def max(left, right):
        """The larger of two words."""
        return _pick(builtins.max, left, right)


def _wrapping(name: str, function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def wrap(left: int, right: int) -> int:
        word: Any = left if isinstance(left, Word) else right
        if not isinstance(word, Word):
            raise TypeError(f"{name} needs a word")
        first, second = word._operand(left), word._operand(right)
        return type(word)(function(first, second) & word.maximum)

    wrap.__name__ = wrap.__qualname__ = name
    wrap.__doc__ = f"{name.removeprefix('wrapping_')} modulo two to the width of the word."
    return wrap


wrapping_add = _wrapping("wrapping_add", operator.add)
wrapping_sub = _wrapping("wrapping_sub", operator.sub)
wrapping_mul = _wrapping("wrapping_mul", operator.mul)


def truncate(target: type[T], value: int) -> T:
    """The low bits of a word, as the narrower word type ``target``; nothing is checked."""
    word: Any = target
    return word(int(value) & word.maximum)  # type: ignore[no-any-return]


def signed_less(left: int, right: int) -> bool:
    """Whether ``left < right`` when both 64-bit words are read as two's complement."""
    bias = 1 << 63
    return (int(left) ^ bias) < (int(right) ^ bias)


def arithmetic_shift_right(value: int, amount: int) -> int:
    """A right shift of a 64-bit word that copies its top bit; ``amount`` must be below 64."""
    if int(amount) >= 64:
        raise Violation("shift", f"by {int(amount)}")
    number = int(value) - (1 << 64 if int(value) >> 63 else 0)
    return WORDS[64]((number >> int(amount)) & WORDS[64].maximum)


def count_leading_zeros(value: int) -> int:
    """Zero bits above the highest set bit of a 64-bit word; 64 for zero."""
    return WORDS[64](64 - int(value).bit_length())


def count_trailing_zeros(value: int) -> int:
    """Zero bits below the lowest set bit of a 64-bit word; 64 for zero."""
    number = int(value)
    return WORDS[64]((number & -number).bit_length() - 1 if number else 64)


def _not_a_member(cls: type[IntEnum], value: object) -> None:
    """``State(number)`` breaks the same rule in every reader; a number that is no machine word is a plain mistake."""
    if isinstance(value, Word):
        raise Violation("enum", f"{int(value)} in {cls.__name__}")


E = TypeVar("E", bound=IntEnum)


def word(bits: type[int]) -> Callable[[type[E]], type[E]]:
    """Give an ``IntEnum`` a storage word, which makes it a type of the language: ``@word(u8) class State(IntEnum)``."""

    def attach(cls: type[E]) -> type[E]:
        width = bits.maximum  # type: ignore[attr-defined]
        for member in cls:
            if not 0 <= int(member) <= width:
                raise TypeError(f"{cls.__name__}.{member.name} does not fit its word")
        cls.__word__ = bits  # type: ignore[attr-defined]
        cls._missing_ = classmethod(_not_a_member)  # type: ignore[assignment, method-assign]
        return cls

    return attach

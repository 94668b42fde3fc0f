# SPDX-License-Identifier: BSD-2-Clause
"""The vocabulary of words that obligations and axioms share, and its three readings.

:class:`Integers` builds the terms of obligations, :class:`Vectors` the same claims about bit-vectors, and
:class:`Numbers` computes. Words are 0 to ``2**64 - 1``, bit numbers 0 to 63.
"""

from __future__ import annotations

from typing import Any

import z3

WORD_BITS = 64
# Exact for all that occurs: scale of a word is below 2**127, twice that and a sign still fit.
VECTOR_BITS = 136
# In queries the functions carry this prefix, so that no name of the source can be one of them.
PREFIX = "word."
FUNCTIONS = {
    "pow2": 1,
    "scale": 2,
    "shr": 2,
    "low": 2,
    "cut": 2,
    "band": 2,
    "bor": 2,
    "bxor": 2,
    "bnot": 1,
    "bit": 2,
    "top": 1,
}

Term = Any  # of an algebra: a z3 expression, or a number
Formula = Any  # of an algebra: a z3 Boolean, or a bool


class Algebra:
    """The vocabulary of axioms. ``+ - < <= ==`` are Python's own: they mean integer arithmetic in every algebra."""

    def pow2(self, n: Term) -> Term:
        """``2**n``."""
        raise NotImplementedError

    def scale(self, x: Term, n: Term) -> Term:
        """``x * 2**n``, exact: it may go beyond a word."""
        raise NotImplementedError

    def shr(self, x: Term, n: Term) -> Term:
        """``x`` divided by ``2**n``, rounded down."""
        raise NotImplementedError

    def low(self, x: Term, n: Term) -> Term:
        """``x`` modulo ``2**n``: the low ``n`` bits. Zero means that ``x`` is aligned."""
        raise NotImplementedError

    def cut(self, x: Term, n: Term) -> Term:
        """``x`` without the highest ``n`` bits of a word: shifted out to the left, and the others back."""
        return self.shr(self.remainder(self.scale(x, n), WORD_BITS), n)

    def band(self, x: Term, y: Term) -> Term:
        """Bitwise and."""
        raise NotImplementedError

    def bor(self, x: Term, y: Term) -> Term:
        """Bitwise or."""
        raise NotImplementedError

    def bxor(self, x: Term, y: Term) -> Term:
        """Bitwise exclusive or."""
        raise NotImplementedError

    def bnot(self, x: Term) -> Term:
        """The complement of a 64-bit word."""
        raise NotImplementedError

    def bit(self, w: Term, i: Term) -> Formula:
        """Whether bit ``i`` of ``w`` is set."""
        raise NotImplementedError

    def top(self, w: Term) -> Term:
        """The number of the highest set bit; nothing is said of zero's."""
        raise NotImplementedError

    def remainder(self, x: Term, n: int) -> Term:
        """``x`` modulo ``2**n`` for a known bit number, as arithmetic."""
        return x % (1 << n)

    def every(self, *parts: Formula) -> Formula:
        """Conjunction."""
        return z3.And(*parts)

    def some(self, *parts: Formula) -> Formula:
        """Disjunction."""
        return z3.Or(*parts)

    def opposite(self, part: Formula) -> Formula:
        """Negation."""
        return z3.Not(part)

    def implies(self, premise: Formula, conclusion: Formula) -> Formula:
        """Implication."""
        return z3.Implies(premise, conclusion)

    def choice(self, condition: Formula, yes: Term, no: Term) -> Term:
        """``yes`` where the condition holds, else ``no``; both are numbers."""
        return z3.If(condition, yes, no)


class Integers(Algebra):
    """Integer terms with the functions uninterpreted: what obligations are made of."""

    def __init__(self) -> None:
        integer, boolean = z3.IntSort(), z3.BoolSort()
        self.declared: dict[str, z3.FuncDeclRef] = {
            name: z3.Function(PREFIX + name, *[integer] * arity, boolean if name == "bit" else integer)
            for name, arity in FUNCTIONS.items()
        }

    def pow2(self, n: Term) -> Term:
        return self.declared["pow2"](n)

    def scale(self, x: Term, n: Term) -> Term:
        return self.declared["scale"](x, n)

    def shr(self, x: Term, n: Term) -> Term:
        return self.declared["shr"](x, n)

    def low(self, x: Term, n: Term) -> Term:
        return self.declared["low"](x, n)

    def cut(self, x: Term, n: Term) -> Term:
        return self.declared["cut"](x, n)

    def band(self, x: Term, y: Term) -> Term:
        return self.declared["band"](x, y)

    def bor(self, x: Term, y: Term) -> Term:
        return self.declared["bor"](x, y)

    def bxor(self, x: Term, y: Term) -> Term:
        return self.declared["bxor"](x, y)

    def bnot(self, x: Term) -> Term:
        return self.declared["bnot"](x)

    def bit(self, w: Term, i: Term) -> Formula:
        return self.declared["bit"](w, i)

    def top(self, w: Term) -> Term:
        return self.declared["top"](w)


class Vectors(Algebra):
    """The same vocabulary over bit-vectors wide enough that nothing overflows, with the machine's own operations.

    Comparison and arithmetic are the signed ones, which agree with the integers' in this range.
    """

    def _term(self, value: Term) -> Term:
        return z3.BitVecVal(value, VECTOR_BITS) if isinstance(value, int) else value

    def pow2(self, n: Term) -> Term:
        return z3.BitVecVal(1, VECTOR_BITS) << n

    def scale(self, x: Term, n: Term) -> Term:
        return self._term(x) << n

    def shr(self, x: Term, n: Term) -> Term:
        return z3.LShR(self._term(x), n)

    def low(self, x: Term, n: Term) -> Term:
        return self._term(x) & self.pow2(n) - 1

    def band(self, x: Term, y: Term) -> Term:
        return self._term(x) & y

    def bor(self, x: Term, y: Term) -> Term:
        return self._term(x) | y

    def bxor(self, x: Term, y: Term) -> Term:
        return self._term(x) ^ y

    def bnot(self, x: Term) -> Term:
        return self._term(x) ^ (1 << WORD_BITS) - 1

    def bit(self, w: Term, i: Term) -> Formula:
        return z3.Extract(0, 0, z3.LShR(self._term(w), i)) == 1

    def top(self, w: Term) -> Term:
        word = self._term(w)
        found = z3.BitVecVal(0, VECTOR_BITS)
        for number in range(1, WORD_BITS):
            found = z3.If(z3.Extract(number, number, word) == 1, z3.BitVecVal(number, VECTOR_BITS), found)
        return found

    def remainder(self, x: Term, n: int) -> Term:
        return self._term(x) & (1 << n) - 1

    def choice(self, condition: Formula, yes: Term, no: Term) -> Term:
        return z3.If(condition, self._term(yes), self._term(no))


class Numbers(Algebra):
    """The same vocabulary over Python's numbers: for tests, and for reading a solver's model."""

    def pow2(self, n: Term) -> Term:
        return self.scale(1, n)

    def scale(self, x: Term, n: Term) -> Term:
        return x << n if 0 <= n < 2 * WORD_BITS else 0  # outside, a premise is false and the value has no meaning

    def shr(self, x: Term, n: Term) -> Term:
        return x >> n if n >= 0 else 0

    def low(self, x: Term, n: Term) -> Term:
        return x % max(self.pow2(n), 1)

    def band(self, x: Term, y: Term) -> Term:
        return x & y

    def bor(self, x: Term, y: Term) -> Term:
        return x | y

    def bxor(self, x: Term, y: Term) -> Term:
        return x ^ y

    def bnot(self, x: Term) -> Term:
        return (1 << WORD_BITS) - 1 - x

    def bit(self, w: Term, i: Term) -> Formula:
        return self.shr(w, i) % 2 == 1

    def top(self, w: Term) -> Term:
        return max(w.bit_length() - 1, 0)

    def every(self, *parts: Formula) -> Formula:
        return all(parts)

    def some(self, *parts: Formula) -> Formula:
        return any(parts)

    def opposite(self, part: Formula) -> Formula:
        return not part

    def implies(self, premise: Formula, conclusion: Formula) -> Formula:
        return bool(not premise or conclusion)

    def choice(self, condition: Formula, yes: Term, no: Term) -> Term:
        return yes if condition else no

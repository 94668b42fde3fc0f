# SPDX-License-Identifier: BSD-2-Clause
"""Terms of the prover: every word, address and enumeration is a mathematical integer.

Sums, differences and comparisons are linear arithmetic. What works on bits is an uninterpreted function with the
axioms of :mod:`tessera.smt.bridge`, which are proved as facts of bit-vectors; a constant mask or shift becomes
arithmetic here.
"""

from __future__ import annotations

from typing import Any

import z3

from tessera.smt import quick
from tessera.smt.algebra import PREFIX, WORD_BITS

Term = Any

INT = z3.IntSort()
BOOL = z3.BoolSort()
REAL = z3.RealSort()

TRUE = z3.BoolVal(True)
FALSE = z3.BoolVal(False)
ZERO = z3.IntVal(0)

pow2 = z3.Function(f"{PREFIX}pow2", INT, INT)
scale = z3.Function(f"{PREFIX}scale", INT, INT, INT)
shr = z3.Function(f"{PREFIX}shr", INT, INT, INT)
low = z3.Function(f"{PREFIX}low", INT, INT, INT)
cut = z3.Function(f"{PREFIX}cut", INT, INT, INT)
band = z3.Function(f"{PREFIX}band", INT, INT, INT)
bor = z3.Function(f"{PREFIX}bor", INT, INT, INT)
bxor = z3.Function(f"{PREFIX}bxor", INT, INT, INT)
bnot = z3.Function(f"{PREFIX}bnot", INT, INT)
bit = z3.Function(f"{PREFIX}bit", INT, INT, BOOL)


def number(value: int) -> Term:
    """An integer constant."""
    return z3.IntVal(int(value))


def constant_of(term: Term) -> int | None:
    """The value of an integer constant; ``None`` for any other term."""
    if isinstance(term, z3.IntNumRef):
        return int(term.as_long())
    return None


def conjunction(parts: list[Term]) -> Term:
    """All of them; true if there is none."""
    kept = [part for part in parts if not quick.is_true(part)]
    if any(quick.is_false(part) for part in kept):
        return FALSE
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else z3.And(*kept)


def disjunction(parts: list[Term]) -> Term:
    """One of them; false if there is none."""
    kept = [part for part in parts if not quick.is_false(part)]
    if any(quick.is_true(part) for part in kept):
        return TRUE
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else z3.Or(*kept)


def negation(term: Term) -> Term:
    """Its contrary."""
    if quick.is_true(term):
        return FALSE
    if quick.is_false(term):
        return TRUE
    return term.arg(0) if quick.kind(term) == z3.Z3_OP_NOT else z3.Not(term)


def implication(condition: Term, conclusion: Term) -> Term:
    """``conclusion`` wherever ``condition``."""
    if quick.is_true(condition):
        return conclusion
    if quick.is_false(condition) or quick.is_true(conclusion):
        return TRUE
    return z3.Implies(condition, conclusion)


def choice(condition: Term, then: Term, otherwise: Term) -> Term:
    """One of two terms of a sort."""
    if quick.is_true(condition) or quick.same(then, otherwise):
        return then
    if quick.is_false(condition):
        return otherwise
    if isinstance(then, z3.BoolRef):
        if quick.is_true(then):
            return disjunction([condition, otherwise])
        if quick.is_false(then):
            return conjunction([negation(condition), otherwise])
        if quick.is_true(otherwise):
            return disjunction([negation(condition), then])
        if quick.is_false(otherwise):
            return conjunction([condition, then])
    return z3.If(condition, then, otherwise)


# Choices compared with constants before; the choices are kept, so that their identities stay theirs.
_decided: dict[tuple[int, int], tuple[Term, Term]] = {}


def forget_comparisons() -> None:
    """Give the memory back that comparisons take, between functions."""
    _decided.clear()


def equal(left: Term, right: Term) -> Term:
    """Equality, decided at once where it can be."""
    if quick.same(left, right):
        return TRUE
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return z3.BoolVal(a == b)
    if b is not None and quick.kind(left) == z3.Z3_OP_ITE:
        # A choice between constants, which matches make: decide each side.
        identity = quick.identity(left), b
        if identity not in _decided:
            decided = choice(left.arg(0), equal(left.arg(1), right), equal(left.arg(2), right))
            _decided[identity] = left, decided
        return _decided[identity][1]
    if a is not None and quick.kind(right) == z3.Z3_OP_ITE:
        return equal(right, left)
    if isinstance(left, z3.BoolRef):
        if quick.is_true(left):
            return right
        if quick.is_true(right):
            return left
        if quick.is_false(left):
            return negation(right)
        if quick.is_false(right):
            return negation(left)
    base_left, base_right = _split_sum(left), _split_sum(right)
    if base_left[0] is not None and base_right[0] is not None and quick.same(base_left[0], base_right[0]):
        return z3.BoolVal(base_left[1] == base_right[1])
    return left == right


def _split_sum(term: Term) -> tuple[Term | None, int]:
    """``base + constant`` of an address such as a field's."""
    if term.sort() != INT:
        return None, 0
    if quick.kind(term) == z3.Z3_OP_ADD and term.num_args() == 2:
        for one, other in ((0, 1), (1, 0)):
            value = constant_of(term.arg(one))
            if value is not None:
                return term.arg(other), value
    return term, 0


def add(left: Term, right: Term) -> Term:
    """A sum, with constants folded."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return number(a + b)
    if a == 0:
        return right
    if b == 0:
        return left
    if b is not None:
        base, offset = _split_sum(left)
        if offset and base is not None:
            return base + number(offset + b)
    return left + right


def sub(left: Term, right: Term) -> Term:
    """A difference, with constants folded."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return number(a - b)
    if b == 0:
        return left
    if quick.same(left, right):
        return ZERO
    return left - right


def mul(left: Term, right: Term) -> Term:
    """A product; linear where one side is a constant."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return number(a * b)
    if a == 1:
        return right
    if b == 1:
        return left
    return left * right


def less(left: Term, right: Term) -> Term:
    """``left < right``."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return z3.BoolVal(a < b)
    return left < right


def at_most(left: Term, right: Term) -> Term:
    """``left <= right``."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return z3.BoolVal(a <= b)
    return left <= right


def wrapped(term: Term, width: int, below: bool = True, above: bool = True) -> Term:
    """A number that is at most one word's range ``below`` or ``above`` it, modulo ``2**width``."""
    value = constant_of(term)
    if value is not None:
        return number(value % (1 << width))
    size = number(1 << width)
    inside = z3.If(term >= size, term - size, term) if above else term
    return z3.If(term < 0, term + size, inside) if below else inside


def divided(term: Term, divisor: int) -> Term:
    """Division by a positive constant."""
    value = constant_of(term)
    if value is not None:
        return number(value // divisor)
    return term if divisor == 1 else term / number(divisor)


def remainder(term: Term, divisor: int) -> Term:
    """Remainder of a division by a positive constant."""
    value = constant_of(term)
    if value is not None:
        return number(value % divisor)
    return ZERO if divisor == 1 else term % number(divisor)


def power(exponent: Term) -> Term:
    """``2**exponent`` for an exponent from 0 to 63."""
    value = constant_of(exponent)
    return number(1 << value) if value is not None and 0 <= value < 128 else pow2(exponent)


def _shifted_left_by(term: Term, amount: Term) -> Term | None:
    """What was shifted left by an amount, as :func:`shift_left` writes it for a word; None for any other term."""
    if quick.kind(term) != z3.Z3_OP_ITE:
        return None
    exact = term.arg(1)
    if not z3.is_app(exact) or not exact.decl().eq(scale) or not quick.same(exact.arg(1), amount):
        return None
    return exact.arg(0) if quick.same(term, shift_left(exact.arg(0), amount, WORD_BITS)) else None


def shift_left(term: Term, amount: Term, width: int) -> Term:
    """Bits shifted out are lost."""
    by = constant_of(amount)
    value = constant_of(term)
    if by is not None and value is not None:
        return number((value << by) % (1 << width))
    if value == 0:
        return ZERO
    if by is not None:
        limit = number(1 << (width - by))
        exact = mul(term, number(1 << by))
        return exact if by == 0 else z3.If(term < limit, exact, exact % number(1 << width))
    if value == 1:
        return pow2(amount)
    exact = scale(term, amount)
    return z3.If(exact < number(1 << width), exact, exact % number(1 << width))


def shift_right(term: Term, amount: Term, width: int = 0) -> Term:
    """Logical. A word of ``width`` bits that was shifted left by the same unknown amount is known by what is left."""
    by = constant_of(amount)
    shifted = _shifted_left_by(term, amount) if by is None and width == WORD_BITS else None
    if shifted is not None:
        return cut(shifted, amount)
    return divided(term, 1 << by) if by is not None else shr(term, amount)


def _power_minus_one(term: Term) -> Term | None:
    """``n`` of a term ``pow2(n) - 1``."""
    if quick.kind(term) == z3.Z3_OP_SUB and term.num_args() == 2 and constant_of(term.arg(1)) == 1:
        inner = term.arg(0)
        if z3.is_app(inner) and inner.decl().eq(pow2):
            return inner.arg(0)
    return None


def bits_and(left: Term, right: Term, width: int) -> Term:
    """Bitwise and: a mask of low bits is a remainder."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return number(a & b)
    if a is not None:
        return bits_and(right, left, width)
    if b is not None:
        if b == 0:
            return ZERO
        if b == 1 and z3.is_app(left) and left.decl().eq(shr):
            return z3.If(bit(left.arg(0), left.arg(1)), number(1), ZERO)
        if b & (b + 1) == 0:
            return remainder(left, b + 1)
        if b & (b - 1) == 0:
            # One bit.
            return mul(remainder(divided(left, b), 2), number(b))
        hole = ~b & (1 << width) - 1
        if hole & (hole + 1) == 0:
            return sub(left, remainder(left, hole + 1))
        mask_low = (b & -b).bit_length() - 1
        run = b >> mask_low
        if run & (run + 1) == 0:
            return mul(remainder(divided(left, 1 << mask_low), run + 1), number(1 << mask_low))
    for one, other in ((left, right), (right, left)):
        exponent = _power_minus_one(other)
        if exponent is not None:
            return low(one, exponent)
        if z3.is_app(other) and other.decl().eq(bnot):
            exponent = _power_minus_one(other.arg(0))
            if exponent is not None:
                return sub(one, low(one, exponent))
    return band(left, right)


def bits_or(left: Term, right: Term) -> Term:
    """Bitwise or."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return number(a | b)
    if a == 0:
        return right
    if b == 0:
        return left
    return bor(left, right)


def bits_xor(left: Term, right: Term) -> Term:
    """Bitwise exclusive or."""
    a, b = constant_of(left), constant_of(right)
    if a is not None and b is not None:
        return number(a ^ b)
    return bxor(left, right)


def bits_not(term: Term, width: int) -> Term:
    """Bitwise complement."""
    value = constant_of(term)
    if value is not None:
        return number(value ^ (1 << width) - 1)
    return bnot(term) if width == 64 else sub(number((1 << width) - 1), term)

# SPDX-License-Identifier: BSD-2-Clause
"""The axioms of :mod:`tessera.smt.bridge`: what is true of shifts, masks and bit sets of words.

How triggers are chosen: no arithmetic inside a trigger, because solvers rewrite sums before they match; where a sum
matters, it is a premise between variables that the triggers bind. No axiom adds terms that trigger it again without
end: an axiom that adds a function application adds it to terms that are there already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tessera.smt.algebra import WORD_BITS, Algebra, Formula, Term

Triggers = list[tuple[Term, ...]]
WORDS = 1 << WORD_BITS
Claim = Callable[..., Formula]


@dataclass(frozen=True)
class Axiom:
    """A fact about words. ``claim`` and ``triggers`` take an algebra and one term for each variable.

    Each trigger is a tuple of terms that mention all variables: solvers use the axiom where all of them occur.
    """

    name: str
    variables: tuple[str, ...]
    claim: Callable[..., Formula]
    triggers: Callable[..., Triggers]


def is_bit_number(variable: str) -> bool:
    """Whether a variable of an axiom ranges over 0 to 63 rather than over words."""
    return variable[0] in "nmkij"


AXIOMS: list[Axiom] = []


def _axiom(variables: str, triggers: Callable[..., Triggers]) -> Callable[[Claim], Claim]:
    """Register a claim under its own name."""

    def register(claim: Claim) -> Claim:
        AXIOMS.append(Axiom(claim.__name__.replace("_", " "), tuple(variables.split()), claim, triggers))
        return claim

    return register


# Powers of two


@_axiom("n", lambda a, n: [(a.pow2(n),)])
def power_is_in_a_word(a: Algebra, n: Term) -> Formula:
    return a.every(1 <= a.pow2(n), a.pow2(n) <= WORDS // 2, n < a.pow2(n))


@_axiom("n", lambda a, n: [(a.pow2(n),)])
def powers_of_object_sizes(a: Algebra, n: Term) -> Formula:
    # Where a size is one of several, none of them is a literal of the query.
    # Untyped memory has 2**38 bytes at most.
    sizes = [a.implies(n == bits, a.pow2(n) == 1 << bits) for bits in (4, 5, 6, 11, 12, 21, 30)]
    return a.every(a.implies(n <= 38, a.pow2(n) <= 1 << 38), *sizes)


@_axiom("n m", lambda a, n, m: [(a.pow2(n), a.pow2(m))])
def powers_grow(a: Algebra, n: Term, m: Term) -> Formula:
    return a.every(
        a.implies(n < m, 2 * a.pow2(n) <= a.pow2(m)),
        a.implies(n + 1 == m, 2 * a.pow2(n) == a.pow2(m)),
        # A CNode's slots have 2**5 bytes.
        a.implies(n + 5 == m, 32 * a.pow2(n) == a.pow2(m)),
    )


@_axiom("n", lambda a, n: [(a.pow2(n),)])
def power_has_no_remainder(a: Algebra, n: Term) -> Formula:
    # Of granules, slots and IPC buffers; masking with a constant is a remainder in obligations.
    return a.every(*(a.implies(bits <= n, a.remainder(a.pow2(n), bits) == 0) for bits in (4, 5, 10)))


# The low bits


@_axiom("x n", lambda a, x, n: [(a.low(x, n),)])
def aligned_word_has_no_remainder(a: Algebra, x: Term, n: Term) -> Formula:
    # The last three are the sizes of frames.
    whole = [a.implies(bits <= n, a.remainder(x, bits) == 0) for bits in (4, 5, 10, 12, 21, 30)]
    return a.implies(a.low(x, n) == 0, a.every(*whole))


@_axiom("x n", lambda a, x, n: [(a.low(x, n),)])
def low_bits_of_an_aligned_word_are_aligned(a: Algebra, x: Term, n: Term) -> Formula:
    # Of IPC buffers in frames.
    return a.implies(a.every(10 <= n, a.remainder(x, 10) == 0), a.remainder(a.low(x, n), 10) == 0)


@_axiom("x n", lambda a, x, n: [(a.low(x, n),)])
def low_bits_are_below_the_power(a: Algebra, x: Term, n: Term) -> Formula:
    return a.every(0 <= a.low(x, n), a.low(x, n) < a.pow2(n), a.low(x, n) <= x)


@_axiom("x n", lambda a, x, n: [(a.low(x, n),)])
def low_bits_of_a_small_word_are_the_word(a: Algebra, x: Term, n: Term) -> Formula:
    return a.implies(x < a.pow2(n), a.low(x, n) == x)


@_axiom("m n", lambda a, m, n: [(a.low(a.pow2(m), n),)])
def power_is_aligned(a: Algebra, m: Term, n: Term) -> Formula:
    return a.implies(n <= m, a.low(a.pow2(m), n) == 0)


@_axiom("x n m", lambda a, x, n, m: [(a.low(x, n), a.low(x, m))])
def alignment_holds_for_smaller_powers(a: Algebra, x: Term, n: Term, m: Term) -> Formula:
    return a.implies(n <= m, a.every(a.low(x, n) <= a.low(x, m), a.implies(a.low(x, m) == 0, a.low(x, n) == 0)))


@_axiom("x n m", lambda a, x, n, m: [(a.low(a.low(x, m), n),)])
def low_bits_of_low_bits(a: Algebra, x: Term, n: Term, m: Term) -> Formula:
    return a.low(a.low(x, m), n) == a.choice(n <= m, a.low(x, n), a.low(x, m))


@_axiom("x y z n", lambda a, x, y, z, n: [(a.low(x, n), a.low(y, n), a.low(z, n))])
def adding_an_aligned_word_keeps_low_bits(a: Algebra, x: Term, y: Term, z: Term, n: Term) -> Formula:
    return a.implies(a.every(z == x + y, a.low(x, n) == 0), a.low(z, n) == a.low(y, n))


@_axiom("x y z n", lambda a, x, y, z, n: [(a.low(y, n), a.low(z, n), a.scale(x, n))])
def adding_whole_blocks_keeps_low_bits(a: Algebra, x: Term, y: Term, z: Term, n: Term) -> Formula:
    return a.implies(z == y + a.scale(x, n), a.low(z, n) == a.low(y, n))


@_axiom("y z n m", lambda a, y, z, n, m: [(a.low(y, n), a.low(z, n), a.pow2(m))])
def adding_a_larger_power_keeps_low_bits(a: Algebra, y: Term, z: Term, n: Term, m: Term) -> Formula:
    return a.implies(a.every(n <= m, z == y + a.pow2(m)), a.low(z, n) == a.low(y, n))


@_axiom("x y n m", lambda a, x, y, n, m: [(a.low(x, n), a.low(y, m))])
def aligned_blocks_nest_or_are_apart(a: Algebra, x: Term, y: Term, n: Term, m: Term) -> Formula:
    apart = a.some(x + a.pow2(n) <= y, y + a.pow2(m) <= x)
    inside = a.every(y <= x, x + a.pow2(n) <= y + a.pow2(m))
    return a.implies(a.every(n <= m, a.low(x, n) == 0, a.low(y, m) == 0), a.some(apart, inside))


# Shifts


@_axiom("x n", lambda a, x, n: [(a.shr(x, n),)])
def shift_right_divides(a: Algebra, x: Term, n: Term) -> Formula:
    return a.every(
        0 <= a.shr(x, n),
        a.shr(x, n) <= x,
        a.implies(n == 0, a.shr(x, n) == x),
        a.implies(x < a.pow2(n), a.shr(x, n) == 0),
        a.implies(a.pow2(n) <= x, 1 <= a.shr(x, n)),
    )


@_axiom("x n", lambda a, x, n: [(a.shr(x, n),)])
def word_is_quotient_and_remainder(a: Algebra, x: Term, n: Term) -> Formula:
    return x == a.scale(a.shr(x, n), n) + a.low(x, n)


@_axiom("x y n", lambda a, x, y, n: [(a.low(x, n), a.scale(y, n))])
def word_is_whole_blocks_and_low_bits(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    # For any y: where blocks of this size occur at all, the word's own blocks may matter.
    return x == a.scale(a.shr(x, n), n) + a.low(x, n)


@_axiom("x y n", lambda a, x, y, n: [(a.shr(x, n), a.shr(y, n))])
def shift_right_keeps_order(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.implies(x <= y, a.shr(x, n) <= a.shr(y, n))


@_axiom("x n m", lambda a, x, n, m: [(a.shr(a.shr(x, n), m),)])
def shifts_right_add_up(a: Algebra, x: Term, n: Term, m: Term) -> Formula:
    return a.implies(n + m < WORD_BITS, a.shr(a.shr(x, n), m) == a.shr(x, n + m))


@_axiom("x n m k", lambda a, x, n, m, k: [(a.shr(x, n), a.pow2(m), a.pow2(k))])
def shift_right_of_few_bits_leaves_fewer(a: Algebra, x: Term, n: Term, m: Term, k: Term) -> Formula:
    return a.implies(m == n + k, a.implies(x < a.pow2(m), a.shr(x, n) < a.pow2(k)))


@_axiom("x n k", lambda a, x, n, k: [(a.cut(x, n), a.shr(x, k))])
def word_is_cut_in_two(a: Algebra, x: Term, n: Term, k: Term) -> Formula:
    return a.implies(n + k == WORD_BITS, a.every(a.cut(x, n) == a.low(x, k), a.shr(x, k) < a.pow2(n)))


@_axiom("x n", lambda a, x, n: [(a.scale(x, n),)])
def scaling_does_not_shrink(a: Algebra, x: Term, n: Term) -> Formula:
    return a.every(
        x <= a.scale(x, n),
        a.implies(x == 0, a.scale(x, n) == 0),
        a.implies(x == 1, a.scale(x, n) == a.pow2(n)),
        a.implies(1 <= x, a.pow2(n) <= a.scale(x, n)),
        a.implies(n == 0, a.scale(x, n) == x),
    )


@_axiom("x y n", lambda a, x, y, n: [(a.scale(x, n), a.scale(y, n))])
def scaling_keeps_order_and_distance(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.every(
        a.implies(x < y, a.scale(x, n) + a.pow2(n) <= a.scale(y, n)),
        a.implies(x + 1 == y, a.scale(x, n) + a.pow2(n) == a.scale(y, n)),
    )


@_axiom("n m k", lambda a, n, m, k: [(a.scale(a.pow2(n), m), a.pow2(k))])
def scaled_power_is_a_power(a: Algebra, n: Term, m: Term, k: Term) -> Formula:
    return a.implies(k == n + m, a.scale(a.pow2(n), m) == a.pow2(k))


@_axiom("x n m k", lambda a, x, n, m, k: [(a.scale(x, m), a.pow2(n), a.pow2(k))])
def scaling_few_bits_stays_small(a: Algebra, x: Term, n: Term, m: Term, k: Term) -> Formula:
    return a.implies(
        k == n + m,
        a.every(
            a.implies(x < a.pow2(n), a.scale(x, m) + a.pow2(m) <= a.pow2(k)),
            a.implies(x <= a.pow2(n), a.scale(x, m) <= a.pow2(k)),
        ),
    )


@_axiom("x n m", lambda a, x, n, m: [(a.low(a.scale(x, n), m),)])
def scaled_word_is_aligned(a: Algebra, x: Term, n: Term, m: Term) -> Formula:
    return a.implies(m <= n, a.low(a.scale(x, n), m) == 0)


@_axiom("x n m", lambda a, x, n, m: [(a.shr(a.scale(x, n), m),)])
def shift_undoes_scaling(a: Algebra, x: Term, n: Term, m: Term) -> Formula:
    return a.implies(n == m, a.shr(a.scale(x, n), m) == x)


# Masks


@_axiom("x y", lambda a, x, y: [(a.band(x, y),)])
def and_is_below_both(a: Algebra, x: Term, y: Term) -> Formula:
    return a.every(
        0 <= a.band(x, y),
        a.band(x, y) <= x,
        a.band(x, y) <= y,
        a.implies(x == y, a.band(x, y) == x),
        a.band(x, y) == a.band(y, x),
    )


@_axiom("x y n", lambda a, x, y, n: [(a.band(x, y), a.pow2(n))])
def and_with_a_mask(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.every(
        a.implies(y + 1 == a.pow2(n), a.band(x, y) == a.low(x, n)),
        a.implies(y + a.pow2(n) == WORDS, a.band(x, y) == x - a.low(x, n)),
    )


@_axiom("x y n", lambda a, x, y, n: [(a.band(x, y), a.low(x, n))])
def disjoint_fields_have_no_common_bit(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.implies(a.every(a.low(x, n) == 0, y < a.pow2(n)), a.band(x, y) == 0)


@_axiom("x y n", lambda a, x, y, n: [(a.band(a.scale(x, n), y),)])
def scaled_word_has_no_common_bit_with_a_small_one(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.implies(y < a.pow2(n), a.band(a.scale(x, n), y) == 0)


@_axiom("x y", lambda a, x, y: [(a.bor(x, y),)])
def or_and_and_share_the_sum(a: Algebra, x: Term, y: Term) -> Formula:
    return a.every(a.bor(x, y) + a.band(x, y) == x + y, a.bor(x, y) == a.bor(y, x))


@_axiom("x y n", lambda a, x, y, n: [(a.bor(x, y), a.pow2(n))])
def or_stays_below_a_power(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.implies(a.every(x < a.pow2(n), y < a.pow2(n)), a.bor(x, y) < a.pow2(n))


@_axiom("x y n", lambda a, x, y, n: [(a.bor(x, y), a.low(x, n))])
def or_with_a_mask(a: Algebra, x: Term, y: Term, n: Term) -> Formula:
    return a.implies(y + 1 == a.pow2(n), a.bor(x, y) == x - a.low(x, n) + y)


@_axiom("x y", lambda a, x, y: [(a.bxor(x, y),)])
def exclusive_or_drops_common_bits(a: Algebra, x: Term, y: Term) -> Formula:
    return a.every(a.bxor(x, y) + a.band(x, y) == a.bor(x, y), a.implies(a.bxor(x, y) == 0, x == y))


@_axiom("x", lambda a, x: [(a.bnot(x),)])
def complement_is_the_distance_to_the_last_word(a: Algebra, x: Term) -> Formula:
    return a.bnot(x) == WORDS - 1 - x


# Sets of bits


@_axiom("w i", lambda a, w, i: [(a.bit(w, i),)])
def word_with_a_bit_is_not_zero(a: Algebra, w: Term, i: Term) -> Formula:
    return a.implies(a.bit(w, i), a.every(w != 0, a.pow2(i) <= w, a.bit(w, a.top(w)), i <= a.top(w)))


@_axiom("w", lambda a, w: [(a.top(w),)])
def top_bit_is_set(a: Algebra, w: Term) -> Formula:
    return a.implies(w != 0, a.every(0 <= a.top(w), a.top(w) < WORD_BITS, a.bit(w, a.top(w))))


@_axiom("w i", lambda a, w, i: [(a.bit(w, i),)])
def other_than_zero_has_a_top_bit(a: Algebra, w: Term, i: Term) -> Formula:
    # For any i: a word that is looked at bit by bit may be compared with zero.
    return a.implies(w != 0, a.bit(w, a.top(w)))


@_axiom("w n", lambda a, w, n: [(a.top(w), a.pow2(n))])
def top_bit_bounds_the_word(a: Algebra, w: Term, n: Term) -> Formula:
    return a.implies(w != 0, (a.top(w) < n) == (w < a.pow2(n)))


@_axiom("w i n", lambda a, w, i, n: [(a.bit(w, i), a.pow2(n))])
def small_word_has_low_bits_only(a: Algebra, w: Term, i: Term, n: Term) -> Formula:
    return a.implies(a.every(w < a.pow2(n), a.bit(w, i)), i < n)


@_axiom("i j", lambda a, i, j: [(a.bit(a.pow2(i), j),)])
def power_has_one_bit(a: Algebra, i: Term, j: Term) -> Formula:
    return a.bit(a.pow2(i), j) == (i == j)


@_axiom("v w i", lambda a, v, w, i: [(a.bit(a.bor(v, w), i),), (a.bor(v, w), a.bit(v, i))])
def bits_of_or(a: Algebra, v: Term, w: Term, i: Term) -> Formula:
    return a.bit(a.bor(v, w), i) == a.some(a.bit(v, i), a.bit(w, i))


@_axiom("v w i", lambda a, v, w, i: [(a.bit(a.band(v, w), i),), (a.band(v, w), a.bit(v, i))])
def bits_of_and(a: Algebra, v: Term, w: Term, i: Term) -> Formula:
    return a.bit(a.band(v, w), i) == a.every(a.bit(v, i), a.bit(w, i))


@_axiom("v w i", lambda a, v, w, i: [(a.bit(a.bxor(v, w), i),), (a.bxor(v, w), a.bit(v, i))])
def bits_of_exclusive_or(a: Algebra, v: Term, w: Term, i: Term) -> Formula:
    return a.bit(a.bxor(v, w), i) == (a.bit(v, i) != a.bit(w, i))


@_axiom("w i", lambda a, w, i: [(a.bit(a.bnot(w), i),), (a.bnot(w), a.bit(w, i))])
def bits_of_complement(a: Algebra, w: Term, i: Term) -> Formula:
    return a.bit(a.bnot(w), i) == a.opposite(a.bit(w, i))


@_axiom("w i", lambda a, w, i: [(a.low(a.shr(w, i), 1),)])
def shifting_to_bit_zero_reads_a_bit(a: Algebra, w: Term, i: Term) -> Formula:
    return a.low(a.shr(w, i), 1) == a.choice(a.bit(w, i), 1, 0)


@_axiom("w i", lambda a, w, i: [(a.band(a.shr(w, i), 1),)])
def shifting_and_masking_reads_a_bit(a: Algebra, w: Term, i: Term) -> Formula:
    return a.band(a.shr(w, i), 1) == a.choice(a.bit(w, i), 1, 0)


@_axiom("w i", lambda a, w, i: [(a.band(w, a.pow2(i)),)])
def masking_one_bit_reads_it(a: Algebra, w: Term, i: Term) -> Formula:
    return a.band(w, a.pow2(i)) == a.choice(a.bit(w, i), a.pow2(i), 0)


@_axiom("w i j", lambda a, w, i, j: [(a.shr(w, i), a.bit(w, j))])
def shifting_shows_the_highest_bit(a: Algebra, w: Term, i: Term, j: Term) -> Formula:
    return a.every(
        a.implies(a.every(a.shr(w, i) < 2, a.bit(w, j)), j <= i),
        a.implies(a.every(a.shr(w, i) == 1, i == j), a.bit(w, j)),
    )

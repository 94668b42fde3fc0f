# SPDX-License-Identifier: BSD-2-Clause
"""The bridge axioms: every one is proved of bit-vectors, holds of numbers, and is found where it is needed."""

from __future__ import annotations

import random

import bitwuzla
import pytest
import z3

from tessera.smt.bridge import (
    Axiom,
    Integers,
    Numbers,
    Vectors,
    axioms,
    functions_in,
    ground_facts,
    integer_form,
    relevant,
    vector_form,
)
from tessera.smt.bridge_axioms import is_bit_number
from tessera.smt.worker import answer

WORD = 1 << 64
ALL = pytest.mark.parametrize("axiom", axioms(), ids=lambda axiom: axiom.name)


def bitwuzla_says(formula: z3.BoolRef) -> str:
    solver = z3.Solver()
    solver.add(formula)
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.TIME_LIMIT_PER, 60_000)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    parser.parse("(set-logic QF_BV)\n" + solver.to_smt2().replace("(check-sat)", ""), True, False)
    return str(parser.bitwuzla().check_sat()).lower().removeprefix("result.")


def z3_says(formula: z3.BoolRef) -> str:
    solver = z3.SolverFor("QF_BV")
    solver.set("timeout", 60_000)
    solver.add(formula)
    return str(solver.check())


@ALL
def test_true_of_bit_vectors_say_two_solvers(axiom: Axiom) -> None:
    formula = vector_form(axiom)
    assert (bitwuzla_says(formula), z3_says(formula)) == ("unsat", "unsat")


def test_a_false_claim_is_refuted_by_both_solvers() -> None:
    wrong = Axiom("wrong", ("x", "n"), lambda a, x, n: a.low(x, n) < a.pow2(n) - 1, lambda a, x, n: [])
    formula = vector_form(wrong)
    assert (bitwuzla_says(formula), z3_says(formula)) == ("sat", "sat")


def words(source: random.Random, earlier: list[int]) -> int:
    """A word of an interesting shape: near a power, aligned, related to an earlier one, or any."""
    power = 1 << source.randrange(64)
    shapes = [
        source.randrange(WORD),
        source.randrange(power),
        source.randrange(8),
        power,
        power - 1,
        WORD - power,
        source.randrange(64) * power % WORD,
        sum(earlier) % WORD,
        (sum(earlier) + power) % WORD,
        *earlier,
    ]
    return source.choice(shapes)


def assignment(axiom: Axiom, source: random.Random) -> list[int]:
    values: list[int] = []
    for name in axiom.variables:
        if is_bit_number(name):
            numbers = [value for value in values if value < 64]
            near = [value + step for value in numbers for step in (-1, 0, 1)] + [sum(numbers)]
            value = source.choice([source.randrange(64), source.randrange(4), *near])
            values.append(min(max(value, 0), 63))
        else:
            values.append(words(source, values))
    return values


@ALL
def test_true_of_numbers(axiom: Axiom) -> None:
    source = random.Random(axiom.name)
    for _ in range(3000):
        values = assignment(axiom, source)
        assert axiom.claim(Numbers(), *values), dict(zip(axiom.variables, values, strict=True))


@pytest.mark.parametrize("name", ["pow2", "scale", "shr", "low", "cut", "band", "bor", "bxor", "bnot", "bit", "top"])
def test_vectors_compute_what_numbers_do(name: str) -> None:
    """The bit-vector reading of each function, evaluated, is the reading over numbers."""
    source = random.Random(name)
    for _ in range(200):
        w, x, n = words(source, []), words(source, []), source.randrange(64)
        arguments = {"pow2": (n,), "bnot": (w,), "top": (w,), "band": (w, x), "bor": (w, x), "bxor": (w, x)}
        values = arguments.get(name, (w, n))
        terms = [z3.BitVecVal(value, 136) for value in values]
        found = z3.simplify(getattr(Vectors(), name)(*terms))
        expected = getattr(Numbers(), name)(*values)
        assert (z3.is_true(found) if name == "bit" else found.as_long()) == expected


def test_numbers_of_known_words() -> None:
    """Literal answers: the readings could otherwise be wrong together."""
    a = Numbers()
    assert a.low(0x1234, 8) == 0x34 and a.shr(0x1234, 8) == 0x12 and a.scale(3, 4) == 48 and a.pow2(63) == 1 << 63
    assert a.cut(0xF234567890ABCDEF, 8) == 0x34567890ABCDEF and a.cut(WORD - 1, 63) == 1 and a.cut(7, 0) == 7
    assert a.bnot(0) == WORD - 1 and a.top(0x80) == 7 and a.bit(4, 2) and not a.bit(4, 1)
    assert (a.band(12, 10), a.bor(12, 10), a.bxor(12, 10)) == (8, 14, 6)


@ALL
def test_every_trigger_binds_every_variable(axiom: Axiom) -> None:
    variables = [z3.Int(name) for name in axiom.variables]
    for trigger in axiom.triggers(Integers(), *variables):
        bound = {str(variable) for term in trigger for variable in z3.z3util.get_vars(term)}
        assert bound == set(axiom.variables)
    assert integer_form(axiom).num_patterns() == len(axiom.triggers(Integers(), *variables)) > 0


def test_only_axioms_that_can_fire_are_chosen() -> None:
    a = Integers()
    x, n = z3.Ints("x n")
    assert relevant([x + n < 3]) == []
    aligned = {axiom.name for axiom in relevant([a.low(x, n) == 0])}
    assert "aligned blocks nest or are apart" in aligned and "bits of or" not in aligned
    assert {axiom.name for axiom in relevant("(assert (= (word.low x n) 0))")} == aligned
    # An axiom on shifts adds low bits, and so the axioms on those.
    assert "low bits are below the power" in {axiom.name for axiom in relevant(a.shr(x, n) == 0)}


def test_functions_are_found_inside_quantifiers_too() -> None:
    a = Integers()
    x, n = z3.Ints("x n")
    assert functions_in(z3.ForAll([x], a.low(x, n) == 0, patterns=[a.low(x, n)])) == {"low"}


def test_literals_get_their_powers() -> None:
    a = Integers()
    x, y = z3.Ints("x y")
    facts = {str(fact) for fact in ground_facts([a.low(x, z3.IntVal(12)) == 0, a.band(x, z3.IntVal(0xFF)) == y])}
    assert facts == {f"word.pow2({n}) == {1 << n}" for n in (0, 1, 8, 12)}
    assert ground_facts([x < y]) == []


def proves(hypotheses: list[z3.BoolRef], goal: z3.BoolRef) -> bool:
    """Whether the goal follows by the axioms; cvc5 and z3 must be of one mind."""
    query = [*hypotheses, z3.Not(goal)]
    solver = z3.Solver()
    solver.add(*query, *ground_facts(query), *[integer_form(axiom) for axiom in relevant(query)])
    text = solver.to_smt2().replace("(check-sat)", "")
    outcomes = {answer("quantified", name, text, 1.0)["outcome"] for name in ("cvc5", "z3")}
    assert outcomes in ({"unsat"}, {"unknown"})
    return outcomes == {"unsat"}


def test_what_the_kernel_asks_follows() -> None:
    """Typical goals about untyped memory, slots, guards and ready queues."""
    a = Integers()
    x, y, z, n, m, i, j, w = z3.Ints("x y z n m i j w")
    words_ = [z3.And(0 <= term, term < WORD) for term in (x, y, z, w)]
    numbers = [z3.And(0 <= term, term < 64) for term in (n, m, i, j)]
    ranges = words_ + numbers
    # An object carved at an aligned offset of a larger aligned untyped is aligned.
    aligned = [a.low(x, m) == 0, n <= m, a.low(y, n) == 0, z == x + y, a.low(x, n) >= 0, a.low(z, n) >= 0]
    assert proves([*ranges, *aligned], a.low(z, n) == 0)
    # The i-th of several objects ends within the sum of their sizes.
    assert proves([*ranges, x < y], a.scale(x, n) + a.pow2(n) <= a.scale(y, n))
    # Rounding up to a multiple by masks.
    mask = a.bnot(a.pow2(n) - 1)
    up = [x + a.pow2(n) <= WORD, y == x + a.pow2(n) - 1, z == a.band(y, mask)]
    assert proves([*ranges, *up], z3.And(x <= z, z < x + a.pow2(n)))
    # An index below a CNode's size is within it.
    assert proves([*ranges, n + 5 < 64, m == n + 5, x == a.low(y, n)], a.scale(x, z3.IntVal(5)) + 32 <= a.pow2(m))
    # Queue bitmap: setting a bit leaves the others.
    assert proves([*ranges, a.bit(w, j)], a.bit(a.bor(w, a.pow2(i)), j))
    assert proves([*ranges, i != j, a.bit(w, j)], a.bit(a.band(w, a.bnot(a.pow2(i))), j))
    assert not proves([*ranges, a.bit(w, j)], a.bit(a.band(w, a.bnot(a.pow2(i))), j))

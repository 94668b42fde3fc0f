# SPDX-License-Identifier: BSD-2-Clause
"""Where machine words meet mathematical integers: the axioms that the prover may use, each of them proved.

Obligations speak of integers, because addresses and sizes are proved fast that way. Shifts, masks and bit sets have no
integer arithmetic that solvers handle, so they are uninterpreted functions, and the axioms here say what is true of
them. Every axiom is one Python function that is read three times: by :class:`Integers` as a quantified formula, by
:class:`Vectors` as a claim about bit-vectors that a solver proves, and by :class:`Numbers` as a test on numbers.

Words are 0 to ``2**64 - 1``; variables whose names begin with n, m, k, i or j are bit numbers, 0 to 63. Outside of
these ranges the axioms say nothing, except where a function's result goes beyond a word (``scale`` is exact).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

import z3

from tessera.smt.algebra import FUNCTIONS, PREFIX, VECTOR_BITS, WORD_BITS, Algebra, Integers, Numbers, Vectors
from tessera.smt.bridge_axioms import AXIOMS, Axiom, is_bit_number

__all__ = [
    "Algebra",
    "Axiom",
    "Integers",
    "Numbers",
    "Vectors",
    "axioms",
    "functions_in",
    "ground_facts",
    "integer_form",
    "relevant",
    "vector_form",
]


def axioms() -> list[Axiom]:
    """All axioms, in a fixed order."""
    return list(AXIOMS)


@cache
def integer_form(axiom: Axiom) -> z3.QuantifierRef:
    """The axiom as solvers get it: quantified over integers, the variables' ranges as premises, with its triggers."""
    algebra = Integers()
    variables = [z3.Int(name) for name in axiom.variables]
    ranges = [
        z3.And(0 <= term, term <= (WORD_BITS - 1 if is_bit_number(name) else (1 << WORD_BITS) - 1))
        for name, term in zip(axiom.variables, variables, strict=True)
    ]
    patterns = [
        z3.MultiPattern(*trigger) if len(trigger) > 1 else trigger[0] for trigger in axiom.triggers(algebra, *variables)
    ]
    body = z3.Implies(z3.And(*ranges), axiom.claim(algebra, *variables))
    return z3.ForAll(variables, body, patterns=patterns, qid=axiom.name.replace(" ", "_"))


def vector_form(axiom: Axiom) -> z3.BoolRef:
    """The axiom's negation over bit-vectors, without quantifiers: unsatisfiable when the axiom is true."""
    variables = []
    for name in axiom.variables:
        # Zero extension gives the same ranges that the integer form has as premises.
        width = 6 if is_bit_number(name) else WORD_BITS
        variables.append(z3.ZeroExt(VECTOR_BITS - width, z3.BitVec(name, width)))
    return z3.Not(axiom.claim(Vectors(), *variables))


def functions_in(material: str | z3.ExprRef | Iterable[str | z3.ExprRef]) -> set[str]:
    """Which functions of the bridge occur in SMT-LIB text or expressions (names without the prefix)."""
    if isinstance(material, str):
        return {name for name in re.findall(re.escape(PREFIX) + r"(\w+)", material) if name in FUNCTIONS}
    if not isinstance(material, z3.ExprRef):
        return {name for part in material for name in functions_in(part)}
    return {name for part in _subterms([material]) if z3.is_app(part) and (name := _function_of(part)) is not None}


def relevant(material: str | z3.ExprRef | Iterable[str | z3.ExprRef]) -> list[Axiom]:
    """The axioms that can come to bear on a query, so that others do not slow it.

    Those are the ones with a trigger whose functions all occur, in the query itself or in what a chosen axiom adds.
    """
    known = functions_in(material)
    chosen: set[str] = set()
    while True:
        added = [axiom for axiom in axioms() if axiom.name not in chosen and _may_fire(axiom, known)]
        if not added:
            return [axiom for axiom in axioms() if axiom.name in chosen]
        for axiom in added:
            chosen.add(axiom.name)
            known |= _functions_of(axiom)[0]


# What one expression adds to the facts about literals: bit n for pow2(n), and above these whether functions of the
# bridge occur at all, and whether shifts do.
OCCURS = 1 << WORD_BITS
SHIFTS = 2 << WORD_BITS


def ground_facts(expressions: Iterable[z3.ExprRef]) -> list[z3.BoolRef]:
    """``pow2(k) == 2**k`` for the literal bit numbers and masks in a query: the axioms know no literals but 0 and 1.

    Where words are shifted by unknown amounts, quotients by a power of two are shifts, too.
    """
    parts = list(_subterms(expressions))
    told = 0
    for part in parts:
        told |= literals_of(part)
    return facts_of(told, (part for part in parts if is_quotient(part)))


def literals_of(part: z3.ExprRef) -> int:
    """What one expression adds, without those in it: bits as above."""
    told = 0
    if z3.is_lt(part) or z3.is_le(part) or z3.is_gt(part) or z3.is_ge(part):
        for number in _bounds_in(part):
            told |= _bit(number)
    name = _function_of(part) if z3.is_app(part) else None
    if name is None:
        return told
    told |= OCCURS | (SHIFTS if name == "shr" else 0)
    children = part.children()
    if name in ("band", "bor", "bxor", "bnot"):
        for child in children:
            if z3.is_int_value(child):
                for number in _powers_near(child.as_long()):
                    told |= _bit(number)
    elif z3.is_int_value(children[-1]) and name != "top":
        told |= _bit(children[-1].as_long())
    return told


def facts_of(told: int, quotients: Iterable[z3.ExprRef]) -> list[z3.BoolRef]:
    """The facts for what expressions add together, and for the quotients in them."""
    facts = []
    if told & OCCURS:
        algebra = Integers()
        facts = [algebra.pow2(z3.IntVal(k)) == 1 << k for k in range(WORD_BITS) if (told | 3) >> k & 1]
    shifts = [_as_shift(part) for part in quotients] if told & SHIFTS else []
    return facts + sorted((fact for fact in shifts if fact is not None), key=str)


def is_quotient(part: z3.ExprRef) -> bool:
    """Whether an expression is a quotient by a literal."""
    return bool(z3.is_idiv(part) and z3.is_int_value(part.arg(1)))


def _bit(number: int) -> int:
    return 1 << number if 0 <= number < WORD_BITS else 0


def _as_shift(part: z3.ExprRef) -> z3.BoolRef | None:
    """``x / 2**k == shr(x, k)``, for a quotient without bound variables."""
    if not z3.is_idiv(part) or not z3.is_int_value(part.arg(1)):
        return None
    divisor = part.arg(1).as_long()
    if divisor <= 1 or divisor & divisor - 1 or any(z3.is_var(one) for one in _subterms([part])):
        return None
    fact: z3.BoolRef = part == Integers().shr(part.arg(0), z3.IntVal(divisor.bit_length() - 1))
    return fact


def _bounds_in(comparison: z3.ExprRef) -> Iterator[int]:
    """The bit numbers near a literal that a function of the bridge is compared with."""
    children = comparison.children()
    if any(z3.is_app(child) and _function_of(child) is not None for child in children):
        for child in children:
            if z3.is_int_value(child):
                yield from _powers_near(child.as_long())


def _powers_near(literal: int) -> Iterator[int]:
    """The bit numbers n for which a literal is ``2**n``, ``2**n - 1`` or the complement of the latter."""
    for number in (literal, literal + 1, (1 << WORD_BITS) - literal):
        if number > 0 and number & number - 1 == 0:
            yield number.bit_length() - 1


def _may_fire(axiom: Axiom, known: set[str]) -> bool:
    return any(trigger <= known for trigger in _functions_of(axiom)[1])


@cache
def _functions_of(axiom: Axiom) -> tuple[frozenset[str], tuple[frozenset[str], ...]]:
    """The functions of the bridge in an axiom, and in each of its triggers."""
    variables = [z3.Int(name) for name in axiom.variables]
    triggers = axiom.triggers(Integers(), *variables)
    return frozenset(functions_in(integer_form(axiom))), tuple(frozenset(functions_in(one)) for one in triggers)


def _function_of(part: z3.ExprRef) -> str | None:
    name = part.decl().name()
    short = name.removeprefix(PREFIX)
    return short if name.startswith(PREFIX) and short in FUNCTIONS else None


def _subterms(expressions: Iterable[z3.ExprRef]) -> Iterator[z3.ExprRef]:
    """Every expression once, with what quantifiers and their triggers hold."""
    todo = list(expressions)
    seen: set[int] = set()
    while todo:
        part = todo.pop()
        if part.get_id() in seen:
            continue
        seen.add(part.get_id())
        yield part
        todo.extend(part.children())

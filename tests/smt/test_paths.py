# SPDX-License-Identifier: BSD-2-Clause
"""Paths of a function: which can be, how they join, and formulas that are needed with other names."""

from __future__ import annotations

from typing import Any

import pytest
import z3

from tessera.smt.pruning import Pruning
from tessera.smt.templates import Template
from tessera.smt.text import piece_of
from tests.readers import module_of
from tests.smt.proving import reading_of, unproved, world_of_module

SOURCE = """
@struct
class Account:
    balance: u64
    turns: u64
    next: Account | None

@invariant
def balance_is_small(x: Account) -> bool:
    trigger(x.balance)
    return x.balance < 1000

@compiled
def add(x: Account, value: u64) -> None:
    requires(value < 100)
    modifies(x.balance)
    ensures(lambda: x.balance >= value)
    x.balance = value

@compiled
def added(x: Account, y: Account, value: u64) -> bool:
    if CONDITION:
        add(y, value)
        return True
    return False

@compiled
def move(x: Account, y: Account, value: u64) -> bool:
    requires(y.turns < 10)
    ensures(lambda result: not result or y.balance >= value)
    ensures(lambda result: result or y.balance == old(y.balance))
    ensures(lambda result: y.turns == old(y.turns) + 1)
    ensures(lambda result: y.balance >= value)
    done = added(x, y, value)
    y.turns = y.turns + 1
    return done
"""


def accounts(name: str, condition: str) -> Any:
    return module_of(name, SOURCE.replace("CONDITION", condition))


@pytest.fixture(scope="module")
def module() -> Any:
    return accounts("tests_smt_accounts", "value < 100 and x.balance >= value")


def test_what_holds_on_one_path_is_not_known_behind_the_join(module: Any) -> None:
    world = world_of_module(module)
    # Two paths of `added` join where it returns; the last promise is one too many.
    assert unproved(world, module.move) == {"ensures y.balance >= value (on return 1)"}


def test_an_edited_condition_changes_few_hypotheses(module: Any) -> None:
    other = accounts("tests_smt_accounts_edited", "x.balance >= value and x.turns > 7 and value < 100")
    told: list[list[Any]] = []
    for one in (module, other):
        told.append(reading_of(world_of_module(one), one.move).obligations[-1].facts)
    before, after = ({piece_of(fact.term).shape for fact in facts} for facts in told)
    new = [fact for fact in told[1] if piece_of(fact.term).shape not in before]
    # What names of paths stand for, and what is learnt while the condition is evaluated; not what `add` promised.
    assert len(new) < len(after) / 2 and any(fact.defines for fact in new)
    promised = [fact for fact in told[1] if "path!" in fact.term.sexpr() and not fact.defines]
    assert len(promised) > 1 and not any(fact is one for fact in promised for one in new)


def test_a_condition_and_its_negation_share_a_name(module: Any) -> None:
    reading = reading_of(world_of_module(module), module.move)
    definitions = [fact.term for fact in reading.obligations[-1].facts if fact.defines]
    # One for `and`, one for the branch, none for the way round the branch.
    assert len(definitions) == 2 and all(one.decl().kind() == z3.Z3_OP_EQ for one in definitions)
    assert definitions[1].arg(0).decl().name() != definitions[0].arg(0).decl().name()


def test_pruning_says_what_a_solver_of_its_own_would_say() -> None:
    x, y = z3.Ints("x y")
    pruning = Pruning()
    facts = [x > 0, y > x, y < 3]
    told: set[bool] = set()
    for used in ([], facts[:1], facts, facts[:2], [facts[1]], [x < 0], facts):
        for condition in (x == 1, x == 2, y == 0, z3.And(x > 0, x < 0)):
            fresh = z3.Solver()
            fresh.add(*used, condition)
            answer = pruning.is_possible(used, [condition])
            assert answer == (fresh.check() == z3.sat), (used, condition)
            told.add(answer)
    assert told == {True, False}


def test_templates_rename_in_quantifiers_and_their_patterns() -> None:
    integer, truth = z3.IntSort(), z3.BoolSort()
    f, g = z3.Function("f", integer, integer), z3.Function("g", integer, integer)
    p, q = z3.Function("p", integer, integer, truth), z3.Function("q", integer, integer, truth)
    a, b, x, y = z3.Ints("a b x y")

    def formula(one: Any, two: Any, number: Any) -> Any:
        inner = z3.ForAll([y], two(one(y), x + number), patterns=[one(y), two(x, y)])
        return z3.ForAll([x], z3.Implies(one(x) > 0, inner), patterns=[z3.MultiPattern(one(x), two(x, x))])

    symbols = [(f, g(z3.Var(0, integer))), (p, q(z3.Var(0, integer), z3.Var(1, integer))), (a, b)]
    template = Template(z3.Or(formula(f, p, a), a == 7))
    assert template.renamed(symbols).sexpr() == z3.Or(formula(g, q, b), b == 7).sexpr()
    assert template.renamed([]).eq(template.term)
    # A function that takes the arguments of another the other way round.
    swapped = Template(formula(f, p, a)).renamed([(p, q(z3.Var(1, integer), z3.Var(0, integer)))])
    assert swapped.sexpr() == formula(f, lambda one, two: q(two, one), a).sexpr()
    plain = Template(f(a) > f(b)).renamed([(f, g(z3.Var(0, integer)))])
    assert plain.eq(g(a) > g(b))

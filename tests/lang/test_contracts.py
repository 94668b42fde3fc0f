# SPDX-License-Identifier: BSD-2-Clause
"""Contracts and invariants: checked under CPython, absent from compiled code."""

from __future__ import annotations

import pytest

from tessera.ir.build import build_program
from tessera.ir.interpret import Interpreter
from tessera.lang import (
    ContractError,
    Memory,
    Violation,
    compiled,
    decreases,
    ensures,
    ghost,
    ghost_field,
    implies,
    integer,
    invariant,
    loop_invariant,
    modifies,
    old,
    range,
    requires,
    static,
    struct,
    u64,
)

LIMIT = 10


@struct
class Counter:
    """A counter that knows, for the proof only, how often it was moved."""

    value: u64
    steps: integer = ghost_field()

    def is_small(self) -> bool:
        return self.value < LIMIT


counter: Counter = static(Counter)


@compiled
def bounded(value: u64) -> u64:
    requires(value < LIMIT)
    ensures(lambda result: result <= LIMIT)
    return value + 1


@compiled
def broken_promise(value: u64) -> u64:
    ensures(lambda result: result > value)
    return value


@compiled
def total(count: u64) -> u64:
    sum_so_far = u64(0)
    for i in range(count):
        loop_invariant(sum_so_far <= 6)
        sum_so_far += i
    return sum_so_far


@compiled
def count_down(start: u64) -> u64:
    left = start
    while left > 0:
        decreases(left)
        left -= 1
    return left


@compiled
def advance(by: u64) -> None:
    modifies(counter)
    ensures(lambda: counter.steps >= old(0))
    counter.value = counter.value + by
    with ghost:
        counter.steps = counter.steps + 1


@invariant
def counter_is_even(item: Counter) -> bool:
    """A predicate that tests call and the prover will read."""
    return implies(item.is_small(), item.value % 2 == 0)


def compiled_result(function: object, *values: int) -> object:
    """What compiled code gives, without contracts."""
    with Memory(1 << 20) as memory:
        return Interpreter(build_program([function]), memory).call(function, *values)


def test_requires_is_checked_at_the_call() -> None:
    assert bounded(9) == 10
    with pytest.raises(ContractError, match="bounded: requires"):
        bounded(10)


def test_ensures_is_checked_on_return() -> None:
    with pytest.raises(ContractError, match="broken_promise: ensures at line"):
        broken_promise(3)


def test_loop_invariants_are_checked_at_each_turn() -> None:
    assert total(4) == 6
    with pytest.raises(ContractError, match="total: loop invariant"):
        total(6)


def test_compiled_code_has_no_contracts() -> None:
    assert compiled_result(bounded, 10) == 11
    assert compiled_result(broken_promise, 3) == 3
    assert compiled_result(total, 6) == 15
    assert compiled_result(count_down, 5) == 0


def test_contracts_are_kept_for_the_prover() -> None:
    for specification, kept in ((True, {"bounded": 2, "total": 0}), (False, {"bounded": 0, "total": 0})):
        program = build_program([bounded, total], specification=specification)
        assert {name.rpartition(".")[2]: len(f.contracts) for name, f in program.functions.items()} == kept


def test_a_contract_does_not_outlive_its_call() -> None:
    with pytest.raises(ContractError):
        bounded(99)
    assert count_down(3) == 0
    assert bounded(1) == 2


def test_ghost_fields_take_no_room_and_have_values_under_cpython() -> None:
    with Memory(1 << 20) as memory:
        counter.steps = 0
        before = bytes(memory.data)
        advance(0)
        assert counter.steps == 1
        assert bytes(memory.data) == before


def test_compiled_code_has_no_ghost_code() -> None:
    with Memory(1 << 20) as memory:
        counter.steps = 5
        Interpreter(build_program([advance]), memory).call(advance, 2)
        assert (counter.value, counter.steps) == (2, 5)


@pytest.mark.parametrize("value, holds", [(0, True), (3, False), (4, True), (11, True)])
def test_an_invariant_is_the_same_text_for_tests_and_compiler(value: int, holds: bool) -> None:
    with Memory(1 << 20) as memory:
        counter.value = value
        assert counter_is_even(counter) is holds
        assert Interpreter(build_program([counter_is_even]), memory).call(counter_is_even, counter) is holds


def test_a_word_in_a_contract_is_still_checked() -> None:
    @compiled
    def low(value: u64) -> u64:
        requires(value - 5 < 3)
        return value

    with pytest.raises(Violation, match="overflow"):
        low(2)

# SPDX-License-Identifier: BSD-2-Clause
"""Budgets: refills keep their invariants, and no window of a period has more than the budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.abi.configuration import configuration
from tessera.kernel import budget, scheduling_invariants
from tessera.kernel.layout import SchedContext
from tessera.kernel.state import kernel
from tessera.lang import Memory, at
from tessera.lang.memory import MEMORY_BASE
from tests.kernel.world_time import invariants_of

LEAST = configuration.min_budget_ticks
EARLY = configuration.kernel_wcet_ticks
REFILLS = [info for info in invariants_of(scheduling_invariants) if "refill" in info.name or "ring" in info.name]
SIZE = 1 << 20
MEMORY = Memory(SIZE)


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with MEMORY:
        yield


def context_at(now: int, limit: int, amount: int, period: int, *, sporadic: bool = False) -> SchedContext:
    MEMORY.data[:] = bytes(len(MEMORY.data))
    context = at(SchedContext, MEMORY_BASE + SIZE - 8192)
    kernel.now = now
    kernel.current_context = context
    kernel.idle_context = at(SchedContext, int(budget.address_of(context)) + 2048)
    budget.configure(context, limit, amount, period, sporadic, 0)
    return context


def refills(context: SchedContext) -> list[tuple[int, int]]:
    """Time and amount of each refill in order."""
    found, index = [], int(context.refill_head)
    while True:
        refill = budget.refill_at(context, index)
        found.append((int(refill.time), int(refill.amount)))
        if index == context.refill_tail:
            return found
        index = int(budget.next_index(context, index))


def check(context: SchedContext) -> None:
    for info in REFILLS:
        assert info.function(context), f"{info.name}: {refills(context)}"


def test_the_whole_budget_is_there_at_first() -> None:
    context = context_at(5000, 4, 1000, 10_000)
    assert refills(context) == [(5000, 1000)]
    assert budget.is_ready(context) and budget.is_released(context)
    assert budget.is_sufficient(context, 1000 - LEAST) and not budget.is_sufficient(context, 1001 - LEAST)
    assert not budget.is_sufficient(context, 2000)


def test_used_time_comes_back_a_period_later() -> None:
    context = context_at(5000, 4, 1000, 10_000)
    budget.charge(context, 300)
    assert refills(context) == [(5300, 700), (15_000, 300)]
    budget.charge(context, 100)
    assert refills(context) == [(5400, 600), (15_000, 400)]


def test_a_refill_too_small_to_run_for_waits_for_the_next() -> None:
    context = context_at(5000, 4, 1000, 10_000)
    budget.charge(context, 1000 - LEAST + 1)
    # What is left ends when the next refill begins.
    assert refills(context) == [(15_000 - LEAST + 1, 1000)]


def test_a_full_ring_delays_what_is_added() -> None:
    context = context_at(0, 2, 3000, 10_000)
    budget.charge(context, 500)
    kernel.now = 4000
    budget.unblock(context)
    assert refills(context) == [(4000, 2500), (10_000, 500)]
    budget.charge(context, 500)
    assert refills(context) == [(4500, 2000), (13_500, 1000)]


def test_an_overrun_uses_the_periods_that_it_took() -> None:
    context = context_at(5000, 4, 1000, 10_000)
    budget.charge(context, 3300)
    assert refills(context) == [(35_300, 700), (45_000, 300)]
    budget.charge(context, (1 << 62) + 5)
    check(context)


def test_round_robin_has_turns() -> None:
    context = context_at(5000, 2, 1000, 1000)
    assert budget.is_round_robin(context)
    budget.charge(context, 300)
    assert refills(context) == [(5000, 700)]
    budget.unblock(context)
    assert refills(context) == [(5000, 700)]
    budget.begin_turn(context)
    assert refills(context) == [(5000, 1000)]
    check(context)


def test_a_pause_joins_what_became_available() -> None:
    context = context_at(0, 4, 1000, 2000)
    budget.charge(context, 400)
    assert refills(context) == [(400, 600), (2000, 400)]
    kernel.now = 1000
    budget.unblock(context)
    assert refills(context) == [(1000, 600), (2000, 400)]
    kernel.now = 1400
    budget.unblock(context)
    assert refills(context) == [(1400, 1000)]
    kernel.now = 1000
    budget.charge(context, 1000)
    before = refills(context)
    budget.unblock(context)
    assert refills(context) == before


def test_less_budget_takes_effect_at_once_and_more_a_period_later() -> None:
    context = context_at(0, 4, 1000, 2000)
    budget.charge(context, 400)
    kernel.now = 500
    budget.reconfigure(context, 4, 500, 3000, True, 9)
    assert refills(context) == [(500, 500)]
    assert context.sporadic and int(context.badge) == 9
    budget.reconfigure(context, 4, 2000, 3000, False, 9)
    assert refills(context) == [(500, 500), (3500, 1500)]
    check(context)


def test_a_refill_at_the_end_of_time_is_neither_charged_nor_delayed() -> None:
    late = budget.END_OF_TIME
    context = context_at(5000, 4, 1000, 10_000)
    budget.refill_at(context, 0).time = late - 1
    budget.charge(context, 300)
    assert refills(context) == [(late + 299, 700), (late + 9_999, 300)], "just before it all is as ever"
    check(context)
    for usage in (300, 1000, 5300):
        context = context_at(5000, 4, 1000, 10_000)
        budget.refill_at(context, 0).time = late
        budget.charge(context, usage)
        assert refills(context) == [(late, 1000)]
        check(context)
    context = context_at(5000, 4, 1000, 10_000)
    budget.charge(context, 300)
    for number in range(2):
        budget.refill_at(context, number).time = late + 10_000 * number
    budget.charge(context, 800)
    assert refills(context) == [(late, 700), (late + 10_000, 300)]
    check(context)


def test_an_overrun_delays_by_so_much_at_most() -> None:
    context = context_at(5000, 4, 1000, 10_000)
    budget.charge(context, (1 << 64) - 1)
    # As many periods as fit, and what is left of the usage counts from there.
    (first, _), *_ = refills(context)
    left = ((1 << 64) - 1) % 1000
    assert first == 5000 + budget.LONGEST_DELAY // 10_000 * 10_000 + left
    check(context)


def test_a_turn_cut_below_the_least_budget_waits_for_the_rest() -> None:
    context = context_at(5000, 4, 10 * LEAST, 10 * LEAST)
    assert budget.is_round_robin(context)
    budget.charge(context, 9 * LEAST + 1)
    assert refills(context) == [(5000, LEAST - 1)]
    budget.reconfigure(context, 4, 5 * LEAST, 5 * LEAST, False, 0)
    # It would have run out at 5000 + LEAST - 1; the next turn begins a period after the rest was available, less it.
    assert refills(context) == [(5000 + 5 * LEAST - (LEAST - 1), 5 * LEAST)]
    check(context)


@st.composite
def parameters(draw: st.DrawFn) -> tuple[int, int, int]:
    limit = draw(st.integers(2, 6))
    amount = draw(st.integers(LEAST, 20 * LEAST))
    period = draw(st.integers(amount + 1, 10 * amount))
    return limit, amount, period


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["run", "run", "run", "sleep", "overrun"]), st.integers(0, 5000)), min_size=1, max_size=60
)


def longest_in_window(used: list[tuple[int, int]], length: int) -> int:
    """The most time used in any window of this length; ``used`` has start and end of each stretch."""
    most = 0
    for edge in [start for start, _ in used] + [end - length for _, end in used]:
        most = max(most, sum(max(0, min(end, edge + length) - max(start, edge)) for start, end in used))
    return most


@settings(max_examples=150, deadline=None)
@given(parameters(), STEPS, st.booleans())
def test_no_window_of_a_period_has_more_than_the_budget(
    chosen: tuple[int, int, int], steps: list[Step], wakes: bool
) -> None:
    limit, amount, period = chosen
    context = context_at(100_000, limit, amount, period)
    used: list[tuple[int, int]] = []
    overran = False
    for action, length in steps:
        now = int(kernel.now)
        if action == "sleep":
            kernel.now = now + length
            if wakes:
                budget.unblock(context)
        else:
            if not budget.is_released(context):
                # The scheduler waits for the refill.
                kernel.now = max(now, int(budget.head(context).time))
                now = int(kernel.now)
                budget.unblock(context)
            span = length if action == "overrun" else min(length, int(budget.head(context).amount))
            overran = overran or span > int(budget.head(context).amount)
            kernel.now = now + span
            used.append((now, now + span))
            budget.charge(context, span)
        check(context)
        assert sum(part for _, part in refills(context)) == amount
    if wakes and not overran:
        # The kernel may let a thread run so much too early.
        assert longest_in_window(used, period - EARLY) <= amount


@settings(max_examples=100, deadline=None)
@given(parameters(), st.lists(st.tuples(st.integers(0, 3000), parameters()), max_size=12))
def test_changes_keep_the_invariants(chosen: tuple[int, int, int], changes: list[tuple[int, Any]]) -> None:
    limit, amount, period = chosen
    context = context_at(100_000, limit, amount, period)
    for span, (limit, amount, period) in changes:
        kernel.now = int(kernel.now) + span
        budget.charge(context, min(span, int(budget.head(context).amount)))
        check(context)
        budget.reconfigure(context, limit, amount, period, False, 0)
        check(context)

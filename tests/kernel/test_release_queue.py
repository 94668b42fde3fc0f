# SPDX-License-Identifier: BSD-2-Clause
"""The release queue against a sorted list, and how far down its places go."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.kernel import budget, release_queue, release_tree, scheduler
from tessera.kernel.layout import SchedContext, Tcb, ThreadState
from tessera.kernel.scheduling_invariants import queues_are_apart, release_time_is_the_budgets
from tessera.kernel.state import kernel
from tessera.lang import Memory, address_of, at, clear_ghosts, u64
from tessera.lang.memory import MEMORY_BASE, static_size

COUNT = 40
START = -(-(MEMORY_BASE + static_size()) // 4096) * 4096
CONTEXTS = START + 2048 * COUNT
MEMORY = Memory(CONTEXTS - MEMORY_BASE + 256 * COUNT)
INVARIANTS = (
    release_tree.above_knows_this_one,
    release_tree.low_has_the_lower_half,
    release_tree.high_has_the_upper_half,
    release_tree.first_has_all_numbers,
    release_tree.those_below_come_later,
    release_tree.number_belongs_here,
    queues_are_apart,
    release_time_is_the_budgets,
)


def fresh() -> list[Tcb]:
    """Threads that can run but for time, in empty memory."""
    MEMORY.data[:] = bytes(len(MEMORY.data))
    scheduler.initialise()
    clear_ghosts()
    tcbs = [at(Tcb, START + 2048 * number) for number in range(COUNT)]
    for number, tcb in enumerate(tcbs):
        context = at(SchedContext, CONTEXTS + 256 * number)
        budget.configure(context, 2, 1000, 2000, False, 0)
        tcb.state = ThreadState.RUNNING
        tcb.scheduling_context = context
        context.tcb = tcb
    return tcbs


def wait(tcb: Tcb, time: int) -> None:
    context = tcb.scheduling_context
    assert context is not None
    budget.head(context).time = u64(time)
    release_queue.insert(tcb, context)


def places(first: Tcb | None) -> dict[int, int]:
    """How far down each thread of the release queue is, by address."""
    found: dict[int, int] = {}
    to_do = [] if first is None else [(first, 1)]
    while to_do:
        tcb, depth = to_do.pop()
        assert int(address_of(tcb)) not in found
        found[int(address_of(tcb))] = depth
        to_do += [(below, depth + 1) for below in (tcb.release_low, tcb.release_high) if below is not None]
    return found


def check(tcbs: list[Tcb]) -> None:
    for tcb in tcbs:
        for invariant in INVARIANTS:
            assert invariant(tcb), invariant


def drain() -> list[int]:
    """The addresses of all threads in the order in which they leave."""
    found = []
    while kernel.release_head is not None:
        found.append(int(address_of(kernel.release_head)))
        release_queue.remove(kernel.release_head)
    return found


# Mostly few threads, so that they come and go.
STEPS = st.lists(st.tuples(st.integers(0, 11) | st.integers(0, COUNT - 1), st.integers(0, 4)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_release_queue_is_in_the_order_of_time_and_of_arrival(steps: list[tuple[int, int]]) -> None:
    with MEMORY:
        tcbs = fresh()
        model: list[tuple[int, Tcb]] = []
        for number, time in steps:
            tcb = tcbs[number]
            if tcb.in_release_queue:
                release_queue.remove(tcb)
                model = [(when, one) for when, one in model if one is not tcb and one != tcb]
            else:
                wait(tcb, time)
                model.append((time, tcb))
                model.sort(key=lambda item: item[0])
            check(tcbs)
            assert set(places(kernel.release_head)) == {int(address_of(one)) for _, one in model}
            assert kernel.release_head == (model[0][1] if model else None)
        assert drain() == [int(address_of(one)) for _, one in model]
        check(tcbs)


def test_the_number_of_insertions_may_begin_anew() -> None:
    with MEMORY:
        tcbs = fresh()
        kernel.releases = u64((1 << 64) - 1)
        wait(tcbs[0], 5)
        assert kernel.releases == 0


def test_threads_that_lie_side_by_side_are_spread_evenly() -> None:
    with MEMORY:
        tcbs = fresh()
        for number, tcb in enumerate(tcbs):
            wait(tcb, number)
        assert max(places(kernel.release_head).values()) <= math.log2(COUNT) + 3


@pytest.mark.parametrize("seed", range(3))
def test_no_choice_of_threads_makes_a_long_way(seed: int) -> None:
    """Numbers of 2**n threads in a row differ by 2**(64 - n) over the golden ratio at least, whichever are taken."""
    bits = 16
    start = random.Random(seed).randrange(1 << 27) << 11 | 0xFFFF_FFC0 << 32
    numbers = sorted(int(release_tree.number_at(u64(start + 2048 * i))) for i in range(1 << bits))
    closest = min(b - a for a, b in zip(numbers, numbers[1:], strict=False))
    # So a range that has room for two of them is no smaller: the places above each other are no more than this.
    assert 64 - math.log2(closest) <= bits + 2


def test_different_threads_have_different_numbers() -> None:
    assert release_tree.SPREAD % 2 == 1
    back = pow(release_tree.SPREAD, -1, 1 << 64)
    for address in (0, 2048, 0xFFFF_FFC0_8000_0000, (1 << 64) - 2048):
        assert int(release_tree.number_at(u64(address))) * back % (1 << 64) == address

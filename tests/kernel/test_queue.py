# SPDX-License-Identifier: BSD-2-Clause
"""Queues of threads against plain lists."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.kernel import budget, queue, scheduler, waiting
from tessera.kernel.layout import (
    Endpoint,
    EndpointState,
    Notification,
    NotificationState,
    SchedContext,
    Tcb,
    ThreadState,
)
from tessera.kernel.scheduling_invariants import (
    bitmap_is_exact,
    links_are_of_a_queue,
    neighbours_agree,
    queues_are_apart,
    ready_queue_knows_its_ends,
)
from tessera.kernel.state import kernel
from tessera.kernel.waiting_invariants import (
    ends_of_a_priority_know_each_other,
    first_of_a_priority_knows_the_last,
    last_of_a_priority_knows_the_first,
)
from tessera.lang import Memory, at, u64
from tessera.lang.memory import MEMORY_BASE, static_size

COUNT = 6
START = -(-(MEMORY_BASE + static_size()) // 4096) * 4096
MEMORY = Memory(START - MEMORY_BASE + 4096 * (COUNT + 1))
CONTEXTS = START + 4096 * COUNT + 1024


def fresh() -> list[Tcb]:
    """Threads that can run but for time, in empty memory."""
    MEMORY.data[:] = bytes(len(MEMORY.data))
    scheduler.initialise()
    tcbs = [at(Tcb, START + 2048 * i) for i in range(COUNT)]
    for number, tcb in enumerate(tcbs):
        context = at(SchedContext, CONTEXTS + 256 * number)
        budget.configure(context, 2, 1000, 2000, False, 0)
        tcb.state = ThreadState.RUNNING
        tcb.scheduling_context = context
    return tcbs


def ready_order(domain: int, priority: int) -> list[Any]:
    found, place = [], kernel.domains[domain].queues[priority].head
    while place is not None:
        found.append(place)
        place = place.queue_next
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, COUNT - 1), st.sampled_from([0, 1, 63, 64, 128, 255]), st.booleans())))
def test_ready_queues_are_lists(steps: list[tuple[int, int, bool]]) -> None:
    with MEMORY:
        tcbs = fresh()
        model: dict[int, list[Tcb]] = {}
        for number, priority, to_front in steps:
            tcb = tcbs[number]
            if tcb.in_ready_queue:
                queue.remove_ready(tcb)
                model[int(tcb.priority)].remove(tcb)
            else:
                tcb.priority = priority
                line = model.setdefault(priority, [])
                if to_front:
                    queue.prepend_ready(tcb)
                    line.insert(0, tcb)
                else:
                    queue.append_ready(tcb)
                    line.append(tcb)
            for known, line in model.items():
                assert ready_order(0, known) == line
                assert bitmap_is_exact(u64(0), u64(known))
            for tcb in tcbs:
                assert (
                    neighbours_agree(tcb)
                    and ready_queue_knows_its_ends(tcb)
                    and queues_are_apart(tcb)
                    and links_are_of_a_queue(tcb)
                )
            used = [known for known, line in model.items() if line]
            assert queue.has_ready(0) == bool(used)
            if used:
                assert queue.highest_priority(0) == max(used)


@given(st.integers(1, (1 << 64) - 1))
def test_the_highest_bit(word: int) -> None:
    assert queue.highest_bit(u64(word)) == word.bit_length() - 1


def waiting_order(first: Tcb | None) -> list[Tcb]:
    found, place = [], first
    while place is not None:
        found.append(place)
        assert first_of_a_priority_knows_the_last(place) and last_of_a_priority_knows_the_first(place)
        place = place.wait_next
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, 2)), max_size=40), st.booleans())
def test_waiting_threads_are_sorted_by_priority(steps: list[tuple[int, int]], at_notification: bool) -> None:
    with MEMORY:
        tcbs = fresh()
        endpoint = at(Endpoint, START + 4096 * COUNT)
        notification = at(Notification, START + 4096 * COUNT + 64)
        model: list[Tcb] = []
        for number, priority in steps:
            tcb = tcbs[number]
            if tcb in model:
                if at_notification:
                    waiting.leave_notification(notification, tcb, ThreadState.INACTIVE)
                else:
                    waiting.leave_endpoint(endpoint, tcb, ThreadState.INACTIVE)
                model.remove(tcb)
            else:
                tcb.priority = priority
                if at_notification:
                    waiting.wait_at_notification(notification, tcb)
                else:
                    waiting.wait_at_endpoint(endpoint, tcb, EndpointState.SENDING)
                model.append(tcb)
                model.sort(key=lambda item: -int(item.priority))
            assert waiting_order(notification.head if at_notification else endpoint.head) == model
            assert all(ends_of_a_priority_know_each_other(tcb) for tcb in tcbs)
            last = model[-1] if model else None
            assert (notification.tail if at_notification else endpoint.end.tail) is last
            if at_notification:
                assert (notification.state == NotificationState.WAITING) == bool(model)
            else:
                assert endpoint.end.state == (EndpointState.SENDING if model else EndpointState.IDLE)


class Steps:
    """Counts how often something is looked at."""

    taken = 0


def test_a_place_is_found_in_as_many_steps_as_there_are_priorities(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(last: Tcb) -> Tcb:
        Steps.taken += 1
        return first_of_priority(last)

    first_of_priority = waiting.first_of_priority
    with Memory(START - MEMORY_BASE + 2048 * 200) as memory:
        del memory
        scheduler.initialise()
        tcbs = [at(Tcb, START + 4096 + 2048 * number) for number in range(190)]
        endpoint = at(Endpoint, START)
        monkeypatch.setattr(waiting, "first_of_priority", counted)
        for number, tcb in enumerate(tcbs):
            tcb.priority = 3 - number % 4
            Steps.taken = 0
            waiting.wait_at_endpoint(endpoint, tcb, EndpointState.RECEIVING)
            # One for each lower priority, one for its own.
            assert Steps.taken <= 4
        assert waiting_order(endpoint.head) == sorted(tcbs, key=lambda item: -int(item.priority))
        late = at(Tcb, START + 2048)
        late.priority = 200
        Steps.taken = 0
        waiting.wait_at_endpoint(endpoint, late, EndpointState.RECEIVING)
        assert endpoint.head is late and Steps.taken == 4

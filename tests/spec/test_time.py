# SPDX-License-Identifier: BSD-2-Clause
"""Threads, priorities, scheduling contexts and domains (manual: Threads and Execution)."""

from __future__ import annotations

import pytest

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.spec import budget, scheduling
from tessera.spec.capability import ContextCap
from tessera.spec.objects import Context, Refill, State
from tessera.spec.state import Kernel
from tessera.spec.step import Interrupt
from tests.spec.small import DOMAIN, ROOT, SCHED_CONTROL, THREAD, US, Small

OK: tuple[Error, list[int]] = (Error.NO_ERROR, [])


@pytest.fixture
def small() -> Small:
    return Small()


def a_context(*refills: tuple[int, int], limit: int = 4, budget_: int = 1000, period: int = 10_000) -> Context:
    found = Context(1, limit, budget_, period)
    found.refills = [Refill(*refill) for refill in refills]
    return found


def shown(context: Context) -> list[tuple[int, int]]:
    return [(refill.time, refill.amount) for refill in context.refills]


def test_used_time_comes_back_a_period_later() -> None:
    context = a_context((0, 1000))
    budget.charge(context, 300)
    assert shown(context) == [(300, 700), (10_000, 300)]
    budget.charge(context, 700)
    assert shown(context) == [(10_000, 1000)]


def test_a_full_list_of_refills_delays_the_last_one() -> None:
    context = a_context((0, 700), (9000, 300), limit=2)
    budget.charge(context, 200)
    assert shown(context) == [(200, 500), (9700, 500)]


def test_whoever_overruns_the_budget_is_delayed_by_periods() -> None:
    context = a_context((0, 1000))
    budget.charge(context, 2500)
    assert shown(context) == [(20_500, 500), (30_000, 500)]


def test_refills_too_small_to_run_on_are_joined() -> None:
    context = a_context((0, 1000))
    budget.charge(context, 900)
    assert shown(context) == [(9900, 1000)]


def test_time_before_waking_is_not_made_up_for() -> None:
    k = Kernel(now=5000)
    context = a_context((0, 400), (4000, 600))
    budget.wake(k, context)
    assert shown(context) == [(5000, 1000)]


def test_equals_take_turns(small: Small) -> None:
    workers = [small.worker(200), small.worker(200)]
    for worker in workers:
        assert small.call(Label.TCB_RESUME, worker, []) == OK
    small.trap(Syscall.CALL, THREAD, Label.TCB_SUSPEND)
    assert small.root.state is State.INACTIVE
    seen = []
    for _ in range(4):
        seen.append(small.k.current)
        small.trap(Syscall.YIELD, 0)
    assert seen[:2] == seen[2:] and set(seen) == {small.thread(worker) for worker in workers}


def test_a_budget_that_is_used_up_postpones(small: Small) -> None:
    thread = small.become(small.worker(200, 1000, 5000))
    start = small.k.now
    small.event(Interrupt(start + 1000 * US, 0, True))
    assert thread in small.k.postponed and small.k.current is small.root
    assert small.k.deadline <= start + 6000 * US
    small.event(Interrupt(start + 7000 * US, 0, True))
    assert thread not in small.k.postponed


def test_parameters_of_a_context_are_checked(small: Small) -> None:
    slot = small.context(1000, 1000)
    call = Label.SCHED_CONTROL_CONFIGURE_FLAGS
    assert small.call(call, SCHED_CONTROL, [10, 1000, 0, 0, 0], [slot])[0] == Error.RANGE_ERROR
    assert small.call(call, SCHED_CONTROL, [1000, 500, 0, 0, 0], [slot]) == (Error.RANGE_ERROR, [20, 500])
    assert small.call(call, SCHED_CONTROL, [500, 1000, 9, 0, 0], [slot]) == (Error.RANGE_ERROR, [0, 8])
    assert small.call(call, SCHED_CONTROL, [500, 1000, 0, 0, 0], [ROOT]) == (Error.INVALID_CAPABILITY, [1])


def test_binding_is_to_one_thing_each(small: Small) -> None:
    slot, thread = small.context(1000, 1000), small.worker(bound=False)
    assert small.call(Label.SCHED_CONTEXT_BIND, slot, [], [thread]) == OK
    assert small.call(Label.SCHED_CONTEXT_BIND, slot, [], [thread]) == (Error.ILLEGAL_OPERATION, [])
    assert small.call(Label.SCHED_CONTEXT_UNBIND_OBJECT, slot, [], [thread]) == OK
    assert small.of(ContextCap, slot).context.thread is None
    bell = small.make(ObjectType.NOTIFICATION)
    assert small.call(Label.SCHED_CONTEXT_BIND, slot, [], [bell]) == OK
    assert small.call(Label.SCHED_CONTEXT_UNBIND, slot, []) == OK
    assert small.of(ContextCap, slot).context.notification is None


def test_priorities_are_given_up_to_the_own_maximum(small: Small) -> None:
    worker = small.worker(100)
    assert small.call(Label.TCB_SET_PRIORITY, worker, [101], [worker]) == (Error.RANGE_ERROR, [0, 100])
    assert small.call(Label.TCB_SET_PRIORITY, worker, [101], [THREAD]) == OK
    assert small.thread(worker).priority == 101
    assert small.call(Label.TCB_SET_MC_PRIORITY, worker, [50], [ROOT]) == (Error.INVALID_CAPABILITY, [1])


def test_registers_are_read_and_set(small: Small) -> None:
    worker = small.worker(100)
    assert small.call(Label.TCB_WRITE_REGISTERS, worker, [0, 3, 10, 20, 30]) == OK
    assert small.call(Label.TCB_READ_REGISTERS, worker, [0, 5]) == (Error.NO_ERROR, [10, 20, 30, 0, 0])
    assert small.call(Label.TCB_READ_REGISTERS, worker, [0, 33]) == (Error.RANGE_ERROR, [1, 32])
    assert small.call(Label.TCB_READ_REGISTERS, THREAD, [0, 5]) == (Error.ILLEGAL_OPERATION, [])
    assert small.call(Label.TCB_WRITE_REGISTERS, worker, [0, 3, 10]) == (Error.TRUNCATED_MESSAGE, [])


def test_one_entry_wakes_no_more_than_so_many_threads(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "RELEASES_PER_ENTRY", 3)
    threads = [small.thread(small.worker(100, 100, 10_000)) for _ in range(5)]
    for thread in threads:
        assert thread.context is not None
        thread.state = State.RUNNING
        thread.context.refills[0].time = small.k.now + 1000
        scheduling.postpone(small.k, thread.context)
    small.event(Interrupt(small.k.now + 2000, 0, True))
    assert [thread.is_postponed for thread in threads] == [False] * 3 + [True] * 2
    assert small.k.deadline <= small.k.now
    small.event(Interrupt(small.k.now + 1, 0, True))
    assert not any(thread.is_postponed for thread in threads)


def test_yielding_to_a_lower_priority_tells_what_it_used(small: Small) -> None:
    worker = small.worker(100)
    small.become(worker)
    small.k.current, small.k.charged = small.root, small.root.context
    context = small.thread(worker).context
    assert context is not None
    context.consumed = 70
    slot = next(i for i, cap in small.node.slots.items() if getattr(cap, "context", None) is context)
    assert small.call(Label.SCHED_CONTEXT_YIELD_TO, slot, []) == (Error.NO_ERROR, [7])
    assert small.call(Label.SCHED_CONTEXT_CONSUMED, slot, []) == (Error.NO_ERROR, [0])


def test_the_domain_schedule(small: Small) -> None:
    worker = small.worker(100)
    assert small.call(Label.DOMAIN_SET_SET, DOMAIN, [99], [worker]) == (Error.INVALID_ARGUMENT, [0])
    assert small.call(Label.DOMAIN_SET_SET, DOMAIN, [1], [worker]) == OK
    assert small.call(Label.DOMAIN_SET_SCHEDULE_CONFIGURE, DOMAIN, [0, 0, 0]) == (Error.INVALID_ARGUMENT, [2])
    assert small.call(Label.TCB_RESUME, worker, []) == OK
    small.k.schedule = [(0, 100_000), (1, 50_000), (0, 0)]
    assert small.call(Label.DOMAIN_SET_SCHEDULE_SET_START, DOMAIN, [2]) == (Error.INVALID_ARGUMENT, [0])
    small.trap(Syscall.CALL, DOMAIN, Label.DOMAIN_SET_SCHEDULE_SET_START, (1,))
    assert small.k.domain == 1 and small.k.current is small.thread(worker)
    small.event(Interrupt(small.k.now + 50_000, 0, True))
    assert small.k.domain == 1  # behind the last entry the schedule begins at its start

# SPDX-License-Identifier: BSD-2-Clause
"""Who runs when: priorities, turns, budgets, yielding, domains, preemption."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.configuration import configuration
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import RELEASES_PER_ENTRY
from tessera.abi.profiles import SEL4TEST
from tessera.abi.syscalls import Syscall
from tessera.arch import machine
from tessera.kernel import budget, ipc, schedcontext, scheduler, thread, timeslice
from tessera.kernel import notification as notifications
from tessera.kernel.capability import NotificationCap
from tessera.kernel.layout import Slot, ThreadState
from tessera.kernel.state import kernel
from tests.kernel.world_time import US, TimeWorld

LEAST = configuration.min_budget_ticks


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


def name_of(threads: dict[str, Slot], world: TimeWorld) -> str:
    """Who runs."""
    return next((name for name, slot in threads.items() if world.is_current(slot)), "idle")


def test_the_idle_thread_runs_when_nobody_can(world: TimeWorld) -> None:
    assert kernel.current is kernel.idle
    world.leave()
    assert kernel.current is kernel.idle
    # Domain 0 has the machine for as long as an entry of the schedule can say; nothing else is waited for.
    assert int(kernel.domain_schedule[0].duration) == (1 << 56) - 1
    assert machine.Model.deadline == int(kernel.now) + (1 << 56) - 1


def test_the_highest_priority_runs(world: TimeWorld) -> None:
    threads = {str(p): world.active(p) for p in (3, 200, 77)}
    world.leave()
    assert name_of(threads, world) == "200"
    world.call(threads["200"], label=int(Label.TCB_SUSPEND))
    assert name_of(threads, world) == "77"
    world.invoke(threads["200"], Label.TCB_RESUME)
    assert name_of(threads, world) == "200"


def test_equals_take_turns(world: TimeWorld) -> None:
    threads = {name: world.active(50, 1000) for name in "abc"}
    world.leave()
    order = []
    for _ in range(6):
        order.append(name_of(threads, world))
        world.advance(1000 * US)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_yield_ends_the_turn(world: TimeWorld) -> None:
    threads = {name: world.active(50, 1000) for name in "ab"}
    world.leave()
    order = []
    for _ in range(4):
        order.append(name_of(threads, world))
        world.pass_time(10 * US)
        world.trap(Syscall.YIELD, 0, 0)
    assert order == ["a", "b", "a", "b"]
    context = world.context_of(threads["a"])
    assert context is not None and int(context.consumed) == 20 * US


def test_a_budget_that_is_used_up_comes_back_after_the_period(world: TimeWorld) -> None:
    worker = world.active(100, 1000, 10_000)
    world.run(worker)
    start = machine.Model.time
    world.advance(1000 * US)
    assert kernel.current is kernel.idle and world.tcb(worker).in_release_queue
    world.advance(8000 * US)
    assert kernel.current is kernel.idle
    world.advance(1000 * US)
    assert world.is_current(worker)
    # The kernel may let it go on a little too early, by the time it needs itself.
    assert machine.Model.time - start <= 10_000 * US


def test_one_entry_wakes_no_more_than_so_many_threads(world: TimeWorld) -> None:
    slots = [world.active(100, 100, 10_000) for _ in range(RELEASES_PER_ENTRY + 4)]
    tcbs = [world.tcb(slot) for slot in slots]
    world.leave()
    world.advance(200 * US * len(tcbs))
    assert kernel.current is kernel.idle and all(tcb.in_release_queue for tcb in tcbs)
    # Nobody looks for a long time.
    world.pass_time(100_000 * US)
    world.timer()
    assert [tcb.in_release_queue for tcb in tcbs] == [False] * RELEASES_PER_ENTRY + [True] * 4
    # The timer is due already: the next entry goes on, before any user code runs.
    assert machine.Model.deadline <= machine.Model.time
    world.advance(0)
    assert not any(tcb.in_release_queue for tcb in tcbs)
    assert machine.Model.deadline > machine.Model.time


def test_shares_are_kept_under_load(world: TimeWorld) -> None:
    high = world.active(200, 2000, 10_000)
    low = world.active(100, 5000)
    world.leave()
    used = {"high": 0, "low": 0}
    for _ in range(1000):
        before = "high" if world.is_current(high) else "low"
        world.advance(100 * US)
        used[before] += 100
    assert 18_000 <= used["high"] <= 22_000
    assert used["high"] + used["low"] == 100_000
    assert world.is_current(high) or world.is_current(low)


def test_a_call_starts_again_when_there_is_time(world: TimeWorld) -> None:
    worker = world.active(100, 1000, 10_000)
    target = world.new_notification()
    world.run(worker)
    world.pass_time(1000 * US - LEAST + 1)
    world.send(target)
    # Too little was left for the call: it did not happen.
    assert kernel.current is kernel.idle and int(world.notifications[0].state) == 0
    world.advance(9_500 * US)
    assert world.is_current(worker)
    world.again()
    assert int(world.notifications[0].state) == 2


def test_the_time_used_is_told(world: TimeWorld) -> None:
    slot = world.new_context(10_000)
    worker = world.new_thread(100, slot)
    world.run(worker)
    world.pass_time(250 * US)
    world.trap(Syscall.YIELD, 0, 0)
    assert world.invoke(slot, Label.SCHED_CONTEXT_CONSUMED).words == [250]
    assert world.invoke(slot, Label.SCHED_CONTEXT_CONSUMED).words == [0]


def test_yield_to_an_equal_lets_it_run_first(world: TimeWorld) -> None:
    first, second = world.new_context(1000), world.new_context(1000)
    caller, other, third = world.new_thread(50, first), world.new_thread(50, second), world.active(50)
    world.run(caller)
    tcb = world.tcb(caller)
    world.call(second, label=int(Label.SCHED_CONTEXT_YIELD_TO))
    assert world.is_current(other) and tcb.yield_to is not None
    world.pass_time(30 * US)
    world.trap(Syscall.YIELD, 0, 0)
    assert world.is_current(caller) and tcb.yield_to is None
    answer = world.answer(tcb)
    assert int(answer.error) == 0 and answer.words == [30]
    assert world.tcb(third).in_ready_queue


def test_yield_to_a_lower_thread_returns_at_once(world: TimeWorld) -> None:
    slot = world.new_context(1000)
    caller, other = world.active(60), world.new_thread(50, slot)
    world.run(caller)
    assert world.invoke(slot, Label.SCHED_CONTEXT_YIELD_TO).words == [0]
    assert world.is_current(caller) and world.tcb(other).in_ready_queue


def test_yielding_ends_when_its_target_goes_away(world: TimeWorld) -> None:
    slot = world.new_context(1000)
    caller, other = world.active(50), world.new_thread(50, slot)
    world.run(caller)
    world.call(slot, label=int(Label.SCHED_CONTEXT_YIELD_TO))
    assert world.is_current(other)
    # It deletes its own scheduling context.
    tcb = world.tcb(caller)
    world.invoke(world.root_slot, Label.CNODE_DELETE, world.address(slot), 64)
    world.contexts.pop()
    assert world.is_current(caller) and tcb.yield_to is None
    assert world.answer(tcb).words == [0]


def test_domains_have_their_own_time(world: TimeWorld) -> None:
    manager = world.active(200)
    threads = {name: world.active(50) for name in "ab"}
    world.run(manager)
    for name, domain in (("a", 1), ("b", 2)):
        answer = world.invoke(world.domain, Label.DOMAIN_SET_SET, domain, caps=(threads[name],))
        assert int(answer.error) == 0
    for index, domain, duration in ((0, 1, 500 * US), (1, 2, 1000 * US), (2, 0, 2000 * US)):
        answer = world.invoke(world.domain, Label.DOMAIN_SET_SCHEDULE_CONFIGURE, index, domain, duration)
        assert int(answer.error) == 0
    threads["m"] = manager
    world.call(world.domain, 1, label=int(Label.DOMAIN_SET_SCHEDULE_SET_START))
    order = []
    for _ in range(6):
        order.append(name_of(threads, world))
        world.advance(int(kernel.domain_time))
    assert order == ["b", "m", "b", "m", "b", "m"]


def test_a_thread_can_leave_its_own_domain(world: TimeWorld) -> None:
    manager, other = world.active(200), world.active(50)
    world.run(manager)
    world.invoke(world.domain, Label.DOMAIN_SET_SCHEDULE_CONFIGURE, 1, 1, 1000 * US)
    world.call(world.domain, 1, caps=(manager,), label=int(Label.DOMAIN_SET_SET))
    assert world.is_current(other) and world.ready(manager)
    world.call(world.domain, 1, label=int(Label.DOMAIN_SET_SCHEDULE_SET_START))
    assert world.is_current(manager)


@pytest.mark.parametrize(
    "label, words, error",
    [
        (Label.DOMAIN_SET_SET, (), 7),
        (Label.DOMAIN_SET_SET, (16,), 1),
        (Label.DOMAIN_SET_SET, (1,), 7),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (0, 1), 7),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (99, 1, 5), 4),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (1, 16, 5), 4),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (1, 1, 1 << 56), 1),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (1, 1, (1 << 56) - 1), 0),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (1, 1, 0), 1),
        (Label.DOMAIN_SET_SCHEDULE_CONFIGURE, (0, 0, 0), 1),
        (Label.DOMAIN_SET_SCHEDULE_SET_START, (), 7),
        (Label.DOMAIN_SET_SCHEDULE_SET_START, (100,), 4),
        (Label.DOMAIN_SET_SCHEDULE_SET_START, (5,), 1),
        (Label.TCB_SUSPEND, (), 3),
    ],
)
def test_what_the_domain_capability_refuses(world: TimeWorld, label: Label, words: tuple[int, ...], error: int) -> None:
    world.run(world.active())
    assert int(world.invoke(world.domain, label, *words).error) == error


def test_one_domain_needs_no_time(world: TimeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "profile", SEL4TEST)
    worker = world.active(50, 1000)
    world.run(worker)
    before = int(kernel.domain_time)
    world.advance(10_000 * US)
    assert int(kernel.domain_time) == before and world.is_current(worker)


def test_a_preemption_point_looks_every_fifty_steps(world: TimeWorld) -> None:
    world.run(world.active(50, 1000))
    kernel.work_units = 0
    assert not any(scheduler.preemption_point() for _ in range(150))
    machine.Model.pending = machine.EXTERNAL_PENDING
    world.pass_time(30 * US)
    assert [scheduler.preemption_point() for _ in range(100)].count(True) == 2
    # The time until then is the caller's, whoever runs next.
    assert int(scheduler.consumed()) == 30 * US
    machine.Model.pending = 0
    world.pass_time(1000 * US)
    assert [scheduler.preemption_point() for _ in range(50)] == [False] * 49 + [True]
    timeslice.settle_preempted()
    assert int(scheduler.consumed()) == 0 and int(world.contexts[0].consumed) == 1030 * US
    world.leave()


def test_a_thread_that_blocks_leaves_the_processor(world: TimeWorld) -> None:
    high, low = world.active(100), world.active(50)
    world.run(high)
    world.receive(world.new_notification())
    assert world.is_current(low) and world.tcb(high).state == ThreadState.BLOCKED_ON_NOTIFICATION


def test_the_time_of_a_preempted_call_is_charged_even_if_it_ended_its_thread(world: TimeWorld) -> None:
    slot = world.new_context(1000, 10_000)
    worker = world.new_thread(100, slot)
    world.run(worker)
    context = world.contexts[0]
    world.pass_time(300 * US)
    scheduler.update_time()
    thread.suspend(world.tcb(worker))
    timeslice.settle_preempted()
    assert int(budget.head(context).amount) == 700 * US and int(context.consumed) == 300 * US
    world.leave()
    assert int(budget.head(context).amount) == 700 * US
    # A context that is gone is not charged.
    other = world.active(90)
    world.run(other)
    world.pass_time(100 * US)
    scheduler.update_time()
    gone = world.context_of(other)
    assert gone is not None
    schedcontext.retire(gone)
    timeslice.settle_preempted()
    assert int(scheduler.consumed()) == 0 and int(gone.consumed) == 0
    world.leave()
    assert kernel.current is kernel.idle


def test_a_context_without_budget_makes_its_thread_wait(world: TimeWorld) -> None:
    slot = world.new_context(1000, 10_000)
    context = world.contexts[0]
    budget.charge(context, 1000 * US)
    thread = world.new_thread(100, runs=False)
    manager = world.active(200)
    world.run(manager)
    assert int(world.invoke(slot, Label.SCHED_CONTEXT_BIND, caps=(thread,)).error) == 0
    assert int(world.invoke(thread, Label.TCB_RESUME).error) == 0
    assert world.tcb(thread).in_release_queue and not world.ready(thread)


def test_a_context_that_was_never_configured_can_be_bound_to_a_running_thread(world: TimeWorld) -> None:
    slot, thread, manager = world.new_context(), world.new_thread(100), world.active(200)
    world.run(manager)
    assert int(world.invoke(slot, Label.SCHED_CONTEXT_BIND, caps=(thread,)).error) == 0
    assert not world.ready(thread)


def sporadic(world: TimeWorld, priority: int) -> Slot:
    """A thread that is a sporadic server."""
    return world.new_thread(priority, world.new_context(1000, 10_000, sporadic=True))


@pytest.mark.parametrize("way", ["signal", "take", "cancel signals", "send", "receive", "reply", "cancel", "resume"])
def test_the_time_of_a_sporadic_server_counts_from_when_it_wakes(world: TimeWorld, way: str) -> None:
    endpoint, notification, reply = world.new_endpoint(), world.new_notification(), world.new_reply()
    server = sporadic(world, 120)
    context = world.contexts[0]
    helper = world.active(100, 100_000)
    world.run(server)
    world.pass_time(100 * US)
    match way:
        case "signal" | "cancel signals":
            world.receive(notification)
        case "take":
            world.call(server, label=int(Label.TCB_SUSPEND))
        case "send":
            world.receive(endpoint, reply)
        case "receive" | "cancel":
            world.send(endpoint)
        case "reply":
            world.call(endpoint)
        case "resume":
            world.call(server, label=int(Label.TCB_SUSPEND))
    world.run(helper)
    if way == "reply":
        world.receive(endpoint, reply)
    world.pass_time(50_000 * US)
    scheduler.update_time()
    before = int(budget.head(context).time)
    match way:
        case "signal":
            world.send(notification)
        case "take":
            # A passive thread takes a signal, and with it the context of the notification.
            schedcontext.unbind_tcb(context)
            schedcontext.bind_notification(context, world.notifications[0])
            world.send(notification)
            world.tcb(helper).scheduling_context = None
            own = world.contexts[1]
            own.tcb = None
            notifications.receive(world.tcb(helper), world.of(notification, NotificationCap), True)
            assert world.context_of(helper) is context
        case "cancel signals":
            notifications.cancel_all(world.notifications[0])
        case "send":
            world.send(endpoint)
        case "receive":
            world.receive(endpoint, reply)
        case "reply":
            world.send(reply)
        case "cancel":
            ipc.cancel_all(world.endpoints[0])
        case "resume":
            world.call(server, label=int(Label.TCB_RESUME))
    assert int(budget.head(context).time) == machine.Model.time > before


@pytest.mark.parametrize("way", ["send", "receive", "wait"])
def test_a_thread_that_waits_moves_when_its_priority_changes(world: TimeWorld, way: str) -> None:
    endpoint, notification, reply = world.new_endpoint(), world.new_notification(), world.new_reply()
    first, second = world.active(100), world.active(90)
    world.leave()
    for waiting in (first, second):
        assert world.is_current(waiting)
        if way == "send":
            world.send(endpoint, int(world.tcb(waiting).priority))
        elif way == "receive":
            world.receive(endpoint)
        else:
            world.receive(notification)
    manager = world.active(200)
    world.run(manager)
    world.invoke(second, Label.TCB_SET_PRIORITY, 110, caps=(manager,))
    if way == "send":
        world.receive(endpoint, reply)
        assert world.words(world.tcb(manager)) == [90]
    else:
        world.send(endpoint if way == "receive" else notification)
        assert world.ready(second) and not world.ready(first)

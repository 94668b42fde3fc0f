# SPDX-License-Identifier: BSD-2-Clause
"""Signals: kept, delivered, bound to threads, with time of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.kernel import deletion, schedcontext
from tessera.kernel.capability import SchedContextCap
from tessera.kernel.layout import NotificationState, ThreadState
from tessera.kernel.state import kernel
from tests.kernel.world_time import US, TimeWorld


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


def test_signals_add_up_until_someone_looks(world: TimeWorld) -> None:
    slot = world.new_notification()
    badges = [world.copy(slot, badge=badge) for badge in (1, 4, 4, 16)]
    worker = world.active()
    world.run(worker)
    for badge in badges:
        world.send(badge)
    world.receive(slot)
    assert world.badge(world.tcb(worker)) == 21
    world.receive(slot, blocking=False)
    assert world.badge(world.tcb(worker)) == 0
    assert world.notifications[0].state == NotificationState.IDLE


def test_a_signal_wakes_one_waiting_thread_the_most_important_first(world: TimeWorld) -> None:
    slot = world.new_notification()
    badged = world.copy(slot, badge=3)
    waiting = [world.active(priority) for priority in (60, 80, 80, 70)]
    for thread in sorted(waiting, key=lambda item: -int(world.tcb(item).priority)):
        world.leave()
        world.receive(slot)
        del thread
    signaller = world.active(50)
    woken = []
    for _ in range(4):
        world.run(signaller)
        world.send(badged)
        running = next(thread for thread in waiting if world.is_current(thread))
        assert world.badge(world.tcb(running)) == 3
        woken.append(int(world.tcb(running).priority))
        world.call(running, label=int(Label.TCB_SUSPEND))
    assert woken == [80, 80, 70, 60]


def test_a_bound_notification_ends_a_receive(world: TimeWorld) -> None:
    slot, endpoint, reply = world.new_notification(), world.new_endpoint(), world.new_reply()
    badged = world.copy(slot, badge=8)
    server, other = world.active(120), world.active(100)
    world.run(server)
    assert int(world.invoke(server, Label.TCB_BIND_NOTIFICATION, caps=(slot,)).error) == 0
    world.receive(endpoint, reply)
    world.run(other)
    world.send(badged)
    assert world.is_current(server) and world.badge(world.tcb(server)) == 8
    assert world.replies[0].caller is None and world.tcb(server).reply is None
    # A signal that came before is received first.
    world.send(badged)
    world.receive(endpoint, reply)
    assert world.is_current(server) and world.badge(world.tcb(server)) == 8
    assert int(world.invoke(server, Label.TCB_UNBIND_NOTIFICATION).error) == 0
    world.send(badged)
    world.receive(endpoint, reply)
    assert world.tcb(server).state == ThreadState.BLOCKED_ON_RECEIVE


@pytest.mark.parametrize("which", ["bound twice", "thread", "not readable", "waited for", "nothing bound"])
def test_what_binding_refuses(world: TimeWorld, which: str) -> None:
    slot = world.new_notification()
    worker, other = world.active(120), world.active(130 if which == "waited for" else 100)
    if which == "waited for":
        world.run(other)
        world.receive(slot)
    world.run(worker)
    if which == "bound twice":
        assert int(world.invoke(worker, Label.TCB_BIND_NOTIFICATION, caps=(slot,)).error) == 0
        answer = world.invoke(other, Label.TCB_BIND_NOTIFICATION, caps=(slot,))
    elif which == "thread":
        answer = world.invoke(worker, Label.TCB_BIND_NOTIFICATION, caps=(worker,))
    elif which == "not readable":
        narrow = world.copy(slot, can_receive=False)
        answer = world.invoke(worker, Label.TCB_BIND_NOTIFICATION, caps=(narrow,))
    elif which == "waited for":
        answer = world.invoke(worker, Label.TCB_BIND_NOTIFICATION, caps=(slot,))
    else:
        answer = world.invoke(worker, Label.TCB_UNBIND_NOTIFICATION)
    assert int(answer.error) == 3


def test_a_passive_thread_runs_on_the_time_of_its_notification(world: TimeWorld) -> None:
    slot, context = world.new_notification(), world.new_context(1000)
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply)
    client = world.active(100)
    world.run(client)
    assert int(world.invoke(context, Label.SCHED_CONTEXT_BIND, caps=(slot,)).error) == 0
    assert int(world.invoke(server, Label.TCB_BIND_NOTIFICATION, caps=(slot,)).error) == 0
    world.send(slot)
    assert world.is_current(server) and world.context_of(server) is world.contexts[0]
    # It is passive again as soon as it waits.
    world.receive(endpoint, reply)
    assert world.is_current(client) and world.context_of(server) is None
    world.call(endpoint)
    assert world.is_current(server)
    world.reply_receive(endpoint, reply)
    world.send(slot)
    # The same for waiting at the notification itself.
    world.receive(slot)
    assert world.context_of(server) is None and world.is_current(client)
    world.send(slot)
    assert world.is_current(server)
    assert int(world.invoke(context, Label.SCHED_CONTEXT_UNBIND_OBJECT, caps=(slot,)).error) == 0
    world.receive(slot)
    assert world.tcb(server).state == ThreadState.BLOCKED_ON_NOTIFICATION
    assert world.context_of(server) is world.contexts[0]


def test_borrowed_time_that_is_used_up_has_to_come_back_first(world: TimeWorld) -> None:
    slot = world.new_notification()
    context = world.new_context(1000, 10_000)
    worker = world.new_thread(120)
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply, 130)
    client = world.active(100)
    world.run(client)
    world.invoke(context, Label.SCHED_CONTEXT_BIND, caps=(slot,))
    world.tcb(worker).state = ThreadState.INACTIVE
    world.invoke(server, Label.TCB_BIND_NOTIFICATION, caps=(slot,))
    world.send(slot)
    assert world.is_current(server)
    world.pass_time(985 * US)
    world.receive(endpoint, reply)
    # Too little was left even for that, so the server still has the time when it comes back.
    assert world.is_current(client) and world.tcb(server).in_release_queue
    world.advance(9_100 * US)
    assert world.is_current(server)
    world.again_receive(reply)
    assert world.context_of(server) is None
    del worker


def test_deleting_a_notification_lets_its_threads_start_again(world: TimeWorld) -> None:
    slot, context = world.new_notification(), world.new_context(1000)
    threads = [world.active(100 - i) for i in range(3)]
    world.leave()
    for _ in threads:
        world.receive(slot)
    manager = world.active(20)
    world.run(manager)
    world.invoke(context, Label.SCHED_CONTEXT_BIND, caps=(slot,))
    deletion.delete(slot)
    world.notifications.clear()
    world.leave()
    assert world.is_current(threads[0])
    assert [world.tcb(thread).state for thread in threads[1:]] == [ThreadState.RESTART] * 2
    assert world.contexts[0].notification is None


def test_a_waiting_thread_whose_context_was_never_configured_stays_where_it_is(world: TimeWorld) -> None:
    slot, never = world.new_notification(), world.new_context()
    waiting, manager = world.active(120), world.active(100)
    world.run(waiting)
    world.receive(slot)
    own = world.context_of(waiting)
    assert own is not None
    world.run(manager)
    schedcontext.unbind_tcb(own)
    # No invocation binds such a context to a waiting thread; the invariants allow it.
    schedcontext.bind_tcb(world.of(never, SchedContextCap).context, world.tcb(waiting))
    world.notifications.clear()
    deletion.delete(slot)
    world.leave()
    assert world.is_current(manager)
    assert world.tcb(waiting).state == ThreadState.RESTART
    assert not world.tcb(waiting).in_ready_queue and not world.tcb(waiting).in_release_queue


def test_waiting_for_the_notification_of_another_thread_is_a_fault(world: TimeWorld) -> None:
    slot = world.new_notification()
    owner, other = world.active(120), world.active(100)
    world.run(owner)
    world.invoke(owner, Label.TCB_BIND_NOTIFICATION, caps=(slot,))
    world.call(owner, label=int(Label.TCB_SUSPEND))
    world.run(other)
    world.receive(slot)
    assert world.tcb(other).state == ThreadState.INACTIVE and kernel.current is kernel.idle

# SPDX-License-Identifier: BSD-2-Clause
"""Ending the waiting of many threads: all at an endpoint, or those with a badge; preempted and continued."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import PREEMPTION_WORK_UNITS
from tessera.abi.syscalls import Syscall
from tessera.arch import machine
from tessera.kernel import blocking, deletion, faultmessage, ipc
from tessera.kernel.capability import EndpointCap, ZombieCap
from tessera.kernel.layout import FaultKind, Slot, ThreadState
from tessera.kernel.request import Status
from tessera.kernel.state import kernel
from tests.kernel.world_time import TimeWorld


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


def waiting_senders(world: TimeWorld, count: int) -> tuple[Slot, list[Slot]]:
    """An endpoint with that many threads that wait to send, with badges 1 and 2 in turn."""
    endpoint = world.new_endpoint()
    badged = [world.copy(endpoint, badge=badge) for badge in (1, 2)]
    threads = []
    for i in range(count):
        thread = world.active(100)
        world.run(thread)
        world.send(badged[i % 2], i)
        threads.append(thread)
    # Whoever cancels runs.
    world.run(world.active(10))
    return endpoint, threads


def test_deleting_an_endpoint_lets_its_threads_start_again(world: TimeWorld) -> None:
    endpoint, threads = waiting_senders(world, 4)
    deletion.revoke(endpoint)
    deletion.delete(endpoint)
    world.endpoints.clear()
    world.leave()
    states = [world.tcb(thread).state for thread in threads]
    assert states.count(ThreadState.RUNNING) == 1 and states.count(ThreadState.RESTART) == 3


def test_cancelling_by_badge_touches_no_other(world: TimeWorld) -> None:
    endpoint, threads = waiting_senders(world, 5)
    worker = world.active(50)
    del worker
    target = world.copy(endpoint, badge=2)
    cap = target.capability
    assert isinstance(cap, EndpointCap)
    assert ipc.cancel_badged(cap.endpoint, 2) == Status.OK
    world.leave()
    states = [world.tcb(thread).state for thread in threads]
    waiting = [state == ThreadState.BLOCKED_ON_SEND for state in states]
    assert waiting == [True, False, True, False, True]


def test_cancelling_many_is_preempted_and_goes_on(world: TimeWorld) -> None:
    world.checking = False
    endpoint = world.new_endpoint()
    cap = endpoint.capability
    assert isinstance(cap, EndpointCap)
    threads = [world.active(100) for _ in range(7)]
    for thread in threads:
        world.run(thread)
        world.send(endpoint, 1)
    world.run(world.active(10))
    machine.Model.pending = machine.EXTERNAL_PENDING
    kernel.work_units = PREEMPTION_WORK_UNITS - 3
    assert ipc.cancel_all(cap.endpoint) == Status.PREEMPTED
    left = [thread for thread in threads if world.tcb(thread).state == ThreadState.BLOCKED_ON_SEND]
    assert len(left) == 4
    machine.Model.pending = 0
    world.checking = True
    world.leave()
    assert ipc.cancel_all(cap.endpoint) == Status.OK
    world.leave()
    assert all(world.tcb(thread).state != ThreadState.BLOCKED_ON_SEND for thread in threads)


def test_cancelling_by_badge_goes_on_where_it_was_preempted(world: TimeWorld) -> None:
    endpoint, threads = waiting_senders(world, 9)
    manager = world.active(90)
    world.run(manager)
    target = world.copy(endpoint, badge=2)
    first = world.tcb(threads[4])
    machine.Model.pending = machine.EXTERNAL_PENDING
    kernel.work_units = PREEMPTION_WORK_UNITS - 4
    arguments = (world.address(target), 64)
    world.call(world.root_slot, *arguments, label=int(Label.CNODE_CANCEL_BADGED_SENDS))
    # Four were looked at, and the thread repeats its call.
    assert kernel.cancel_next is first and kernel.cancel_by is world.tcb(manager)
    assert sum(world.tcb(thread).state == ThreadState.BLOCKED_ON_SEND for thread in threads) == 7
    machine.Model.pending = 0
    for thread in threads[1:4:2]:
        world.call(thread, label=int(Label.TCB_SUSPEND))
    # The next one leaves meanwhile.
    blocking.cancel_ipc(first)
    assert kernel.cancel_next is world.tcb(threads[5])
    world.run(manager)
    world.again()
    for thread in threads[5::2]:
        world.call(thread, label=int(Label.TCB_SUSPEND))
    waiting = [world.tcb(thread).state == ThreadState.BLOCKED_ON_SEND for thread in threads]
    assert waiting == [True, False, True, False, False, False, True, False, True]
    assert kernel.cancel_next is None


def test_a_cancellation_that_another_thread_ended_begins_anew(world: TimeWorld) -> None:
    endpoint, threads = waiting_senders(world, 6)
    manager, other = world.active(90), world.active(80)
    world.run(manager)
    target = world.copy(endpoint, badge=1)
    machine.Model.pending = machine.EXTERNAL_PENDING
    kernel.work_units = PREEMPTION_WORK_UNITS - 3
    arguments = (world.address(target), 64)
    world.call(world.root_slot, *arguments, label=int(Label.CNODE_CANCEL_BADGED_SENDS))
    machine.Model.pending = 0
    assert kernel.cancel_next is world.tcb(threads[3])
    for thread in threads[0:4:2]:
        world.call(thread, label=int(Label.TCB_SUSPEND))
    world.run(manager)
    world.call(manager, label=int(Label.TCB_SUSPEND))
    assert kernel.cancel_next is None and kernel.cancel_by is None
    # A sender that comes to the head of the queue meanwhile is not forgotten.
    late = world.active(150)
    world.run(late)
    world.send(target, 9)
    world.run(other)
    world.call(world.root_slot, *arguments, label=int(Label.CNODE_CANCEL_BADGED_SENDS))
    assert world.tcb(late).state == ThreadState.RUNNING


def test_changing_a_priority_moves_a_waiting_thread(world: TimeWorld) -> None:
    endpoint, threads = waiting_senders(world, 3)
    manager = world.active(200)
    world.run(manager)
    answer = world.invoke(threads[2], Label.TCB_SET_PRIORITY, 110, caps=(manager,))
    assert int(answer.error) == 0
    world.receive(endpoint, world.new_reply())
    assert world.words(world.tcb(manager)) == [2]


@pytest.mark.parametrize("how", ["write", "copy", "answer"])
def test_a_thread_sent_elsewhere_does_not_go_on_cancelling(world: TimeWorld, how: str) -> None:
    manager, other = world.active(90), world.active(80)
    world.run(manager)
    world.call(manager, 70, caps=(manager,), label=int(Label.TCB_SET_PRIORITY))
    assert world.is_current(other)
    tcb = world.tcb(manager)
    kernel.cancel_by = tcb
    if how == "write":
        world.invoke(manager, Label.TCB_WRITE_REGISTERS, 0, 1, 0x1000)
    elif how == "copy":
        world.invoke(manager, Label.TCB_COPY_REGISTERS, 4, caps=(other,))
    else:
        tcb.fault = FaultKind.TIMEOUT
        faultmessage.read_answer(world.tcb(other), tcb)
        tcb.fault = FaultKind.NONE
    assert kernel.cancel_by is None


def test_a_thread_that_ends_itself_receives_nothing(world: TimeWorld) -> None:
    # The deletion is preempted while the thread's CSpace is there still.
    endpoint, thread = world.new_endpoint(), world.active(100)
    world.run(thread)
    tcb = world.tcb(thread)
    info = world.prepare((world.address(thread), 64), (), int(Label.CNODE_DELETE))
    kernel.work_units = PREEMPTION_WORK_UNITS - 1
    machine.Model.pending = machine.EXTERNAL_PENDING
    world.trap(Syscall.NB_SEND_WAIT, world.address(endpoint), info, world.root_slot)
    machine.Model.pending = 0
    assert isinstance(thread.capability, ZombieCap)
    assert tcb.state == ThreadState.INACTIVE and world.endpoints[0].head is None

# SPDX-License-Identifier: BSD-2-Clause
"""What ends with the last capability to each kind of object."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.objects import ObjectType
from tessera.arch import machine, paging
from tessera.kernel import (
    deletion,
    derivation,
    interrupt,
    ipc,
    notification,
    schedcontext,
    scheduler,
    untyped,
    vspace,
)
from tessera.kernel.capability import (
    AsidPoolCap,
    EndpointCap,
    FrameCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.layout import AsidPool, EndpointState, Slot, ThreadState
from tessera.kernel.request import Status
from tessera.kernel.state import IrqState, irq_slots, kernel
from tessera.lang import at, to_word, u64
from tests.kernel.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World(root_bits=5) as state:
        yield state


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt is always pending, and every step looks for it."""
    monkeypatch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 1)
    monkeypatch.setattr(machine.Model, "pending", 1)


def copy(world: World, source: Slot, to: Slot | None = None) -> Slot:
    """A second capability to the same object."""
    slot = to if to is not None else world.slot()
    derivation.insert(source.capability, source, slot)
    return slot


def test_the_last_endpoint_capability_wakes_all_who_wait(world: World) -> None:
    slot = world.make(ObjectType.ENDPOINT)
    other = copy(world, slot)
    cap = slot.capability
    assert isinstance(cap, EndpointCap)
    senders = [world.tcb(world.thread()) for _ in range(3)]
    for tcb in senders:
        ipc.block_sender(tcb, cap.endpoint, 0, False, False, False)
    assert deletion.delete(slot) == Status.OK
    assert all(tcb.state == ThreadState.BLOCKED_ON_SEND for tcb in senders)
    assert deletion.delete(other) == Status.OK
    assert all(tcb.state == ThreadState.RESTART for tcb in senders)
    assert cap.endpoint.end.state == EndpointState.IDLE


@pytest.mark.usefixtures("impatient")
def test_waking_many_can_be_stopped(world: World) -> None:
    slot = world.make(ObjectType.ENDPOINT)
    cap = slot.capability
    assert isinstance(cap, EndpointCap)
    for _ in range(4):
        ipc.block_sender(world.tcb(world.thread()), cap.endpoint, 0, False, False, False)
    for _ in range(3):
        assert deletion.delete(slot) == Status.PREEMPTED
        assert isinstance(slot.capability, EndpointCap)
    assert deletion.delete(slot) == Status.OK
    assert isinstance(slot.capability, NullCap)


def test_a_thread_lets_go_of_everything(world: World) -> None:
    thread, signal = world.thread(), world.make(ObjectType.NOTIFICATION)
    tcb, cap = world.tcb(thread), signal.capability
    assert isinstance(cap, NotificationCap)
    notification.bind(cap.notification, tcb)
    kernel.fpu_owner = tcb
    space = copy(world, world.root_slot, to=world.inside(thread, 0))
    assert deletion.delete(thread) == Status.OK
    assert cap.notification.bound_tcb is None
    assert kernel.fpu_owner is None
    assert tcb.state == ThreadState.INACTIVE
    assert isinstance(space.capability, NullCap)
    world.check()


def test_the_last_notification_capability_unbinds_and_wakes(world: World) -> None:
    signal, bound, waiting = world.make(ObjectType.NOTIFICATION), world.tcb(world.thread()), world.tcb(world.thread())
    cap = signal.capability
    assert isinstance(cap, NotificationCap)
    notification.bind(cap.notification, bound)
    kernel.current = waiting
    notification.receive(waiting, cap, True)
    kernel.current = bound
    assert waiting.state == ThreadState.BLOCKED_ON_NOTIFICATION
    assert deletion.delete(signal) == Status.OK
    assert bound.bound_notification is None
    assert waiting.state == ThreadState.RESTART


def test_the_last_reply_and_scheduling_context(world: World) -> None:
    endpoint, answer = world.make(ObjectType.ENDPOINT), world.make(ObjectType.REPLY)
    tcb = world.tcb(world.thread())
    cap, reply = endpoint.capability, answer.capability
    assert isinstance(cap, EndpointCap) and isinstance(reply, ReplyCap)
    ipc.block_receiver(tcb, cap.endpoint, reply.reply)
    assert deletion.delete(answer) == Status.OK
    assert tcb.state == ThreadState.INACTIVE and tcb.reply is None
    assert cap.endpoint.end.state == EndpointState.IDLE

    time = world.make(ObjectType.SCHED_CONTEXT, 7)
    context = time.capability
    assert isinstance(context, SchedContextCap)
    schedcontext.bind_tcb(context.context, tcb)
    assert deletion.delete(time) == Status.OK
    assert tcb.scheduling_context is None


def test_the_last_handler_frees_its_interrupt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[tuple[int, bool]] = []
    monkeypatch.setattr(machine, "mask_interrupt", lambda irq, off: masked.append((int(irq), off)))
    control, signal, handler = world.irq_control(), world.make(ObjectType.NOTIFICATION), world.slot()
    interrupt.set_state(10, IrqState.SIGNAL)
    derivation.insert_handler(IrqHandlerCap(irq=10), control, handler)
    other = copy(world, handler)
    slot = copy(world, signal, to=irq_slots.slots[10])
    world.check()
    assert deletion.delete(other) == Status.OK
    assert interrupt.is_active(10) and not derivation.is_empty(slot)
    assert deletion.revoke(control) == Status.OK
    assert not interrupt.is_active(10) and derivation.is_empty(slot)
    assert masked == [(10, False), (10, True)]
    assert isinstance(signal.capability, NotificationCap)
    world.check()


def test_the_current_thread_can_delete_itself(world: World) -> None:
    thread = world.original(ThreadCap(tcb=world.caller))
    assert deletion.delete(thread) == Status.OK
    assert world.caller.state == ThreadState.INACTIVE
    assert isinstance(thread.capability, NullCap)


def test_mappings_end_with_their_capabilities(world: World) -> None:
    table, pool_page = world.make(ObjectType.PAGE_TABLE), world.untyped(12)
    root = table.capability
    memory = pool_page.capability
    assert isinstance(root, PageTableCap) and isinstance(memory, UntypedCap)
    pool = at(AsidPool, memory.base)
    untyped.clear(memory.base, 12)
    pool_slot = world.slot()
    pool_page.capability = memory.replace(free_offset=1 << 12)
    derivation.insert_original(AsidPoolCap(pool=pool, asid_base=0), pool_page, pool_slot, False)
    vspace.new_pool(pool, 0)
    pool.spaces[1] = root.table
    # What proofs know of the root of a space.
    root.table.rank, root.table.space, root.table.place = u64(1), root.table, u64(1)
    table.capability = root.replace(is_mapped=True, asid=1)
    device = world.original(UntypedCap(base=1 << 38, size_bits=30, is_device=True))
    frame = world.make(ObjectType.GIGA_PAGE, memory=device)
    cap = frame.capability
    assert isinstance(cap, FrameCap)
    other = copy(world, frame)
    frame.capability = cap.replace(asid=1, mapped_address=1 << 30)
    root.table.entries[1] = to_word(paging.leaf_entry(cap.base, True, True, False))
    # A copy has no mapping; the mapped one takes its mapping along, though it is not the last.
    assert deletion.delete(other) == Status.OK
    assert root.table.entries[1] != 0
    other = copy(world, frame)
    other.capability = cap
    assert deletion.delete(frame) == Status.OK
    assert root.table.entries[1] == 0
    assert deletion.delete(table) == Status.OK
    assert pool.spaces[1] is None
    assert deletion.revoke(pool_page) == Status.OK
    assert kernel.asid_table[0] is None
    world.check()

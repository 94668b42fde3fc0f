# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of threads: registers, spaces, priorities, scheduling contexts; and what each refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.faults import USER_CONTEXT
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import PAGE_BITS, ObjectType
from tessera.arch import registers
from tessera.kernel.capability import CNodeCap, EndpointCap, FrameCap, FrameSize, NullCap, PageTableCap
from tessera.kernel.layout import FAULT_PC, NEXT_PC, Slot, ThreadState
from tests.kernel.world_time import BUFFER_ADDRESS, US, TimeWorld


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


@pytest.fixture
def manager(world: TimeWorld) -> Slot:
    """The thread that runs, above the others."""
    slot = world.active(200, 100_000)
    world.run(slot)
    return slot


def space(world: TimeWorld) -> Slot:
    """A slot with a capability to the root of an address space."""
    slot = world.make(ObjectType.PAGE_TABLE)
    slot.capability = slot.capability.replace(is_mapped=True, asid=1)
    return slot


def frame(world: TimeWorld, **named: Any) -> Slot:
    """A slot with a page of memory."""
    values = {"base": world.carve(PAGE_BITS), "size": FrameSize.PAGE, "can_read": True, "can_write": True}
    return world.original(FrameCap(**(values | named)))


def test_registers_are_read_in_the_order_of_the_context(world: TimeWorld, manager: Slot) -> None:
    thread = world.new_thread(100)
    tcb = world.tcb(thread)
    for index, name in enumerate(USER_CONTEXT):
        tcb.registers[registers.index_of(name)] = 500 + index
    assert world.invoke(thread, Label.TCB_READ_REGISTERS, 0, 32).words == list(range(500, 532))
    assert world.invoke(thread, Label.TCB_READ_REGISTERS, 0, 3).words == [500, 501, 502]
    assert tcb.state == ThreadState.RUNNING
    world.invoke(thread, Label.TCB_READ_REGISTERS, 1, 1)
    assert tcb.state == ThreadState.INACTIVE


def test_registers_are_written_and_the_thread_resumed(world: TimeWorld, manager: Slot) -> None:
    thread = world.new_thread(100, world.new_context(1000), runs=False)
    tcb = world.tcb(thread)
    answer = world.invoke(thread, Label.TCB_WRITE_REGISTERS, 1, 32, *range(700, 732))
    assert answer.error == Error.NO_ERROR
    assert [int(tcb.registers[registers.index_of(name)]) for name in USER_CONTEXT] == list(range(700, 732))
    assert int(tcb.registers[NEXT_PC]) == 700 and tcb.in_ready_queue
    # Fewer words leave the others as they are.
    world.invoke(thread, Label.TCB_WRITE_REGISTERS, 0, 2, 1, 2)
    assert int(tcb.registers[FAULT_PC]) == 1 and int(tcb.registers[registers.STACK_POINTER]) == 702


@pytest.mark.parametrize("flags, frame_copied, integer_copied", [(4, True, False), (8, False, True), (12, True, True)])
def test_registers_are_copied_in_groups(
    world: TimeWorld, manager: Slot, flags: int, frame_copied: bool, integer_copied: bool
) -> None:
    source, target = world.new_thread(100, runs=False), world.new_thread(100, runs=False)
    for index, name in enumerate(USER_CONTEXT):
        world.tcb(source).registers[registers.index_of(name)] = 900 + index
    world.invoke(target, Label.TCB_COPY_REGISTERS, flags, caps=(source,))
    values = [int(world.tcb(target).registers[registers.index_of(name)]) for name in USER_CONTEXT]
    expected = [900 + i if (frame_copied if i < 16 else integer_copied) else 0 for i in range(32)]
    assert values == expected
    assert int(world.tcb(target).registers[NEXT_PC]) == (900 if frame_copied else 0)


def test_copying_can_suspend_and_resume(world: TimeWorld, manager: Slot) -> None:
    source = world.active(100)
    target = world.new_thread(90, world.new_context(1000), runs=False)
    world.invoke(target, Label.TCB_COPY_REGISTERS, 3, caps=(source,))
    assert world.tcb(source).state == ThreadState.INACTIVE and world.tcb(target).in_ready_queue


def test_copying_can_suspend_and_resume_the_caller_itself(world: TimeWorld, manager: Slot) -> None:
    assert world.invoke(manager, Label.TCB_COPY_REGISTERS, 3, caps=(manager,)).error == Error.NO_ERROR
    assert world.is_current(manager) and world.tcb(manager).state == ThreadState.RUNNING


def test_configure_sets_spaces_and_buffer(world: TimeWorld, manager: Slot) -> None:
    thread = world.thread()
    tcb = world.tcb(thread)
    root, buffer, cnode = space(world), frame(world), world.cnode(4)
    guard = 50 << 6 | 60
    answer = world.invoke(thread, Label.TCB_CONFIGURE, guard, 0, BUFFER_ADDRESS, caps=(cnode, root, buffer))
    assert answer.error == Error.NO_ERROR
    installed = tcb.cspace_root.capability
    assert isinstance(installed, CNodeCap) and int(installed.guard) == 50 and int(installed.guard_size) == 60
    assert isinstance(tcb.vspace_root.capability, PageTableCap)
    assert isinstance(tcb.ipc_buffer_frame.capability, FrameCap) and int(tcb.ipc_buffer) == BUFFER_ADDRESS
    # Again, without a buffer.
    world.invoke(thread, Label.TCB_CONFIGURE, guard, 0, 0, caps=(cnode, root, buffer))
    assert isinstance(tcb.ipc_buffer_frame.capability, NullCap)


def test_set_space_installs_the_fault_handler(world: TimeWorld, manager: Slot) -> None:
    thread, endpoint, cnode, root = world.thread(), world.new_endpoint(), world.cnode(4), space(world)
    handler = world.copy(endpoint, badge=9)
    tcb = world.tcb(thread)
    assert world.invoke(thread, Label.TCB_SET_SPACE, 0, 0, caps=(handler, cnode, root)).error == Error.NO_ERROR
    installed = tcb.fault_handler.capability
    assert isinstance(installed, EndpointCap) and int(installed.badge) == 9
    assert isinstance(tcb.cspace_root.capability, CNodeCap)
    assert isinstance(tcb.vspace_root.capability, PageTableCap)
    empty = world.slot()
    assert world.invoke(thread, Label.TCB_SET_SPACE, 0, 0, caps=(empty, cnode, root)).error == Error.NO_ERROR
    assert isinstance(tcb.fault_handler.capability, NullCap)


def test_the_last_capability_to_a_root_is_not_replaced(world: TimeWorld, manager: Slot) -> None:
    thread, cnode, root, buffer = world.thread(), world.cnode(4), space(world), frame(world)
    other = world.cnode(4)
    world.invoke(thread, Label.TCB_CONFIGURE, 0, 0, 0, caps=(cnode, root, buffer))
    world.invoke(world.root_slot, Label.CNODE_DELETE, world.address(cnode), 64)
    answer = world.invoke(thread, Label.TCB_CONFIGURE, 0, 0, 0, caps=(other, root, buffer))
    assert answer.error == Error.ILLEGAL_OPERATION


def test_priorities_are_limited_by_the_authority(world: TimeWorld, manager: Slot) -> None:
    thread, weak = world.active(50), world.active(60)
    world.tcb(weak).maximum_priority = 60
    assert world.invoke(thread, Label.TCB_SET_PRIORITY, 60, caps=(weak,)).error == Error.NO_ERROR
    assert int(world.tcb(thread).priority) == 60
    answer = world.invoke(thread, Label.TCB_SET_PRIORITY, 61, caps=(weak,))
    assert answer.error == Error.RANGE_ERROR and answer.words == [0, 60]
    answer = world.invoke(thread, Label.TCB_SET_MC_PRIORITY, 61, caps=(weak,))
    assert answer.error == Error.RANGE_ERROR and answer.words == [0, 60]
    assert world.invoke(thread, Label.TCB_SET_MC_PRIORITY, 10, caps=(weak,)).error == Error.NO_ERROR
    assert int(world.tcb(thread).maximum_priority) == 10


def test_raising_a_priority_switches_at_once(world: TimeWorld, manager: Slot) -> None:
    thread = world.active(50)
    world.call(thread, 201, caps=(manager,), label=int(Label.TCB_SET_PRIORITY))
    assert world.is_current(thread)
    # And lowering one's own.
    world.call(thread, 20, caps=(manager,), label=int(Label.TCB_SET_PRIORITY))
    assert world.is_current(manager)


def test_scheduling_parameters_are_set_together(world: TimeWorld, manager: Slot) -> None:
    thread, context, endpoint = world.new_thread(1), world.new_context(1000), world.new_endpoint()
    empty = world.slot()
    tcb = world.tcb(thread)
    caps = (manager, context, endpoint)
    assert world.invoke(thread, Label.TCB_SET_SCHED_PARAMS, 80, 70, caps=caps).error == Error.NO_ERROR
    assert (int(tcb.maximum_priority), int(tcb.priority)) == (80, 70)
    assert tcb.scheduling_context is not None and tcb.in_ready_queue
    assert isinstance(tcb.fault_handler.capability, EndpointCap)
    assert world.invoke(thread, Label.TCB_SET_SCHED_PARAMS, 80, 70, caps=caps).error == Error.ILLEGAL_OPERATION
    answer = world.invoke(thread, Label.TCB_SET_SCHED_PARAMS, 80, 75, caps=(manager, empty, empty))
    assert answer.error == Error.NO_ERROR
    assert tcb.scheduling_context is None and not tcb.in_ready_queue
    assert isinstance(tcb.fault_handler.capability, NullCap)


def test_the_caller_cannot_take_its_own_time_away(world: TimeWorld, manager: Slot) -> None:
    empty = world.slot()
    answer = world.invoke(manager, Label.TCB_SET_SCHED_PARAMS, 200, 200, caps=(manager, empty, empty))
    assert answer.error == Error.ILLEGAL_OPERATION


def test_a_blocked_thread_takes_only_a_context_with_budget(world: TimeWorld, manager: Slot) -> None:
    context, used = world.new_context(1000), world.new_context()
    thread = world.new_thread(210, context)
    world.leave()
    world.receive(world.new_notification())
    world.invoke(context, Label.SCHED_CONTEXT_UNBIND)
    empty = world.slot()
    answer = world.invoke(thread, Label.TCB_SET_SCHED_PARAMS, 90, 90, caps=(manager, used, empty))
    assert answer.error == Error.ILLEGAL_OPERATION
    answer = world.invoke(thread, Label.TCB_SET_SCHED_PARAMS, 90, 90, caps=(manager, context, empty))
    assert answer.error == Error.NO_ERROR


def test_suspend_and_resume_repeat_a_system_call(world: TimeWorld, manager: Slot) -> None:
    thread, target = world.active(210), world.new_notification()
    world.run(thread)
    world.tcb(thread).registers[NEXT_PC] = 0x100
    world.receive(target)
    assert world.is_current(manager)
    world.invoke(thread, Label.TCB_SUSPEND)
    assert world.tcb(thread).state == ThreadState.INACTIVE and world.notifications[0].head is None
    world.call(thread, label=int(Label.TCB_RESUME))
    assert world.is_current(thread) and int(world.tcb(thread).registers[NEXT_PC]) == 0x100
    # A thread that was running goes on behind its call.
    world.call(thread, label=int(Label.TCB_SUSPEND))
    assert world.is_current(manager)
    world.call(thread, label=int(Label.TCB_RESUME))
    assert world.is_current(thread)


def test_the_thread_pointer_and_flags(world: TimeWorld, manager: Slot) -> None:
    thread = world.new_thread(100)
    assert world.invoke(thread, Label.TCB_SET_TLS_BASE, 0x7000).error == Error.NO_ERROR
    assert int(world.tcb(thread).registers[registers.THREAD_POINTER]) == 0x7000
    assert world.invoke(thread, Label.TCB_SET_FLAGS, 0, 0xFF).words == [1]
    assert world.invoke(thread, Label.TCB_SET_FLAGS, 0, 0).words == [1]
    assert world.invoke(thread, Label.TCB_SET_FLAGS, 1, 0).words == [0]


class Caps:
    """Capabilities of all sorts, by name."""

    def __init__(self, world: TimeWorld, manager: Slot) -> None:
        self.manager = manager
        self.thread = world.new_thread(100)
        self.empty = world.slot()
        self.cnode = world.cnode(4)
        self.table = world.make(ObjectType.PAGE_TABLE)
        self.space = space(world)
        self.frame = frame(world)
        self.device = frame(world, is_device=True)
        self.endpoint = world.new_endpoint()
        self.mute = world.copy(self.endpoint, can_grant=False, can_grant_reply=False)
        self.answerable = world.copy(self.endpoint, can_grant=False)
        self.notification = world.new_notification()
        self.context = world.new_context(1000)


@pytest.mark.parametrize(
    "target, label, words, caps, error, details",
    [
        ("thread", Label.TCB_READ_REGISTERS, (0,), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_READ_REGISTERS, (0, 0), "", Error.RANGE_ERROR, [1, 32]),
        ("thread", Label.TCB_READ_REGISTERS, (0, 33), "", Error.RANGE_ERROR, [1, 32]),
        ("manager", Label.TCB_READ_REGISTERS, (0, 1), "", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_WRITE_REGISTERS, (0, 0), "", Error.NO_ERROR, []),
        ("thread", Label.TCB_WRITE_REGISTERS, (0,), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_WRITE_REGISTERS, (0, 2, 1), "", Error.TRUNCATED_MESSAGE, []),
        ("manager", Label.TCB_WRITE_REGISTERS, (0, 1, 1), "", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_COPY_REGISTERS, (), "thread", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_COPY_REGISTERS, (0,), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_COPY_REGISTERS, (0,), "frame", Error.INVALID_CAPABILITY, [1]),
        ("thread", Label.TCB_CONFIGURE, (0, 0), "cnode space frame", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_CONFIGURE, (0, 0, 0), "cnode space", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_CONFIGURE, (0, 0, 0), "frame space frame", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_CONFIGURE, (64, 0, 0), "cnode frame frame", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_CONFIGURE, (63, 0, 0), "cnode space frame", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_CONFIGURE, (0, 0, 0), "cnode table frame", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_CONFIGURE, (0, 0, 1024), "cnode space device", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_CONFIGURE, (0, 0, 1024), "cnode space endpoint", Error.ILLEGAL_OPERATION, []),
        ("thread", Label.TCB_CONFIGURE, (0, 0, 512), "cnode space frame", Error.ALIGNMENT_ERROR, []),
        ("thread", Label.TCB_SET_SPACE, (0,), "empty cnode space", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_SPACE, (0, 0), "empty cnode", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_SPACE, (0, 0), "mute cnode space", Error.INVALID_CAPABILITY, [1]),
        ("thread", Label.TCB_SET_SPACE, (0, 0), "notification cnode space", Error.INVALID_CAPABILITY, [1]),
        ("thread", Label.TCB_SET_IPC_BUFFER, (), "frame", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_IPC_BUFFER, (1024,), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_IPC_BUFFER, (1025,), "frame", Error.ALIGNMENT_ERROR, []),
        ("thread", Label.TCB_SET_IPC_BUFFER, (1024,), "frame", Error.NO_ERROR, []),
        ("thread", Label.TCB_SET_TIMEOUT_ENDPOINT, (), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_TIMEOUT_ENDPOINT, (), "mute", Error.INVALID_CAPABILITY, [1]),
        ("thread", Label.TCB_SET_TIMEOUT_ENDPOINT, (), "endpoint", Error.NO_ERROR, []),
        ("thread", Label.TCB_SET_TIMEOUT_ENDPOINT, (), "answerable", Error.NO_ERROR, []),
        ("thread", Label.TCB_SET_PRIORITY, (), "manager", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_PRIORITY, (1,), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_PRIORITY, (1,), "frame", Error.INVALID_CAPABILITY, [1]),
        ("thread", Label.TCB_SET_PRIORITY, (256,), "manager", Error.RANGE_ERROR, [0, 255]),
        ("thread", Label.TCB_SET_SCHED_PARAMS, (1,), "manager context empty", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_SCHED_PARAMS, (1, 1), "manager context", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_SCHED_PARAMS, (1, 1), "frame context empty", Error.INVALID_CAPABILITY, [1]),
        ("thread", Label.TCB_SET_SCHED_PARAMS, (1, 1), "manager frame empty", Error.INVALID_CAPABILITY, [2]),
        ("thread", Label.TCB_SET_SCHED_PARAMS, (1, 1), "manager context mute", Error.INVALID_CAPABILITY, [3]),
        ("thread", Label.TCB_SET_SCHED_PARAMS, (256, 1), "manager context empty", Error.RANGE_ERROR, [0, 255]),
        ("thread", Label.TCB_BIND_NOTIFICATION, (), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_BIND_NOTIFICATION, (), "notification", Error.NO_ERROR, []),
        ("thread", Label.TCB_SET_TLS_BASE, (), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.TCB_SET_FLAGS, (0,), "", Error.TRUNCATED_MESSAGE, []),
        ("thread", Label.CNODE_COPY, (), "", Error.ILLEGAL_OPERATION, []),
    ],
)
def test_what_each_invocation_refuses(
    world: TimeWorld,
    manager: Slot,
    target: str,
    label: Label,
    words: tuple[int, ...],
    caps: str,
    error: Error,
    details: list[int],
) -> None:
    known = Caps(world, manager)
    passed = tuple(getattr(known, name) for name in caps.split())
    answer = world.invoke(getattr(known, target), label, *words, caps=passed)
    assert (answer.error, answer.words) == (error, details)
    assert world.is_current(manager)
    world.check()


class TestSchedulingContexts:
    """Budgets given out, bindings, and what is refused."""

    def test_a_budget_is_given_in_microseconds(self, world: TimeWorld, manager: Slot) -> None:
        slot = world.new_context()
        context = world.contexts[-1]
        answer = world.invoke(world.control, Label.SCHED_CONTROL_CONFIGURE_FLAGS, 300, 5000, 1, 77, 1, caps=(slot,))
        assert answer.error == Error.NO_ERROR
        assert (int(context.budget), int(context.period)) == (300 * US, 5000 * US)
        assert int(context.badge) == 77 and context.sporadic and int(context.refill_limit) == 3

    def test_a_configured_thread_begins_to_run(self, world: TimeWorld, manager: Slot) -> None:
        slot = world.new_context()
        thread = world.new_thread(210, slot)
        world.call(world.control, 300, 300, 0, 0, 0, caps=(slot,), label=int(Label.SCHED_CONTROL_CONFIGURE_FLAGS))
        assert world.is_current(thread)

    def test_a_running_thread_does_not_gain_by_being_configured_again(self, world: TimeWorld, manager: Slot) -> None:
        own = world.new_context(1000, 10_000)
        thread = world.new_thread(210, own)
        world.run(thread)
        for _ in range(3):
            world.pass_time(300 * US)
            parameters = (1000, 10_000, 0, 0, 0)
            label = int(Label.SCHED_CONTROL_CONFIGURE_FLAGS)
            world.call(world.control, *parameters, caps=(own,), label=label)
        assert world.is_current(thread)
        world.advance(100 * US)
        assert world.is_current(manager)

    def test_binding_and_unbinding(self, world: TimeWorld, manager: Slot) -> None:
        slot, thread, notification = world.new_context(1000), world.new_thread(100), world.new_notification()
        assert world.invoke(slot, Label.SCHED_CONTEXT_BIND, caps=(thread,)).error == Error.NO_ERROR
        assert world.tcb(thread).in_ready_queue
        assert world.invoke(slot, Label.SCHED_CONTEXT_BIND, caps=(notification,)).error == Error.NO_ERROR
        assert world.invoke(slot, Label.SCHED_CONTEXT_UNBIND).error == Error.NO_ERROR
        context = world.contexts[-1]
        assert context.tcb is None and context.notification is None and not world.tcb(thread).in_ready_queue

    @pytest.mark.parametrize(
        "words, caps, error, details",
        [
            ((100, 100, 0, 0), "context", Error.TRUNCATED_MESSAGE, []),
            ((100, 100, 0, 0, 0), "", Error.TRUNCATED_MESSAGE, []),
            ((100, 100, 0, 0, 0), "frame", Error.INVALID_CAPABILITY, [1]),
            ((19, 100, 0, 0, 0), "context", Error.RANGE_ERROR, [20, configuration.max_period_us]),
            ((100, 1 << 63, 0, 0, 0), "context", Error.RANGE_ERROR, [20, configuration.max_period_us]),
            ((101, 100, 0, 0, 0), "context", Error.RANGE_ERROR, [20, 100]),
            ((100, 100, 9, 0, 0), "context", Error.RANGE_ERROR, [0, 8]),
            ((100, 100, 8, 0, 0), "context", Error.NO_ERROR, []),
            ((20, 20, 0, 0, 0), "context", Error.NO_ERROR, []),
        ],
    )
    def test_what_the_control_capability_refuses(
        self, world: TimeWorld, manager: Slot, words: tuple[int, ...], caps: str, error: Error, details: list[int]
    ) -> None:
        known = Caps(world, manager)
        passed = tuple(getattr(known, name) for name in caps.split())
        answer = world.invoke(world.control, Label.SCHED_CONTROL_CONFIGURE_FLAGS, *words, caps=passed)
        assert (answer.error, answer.words) == (error, details)

    @pytest.mark.parametrize("label", [Label.SCHED_CONTEXT_BIND, Label.SCHED_CONTEXT_UNBIND_OBJECT])
    def test_what_binding_refuses(self, world: TimeWorld, manager: Slot, label: Label) -> None:
        slot, other = world.new_context(1000), world.new_context(1000)
        known = Caps(world, manager)
        assert world.invoke(slot, label).error == Error.TRUNCATED_MESSAGE
        assert world.invoke(slot, label, caps=(known.frame,)).error == Error.INVALID_CAPABILITY
        for target in (known.thread, known.notification):
            world.invoke(slot, Label.SCHED_CONTEXT_BIND, caps=(target,))
            assert world.invoke(other, Label.SCHED_CONTEXT_UNBIND_OBJECT, caps=(target,)).error == 3
            assert world.invoke(other, Label.SCHED_CONTEXT_BIND, caps=(target,)).error == 3

    def test_the_caller_keeps_its_time(self, world: TimeWorld) -> None:
        slot = world.new_context(1000)
        thread = world.new_thread(100, slot)
        world.run(thread)
        for label, caps in (
            (Label.SCHED_CONTEXT_UNBIND, ()),
            (Label.SCHED_CONTEXT_UNBIND_OBJECT, (thread,)),
            (Label.SCHED_CONTEXT_YIELD_TO, ()),
        ):
            assert world.invoke(slot, label, caps=caps).error == Error.ILLEGAL_OPERATION

    def test_yielding_needs_a_target_within_reach(self, world: TimeWorld) -> None:
        free, slot = world.new_context(1000), world.new_context(1000)
        caller = world.active(100)
        world.tcb(caller).maximum_priority = 100
        world.new_thread(101, slot, runs=False)
        world.run(caller)
        assert world.invoke(free, Label.SCHED_CONTEXT_YIELD_TO).error == Error.ILLEGAL_OPERATION
        assert world.invoke(slot, Label.SCHED_CONTEXT_YIELD_TO).error == Error.ILLEGAL_OPERATION

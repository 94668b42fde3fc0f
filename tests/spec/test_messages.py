# SPDX-License-Identifier: BSD-2-Clause
"""Message passing, reply objects, notifications, faults, interrupts (manual: Endpoints; Notifications; Faults)."""

from __future__ import annotations

import pytest

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.faults import Fault
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.spec import derivation, messages
from tessera.spec.capability import EndpointCap, NotificationCap, ReplyCap
from tessera.spec.objects import FAULT_HANDLER, State, Thread
from tessera.spec.step import InstructionFault, Interrupt
from tests.spec.small import IRQ_CONTROL, ROOT, US, Small

OK: tuple[Error, list[int]] = (Error.NO_ERROR, [])


@pytest.fixture
def small() -> Small:
    return Small()


def server(small: Small, endpoint: int, reply: int, priority: int = 100, bound: bool = True) -> Thread:
    """A thread that waits for a call."""
    thread = small.become(small.worker(priority))
    thread.registers["a6"] = reply
    small.trap(Syscall.RECV, endpoint)
    assert thread.state is State.RECEIVING and small.k.current is small.root
    if not bound:
        assert thread.context is not None
        thread.context.thread = None
        thread.context = None
    return thread


def test_a_call_is_answered_and_lends_its_time(small: Small) -> None:
    endpoint, reply = small.make(ObjectType.ENDPOINT), small.make(ObjectType.REPLY)
    passive = server(small, endpoint, reply, bound=False)
    context = small.root.context
    small.trap(Syscall.CALL, endpoint, 5, (1, 2, 3))
    assert small.root.state is State.AWAITING_REPLY
    assert small.k.current is passive and passive.context is context and small.root.context is None
    assert messages.Info.of(passive.registers["a1"]) == messages.Info(5, 3)
    assert [passive.registers[name] for name in ("a2", "a3", "a4")] == [1, 2, 3]
    small.trap(Syscall.SEND, reply, 6, (9,))
    assert small.root.context is context and small.k.current is small.root
    assert small.answer(small.root)[1] == [9]
    assert small.of(ReplyCap, reply).reply.thread is None


def test_long_messages_go_through_buffers(small: Small) -> None:
    endpoint, reply = small.make(ObjectType.ENDPOINT), small.make(ObjectType.REPLY)
    without = server(small, endpoint, reply)
    words = tuple(range(100, 110))
    small.trap(Syscall.NB_SEND, endpoint, 0, words)
    assert messages.Info.of(without.registers["a1"]).length == 4
    reader = small.become(small.worker(90))
    small.buffer(reader, 0x8500_0000)
    reader.registers["a6"] = reply
    small.trap(Syscall.RECV, endpoint)
    small.k.current = small.root
    small.trap(Syscall.NB_SEND, endpoint, 0, words)
    assert messages.read(small.k, reader, 0x8500_0000, 10) == list(words)


def test_higher_priorities_are_served_first(small: Small) -> None:
    endpoint = small.make(ObjectType.ENDPOINT)
    threads = []
    for worker in [small.worker(priority) for priority in (10, 30, 20, 30)]:
        small.k.current = small.root
        threads.append(small.become(worker))
        small.trap(Syscall.SEND, endpoint, 1)
    queue = small.of(EndpointCap, endpoint).endpoint.queue
    assert queue == [threads[1], threads[3], threads[2], threads[0]]


def test_capabilities_to_the_endpoint_arrive_as_badges(small: Small) -> None:
    endpoint, reply = small.make(ObjectType.ENDPOINT), small.make(ObjectType.REPLY)
    badged, other = small.free(), small.make(ObjectType.NOTIFICATION)
    assert small.call(Label.CNODE_MINT, ROOT, [badged, 64, endpoint, 64, 15, 42], [ROOT]) == OK
    reader = server(small, endpoint, reply)
    small.buffer(reader, 0x8500_0000)
    slot = small.free()
    for at, word in ((messages.RECEIVE_CNODE, ROOT), (messages.RECEIVE_INDEX, slot), (messages.RECEIVE_DEPTH, 64)):
        small.k.write_word(0x8500_0000 + at, word)
    small.trap(Syscall.NB_SEND, endpoint, 0, (), (badged, other, other))
    info = messages.Info.of(reader.registers["a1"])
    assert (info.extra_caps, info.unwrapped) == (2, 0)  # the third finds no slot
    assert reader.registers["a1"] >> 9 & 7 == 1
    assert small.k.read_word(0x8500_0000 + messages.CAPS) == 42
    assert small.of(NotificationCap, slot).notification is small.of(NotificationCap, other).notification


def test_signals_are_collected(small: Small) -> None:
    notification, badged = small.make(ObjectType.NOTIFICATION), []
    for badge in (1, 4):
        badged.append(small.free())
        words = [badged[-1], 64, notification, 64, 15, badge]
        assert small.call(Label.CNODE_MINT, ROOT, words, [ROOT]) == OK
        small.trap(Syscall.SEND, badged[-1])
    small.trap(Syscall.WAIT, notification)
    assert small.root.registers["a0"] == 5
    small.trap(Syscall.NB_WAIT, notification)
    assert small.root.registers["a0"] == 0


def test_a_signal_ends_the_receiving_of_a_bound_thread(small: Small) -> None:
    endpoint, reply, bell = (small.make(k) for k in (ObjectType.ENDPOINT, ObjectType.REPLY, ObjectType.NOTIFICATION))
    thread = server(small, endpoint, reply)
    slot = next(i for i, cap in small.node.slots.items() if getattr(cap, "thread", None) is thread)
    assert small.call(Label.TCB_BIND_NOTIFICATION, slot, [], [bell]) == OK
    assert small.call(Label.TCB_BIND_NOTIFICATION, slot, [], [bell]) == (Error.ILLEGAL_OPERATION, [])
    small.trap(Syscall.SEND, bell)
    assert thread.is_runnable and small.of(ReplyCap, reply).reply.thread is None


def test_an_interrupt_waits_for_its_acknowledgement(small: Small) -> None:
    bell, handler = small.make(ObjectType.NOTIFICATION), small.free()
    assert small.call(Label.IRQ_CONTROL_GET, IRQ_CONTROL, [5, handler, 64], [ROOT]) == OK
    again = small.call(Label.IRQ_CONTROL_GET, IRQ_CONTROL, [5, small.free(), 64], [ROOT])
    assert again == (Error.REVOKE_FIRST, [])
    assert small.call(Label.IRQ_HANDLER_SET_NOTIFICATION, handler, [], [bell]) == OK
    small.event(Interrupt(small.k.now + US, 5))
    assert small.of(NotificationCap, bell).notification.signals == 0 and small.k.unacknowledged == {5}
    assert small.call(Label.IRQ_HANDLER_ACK, handler, []) == OK
    assert small.k.unacknowledged == set()
    assert small.call(Label.IRQ_CONTROL_GET, IRQ_CONTROL, [96, 1, 64], [ROOT]) == (Error.RANGE_ERROR, [1, 95])


def test_a_fault_is_a_message_and_its_answer_changes_registers(small: Small) -> None:
    endpoint, reply = small.make(ObjectType.ENDPOINT), small.make(ObjectType.REPLY)
    slot = small.worker(120)
    derivation.copy(small.k, small.cap(endpoint), small.place(endpoint), (small.thread(slot).own, FAULT_HANDLER))
    handler = server(small, endpoint, reply)
    thread = small.become(slot)
    thread.registers |= {"pc": 0x100, "sp": 0x200}
    small.event(InstructionFault(small.k.now + US, 2, 0))
    assert thread.state is State.AWAITING_REPLY
    assert messages.Info.of(handler.registers["a1"]) == messages.Info(Fault.USER_EXCEPTION, 4)
    assert [handler.registers[name] for name in messages.MESSAGE_REGISTERS] == [0x100, 0x200, 2, 0]
    small.k.current = handler
    small.trap(Syscall.SEND, reply, 0, (0x104, 0x300))
    assert thread.is_runnable and (thread.registers["pc"], thread.registers["sp"]) == (0x104, 0x300)


def test_without_a_handler_a_thread_stops(small: Small) -> None:
    thread = small.become(small.worker(120))
    small.trap(Syscall.SEND, 1 << 60)
    assert thread.state is State.INACTIVE and small.k.current is small.root


def test_a_capability_fault_tells_why(small: Small) -> None:
    endpoint, reply = small.make(ObjectType.ENDPOINT), small.make(ObjectType.REPLY)
    slot = small.worker(120)
    derivation.copy(small.k, small.cap(endpoint), small.place(endpoint), (small.thread(slot).own, FAULT_HANDLER))
    handler = server(small, endpoint, reply)
    small.buffer(handler, 0x8500_0000)
    small.become(slot).registers["pc"] = 0x100
    small.trap(Syscall.RECV, ROOT)
    words = messages.read(small.k, handler, 0x8500_0000, 5)
    assert words == [0x100, ROOT, 1, LookupFailure.MISSING_CAPABILITY, 0]


def test_cancelled_sends_start_again(small: Small) -> None:
    endpoint, badged = small.make(ObjectType.ENDPOINT), small.free()
    assert small.call(Label.CNODE_MINT, ROOT, [badged, 64, endpoint, 64, 15, 42], [ROOT]) == OK
    threads = []
    for address in (endpoint, badged):
        threads.append(small.become(small.worker(20)))
        small.trap(Syscall.SEND, address)
        small.k.current = small.root
    assert small.call(Label.CNODE_CANCEL_BADGED_SENDS, ROOT, [badged, 64]) == OK
    assert [thread.state for thread in threads] == [State.SENDING, State.RESTART]
    assert small.call(Label.CNODE_DELETE, ROOT, [badged, 64]) == OK
    assert small.call(Label.CNODE_DELETE, ROOT, [endpoint, 64]) == OK
    assert threads[0].state is State.RESTART

# SPDX-License-Identifier: BSD-2-Clause
"""The event loop of components under CPython, with a kernel that hands it messages and writes down what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tessera.abi.capabilities import (
    BASE_IRQ_HANDLER,
    BASE_OUTPUT_ENDPOINT,
    BASE_OUTPUT_NOTIFICATION,
    COMPONENT_CNODE_BITS,
    COMPONENT_INPUT,
    COMPONENT_MONITOR_ENDPOINT,
    COMPONENT_REPLY,
    MAX_CHANNELS,
)
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import IpcBuffer, MessageInfo
from tessera.abi.syscalls import Syscall
from tessera.lang import Memory, at, from_word, to_word, u32
from tessera.lang.memory import MEMORY_BASE, static_size
from tessera.runtime import microkit, sel4
from tessera.runtime.machine import Host

CALL = 1 << 63
FAULT = 1 << 62


class Ended(Exception):
    """No message is left."""


class Kernel:
    """``messages``: (badge, label, words) that receives give, in order. ``asked``: what it was asked, in order."""

    def __init__(self, *messages: tuple[int, int, tuple[int, ...]]) -> None:
        self.messages = list(messages)
        self.asked: list[tuple[Any, ...]] = []

    def __call__(
        self, number: Syscall, cap: int, info: int, words: tuple[int, ...], reply: int, second: int
    ) -> tuple[int, ...]:
        shape = from_word(MessageInfo, info)
        self.asked.append((number, cap, int(shape.label), words[: int(shape.length)], reply, second))
        if number in (Syscall.SEND, Syscall.NB_SEND):
            return (0,) * 6
        if not self.messages:
            raise Ended
        badge, label, content = self.messages.pop(0)
        length = len(content)
        return (badge, int(to_word(MessageInfo(label=label, length=length))), *content, *(0,) * (4 - length))


@pytest.fixture(autouse=True)
def component(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """A component whose handlers write down that they were called; its IPC buffer is in the test's memory."""
    start = -(-static_size() // 1024) * 1024
    called: list[tuple[Any, ...]] = []
    monkeypatch.setattr(microkit, "COMPONENT_IPC_BUFFER", MEMORY_BASE + start)
    monkeypatch.setattr(microkit, "init", lambda: called.append(("init",)))
    monkeypatch.setattr(microkit, "notified", lambda channel: called.append(("notified", int(channel))))
    with Memory(start + 4096):
        sel4.environment.ipc_buffer = at(IpcBuffer, MEMORY_BASE + start)
        yield called
    Host.kernel = None


def run(*messages: tuple[int, int, tuple[int, ...]]) -> Kernel:
    kernel = Kernel(*messages)
    Host.kernel = kernel
    with pytest.raises(Ended):
        microkit.main()
    return kernel


RECV = (Syscall.RECV, COMPONENT_INPUT, 0, (), COMPONENT_REPLY, 0)


def test_init_runs_once_and_then_messages_are_received(component: list[tuple[Any, ...]]) -> None:
    kernel = run((0b1001, 0, ()), (1 << 61, 0, ()))
    assert component == [("init",), ("notified", 0), ("notified", 3), ("notified", 61)]
    assert kernel.asked == [RECV, RECV, RECV]


def test_a_call_is_answered_with_the_next_receive(monkeypatch: pytest.MonkeyPatch) -> None:
    def protected(channel: int, info: MessageInfo) -> MessageInfo:
        assert (int(channel), int(info.label)) == (5, 9)
        sel4.set_message_word(0, sel4.message_word(0) + sel4.message_word(1))
        return MessageInfo(label=2, length=1)

    monkeypatch.setattr(microkit, "protected", protected)
    kernel = run((CALL | 5, 9, (40, 2)))
    assert kernel.asked == [RECV, (Syscall.REPLY_RECV, COMPONENT_INPUT, 2, (42,), COMPONENT_REPLY, 0)]


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_fault_of_a_child_is_answered_if_it_may_go_on(monkeypatch: pytest.MonkeyPatch, goes_on: bool) -> None:
    def fault(child: int, info: MessageInfo, reply: microkit.FaultReply) -> bool:
        assert (int(child), int(info.label)) == (7, 6)
        return goes_on

    monkeypatch.setattr(microkit, "fault", fault)
    kernel = run((FAULT | 7, 6, (1, 2, 3, 4)))
    assert kernel.asked[1][0] is (Syscall.REPLY_RECV if goes_on else Syscall.RECV)


def test_a_deferred_signal_goes_out_with_the_next_receive_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    microkit.notifications.value = 1 << 4
    monkeypatch.setattr(microkit, "init", lambda: microkit.deferred_notify(u32(4)))
    kernel = run((1, 0, ()))
    slot = BASE_OUTPUT_NOTIFICATION + 4
    assert kernel.asked == [(Syscall.NB_SEND_RECV, COMPONENT_INPUT, 0, (), COMPONENT_REPLY, slot), RECV]


def test_a_deferred_acknowledgement_is_the_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    microkit.irqs.value = 1 << 2
    monkeypatch.setattr(microkit, "init", lambda: microkit.deferred_irq_ack(u32(2)))
    label = int(InvocationLabel.IRQ_HANDLER_ACK)
    slot = BASE_IRQ_HANDLER + 2
    assert run().asked == [(Syscall.NB_SEND_RECV, COMPONENT_INPUT, label, (), COMPONENT_REPLY, slot)]


def test_a_signal_deferred_while_a_call_is_handled_is_sent_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    microkit.notifications.value = 1

    def protected(channel: int, info: MessageInfo) -> MessageInfo:
        microkit.deferred_notify(u32(0))
        return MessageInfo(label=1)

    monkeypatch.setattr(microkit, "protected", protected)
    asked = run((CALL, 0, ())).asked
    assert [item[0] for item in asked] == [Syscall.RECV, Syscall.NB_SEND, Syscall.REPLY_RECV]
    assert asked[1][1] == BASE_OUTPUT_NOTIFICATION


def test_a_passive_component_tells_the_monitor_with_its_first_receive() -> None:
    microkit.passive.value = 1
    expected = (Syscall.NB_SEND_RECV, COMPONENT_INPUT, 0, (), COMPONENT_REPLY, COMPONENT_MONITOR_ENDPOINT)
    assert run().asked == [expected]


def test_calls_and_signals_go_to_the_slots_of_their_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    microkit.notifications.value = 1 << 9
    microkit.pps.value = 1 << 61
    answers: list[tuple[int, int]] = []

    def init() -> None:
        microkit.notify(u32(9))
        sel4.set_message_word(0, 11)
        info = microkit.ppcall(u32(61), MessageInfo(label=3, length=1))
        answers.append((int(info.label), int(sel4.message_word(0))))

    monkeypatch.setattr(microkit, "init", init)
    asked = run((0, 8, (12,))).asked
    assert asked[0][:2] == (Syscall.SEND, BASE_OUTPUT_NOTIFICATION + 9)
    assert asked[1][:4] == (Syscall.CALL, BASE_OUTPUT_ENDPOINT + 61, 3, (11,))
    assert answers == [(8, 12)]


@pytest.mark.parametrize("channel", [7, 62, 200])
def test_an_undeclared_channel_stops_the_component_by_a_fault_that_names_it(
    monkeypatch: pytest.MonkeyPatch, channel: int
) -> None:
    microkit.pps.value = ~(1 << 7) & (1 << 64) - 1
    monkeypatch.setattr(microkit, "init", lambda: microkit.ppcall(u32(channel), MessageInfo()))
    asked = run().asked
    slot = BASE_OUTPUT_ENDPOINT + channel if channel < MAX_CHANNELS else (1 << COMPONENT_CNODE_BITS) + channel
    assert asked == [(Syscall.RECV, slot, 0, (), COMPONENT_REPLY, 0)]

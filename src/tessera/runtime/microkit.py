# SPDX-License-Identifier: BSD-2-Clause
"""A component: what it may call, and the one event loop that components in C and in Python share (Microkit manual).

A component in Python imports what it needs from here and defines, with ``@compiled``, ``init()`` and
``notified(channel: u32)``, and where it is called ``protected(channel: u32, info: MessageInfo) -> MessageInfo``. A
parent defines ``fault(child: u32, info: MessageInfo, reply: FaultReply) -> bool``. What it leaves out is what
``handlers`` defines. In C the same functions are declared in microkit.h.
"""

from __future__ import annotations

from typing import NoReturn

from tessera.abi.capabilities import (
    BADGE_FAULT_BIT,
    BADGE_PROTECTED_CALL_BIT,
    BASE_CHILD_TCB,
    BASE_IRQ_HANDLER,
    BASE_OUTPUT_ENDPOINT,
    BASE_OUTPUT_NOTIFICATION,
    COMPONENT_CNODE_BITS,
    COMPONENT_INPUT,
    COMPONENT_MONITOR_ENDPOINT,
    COMPONENT_NAME_BYTES,
    COMPONENT_REPLY,
    COMPONENT_ROOT_BITS,
    MAX_CHANNELS,
    InitialSlot,
)
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.layout import COMPONENT_IPC_BUFFER
from tessera.abi.messages import IpcBuffer, MessageInfo, UserContext
from tessera.abi.objects import WORD_BITS
from tessera.lang import Array, array, at, compiled, extern, range, static, struct, truncate, u8, u32, u64
from tessera.runtime.machine import Received, stop
from tessera.runtime.sel4 import (
    call_message,
    environment,
    message_word,
    nb_send,
    nb_send_recv_message,
    recv,
    recv_message,
    reply_recv_message,
    set_message_word,
    signal,
)
from tessera.runtime.threads import irq_handler_ack, tcb_resume, tcb_suspend, tcb_write_registers

__all__ = [
    "FaultReply",
    "MessageInfo",
    "Variable",
    "child_restart",
    "child_resume",
    "child_stop",
    "cspace_slot",
    "deferred_irq_ack",
    "deferred_notify",
    "irq_ack",
    "message_word",
    "notify",
    "ppcall",
    "set_message_word",
    "u8",
    "u32",
    "u64",
]

# The part of a badge that is a channel, or a child. The two highest bits say which.
SENDER_MASK = (1 << 32) - 1
COUNT_LIMIT = 64
ROOT_SLOTS = 1 << COMPONENT_ROOT_BITS
OUTSIDE = 1 << COMPONENT_CNODE_BITS


@struct
class Variable:
    """A variable that the system description sets: ``ring_vaddr: Variable = static(Variable, name="ring_vaddr")``."""

    value: u64


@struct
class Name:
    """The component's name, with a zero byte behind it."""

    text: Array[u8] = array(COMPONENT_NAME_BYTES)


@struct
class Flag:
    """A truth value as C has it: a byte."""

    value: u8


@struct
class InfoVariable:
    """A variable that holds the shape of a message."""

    value: MessageInfo


@struct
class FaultReply:
    """Where ``fault`` puts the answer to a child that may go on."""

    info: MessageInfo


# The build writes these into the image (system/patch.py). A mask has one bit for each channel.
name: Name = static(Name, name="microkit_name")
passive: Flag = static(Flag, name="microkit_passive")
irqs: Variable = static(Variable, name="microkit_irqs")
notifications: Variable = static(Variable, name="microkit_notifications")
pps: Variable = static(Variable, name="microkit_pps")

# A signal or an acknowledgement that goes out together with the next receive.
have_signal: Flag = static(Flag, name="microkit_have_signal")
signal_cap: Variable = static(Variable, name="microkit_signal_cap")
signal_info: InfoVariable = static(InfoVariable, name="microkit_signal_msg")

fault_reply: FaultReply = static(FaultReply)
context: UserContext = static(UserContext)


# What the component defines


@extern(symbol="init")
def init() -> None:
    """Runs once, at the start."""


@extern(symbol="notified")
def notified(channel: u32) -> None:
    """Runs when a channel was signalled."""


@extern(symbol="protected")
def protected(channel: u32, info: MessageInfo) -> MessageInfo:
    """Runs when it is called; the result is the answer."""
    return info


@extern(symbol="fault")
def fault(child: u32, info: MessageInfo, reply: FaultReply) -> bool:
    """Runs when a child has a fault; true if the child may go on with the answer."""
    return False


@extern(symbol="run_constructors")
def run_constructors() -> None:
    """Runs what a C source has marked as a constructor; components in Python have none."""


# What the component may call


@compiled
def declared(mask: u64, channel: u32, slot: u64) -> u64:
    """The slot of a channel. If the system description does not declare the channel, the component stops here:
    receiving from its empty slot is a fault that tells the monitor which channel it was.
    """
    if channel < MAX_CHANNELS and (mask >> u64(channel)) & 1 != 0:
        return slot + u64(channel)
    # A number that no channel can have would lead to a slot of something else, so it is moved out of the CNode.
    empty = slot + u64(channel) if channel < MAX_CHANNELS else OUTSIDE + u64(channel)
    while True:
        recv(empty, COMPONENT_REPLY)


@compiled
def notify(channel: u32) -> None:
    """Signal the component at the other end of a channel."""
    signal(declared(notifications.value, channel, BASE_OUTPUT_NOTIFICATION))


@compiled
def ppcall(channel: u32, info: MessageInfo) -> MessageInfo:
    """Call the component at the other end of a channel: message words go there and come back in the IPC buffer."""
    return call_message(declared(pps.value, channel, BASE_OUTPUT_ENDPOINT), info)


@compiled
def irq_ack(channel: u32) -> None:
    """Acknowledge an interrupt, so that it can come again."""
    require(irq_handler_ack(declared(irqs.value, channel, BASE_IRQ_HANDLER)))


@compiled
def deferred_notify(channel: u32) -> None:
    """Signal when the event loop receives next, which saves a system call. A later deferred call replaces it."""
    signal_cap.value = declared(notifications.value, channel, BASE_OUTPUT_NOTIFICATION)
    signal_info.value = MessageInfo()
    have_signal.value = 1


@compiled
def deferred_irq_ack(channel: u32) -> None:
    """Acknowledge an interrupt when the event loop receives next."""
    signal_cap.value = declared(irqs.value, channel, BASE_IRQ_HANDLER)
    signal_info.value = MessageInfo(label=InvocationLabel.IRQ_HANDLER_ACK)
    have_signal.value = 1


@compiled
def require(error: Error) -> None:
    """Stop the component on an error of the kernel that its own code cannot have caused."""
    if error != Error.NO_ERROR:
        while True:
            stop()


@compiled
def child_restart(child: u32, entry: u64) -> None:
    """Let a child go on at an address, usually its entry point."""
    context.pc = entry
    require(tcb_write_registers(BASE_CHILD_TCB + u64(child), True, 0, 1, context))


@compiled
def child_stop(child: u32) -> None:
    """Stop a child."""
    require(tcb_suspend(BASE_CHILD_TCB + u64(child)))


@compiled
def child_resume(child: u32) -> None:
    """Let a stopped child go on."""
    require(tcb_resume(BASE_CHILD_TCB + u64(child)))


@compiled
def cspace_slot(slot: u64) -> u64:
    """The address of a capability that the description gives in a ``cspace`` element; null for a slot that cannot be.
    What can be done with it is in ``tessera.runtime.threads`` and ``tessera.runtime.memory``.
    """
    return slot << (WORD_BITS - COMPONENT_ROOT_BITS) if 0 < slot < ROOT_SLOTS else u64(InitialSlot.NULL)


# The event loop


@compiled
def take_deferred() -> bool:
    """Whether something is to be sent along with the next receive; it is not sent twice."""
    pending = have_signal.value != 0
    have_signal.value = 0
    return pending


@compiled
def dispatch_signals(badge: u64) -> None:
    """Tell the component each channel that was signalled, the lowest first."""
    for channel in range(COUNT_LIMIT):
        if (badge >> channel) & 1 != 0:
            notified(truncate(u32, channel))


@compiled
def next_message(answer: MessageInfo, has_answer: bool) -> Received:
    """Answer the last call if there was one, send what was deferred, and wait."""
    pending = take_deferred()
    if has_answer:
        if pending:
            # One system call carries one message, and the answer has no other way.
            nb_send(signal_cap.value, signal_info.value, 0, 0, 0, 0)
        return reply_recv_message(COMPONENT_INPUT, answer, COMPONENT_REPLY)
    if pending:
        return nb_send_recv_message(signal_cap.value, signal_info.value, COMPONENT_INPUT, COMPONENT_REPLY)
    return recv_message(COMPONENT_INPUT, COMPONENT_REPLY)


@compiled
def event_loop() -> NoReturn:
    """Receive and dispatch, for as long as the component lives."""
    answer = MessageInfo()
    has_answer = False
    while True:
        received = next_message(answer, has_answer)
        has_answer = False
        badge = received.badge
        sender = truncate(u32, badge & SENDER_MASK)
        if (badge >> BADGE_PROTECTED_CALL_BIT) & 1 != 0:
            answer = protected(sender, received.info)
            has_answer = True
        elif (badge >> BADGE_FAULT_BIT) & 1 != 0:
            fault_reply.info = MessageInfo()
            has_answer = fault(sender, received.info, fault_reply)
            answer = fault_reply.info
        else:
            dispatch_signals(badge)


@compiled(symbol="main")
def main() -> NoReturn:
    """The start of every component, called by the start file."""
    environment.ipc_buffer = at(IpcBuffer, COMPONENT_IPC_BUFFER)
    run_constructors()
    init()
    if passive.value != 0:
        # From now on it runs on the time of its callers: the monitor is told together with the first receive.
        signal_cap.value = COMPONENT_MONITOR_ENDPOINT
        signal_info.value = MessageInfo()
        have_signal.value = 1
    event_loop()

# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: the usual ``Call`` and its answer by ``ReplyRecv``, done at once (manual: Passive Servers).

A client calls a passive server that waits, with a message that fits into registers; or a server answers such a call
and waits for the next one. The scheduling context goes along, so that nobody's time begins or ends, and it is known
who runs next. For each of the two, one function says whether it is such a case, and changes nothing; another one does
it, and leaves the same state as the general way. All that they call is compiled in place: they work in registers alone.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.objects import WORD_BITS
from tessera.arch import registers
from tessera.kernel import budget, cspace, ipc, message, queue, reply, schedcontext, timeslice, vspace, waiting
from tessera.kernel.capability import Capability, CNodeCap, EndpointCap, NullCap, PageTableCap, ReplyCap
from tessera.kernel.layout import (
    MESSAGE_REGISTERS,
    EndpointState,
    FaultKind,
    NotificationState,
    Reply,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.state import SchedulerAction, kernel
from tessera.lang import compiled, ensures, modifies, old, requires, specification, u64

# The lowest bits of a MessageInfo: its length, and above it what only messages with capabilities have.
SHAPE = (1 << 12) - 1


@compiled(inline="calls")
def is_short(info: u64) -> bool:
    """Whether a message is all in registers, and has no capabilities."""
    return info & SHAPE <= MESSAGE_REGISTERS


@compiled(inline="calls")
def reaches(root: CNodeCap, address: u64) -> bool:
    """Whether an address goes through one CNode only, whose guard and index have all its bits.

    Neither has 64 bits by itself and the index has one at least, so that a multiple of 64 is 64.
    """
    return (root.guard_size + root.radix) % WORD_BITS == 0 and address >> root.radix == root.guard


@compiled(inline="calls")
def slot_of(root: CNodeCap, address: u64) -> Slot:
    """The slot that it means then: what is left of the address without the guard is the index."""
    requires(reaches(root, address))
    ensures(lambda result: cspace.begins_with(root, address, WORD_BITS, result, 0))
    return cspace.slot_at(root.slots, (address << root.guard_size) >> root.guard_size)


@specification
def cap_at(tcb: Tcb, address: u64) -> Capability:
    """What a thread means by an address that one CNode resolves; null where that takes more."""
    root = tcb.cspace_root.capability
    if not isinstance(root, CNodeCap) or not reaches(root, address):
        return NullCap()
    return cspace.slot_of(root, cspace.part_of(address, 0, root.radix)).capability


@specification
def can_take_over(tcb: Tcb, before: Tcb) -> bool:
    """Whether a passive thread comes before all that are ready, when the one before it stops."""
    if tcb.scheduling_context is not None or tcb.domain != kernel.current_domain:
        return False
    if tcb.priority < before.priority and queue.has_mark_above(kernel.current_domain, tcb.priority):
        return False
    return has_space(tcb)


@specification
def has_space(tcb: Tcb) -> bool:
    """Whether a thread has an address space that is valid."""
    root = tcb.vspace_root.capability
    return isinstance(root, PageTableCap) and vspace.is_valid_root(root)


@specification
def is_blocked(tcb: Tcb) -> bool:
    """Whether a thread waits for a message or for an answer."""
    return tcb.state in (ThreadState.BLOCKED_ON_RECEIVE, ThreadState.BLOCKED_ON_REPLY)


@specification
def is_quick(info: u64) -> bool:
    """Whether a message is all in registers, and nothing is due meanwhile."""
    return info & SHAPE <= MESSAGE_REGISTERS and timeslice.has_time()


@specification
def has_taken_over(tcb: Tcb, before: Tcb) -> bool:
    """Whether a thread runs now in place of another one, with its time, in its own address space."""
    if not vspace.is_in_use(tcb):
        return False
    runs = tcb is kernel.current and tcb.state == ThreadState.RUNNING and waiting.waits_for_nothing(tcb)
    return runs and tcb.scheduling_context is kernel.current_context and before.scheduling_context is None


@specification
def has_message(receiver: Tcb, sender: Tcb, info: u64, badge: u64) -> bool:
    """Whether a thread has received a short message."""
    told = receiver.registers[registers.MESSAGE_INFO] == info and receiver.registers[registers.BADGE] == badge
    return told and message.have_same_registers(sender, receiver, info & SHAPE)


@specification
def is_callable(cap: Capability, caller: Tcb) -> bool:
    """Whether a capability is to an endpoint where a passive server waits for a call."""
    if not isinstance(cap, EndpointCap) or not cap.can_send or not (cap.can_grant or cap.can_grant_reply):
        return False
    offered = ipc.offered_at(cap.endpoint)
    server = cap.endpoint.head
    return offered is not None and server is not None and can_take_over(server, caller)


@specification
def is_called(cap: Capability, offered: Reply | None, caller: Tcb, server: Tcb, info: u64) -> bool:
    """Whether a call was done as ``ipc.send`` does it, and its answer gives the time back."""
    badge = cap.badge if isinstance(cap, EndpointCap) else u64(0)
    called = ipc.is_sent(server, badge) and ipc.awaits(caller, offered) and has_message(server, caller, info, badge)
    return called and kernel.current_context.reply is offered


@specification
def offered_by(cap: Capability) -> Reply | None:
    """The reply object that whoever waits at an endpoint offers."""
    return ipc.offered_at(cap.endpoint) if isinstance(cap, EndpointCap) else None


@specification
def is_idle(cap: Capability) -> bool:
    """Whether a capability is to receive from an endpoint where nobody waits."""
    return isinstance(cap, EndpointCap) and cap.can_receive and cap.endpoint.end.state == EndpointState.IDLE


@specification
def has_signal(tcb: Tcb) -> bool:
    """Whether a thread that receives would get a signal at once."""
    bound = tcb.bound_notification
    return bound is not None and bound.state == NotificationState.ACTIVE


@specification
def answered_by(cap: Capability) -> Reply | None:
    """The reply object that a capability is to."""
    return cap.reply if isinstance(cap, ReplyCap) else None


@specification
def caller_of(cap: Capability) -> Tcb | None:
    """Who waits with a reply object."""
    return cap.reply.caller if isinstance(cap, ReplyCap) else None


@specification
def is_answerable(cap: Capability, server: Tcb) -> bool:
    """Whether a capability is to the reply object of the newest call, whose caller can go on with its own time."""
    caller = caller_of(cap)
    if not isinstance(cap, ReplyCap) or caller is None or cap.reply.scheduling_context is not kernel.current_context:
        return False
    return caller.fault == FaultKind.NONE and can_take_over(caller, server)


@specification
def is_waiting(server: Tcb, cap: Capability, answered: Capability) -> bool:
    """Whether a server receives from an endpoint, with a reply object."""
    if not isinstance(cap, EndpointCap) or not isinstance(answered, ReplyCap):
        return False
    waits = server.blocked_endpoint is cap.endpoint and server.state == ThreadState.BLOCKED_ON_RECEIVE
    return waits and server.reply is answered.reply and answered.reply.caller is server


@compiled(inline="calls")
def deliver(sender: Tcb, receiver: Tcb, info: u64, badge: u64) -> None:
    """A short message."""
    requires(info & SHAPE <= MESSAGE_REGISTERS and sender is not receiver)
    modifies(receiver.registers)
    ensures(lambda: has_message(receiver, sender, info, badge))
    message.copy_registers(sender, receiver, info & SHAPE)
    receiver.registers[registers.MESSAGE_INFO] = info
    receiver.registers[registers.BADGE] = badge


@compiled(inline="calls")
def endpoint_at(caller: Tcb, address: u64) -> EndpointCap:
    """The capability to an endpoint that is known to be there."""
    requires(isinstance(cap_at(caller, address), EndpointCap))
    ensures(lambda result: result == cap_at(caller, address))
    root = caller.cspace_root.capability
    assert isinstance(root, CNodeCap)
    cap = slot_of(root, address).capability
    assert isinstance(cap, EndpointCap)
    return cap


@compiled(inline="calls")
def can_go_on(tcb: Tcb, before: Tcb) -> bool:
    """Whether a thread without time of its own comes before all that are ready, when the one before it stops.

    No ready thread is above that one, which runs.
    """
    ensures(lambda result: result == can_take_over(tcb, before))
    if tcb.scheduling_context is not None:
        return False
    if configuration.profile.domains > 1 and tcb.domain != kernel.current_domain:
        return False
    if tcb.priority < before.priority and queue.has_ready_above(kernel.current_domain, tcb.priority):
        return False
    root = tcb.vspace_root.capability
    return isinstance(root, PageTableCap) and vspace.is_valid_root(root)


@compiled(inline="calls")
def go_on(tcb: Tcb, before: Tcb) -> None:
    """A thread runs now in place of the one before it, with its scheduling context."""
    requires(before is kernel.current and kernel.action == SchedulerAction.RESUME_CURRENT)
    requires(before.scheduling_context is kernel.current_context and before is not kernel.idle and is_blocked(before))
    requires(waiting.waits_for_nothing(tcb) and tcb.scheduling_context is None)
    requires(has_space(tcb))
    modifies(tcb.scheduling_context, before.scheduling_context, kernel.current_context.tcb)
    modifies(kernel.current, kernel.space_word)
    ensures(lambda: kernel.current is tcb and tcb.scheduling_context is kernel.current_context)
    ensures(lambda: before.scheduling_context is None and vspace.is_in_use(tcb))
    context = kernel.current_context
    before.scheduling_context = None
    schedcontext.put(context, tcb)
    kernel.current = tcb
    root = tcb.vspace_root.capability
    assert isinstance(root, PageTableCap)
    vspace.enter(vspace.space_word(root))


@compiled(inline="calls")
def begin_call(caller: Tcb, server: Tcb, offered: Reply) -> None:
    """The caller waits for its answer with the reply object that the server offered, and lends its time."""
    requires(caller is kernel.current and waiting.waits_for_nothing(caller))
    requires(caller.scheduling_context is kernel.current_context)
    requires(server.reply is offered and server.state == ThreadState.BLOCKED_ON_RECEIVE)
    modifies(server.reply, caller.reply, caller.state, offered.caller, offered.previous)
    modifies(Reply.next, Reply.scheduling_context, kernel.current_context.reply)
    ensures(lambda: caller.state == ThreadState.BLOCKED_ON_REPLY and offered.caller is caller)
    ensures(lambda: server.reply is None and kernel.current_context.reply is offered)
    server.reply = None
    reply.await_answer(caller, offered)
    reply.stack(offered, kernel.current_context)


@compiled(inline="calls")
def end_call(caller: Tcb, server: Tcb, answered: Reply) -> None:
    """The caller has its answer, and goes on; its server, which waits again, offers the reply object anew."""
    requires(answered.caller is caller and answered.scheduling_context is kernel.current_context)
    requires(server.state == ThreadState.BLOCKED_ON_RECEIVE and server.reply is None)
    modifies(server.reply, caller.reply, caller.state, answered.caller, answered.previous)
    modifies(Reply.next, Reply.scheduling_context, kernel.current_context.reply)
    ensures(lambda: caller.state == ThreadState.RUNNING and waiting.waits_for_nothing(caller))
    ensures(lambda: server.reply is answered and answered.caller is server)
    reply.unstack(answered, kernel.current_context)
    reply.pass_on(answered, caller, server)


@compiled(inline="calls")
def can_call(caller: Tcb, address: u64, info: u64) -> bool:
    """Whether the current thread's ``Call`` can be done at once: a passive server waits for it."""
    ensures(lambda result: result == (is_quick(info) and is_callable(cap_at(caller, address), caller)))
    root = caller.cspace_root.capability
    if not isinstance(root, CNodeCap) or not reaches(root, address):
        return False
    if not is_short(info) or not timeslice.has_time():
        return False
    cap = slot_of(root, address).capability
    if not isinstance(cap, EndpointCap) or not cap.can_send or not (cap.can_grant or cap.can_grant_reply):
        return False
    if cap.endpoint.end.state != EndpointState.RECEIVING:
        return False
    server = cap.endpoint.head
    assert server is not None
    return server.reply is not None and can_go_on(server, caller)


@compiled(inline="calls")
def call(caller: Tcb, address: u64, info: u64) -> Tcb:
    """Do it. Gives the server, which runs now."""
    requires(caller is kernel.current and waiting.is_at_work() and is_callable(cap_at(caller, address), caller))
    requires(is_quick(info) and budget.is_active(kernel.current_context))
    ensures(lambda result: has_taken_over(result, caller))
    ensures(
        lambda result: is_called(
            old(cap_at(caller, address)), old(offered_by(cap_at(caller, address))), caller, result, info
        )
    )
    cap = endpoint_at(caller, address)
    server = cap.endpoint.head
    assert server is not None
    offered = server.reply
    assert offered is not None
    begin_call(caller, server, offered)
    waiting.leave_endpoint(cap.endpoint, server, ThreadState.RUNNING)
    deliver(caller, server, info, cap.badge)
    go_on(server, caller)
    return server


@compiled(inline="calls")
def reply_at(server: Tcb) -> Reply:
    """The reply object that a server answers with, which is known to be there."""
    requires(isinstance(cap_at(server, server.registers[registers.REPLY_CAP]), ReplyCap))
    ensures(lambda result: result is answered_by(cap_at(server, server.registers[registers.REPLY_CAP])))
    root = server.cspace_root.capability
    assert isinstance(root, CNodeCap)
    cap = slot_of(root, server.registers[registers.REPLY_CAP]).capability
    assert isinstance(cap, ReplyCap)
    return cap.reply


@compiled(inline="calls")
def can_reply_receive(server: Tcb, address: u64, info: u64) -> bool:
    """Whether the current thread's ``ReplyRecv`` can be done at once.

    It answers the newest call, which lent it the time that it runs on, and nobody else waits for it.
    """
    ensures(lambda result: not result or (is_quick(info) and is_idle(cap_at(server, address))))
    ensures(lambda result: not result or is_answerable(cap_at(server, server.registers[registers.REPLY_CAP]), server))
    ensures(lambda result: not result or not has_signal(server))
    root = server.cspace_root.capability
    reply_address = server.registers[registers.REPLY_CAP]
    if not isinstance(root, CNodeCap) or not reaches(root, address) or not reaches(root, reply_address):
        return False
    if not is_short(info) or not timeslice.has_time():
        return False
    cap = slot_of(root, address).capability
    reply_cap = slot_of(root, reply_address).capability
    if not isinstance(cap, EndpointCap) or not cap.can_receive or not isinstance(reply_cap, ReplyCap):
        return False
    if cap.endpoint.end.state != EndpointState.IDLE:
        return False
    bound = server.bound_notification
    if bound is not None and bound.state == NotificationState.ACTIVE:
        return False
    if reply_cap.reply.scheduling_context is not kernel.current_context:
        return False
    caller = reply_cap.reply.caller
    return caller is not None and caller.fault == FaultKind.NONE and can_go_on(caller, server)


@compiled(inline="calls")
def reply_receive(server: Tcb, address: u64, info: u64) -> Tcb:
    """Do it. Gives the answered caller, which runs now."""
    requires(server is kernel.current and waiting.is_at_work() and is_idle(cap_at(server, address)))
    requires(is_answerable(cap_at(server, server.registers[registers.REPLY_CAP]), server) and is_quick(info))
    requires(budget.is_active(kernel.current_context))
    ensures(lambda result: has_taken_over(result, server) and has_message(result, server, info, 0))
    ensures(lambda result: result is old(caller_of(cap_at(server, server.registers[registers.REPLY_CAP]))))
    ensures(
        lambda: is_waiting(
            server, old(cap_at(server, address)), old(cap_at(server, server.registers[registers.REPLY_CAP]))
        )
    )
    cap = endpoint_at(server, address)
    answered = reply_at(server)
    caller = answered.caller
    assert caller is not None
    deliver(server, caller, info, u64(0))
    # The server waits before the caller goes on: in between the call is one that is not answered yet.
    waiting.wait_at_endpoint(cap.endpoint, server, EndpointState.RECEIVING)
    end_call(caller, server, answered)
    go_on(caller, server)
    return caller

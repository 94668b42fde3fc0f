# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing (IPC): sending to and receiving from endpoints (manual: Endpoints; Passive Servers)."""

from __future__ import annotations

from tessera.arch import registers
from tessera.kernel import blocking, budget, notification, reply, schedcontext, scheduler, waiting
from tessera.kernel.capability import EndpointCap
from tessera.kernel.layout import Endpoint, EndpointState, FaultKind, NotificationState, Reply, Tcb, ThreadState
from tessera.kernel.request import Status
from tessera.kernel.state import kernel
from tessera.kernel.transfer import transfer
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, implies, loop_invariant, old, requires, specification, u64


@compiled
def wake(tcb: Tcb) -> None:
    """A thread that waited goes on as soon as its context lets it, which perhaps was never configured."""
    requires(tcb is not kernel.current and scheduler.is_runnable(tcb))
    ensures(lambda: budget.is_renewed(tcb.scheduling_context))
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    budget.unblock_sporadic(tcb.scheduling_context)
    context = tcb.scheduling_context
    if context is not None and budget.is_active(context):
        scheduler.possible_switch_to(tcb)


@compiled
def block_sender(
    tcb: Tcb, endpoint: Endpoint, badge: u64, is_call: bool, can_grant: bool, can_grant_reply: bool
) -> None:
    """Let a thread wait until someone receives its message."""
    requires(waits_for_nothing(tcb) and endpoint.end.state != EndpointState.RECEIVING)
    tcb.blocked_badge = badge
    tcb.blocked_is_call = is_call
    tcb.blocked_can_grant = can_grant
    tcb.blocked_can_grant_reply = can_grant_reply
    waiting.wait_at_endpoint(endpoint, tcb, EndpointState.SENDING)


@specification
def is_sent(receiver: Tcb | None, badge: u64) -> bool:
    """Whether a thread that waited has a message with this badge, and runs."""
    if receiver is None:
        return False
    received = receiver.registers[registers.BADGE] == badge
    return received and receiver.blocked_endpoint is None and receiver.state == ThreadState.RUNNING


@specification
def offered_at(endpoint: Endpoint) -> Reply | None:
    """The reply object that the first receiver offers to a caller."""
    receiver = endpoint.head
    return None if receiver is None or endpoint.end.state != EndpointState.RECEIVING else receiver.reply


@specification
def awaits(tcb: Tcb, offered: Reply | None) -> bool:
    """Whether a caller waits for an answer, if a reply object was offered."""
    return offered is None or (tcb.state == ThreadState.BLOCKED_ON_REPLY and offered.caller is tcb)


@specification
def has_stopped(tcb: Tcb) -> bool:
    """Whether a thread waits to send or for an answer, or for nothing at all."""
    return tcb.state in (ThreadState.INACTIVE, ThreadState.BLOCKED_ON_SEND, ThreadState.BLOCKED_ON_REPLY)


@compiled
def send(
    tcb: Tcb,
    endpoint: Endpoint,
    badge: u64,
    is_blocking: bool,
    is_call: bool,
    can_grant: bool,
    can_grant_reply: bool,
    can_donate: bool,
) -> None:
    """Send the thread's message, or its fault, to the first receiver; without one wait, or drop it. (seL4: sendIPC.)

    A call waits for the answer if the receiver offers a reply object and the right to grant (the reply) is there;
    otherwise its thread becomes inactive, for nobody can ever answer.
    """
    requires(waits_for_nothing(tcb) and scheduler.is_runnable(tcb) and waits_for_nothing(kernel.current))
    ensures(lambda: implies(old(endpoint.end.state) == EndpointState.RECEIVING, is_sent(old(endpoint.head), badge)))
    ensures(lambda: implies((is_call or tcb.fault != FaultKind.NONE) and is_blocking, has_stopped(tcb)))
    ensures(lambda: tcb is kernel.current or waits_for_nothing(kernel.current))
    ensures(lambda: waits_for_nothing(kernel.current) or is_blocking or is_call or has_stopped(tcb))
    ensures(lambda: implies(is_call and (can_grant or can_grant_reply), awaits(tcb, old(offered_at(endpoint)))))
    if endpoint.end.state != EndpointState.RECEIVING:
        if is_blocking:
            block_sender(tcb, endpoint, badge, is_call, can_grant, can_grant_reply)
        return
    receiver = endpoint.head
    assert receiver is not None
    offered = reply.withdraw(receiver)
    waiting.leave_endpoint(endpoint, receiver, ThreadState.RUNNING)
    transfer(tcb, endpoint, badge, can_grant, receiver)

    if is_call or tcb.fault != FaultKind.NONE:
        if offered is not None and (can_grant or can_grant_reply):
            reply.push(tcb, receiver, offered, can_donate)
        else:
            scheduler.set_thread_state(tcb, ThreadState.INACTIVE)
    elif can_donate and receiver.scheduling_context is None:
        context = tcb.scheduling_context
        if context is not None:
            schedcontext.donate(context, receiver)
    wake(receiver)


@compiled
def accept(tcb: Tcb, endpoint: Endpoint, sender: Tcb, offered: Reply | None) -> None:
    """Receive from a thread that waits to send."""
    requires(endpoint.end.state == EndpointState.SENDING and sender is endpoint.head)
    requires(tcb is kernel.current and waits_for_nothing(tcb) and (offered is None or offered.caller is None))
    awaits_answer = sender.blocked_is_call or sender.fault != FaultKind.NONE
    waiting.leave_endpoint(endpoint, sender, ThreadState.INACTIVE if awaits_answer else ThreadState.RUNNING)
    can_grant = sender.blocked_can_grant
    transfer(sender, endpoint, sender.blocked_badge, can_grant, tcb)

    if not awaits_answer:
        wake(sender)
        return
    budget.unblock_sporadic(sender.scheduling_context)
    if offered is not None and (can_grant or sender.blocked_can_grant_reply):
        # A thread that has no time left has none to give.
        reply.push(sender, tcb, offered, sender.fault != FaultKind.TIMEOUT)


@compiled
def block_receiver(tcb: Tcb, endpoint: Endpoint, offered: Reply | None) -> None:
    """Let a thread wait for a message, with a reply object for whoever calls."""
    requires(waits_for_nothing(tcb) and endpoint.end.state != EndpointState.SENDING)
    requires(offered is None or offered.caller is None)
    waiting.wait_at_endpoint(endpoint, tcb, EndpointState.RECEIVING)
    if offered is not None:
        reply.offer(offered, tcb)


@compiled
def receive(tcb: Tcb, cap: EndpointCap, is_blocking: bool, offered: Reply | None) -> None:
    """The current thread takes the first message, or a signal of its bound notification. (seL4: receiveIPC.)

    Without any it waits, or gets badge 0. A caller that still waits with the offered reply object gives up.
    """
    requires(tcb is kernel.current and waits_for_nothing(tcb) and scheduler.is_runnable(tcb))
    if offered is not None:
        caller = offered.caller
        if caller is not None:
            blocking.cancel_ipc(caller)
    endpoint = cap.endpoint
    bound = tcb.bound_notification
    if bound is not None:
        if bound.state == NotificationState.ACTIVE:
            notification.take_signals(bound, tcb)
            return
        if is_blocking:
            schedcontext.return_to_notification(tcb, bound)
    if endpoint.end.state == EndpointState.SENDING:
        sender = endpoint.head
        assert sender is not None
        accept(tcb, endpoint, sender, offered)
    elif is_blocking:
        block_receiver(tcb, endpoint, offered)
    else:
        tcb.registers[registers.BADGE] = 0


@compiled
def restart_waiting(endpoint: Endpoint, tcb: Tcb) -> None:
    """Take a thread out of the queue; it starts its system call again, unless a fault made it wait."""
    requires(tcb.blocked_endpoint is endpoint and waits_for_nothing(kernel.current))
    goes_on = tcb.fault == FaultKind.NONE
    reply.withdraw(tcb)
    waiting.leave_endpoint(endpoint, tcb, ThreadState.RESTART if goes_on else ThreadState.INACTIVE)
    if goes_on:
        wake(tcb)


@compiled
def cancel_all(endpoint: Endpoint) -> Status:
    """No thread waits at the endpoint any more. PREEMPTED when it has to go on later. (seL4: cancelAllIPC.)"""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    tcb = endpoint.head
    if tcb is None:
        return Status.OK
    # Each turn takes a thread out of the queue.
    # Bounded by preemption points: one after each thread.
    while tcb is not None:
        loop_invariant(tcb is endpoint.head and is_undisturbed(old(kernel.current.state)))
        restart_waiting(endpoint, tcb)
        tcb = endpoint.head
        if tcb is not None and scheduler.preemption_point():
            scheduler.reschedule_required()
            return Status.PREEMPTED
    scheduler.reschedule_required()
    return Status.OK


@compiled
def cancel_badged(endpoint: Endpoint, badge: u64) -> Status:
    """No thread that waits to send with this badge does so any more. PREEMPTED when it has to go on later.

    It goes on where it stopped, so it ends however often it is preempted. (seL4: cancelBadgedSends.)
    """
    requires(waits_for_nothing(kernel.current))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    if endpoint.end.state != EndpointState.SENDING:
        return Status.OK
    tcb = endpoint.head
    begun = kernel.cancel_next
    if begun is not None and kernel.cancel_by is kernel.current:
        if begun.blocked_endpoint is endpoint and kernel.cancel_badge == badge:
            tcb = begun
    kernel.cancel_next = None
    # Each turn goes one thread further.
    # Bounded by preemption points: one after each thread.
    while tcb is not None:
        loop_invariant(tcb is None or tcb.blocked_endpoint is endpoint)
        loop_invariant(is_undisturbed(old(kernel.current.state)))
        following = tcb.wait_next
        if tcb.blocked_badge == badge:
            restart_waiting(endpoint, tcb)
        tcb = following
        if tcb is not None and scheduler.preemption_point():
            kernel.cancel_by = kernel.current
            kernel.cancel_next = tcb
            kernel.cancel_badge = badge
            scheduler.reschedule_required()
            return Status.PREEMPTED
    scheduler.reschedule_required()
    return Status.OK

# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: who waits for what, and who answers whom (manual: Endpoints; Notifications; Reply Objects).

Each predicate speaks of one object and holds whenever the kernel is left; tests check it for all objects of a state.
"""

from __future__ import annotations

from tessera.kernel.layout import (
    Endpoint,
    EndpointState,
    FaultKind,
    Notification,
    NotificationState,
    Reply,
    SchedContext,
    Tcb,
    ThreadState,
)
from tessera.lang import compiled, invariant


@compiled
def waits_at_endpoint(tcb: Tcb) -> bool:
    """Whether a thread is in an endpoint's queue."""
    return tcb.state in (ThreadState.BLOCKED_ON_SEND, ThreadState.BLOCKED_ON_RECEIVE)


@compiled
def same_queue(a: Tcb, b: Tcb) -> bool:
    """Whether two waiting threads wait for the same thing."""
    return (
        a.state == b.state
        and a.blocked_endpoint is b.blocked_endpoint
        and a.blocked_notification is b.blocked_notification
    )


@invariant
def blocked_thread_names_what_it_waits_for(tcb: Tcb) -> bool:
    """Endpoint and notification are there in the states that they belong to, and only then."""
    return (tcb.blocked_endpoint is not None) == waits_at_endpoint(tcb) and (tcb.blocked_notification is not None) == (
        tcb.state == ThreadState.BLOCKED_ON_NOTIFICATION
    )


@invariant
def waiting_neighbours_agree(tcb: Tcb) -> bool:
    """The next thread waits for the same, knows this one, and has no higher priority; without waiting no links."""
    following = tcb.wait_next
    before = tcb.wait_previous
    if not waits_at_endpoint(tcb) and tcb.state != ThreadState.BLOCKED_ON_NOTIFICATION:
        return following is None and before is None
    if before is not None and before.wait_next is not tcb:
        return False
    if following is None:
        return True
    return following.wait_previous is tcb and same_queue(tcb, following) and tcb.priority >= following.priority


@invariant
def endpoint_knows_its_ends(tcb: Tcb) -> bool:
    """A thread that waits at an endpoint is in its queue, at an end if it has no neighbour, in the right state."""
    endpoint = tcb.blocked_endpoint
    if endpoint is None:
        return True
    sends = tcb.state == ThreadState.BLOCKED_ON_SEND
    return (
        (tcb.wait_previous is None) == (endpoint.head is tcb)
        and (tcb.wait_next is None) == (endpoint.end.tail is tcb)
        and endpoint.end.state == (EndpointState.SENDING if sends else EndpointState.RECEIVING)
    )


@invariant
def endpoint_is_idle_without_threads(endpoint: Endpoint) -> bool:
    """An endpoint's queue has both ends or none; none is idle. Its first thread waits for it."""
    first = endpoint.head
    last = endpoint.end.tail
    if first is None or last is None:
        return first is None and last is None and endpoint.end.state == EndpointState.IDLE
    return first.blocked_endpoint is endpoint and last.blocked_endpoint is endpoint


@invariant
def notification_knows_its_ends(tcb: Tcb) -> bool:
    """A thread that waits for a notification is in its queue, at an end if it has no neighbour."""
    notification = tcb.blocked_notification
    if notification is None:
        return True
    return (tcb.wait_previous is None) == (notification.head is tcb) and (tcb.wait_next is None) == (
        notification.tail is tcb
    )


@invariant
def notification_waits_or_signals(notification: Notification) -> bool:
    """Threads wait only where no signal does; bindings are known on both sides."""
    first = notification.head
    last = notification.tail
    waiting = notification.state == NotificationState.WAITING
    if (first is None) != (last is None) or waiting != (first is not None):
        return False
    if first is not None and first.blocked_notification is not notification:
        return False
    if notification.state != NotificationState.ACTIVE and notification.signals != 0:
        return False
    tcb = notification.bound_tcb
    context = notification.scheduling_context
    return (tcb is None or tcb.bound_notification is notification) and (
        context is None or context.notification is notification
    )


@invariant
def bound_notification_knows_its_thread(tcb: Tcb) -> bool:
    """The notification bound to a thread is bound to it."""
    notification = tcb.bound_notification
    return notification is None or notification.bound_tcb is tcb


@invariant
def fault_waits_for_its_handler(tcb: Tcb) -> bool:
    """A thread has a fault only while its handler has not answered; inactive if nobody can answer."""
    return tcb.fault == FaultKind.NONE or tcb.state in (
        ThreadState.BLOCKED_ON_SEND,
        ThreadState.BLOCKED_ON_REPLY,
        ThreadState.INACTIVE,
    )


@invariant
def reply_and_thread_agree(tcb: Tcb) -> bool:
    """A caller has the reply object that will wake it, a receiver may have offered one; others have none."""
    reply = tcb.reply
    if reply is None:
        return tcb.state != ThreadState.BLOCKED_ON_REPLY
    return reply.caller is tcb and tcb.state in (ThreadState.BLOCKED_ON_REPLY, ThreadState.BLOCKED_ON_RECEIVE)


@invariant
def call_stack_is_linked(reply: Reply) -> bool:
    """Neighbours in a call stack know each other; the newest knows the context, no other does; each has a caller."""
    caller = reply.caller
    newer = reply.next
    older = reply.previous
    context = reply.scheduling_context
    if caller is not None and caller.reply is not reply:
        return False
    if newer is None and older is None and context is None:
        return True
    if caller is None or caller.state != ThreadState.BLOCKED_ON_REPLY:
        return False
    if newer is not None and (newer.previous is not reply or context is not None):
        return False
    if older is not None and older.next is not reply:
        return False
    return context is None or context.reply is reply


@invariant
def context_knows_the_newest_reply(context: SchedContext) -> bool:
    """The newest reply of the call stack that a scheduling context was donated along knows it."""
    newest = context.reply
    return newest is None or newest.scheduling_context is context

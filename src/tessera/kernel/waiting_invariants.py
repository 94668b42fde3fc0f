# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: who waits for what, and who answers whom (manual: Endpoints; Notifications; Reply Objects).

Each predicate speaks of one object; tests check it for all objects of a state.
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
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_first_of_priority, is_last_of_priority, wait_together
from tessera.lang import invariant, live, specification, trigger


@specification
def waits_at_endpoint(tcb: Tcb) -> bool:
    """Whether a thread is in an endpoint's queue."""
    return tcb.state in (ThreadState.BLOCKED_ON_SEND, ThreadState.BLOCKED_ON_RECEIVE)


@specification
def goes_on(tcb: Tcb) -> bool:
    """Whether a thread waits for nothing but time."""
    return tcb.state in (ThreadState.RUNNING, ThreadState.RESTART)


@invariant
def blocked_thread_names_what_it_waits_for(tcb: Tcb) -> bool:
    """Endpoint and notification are there in the states that they belong to, and only then."""
    trigger(tcb.state)
    trigger(tcb.blocked_endpoint)
    trigger(tcb.blocked_notification)
    return (tcb.blocked_endpoint is not None) == waits_at_endpoint(tcb) and (tcb.blocked_notification is not None) == (
        tcb.state == ThreadState.BLOCKED_ON_NOTIFICATION
    )


@invariant
def next_waiting_thread_agrees(tcb: Tcb) -> bool:
    """The next thread waits for the same, knows this one, and has no higher priority."""
    trigger(tcb.wait_next)
    following = tcb.wait_next
    if following is None:
        return True
    return (
        live(following)
        and following.wait_previous is tcb
        and wait_together(tcb, following)
        and tcb.priority >= following.priority
    )


@invariant
def previous_waiting_thread_agrees(tcb: Tcb) -> bool:
    """The thread before waits for the same, and knows this one."""
    trigger(tcb.wait_previous)
    before = tcb.wait_previous
    return before is None or (live(before) and before.wait_next is tcb and wait_together(before, tcb))


@invariant
def ends_of_a_priority_know_each_other(tcb: Tcb) -> bool:
    """The other end of the threads of one priority is another thread, which waits for the same and knows this one."""
    trigger(tcb.wait_run)
    other = tcb.wait_run
    if other is None:
        return True
    return (
        live(other)
        and other is not tcb
        and other.wait_run is tcb
        and wait_together(tcb, other)
        and tcb.priority == other.priority
    )


@invariant
def first_of_a_priority_knows_the_last(tcb: Tcb) -> bool:
    """From the first thread of a priority the last one is known, if it is another."""
    if not wait_together(tcb, tcb) or not is_first_of_priority(tcb):
        return True
    other = tcb.wait_run
    return is_last_of_priority(tcb if other is None else other)


@invariant
def last_of_a_priority_knows_the_first(tcb: Tcb) -> bool:
    """From the last thread of a priority the first one is known, if it is another."""
    if not wait_together(tcb, tcb) or not is_last_of_priority(tcb):
        return True
    other = tcb.wait_run
    return is_first_of_priority(tcb if other is None else other)


@invariant
def endpoint_knows_its_ends(tcb: Tcb) -> bool:
    """A thread that waits at an endpoint is in its queue, at an end if it has no neighbour, in the right state."""
    trigger(tcb.blocked_endpoint)
    endpoint = tcb.blocked_endpoint
    if endpoint is None:
        return True
    sends = tcb.state == ThreadState.BLOCKED_ON_SEND
    return (
        live(endpoint)
        and (tcb.wait_previous is None) == (endpoint.head is tcb)
        and (tcb.wait_next is None) == (endpoint.end.tail is tcb)
        and endpoint.end.state == (EndpointState.SENDING if sends else EndpointState.RECEIVING)
    )


@invariant
def endpoint_is_idle_without_threads(endpoint: Endpoint) -> bool:
    """An endpoint's queue has both ends or none; none is idle. Its first and last thread wait for it."""
    trigger(endpoint.head)
    trigger(endpoint.end.tail)
    trigger(endpoint.end.state)
    first = endpoint.head
    last = endpoint.end.tail
    if first is None or last is None:
        return first is None and last is None and endpoint.end.state == EndpointState.IDLE
    return live(first) and live(last) and first.blocked_endpoint is endpoint and last.blocked_endpoint is endpoint


@invariant
def notification_knows_its_ends(tcb: Tcb) -> bool:
    """A thread that waits for a notification is in its queue, at an end if it has no neighbour."""
    trigger(tcb.blocked_notification)
    notification = tcb.blocked_notification
    if notification is None:
        return True
    return (
        live(notification)
        and (tcb.wait_previous is None) == (notification.head is tcb)
        and (tcb.wait_next is None) == (notification.tail is tcb)
    )


@invariant
def notification_waits_or_signals(notification: Notification) -> bool:
    """Threads wait only where no signal does, and its first and last thread wait for it."""
    trigger(notification.head)
    trigger(notification.tail)
    trigger(notification.state)
    first = notification.head
    last = notification.tail
    waiting = notification.state == NotificationState.WAITING
    if first is None or last is None:
        return first is None and last is None and not waiting
    return (
        (waiting and live(first) and live(last))
        and first.blocked_notification is notification
        and last.blocked_notification is notification
    )


@invariant
def signals_are_active(notification: Notification) -> bool:
    """Signals are there only in the state that says so."""
    trigger(notification.signals)
    trigger(notification.state)
    return notification.state == NotificationState.ACTIVE or notification.signals == 0


@invariant
def notification_knows_its_thread(notification: Notification) -> bool:
    """The thread bound to a notification is bound to it."""
    trigger(notification.bound_tcb)
    tcb = notification.bound_tcb
    return tcb is None or (live(tcb) and tcb.bound_notification is notification)


@invariant
def notification_knows_its_context(notification: Notification) -> bool:
    """The scheduling context bound to a notification is bound to it."""
    trigger(notification.scheduling_context)
    context = notification.scheduling_context
    return context is None or (live(context) and context.notification is notification)


@invariant
def bound_notification_knows_its_thread(tcb: Tcb) -> bool:
    """The notification bound to a thread is bound to it."""
    trigger(tcb.bound_notification)
    notification = tcb.bound_notification
    return notification is None or (live(notification) and notification.bound_tcb is tcb)


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
    trigger(tcb.reply)
    reply = tcb.reply
    if reply is None:
        return tcb.state != ThreadState.BLOCKED_ON_REPLY
    return (
        live(reply)
        and reply.caller is tcb
        and tcb.state in (ThreadState.BLOCKED_ON_REPLY, ThreadState.BLOCKED_ON_RECEIVE)
    )


@invariant
def reply_knows_its_caller(reply: Reply) -> bool:
    """The thread that waits with a reply object knows it; in a call stack there is one, and it waits for the answer."""
    trigger(reply.caller)
    caller = reply.caller
    if caller is None:
        return reply.next is None and reply.previous is None and reply.scheduling_context is None
    return (live(caller) and caller.reply is reply) and (
        caller.state == ThreadState.BLOCKED_ON_REPLY
        or (reply.next is None and reply.previous is None and reply.scheduling_context is None)
    )


@invariant
def call_stack_is_linked(reply: Reply) -> bool:
    """Neighbours in a call stack know each other; only the newest knows the context."""
    trigger(reply.next)
    trigger(reply.previous)
    newer = reply.next
    older = reply.previous
    if newer is not None and not (live(newer) and newer.previous is reply and reply.scheduling_context is None):
        return False
    return older is None or (live(older) and older.next is reply)


@invariant
def newest_reply_knows_the_context(reply: Reply) -> bool:
    """The scheduling context that the newest reply of a call stack gives back knows it."""
    trigger(reply.scheduling_context)
    context = reply.scheduling_context
    return context is None or (live(context) and context.reply is reply)


@invariant
def context_knows_the_newest_reply(context: SchedContext) -> bool:
    """The newest reply of the call stack that a scheduling context was donated along knows it."""
    trigger(context.reply)
    newest = context.reply
    return newest is None or (live(newest) and newest.scheduling_context is context)


@invariant
def who_yields_can_run(tcb: Tcb) -> bool:
    """A thread that yielded to another one waits for nothing else: it is told when it goes on."""
    trigger(tcb.yield_to)
    return tcb.yield_to is None or goes_on(tcb)


@invariant
def cancellation_goes_on_with_a_waiting_thread() -> bool:
    """A preempted cancellation of sends goes on with a thread that still waits."""
    tcb = kernel.cancel_next
    return tcb is None or (live(tcb) and tcb.blocked_endpoint is not None)


# A thread's fault is noted before its handler is told.
AT_EXIT = (fault_waits_for_its_handler,)

# In proofs these follow from ``waiting_order``, where a ghost field says which end of a priority a thread is.
EXECUTED_ONLY = (first_of_a_priority_knows_the_last, last_of_a_priority_knows_the_first)

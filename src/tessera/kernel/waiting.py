# SPDX-License-Identifier: BSD-2-Clause
"""Queues of waiting threads (manual: Endpoints; Notifications).

Threads that wait at an endpoint or notification are ordered by priority, first come first served among equals. The
first and the last one of a priority know each other (``wait_run``), so that a thread finds its place in as many steps
as there are priorities, however many threads wait.
"""

from __future__ import annotations

from tessera.kernel.layout import (
    Endpoint,
    EndpointState,
    EndpointTail,
    Notification,
    NotificationState,
    Tcb,
    ThreadState,
)
from tessera.kernel.scheduling_queues import can_be_queued, is_queued
from tessera.kernel.state import PRIORITIES, SchedulerAction, kernel
from tessera.lang import (
    compiled,
    decreases,
    ensures,
    forall,
    ghost,
    integer,
    loop_invariant,
    modifies,
    old,
    record,
    requires,
    specification,
    u64,
)


@record
class Neighbours:
    """Between which threads of a waiting queue another one comes; None at its ends."""

    before: Tcb | None
    after: Tcb | None


@specification
def wait_together(a: Tcb, b: Tcb) -> bool:
    """Whether two threads wait for the same endpoint or notification."""
    waits = a.blocked_endpoint is not None or a.blocked_notification is not None
    return waits and a.blocked_endpoint is b.blocked_endpoint and a.blocked_notification is b.blocked_notification


@specification
def is_first_of_priority(tcb: Tcb) -> bool:
    """Whether no thread of this one's priority comes before it in its queue."""
    before = tcb.wait_previous
    return before is None or before.priority > tcb.priority


@specification
def is_last_of_priority(tcb: Tcb) -> bool:
    """Whether no thread of this one's priority comes behind it in its queue."""
    following = tcb.wait_next
    return following is None or following.priority < tcb.priority


@specification
def is_after_equals(tcb: Tcb, other: Tcb) -> bool:
    """Whether another thread of a thread's queue comes before it if it has the same priority, or a higher one."""
    if other is tcb or not wait_together(other, tcb):
        return True
    return (other.wait_position < tcb.wait_position) == (other.priority >= tcb.priority)


@specification
def waits_for_nothing(tcb: Tcb) -> bool:
    """Whether a thread waits neither for a message, a signal or an answer, nor for the processor, nor for another."""
    free = tcb.blocked_endpoint is None and tcb.blocked_notification is None and tcb.reply is None
    free = free and tcb.yield_to is None
    return free and not is_queued(tcb) and tcb is not kernel.candidate and tcb is not kernel.idle


@specification
def is_undisturbed(before: ThreadState) -> bool:
    """Whether the current thread still waits for nothing, in the state that it was in before, or has ended."""
    return waits_for_nothing(kernel.current) and kernel.current.state in (ThreadState.INACTIVE, before)


@specification
def is_at_work() -> bool:
    """Whether the current thread's call is being handled: it can run, and nothing was decided yet that changes it."""
    current = kernel.current
    if not waits_for_nothing(current) or not can_be_queued(current):
        return False
    return current.scheduling_context is kernel.current_context and kernel.action == SchedulerAction.RESUME_CURRENT


@compiled
def place_behind(last: Tcb | None, priority: u64) -> Neighbours:
    """Where a thread joins the queue that ends with ``last``: behind all of its priority or a higher one."""
    requires(last is None or (wait_together(last, last) and last.wait_next is None))
    ensures(
        lambda result: result.before is last if result.after is None else result.after.wait_previous is result.before
    )
    ensures(lambda result: result.after is None or (last is not None and wait_together(last, result.after)))
    ensures(lambda result: result.before is None or (last is not None and wait_together(last, result.before)))
    ensures(lambda result: result.after is None or result.after.priority < priority)
    ensures(lambda result: result.before is None or result.before.priority >= priority)
    before = last
    after: Tcb | None = None
    # From the end, so that equal priorities take one step; each step passes all threads of a priority.
    # Bounded by the number of priorities, 256.
    while before is not None and before.priority < priority:
        loop_invariant(before is last if after is None else after.wait_previous is before)
        loop_invariant(after is None or (last is not None and wait_together(last, after) and after.priority < priority))
        loop_invariant(before is None or (last is not None and wait_together(last, before)))
        loop_invariant(before is None or after is None or after.priority < before.priority)
        decreases(integer(PRIORITIES) - integer(before.priority) if before is not None else integer(0))
        after = first_of_priority(before)
        before = after.wait_previous
    return Neighbours(before, after)


@compiled
def first_of_priority(last: Tcb) -> Tcb:
    """The first thread in the queue with the priority of one that is the last with it."""
    first = last.wait_run
    return last if first is None else first


@compiled
def join_run(before: Tcb, tcb: Tcb) -> None:
    """A thread is the last of its priority from now on, behind the one that was."""
    first = first_of_priority(before)
    before.wait_run = None
    first.wait_run = tcb
    tcb.wait_run = first
    with ghost:
        first.wait_last = False
        tcb.wait_last = True


@compiled
def link_waiting(tcb: Tcb, place: Neighbours) -> None:
    """Put a thread that has no neighbours between two: behind the last one of its priority, if there is any."""
    before = place.before
    after = place.after
    if before is not None:
        if before.priority == tcb.priority:
            join_run(before, tcb)
        tcb.wait_previous = before
        before.wait_next = tcb
    if after is not None:
        tcb.wait_next = after
        after.wait_previous = tcb
    with ghost:
        if before is None and after is not None:
            tcb.wait_position = after.wait_position - 1
        elif before is not None and after is None:
            tcb.wait_position = before.wait_position + 1
        elif before is not None and after is not None:
            tcb.wait_position = (before.wait_position + after.wait_position) / 2


@compiled
def leave_run(tcb: Tcb, before: Tcb | None, after: Tcb | None) -> None:
    """Where a thread was the first or the last of its priority, its neighbour in there is it from now on."""
    other = tcb.wait_run
    if other is not None:
        nearer = after if after is not None and after.priority == tcb.priority else before
        assert nearer is not None
        with ghost:
            known = nearer.wait_run
            assert nearer is other or known is None or known.wait_position <= tcb.wait_position
            assert nearer is other or known is None or known.wait_position >= tcb.wait_position
            nearer.wait_last = tcb.wait_last
        other.wait_run = None if nearer is other else nearer
        nearer.wait_run = None if nearer is other else other
        tcb.wait_run = None


@compiled
def unlink_waiting(tcb: Tcb) -> Neighbours:
    """Take a thread out from between its neighbours. Gives them."""
    before = tcb.wait_previous
    after = tcb.wait_next
    if before is not None or after is not None:
        leave_run(tcb, before, after)
        tcb.wait_previous = None
        tcb.wait_next = None
    if before is not None:
        before.wait_next = after
    if after is not None:
        after.wait_previous = before
    return Neighbours(before, after)


@compiled
def wait_at_endpoint(endpoint: Endpoint, tcb: Tcb, state: EndpointState) -> None:
    """Let a thread wait at an endpoint that is idle or in this state already."""
    requires(state != EndpointState.IDLE and endpoint.end.state in (EndpointState.IDLE, state))
    requires(waits_for_nothing(tcb))
    ensures(lambda: tcb.blocked_endpoint is endpoint and endpoint.end.state == state)
    ensures(lambda: forall(Tcb, lambda other: is_after_equals(tcb, other)))
    modifies(endpoint, tcb.blocked_endpoint, tcb.state, tcb.wait_position)
    modifies(Tcb.wait_next, Tcb.wait_previous, Tcb.wait_run, Tcb.wait_last)
    last = endpoint.end.tail
    place = place_behind(last, tcb.priority)
    link_waiting(tcb, place)
    if place.before is None:
        endpoint.head = tcb
    endpoint.end = EndpointTail(state=state, tail=tcb if place.after is None else last)
    tcb.blocked_endpoint = endpoint
    sends = state == EndpointState.SENDING
    tcb.state = ThreadState.BLOCKED_ON_SEND if sends else ThreadState.BLOCKED_ON_RECEIVE


@compiled
def leave_endpoint(endpoint: Endpoint, tcb: Tcb, state: ThreadState) -> None:
    """A thread does not wait any more at an endpoint, which is idle without any; ``state`` waits for nothing."""
    requires(tcb.blocked_endpoint is endpoint and tcb.reply is None)
    requires(state in (ThreadState.INACTIVE, ThreadState.RUNNING, ThreadState.RESTART))
    ensures(lambda: tcb.blocked_endpoint is None and tcb.state == state)
    ensures(lambda: endpoint.end.state in (EndpointState.IDLE, old(endpoint.end.state)))
    modifies(endpoint, tcb.blocked_endpoint, tcb.state, kernel.cancel_next)
    modifies(Tcb.wait_next, Tcb.wait_previous, Tcb.wait_run, Tcb.wait_last)
    if kernel.cancel_next is tcb:
        kernel.cancel_next = tcb.wait_next
    place = unlink_waiting(tcb)
    if place.before is None:
        endpoint.head = place.after
    if place.after is None:
        endpoint.end = EndpointTail() if place.before is None else endpoint.end.replace(tail=place.before)
    tcb.blocked_endpoint = None
    tcb.state = state


@compiled
def wait_at_notification(notification: Notification, tcb: Tcb) -> None:
    """Let a thread wait for a notification that has no signal."""
    requires(notification.state != NotificationState.ACTIVE)
    requires(waits_for_nothing(tcb))
    ensures(lambda: tcb.blocked_notification is notification and notification.state == NotificationState.WAITING)
    ensures(lambda: forall(Tcb, lambda other: is_after_equals(tcb, other)))
    modifies(notification.head, notification.tail, notification.state, tcb.blocked_notification, tcb.state)
    modifies(Tcb.wait_next, Tcb.wait_previous, Tcb.wait_run, Tcb.wait_last, tcb.wait_position)
    place = place_behind(notification.tail, tcb.priority)
    link_waiting(tcb, place)
    if place.before is None:
        notification.head = tcb
    if place.after is None:
        notification.tail = tcb
    notification.state = NotificationState.WAITING
    tcb.blocked_notification = notification
    tcb.state = ThreadState.BLOCKED_ON_NOTIFICATION


@compiled
def leave_notification(notification: Notification, tcb: Tcb, state: ThreadState) -> None:
    """A thread does not wait any more for a notification, which is idle without any; ``state`` waits for nothing."""
    requires(tcb.blocked_notification is notification)
    requires(state in (ThreadState.INACTIVE, ThreadState.RUNNING, ThreadState.RESTART))
    ensures(lambda: tcb.blocked_notification is None and tcb.state == state)
    ensures(lambda: notification.state != NotificationState.ACTIVE)
    modifies(notification.head, notification.tail, notification.state, tcb.blocked_notification, tcb.state)
    modifies(Tcb.wait_next, Tcb.wait_previous, Tcb.wait_run, Tcb.wait_last)
    place = unlink_waiting(tcb)
    if place.before is None:
        notification.head = place.after
        if place.after is None:
            notification.state = NotificationState.IDLE
    if place.after is None:
        notification.tail = place.before
    tcb.blocked_notification = None
    tcb.state = state

# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: the order of queues of waiting threads, for proofs (manual: Endpoints; Notifications)."""

from __future__ import annotations

from tessera.kernel.layout import Tcb
from tessera.kernel.waiting import is_first_of_priority, is_last_of_priority, wait_together
from tessera.lang import invariant, trigger


@invariant
def waiting_queue_skips_nothing(a: Tcb, b: Tcb) -> bool:
    """Threads of one queue have different positions, and whatever comes later is reached through the next thread."""
    trigger(a.wait_next, b.wait_position)
    if a is b or not wait_together(a, b):
        return True
    following = a.wait_next
    if b.wait_position <= a.wait_position:
        return a.wait_position != b.wait_position
    return following is not None and following.wait_position <= b.wait_position


@invariant
def waiting_queue_is_sorted(a: Tcb, b: Tcb) -> bool:
    """What comes later in a queue has no higher priority."""
    trigger(a.wait_position, b.wait_position)
    return not wait_together(a, b) or b.wait_position <= a.wait_position or a.priority >= b.priority


@invariant
def waiting_queue_rises(tcb: Tcb) -> bool:
    """The next thread has a later position."""
    trigger(tcb.wait_next)
    following = tcb.wait_next
    return following is None or tcb.wait_position < following.wait_position


@invariant
def endpoint_begins_with_its_first(tcb: Tcb) -> bool:
    """No thread that waits at an endpoint comes before its head."""
    trigger(tcb.blocked_endpoint, tcb.wait_position)
    endpoint = tcb.blocked_endpoint
    if endpoint is None:
        return True
    first = endpoint.head
    return first is not None and first.wait_position <= tcb.wait_position


@invariant
def notification_begins_with_its_first(tcb: Tcb) -> bool:
    """No thread that waits for a notification comes before its head."""
    trigger(tcb.blocked_notification, tcb.wait_position)
    notification = tcb.blocked_notification
    if notification is None:
        return True
    first = notification.head
    return first is not None and first.wait_position <= tcb.wait_position


@invariant
def ends_of_a_priority_differ(tcb: Tcb) -> bool:
    """Of the two threads that know each other one is the first of their priority, the other the last."""
    trigger(tcb.wait_run)
    other = tcb.wait_run
    if other is None:
        return True
    return (
        tcb.wait_last != other.wait_last
        and is_last_of_priority(tcb) == tcb.wait_last
        and is_first_of_priority(tcb) != tcb.wait_last
    )


@invariant
def end_of_a_priority_knows_the_other(tcb: Tcb) -> bool:
    """A thread that is first of its priority and not last, or last and not first, knows the other end."""
    trigger(tcb.wait_run)
    trigger(tcb.wait_next)
    trigger(tcb.wait_previous)
    return tcb.wait_run is not None or is_first_of_priority(tcb) == is_last_of_priority(tcb)

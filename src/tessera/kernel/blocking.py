# SPDX-License-Identifier: BSD-2-Clause
"""Threads and Execution: a thread stops waiting, whatever it waits for (manual: Threads, Thread States)."""

from __future__ import annotations

from tessera.kernel import queue, reply, scheduler
from tessera.kernel.layout import FaultKind, Tcb, ThreadState
from tessera.kernel.state import kernel
from tessera.lang import compiled


@compiled
def leave_endpoint_queue(tcb: Tcb) -> None:
    """Take a thread that waits to send or receive out of its endpoint's queue."""
    endpoint = tcb.blocked_endpoint
    assert endpoint is not None
    queue.leave_endpoint(endpoint, tcb)
    tcb.blocked_endpoint = None


@compiled
def leave_notification_queue(tcb: Tcb) -> None:
    """Take a thread that waits for a signal out of the notification's queue."""
    notification = tcb.blocked_notification
    assert notification is not None
    queue.leave_notification(notification, tcb)
    tcb.blocked_notification = None


@compiled
def cancel_ipc(tcb: Tcb) -> None:
    """End the waiting of a thread and forget its fault. It is inactive afterwards if it waited."""
    tcb.fault = FaultKind.NONE
    match tcb.state:
        case ThreadState.BLOCKED_ON_SEND:
            leave_endpoint_queue(tcb)
            scheduler.set_thread_state(tcb, ThreadState.INACTIVE)
        case ThreadState.BLOCKED_ON_RECEIVE:
            leave_endpoint_queue(tcb)
            offered = tcb.reply
            if offered is None:
                scheduler.set_thread_state(tcb, ThreadState.INACTIVE)
            else:
                reply.unlink(offered, tcb)
        case ThreadState.BLOCKED_ON_NOTIFICATION:
            leave_notification_queue(tcb)
            scheduler.set_thread_state(tcb, ThreadState.INACTIVE)
        case ThreadState.BLOCKED_ON_REPLY:
            reply.abandon(tcb)
        case _:
            pass


@compiled
def forget_cancellation(tcb: Tcb) -> None:
    """A thread that another one stops, or sends elsewhere, may not repeat the call that was preempted."""
    if kernel.cancel_by is tcb:
        kernel.cancel_by = None
        kernel.cancel_next = None

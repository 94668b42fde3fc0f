# SPDX-License-Identifier: BSD-2-Clause
"""Threads and Execution: a thread stops waiting, whatever it waits for (manual: Threads, Thread States)."""

from __future__ import annotations

from tessera.kernel import reply, waiting
from tessera.kernel.layout import FaultKind, Tcb, ThreadState
from tessera.kernel.state import kernel
from tessera.lang import compiled


@compiled
def leave_endpoint_queue(tcb: Tcb) -> None:
    """A thread does not wait any more to send or receive. It is inactive now."""
    endpoint = tcb.blocked_endpoint
    assert endpoint is not None
    waiting.leave_endpoint(endpoint, tcb, ThreadState.INACTIVE)


@compiled
def leave_notification_queue(tcb: Tcb, state: ThreadState) -> None:
    """A thread does not wait any more for a signal, but is in a state in which it waits for nothing."""
    notification = tcb.blocked_notification
    assert notification is not None
    waiting.leave_notification(notification, tcb, state)


@compiled
def cancel_ipc(tcb: Tcb) -> None:
    """End the waiting of a thread and forget its fault. It is inactive afterwards if it waited."""
    tcb.fault = FaultKind.NONE
    match tcb.state:
        case ThreadState.BLOCKED_ON_SEND:
            leave_endpoint_queue(tcb)
        case ThreadState.BLOCKED_ON_RECEIVE:
            reply.withdraw(tcb)
            leave_endpoint_queue(tcb)
        case ThreadState.BLOCKED_ON_NOTIFICATION:
            leave_notification_queue(tcb, ThreadState.INACTIVE)
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

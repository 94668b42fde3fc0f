# SPDX-License-Identifier: BSD-2-Clause
"""Threads and Execution: a thread stops waiting, whatever it waits for (manual: Threads, Thread States)."""

from __future__ import annotations

from tessera.kernel import reply, waiting
from tessera.kernel.layout import Endpoint, FaultKind, Notification, Reply, SchedContext, Tcb, ThreadState
from tessera.kernel.state import kernel
from tessera.lang import compiled, ensures, modifies, old, requires, specification


@compiled
def leave_endpoint_queue(tcb: Tcb) -> None:
    """A thread does not wait any more to send or receive. It is inactive now."""
    requires(tcb.blocked_endpoint is not None and tcb.reply is None)
    endpoint = tcb.blocked_endpoint
    assert endpoint is not None
    waiting.leave_endpoint(endpoint, tcb, ThreadState.INACTIVE)


@compiled
def leave_notification_queue(tcb: Tcb, state: ThreadState) -> None:
    """A thread does not wait any more for a signal, but is in a state in which it waits for nothing."""
    requires(tcb.blocked_notification is not None)
    requires(state in (ThreadState.INACTIVE, ThreadState.RUNNING, ThreadState.RESTART))
    notification = tcb.blocked_notification
    assert notification is not None
    waiting.leave_notification(notification, tcb, state)


@compiled
def stop_receiving(tcb: Tcb) -> None:
    """A thread does not wait any more to receive, but runs."""
    requires(tcb.state == ThreadState.BLOCKED_ON_RECEIVE)
    reply.withdraw(tcb)
    endpoint = tcb.blocked_endpoint
    assert endpoint is not None
    waiting.leave_endpoint(endpoint, tcb, ThreadState.RUNNING)


@specification
def has_no_caller(answering: Reply | None) -> bool:
    """Whether nobody waits with a reply object, if there is one."""
    return answering is None or answering.caller is None


@compiled
def cancel_ipc(tcb: Tcb) -> None:
    """End the waiting of a thread and forget its fault. It is inactive afterwards if it waited."""
    modifies(tcb.state, tcb.fault, tcb.blocked_endpoint, tcb.blocked_notification, tcb.reply, kernel.cancel_next)
    modifies(Tcb.wait_next, Tcb.wait_previous, Tcb.wait_run, Tcb.wait_last)
    modifies(Endpoint, Notification, Reply, SchedContext.reply)
    ensures(lambda: tcb.blocked_endpoint is None and tcb.blocked_notification is None and tcb.reply is None)
    ensures(lambda: tcb.state in (ThreadState.INACTIVE, old(tcb.state)) and has_no_caller(old(tcb.reply)))
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

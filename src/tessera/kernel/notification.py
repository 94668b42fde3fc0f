# SPDX-License-Identifier: BSD-2-Clause
"""Notifications: signalling and waiting (manual: Notifications; Bound Notifications)."""

from __future__ import annotations

from tessera.arch import registers
from tessera.kernel import blocking, budget, schedcontext, scheduler, waiting
from tessera.kernel.capability import NotificationCap
from tessera.kernel.layout import Notification, NotificationState, Tcb, ThreadState
from tessera.kernel.request import Status
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, implies, loop_invariant, old, requires, specification, u64


@compiled
def wake(tcb: Tcb, notification: Notification) -> None:
    """A running thread, out of its queue, has a signal; it runs on the notification's context if it has none."""
    requires(waits_for_nothing(tcb) and tcb is not kernel.current)
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    schedcontext.lend_for_signal(tcb, notification)
    if scheduler.is_schedulable(tcb):
        scheduler.possible_switch_to(tcb)
    budget.unblock_sporadic(tcb.scheduling_context)


@specification
def is_no_receiver(tcb: Tcb) -> bool:
    """Whether a signal cannot wake a thread."""
    return tcb.state not in (ThreadState.BLOCKED_ON_NOTIFICATION, ThreadState.BLOCKED_ON_RECEIVE)


@compiled
def signal(notification: Notification, badge: u64) -> None:
    """Deliver the badge to a waiting thread, or to the bound one if it receives from an endpoint; else keep it."""
    requires(is_no_receiver(kernel.current))
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    match notification.state:
        case NotificationState.WAITING:
            first = notification.head
            assert first is not None
            blocking.leave_notification_queue(first, ThreadState.RUNNING)
            first.registers[registers.BADGE] = badge
            wake(first, notification)
        case NotificationState.ACTIVE:
            notification.signals |= badge
        case NotificationState.IDLE:
            bound = notification.bound_tcb
            if bound is not None and bound.state == ThreadState.BLOCKED_ON_RECEIVE:
                blocking.stop_receiving(bound)
                bound.registers[registers.BADGE] = badge
                wake(bound, notification)
            else:
                notification.signals = badge
                notification.state = NotificationState.ACTIVE


@compiled
def take_signals(notification: Notification, tcb: Tcb) -> None:
    """A thread receives the signals that wait."""
    requires(notification.state == NotificationState.ACTIVE and tcb is not kernel.candidate)
    tcb.registers[registers.BADGE] = notification.signals
    notification.signals = 0
    notification.state = NotificationState.IDLE
    schedcontext.lend_for_signal(tcb, notification)
    budget.unblock_sporadic(tcb.scheduling_context)


@compiled
def receive(tcb: Tcb, cap: NotificationCap, is_blocking: bool) -> None:
    """The current thread takes the signals that wait; without any it waits, or gets badge 0."""
    requires(tcb is kernel.current and waits_for_nothing(tcb))
    notification = cap.notification
    if notification.state == NotificationState.ACTIVE:
        take_signals(notification, tcb)
    elif is_blocking:
        schedcontext.return_to_notification(tcb, notification)
        waiting.wait_at_notification(notification, tcb)
    else:
        tcb.registers[registers.BADGE] = 0


@compiled
def cancel_all(notification: Notification) -> Status:
    """Let all waiting threads start their system calls again. PREEMPTED when it has to go on later."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    if notification.state != NotificationState.WAITING:
        return Status.OK
    tcb = notification.head
    # Each turn takes a thread out of the queue.
    # Bounded by preemption points: one after each thread.
    while tcb is not None:
        loop_invariant(tcb is notification.head and is_undisturbed(old(kernel.current.state)))
        blocking.leave_notification_queue(tcb, ThreadState.RESTART)
        budget.unblock_sporadic(tcb.scheduling_context)
        if scheduler.is_schedulable(tcb):
            scheduler.possible_switch_to(tcb)
        tcb = notification.head
        if tcb is not None and scheduler.preemption_point():
            scheduler.reschedule_required()
            return Status.PREEMPTED
    scheduler.reschedule_required()
    return Status.OK


@compiled
def bind(notification: Notification, tcb: Tcb) -> None:
    """From now on a signal also ends the thread's receiving from an endpoint."""
    requires(notification.bound_tcb is None and tcb.bound_notification is None)
    notification.bound_tcb = tcb
    tcb.bound_notification = notification


@compiled
def unbind_tcb(tcb: Tcb) -> None:
    """Undo the binding of a thread, if it has one."""
    notification = tcb.bound_notification
    if notification is not None:
        notification.bound_tcb = None
        tcb.bound_notification = None


@compiled
def unbind(notification: Notification) -> None:
    """Undo the binding of a notification, if it has one."""
    tcb = notification.bound_tcb
    if tcb is not None:
        unbind_tcb(tcb)


@compiled
def unbind_context(notification: Notification) -> None:
    """Undo the binding to a scheduling context, if there is one."""
    context = notification.scheduling_context
    if context is not None:
        schedcontext.unbind_notification(context)

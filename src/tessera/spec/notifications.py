# SPDX-License-Identifier: BSD-2-Clause
"""Notifications: signalling and waiting (manual: Notifications; Bound Notifications)."""

from __future__ import annotations

from tessera.spec import budget, contexts, replies, scheduling
from tessera.spec.messages import BADGE
from tessera.spec.objects import Notification, State, Thread, start_waiting, stop_waiting
from tessera.spec.state import Kernel


def signal(k: Kernel, notification: Notification, badge: int) -> None:
    """Deliver the badge to a waiting thread, or to the bound one if it receives from an endpoint; else keep it."""
    bound = notification.bound
    if notification.queue:
        thread = notification.queue[0]
    elif notification.signals is None and bound is not None and bound.state is State.RECEIVING:
        thread = bound
    else:
        notification.signals = (notification.signals or 0) | badge
        return
    replies.withdraw(thread)
    stop_waiting(thread, State.RUNNING)
    thread.registers[BADGE] = badge
    contexts.lend_for_signal(k, thread, notification)
    if scheduling.can_run(thread):
        scheduling.let_run(k, thread)
    budget.wake_sporadic(k, thread.context)


def take_signals(k: Kernel, notification: Notification, thread: Thread) -> None:
    """A thread receives the signals that wait."""
    thread.registers[BADGE] = notification.signals or 0
    notification.signals = None
    contexts.lend_for_signal(k, thread, notification)
    budget.wake_sporadic(k, thread.context)


def wait(k: Kernel, thread: Thread, notification: Notification, blocking: bool) -> None:
    """Take the signals that wait; without any wait, or get badge 0."""
    if notification.signals is not None:
        take_signals(k, notification, thread)
    elif blocking:
        contexts.return_to_notification(thread, notification)
        start_waiting(thread, notification, State.AWAITING_SIGNAL)
    else:
        thread.registers[BADGE] = 0


def end(k: Kernel, notification: Notification) -> None:
    """The last capability goes away: nothing is bound, and whoever waits starts its system call again."""
    if notification.bound is not None:
        notification.bound.bound = None
        notification.bound = None
    if notification.context is not None:
        contexts.unbind_notification(notification.context)
    if not notification.queue:
        return
    for thread in list(notification.queue):
        stop_waiting(thread, State.RESTART)
        budget.wake_sporadic(k, thread.context)
        if scheduling.can_run(thread):
            scheduling.let_run(k, thread)
    scheduling.reconsider(k)

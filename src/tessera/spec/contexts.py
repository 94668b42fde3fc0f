# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling Contexts: binding, donation, yielding (manual: Threads and Execution, Scheduling Contexts)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.spec import budget, scheduling
from tessera.spec.messages import Info
from tessera.spec.objects import Context, Notification, Thread
from tessera.spec.state import Kernel


def resume(k: Kernel, context: Context) -> None:
    """The context's thread can run: if its budget is not available yet, it waits for the refill."""
    if scheduling.can_run(context.thread) and not budget.is_released(k, context):
        scheduling.postpone(k, context)


def bind_thread(k: Kernel, context: Context, thread: Thread) -> None:
    """Let a thread run on this context."""
    thread.context, context.thread = context, thread
    budget.wake_sporadic(k, context)
    resume(k, context)
    if scheduling.can_run(thread):
        scheduling.enter(k, thread)
        scheduling.reconsider(k)


def unbind_thread(k: Kernel, context: Context) -> None:
    """Take the context away from its thread, if it has one: that thread cannot run any more."""
    thread = context.thread
    if thread is not None:
        if thread is k.candidate:
            scheduling.reconsider(k)
        scheduling.leave_all(k, thread)
        thread.context = context.thread = None


def donate(k: Kernel, context: Context, to: Thread) -> None:
    """Hand the context from its thread, if any, to one that has none."""
    unbind_thread(k, context)
    context.thread, to.context = to, context


def bind_notification(context: Context, notification: Notification) -> None:
    """Let whoever a signal wakes run on this context, unless it has one."""
    notification.context, context.notification = context, notification


def unbind_notification(context: Context) -> None:
    """Undo that, if it was done."""
    if context.notification is not None:
        context.notification.context = None
        context.notification = None


def unbind_all(k: Kernel, context: Context) -> None:
    """Undo all bindings; no reply will give the context back."""
    unbind_thread(k, context)
    unbind_notification(context)
    for call in context.calls:
        call.context = None
    context.calls.clear()


def lend_for_signal(k: Kernel, thread: Thread, notification: Notification) -> None:
    """A thread woken by a signal gets the notification's context, if it has none and that one is free."""
    context = notification.context
    if thread.context is None and context is not None and context.thread is None:
        donate(k, context, thread)
        resume(k, context)


def return_to_notification(thread: Thread, notification: Notification) -> None:
    """A thread that waits again gives the notification's context back, so that it is passive."""
    context = notification.context
    if context is not None and thread.context is context:
        thread.context = context.thread = None


def take_consumed(context: Context) -> int:
    """Microseconds used since the last query; counting starts anew."""
    consumed = context.consumed
    context.consumed = 0
    return consumed // configuration.ticks_per_us


def yield_to(thread: Thread, context: Context) -> None:
    """A thread lets the context's thread run, and learns afterwards what that used."""
    thread.yields_to, context.yields_from = context, thread


def cancel_yield(thread: Thread) -> None:
    """A thread does not wait any more for another one to get time."""
    if thread.yields_to is not None:
        thread.yields_to.yields_from = None
        thread.yields_to = None


def complete_yield(thread: Thread) -> None:
    """The thread that yielded runs again: tell it how much time its target used."""
    context = thread.yields_to
    if context is not None:
        thread.registers.update(a0=0, a1=Info(length=1).word, a2=take_consumed(context))
        cancel_yield(thread)


def complete_yield_from(context: Context) -> None:
    """End the waiting of the thread that yielded to this context, if there is one."""
    if context.yields_from is not None:
        complete_yield(context.yields_from)


def end(k: Kernel, context: Context) -> None:
    """The last capability to the context goes away: nothing refers to it any more."""
    complete_yield_from(context)
    unbind_all(k, context)
    context.limit = 0

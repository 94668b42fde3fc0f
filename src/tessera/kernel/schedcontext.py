# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling Contexts: binding, donation, yielding (manual: Threads and Execution, Scheduling Contexts)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.messages import MessageInfo
from tessera.arch import registers
from tessera.kernel import budget, scheduler
from tessera.kernel.layout import Notification, SchedContext, Tcb
from tessera.kernel.state import kernel
from tessera.kernel.waiting import waits_for_nothing
from tessera.lang import compiled, ensures, implies, old, requires, to_word, u64


@compiled(inline="never")
def await_refill(context: SchedContext) -> None:
    """The context's thread, which may be the current one, waits until its first refill is available."""
    if context.tcb is kernel.current:
        scheduler.reschedule_required()
    scheduler.postpone(context)


@compiled
def resume(context: SchedContext) -> None:
    """The context's thread can run: if its budget is not available yet, it waits for the refill."""
    requires(context.tcb is None or context.tcb is not kernel.candidate)
    tcb = context.tcb
    if tcb is None or not scheduler.is_schedulable(tcb):
        return
    if not (budget.is_ready(context) and budget.is_sufficient(context, 0)):
        await_refill(context)


@compiled
def bind_tcb(context: SchedContext, tcb: Tcb) -> None:
    """Let a thread run on this context; neither may be bound to another."""
    requires(context.tcb is None and tcb.scheduling_context is None)
    tcb.scheduling_context = context
    context.tcb = tcb
    budget.unblock_sporadic(context)
    resume(context)
    if scheduler.is_schedulable(tcb):
        scheduler.reschedule_required()
        scheduler.enqueue(tcb)


@compiled(inline="always")
def is_an_object(context: SchedContext) -> None:
    """An assumption of the proofs: the idle context lies in the kernel's image, where no capability is to it."""
    ensures(lambda: context is not kernel.idle_context)


@compiled
def unbind_tcb(context: SchedContext) -> None:
    """Take the context away from its thread, if it has one: that thread stops being schedulable."""
    is_an_object(context)
    tcb = context.tcb
    if tcb is None:
        return
    if tcb is kernel.candidate:
        scheduler.reschedule_required()
    scheduler.leave_queues(tcb)
    tcb.scheduling_context = None
    context.tcb = None


@compiled
def donate(context: SchedContext, to: Tcb) -> None:
    """Hand the context from its thread, if any, to one that has none."""
    requires(to.scheduling_context is None and context is not kernel.idle_context)
    ensures(lambda: to.scheduling_context is context and context.tcb is to)
    ensures(lambda: kernel.candidate is None or kernel.candidate is old(kernel.candidate))
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    giver = context.tcb
    if giver is not None:
        if giver is kernel.candidate:
            scheduler.reschedule_required()
        scheduler.leave_queues(giver)
        giver.scheduling_context = None
    put(context, to)


@compiled
def put(context: SchedContext, to: Tcb) -> None:
    """Let a thread have the context."""
    context.tcb = to
    to.scheduling_context = context


@compiled
def bind_notification(context: SchedContext, notification: Notification) -> None:
    """Let whoever a signal of this notification wakes run on this context, unless it has one."""
    requires(context.notification is None and notification.scheduling_context is None)
    notification.scheduling_context = context
    context.notification = notification


@compiled
def unbind_notification(context: SchedContext) -> None:
    """Undo :func:`bind_notification`, if it was done."""
    notification = context.notification
    if notification is not None:
        notification.scheduling_context = None
        context.notification = None


@compiled
def unbind_reply(context: SchedContext) -> None:
    """Forget the call stack that this context was donated along: no reply will give it back."""
    newest = context.reply
    if newest is not None:
        newest.scheduling_context = None
        context.reply = None


@compiled
def unbind_all(context: SchedContext) -> None:
    """Undo all bindings."""
    unbind_tcb(context)
    unbind_notification(context)
    unbind_reply(context)


@compiled
def lend_for_signal(tcb: Tcb, notification: Notification) -> None:
    """A thread woken by a signal gets the notification's context, if it has none and that one is free."""
    requires(tcb is not kernel.candidate)
    ensures(
        lambda: (
            tcb is kernel.current or implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current))
        )
    )
    if tcb.scheduling_context is not None:
        return
    context = notification.scheduling_context
    if context is not None and context.tcb is None:
        donate(context, tcb)
        resume(context)


@compiled
def return_to_notification(tcb: Tcb, notification: Notification) -> None:
    """A thread that waits again gives the notification's context back, so that it is passive."""
    requires(waits_for_nothing(tcb))
    context = notification.scheduling_context
    if context is not None and tcb.scheduling_context is context:
        tcb.scheduling_context = None
        context.tcb = None


@compiled
def take_consumed(context: SchedContext) -> u64:
    """Microseconds used since the last query; counting starts anew."""
    ticks = context.consumed
    context.consumed = 0
    return ticks // configuration.ticks_per_us


@compiled
def yield_to(tcb: Tcb, context: SchedContext) -> None:
    """A thread lets the context's thread run, and learns afterwards what that used."""
    requires(tcb.yield_to is None and context.yield_from is None and scheduler.is_runnable(tcb))
    tcb.yield_to = context
    context.yield_from = tcb


@compiled
def cancel_yield_to(tcb: Tcb) -> None:
    """A thread does not wait any more for another one to get time."""
    target = tcb.yield_to
    if target is not None:
        target.yield_from = None
        tcb.yield_to = None


@compiled
def complete_yield_to(tcb: Tcb) -> None:
    """The thread that yielded runs again: tell it how much time its target used."""
    target = tcb.yield_to
    if target is None:
        return
    tcb.registers[registers.BADGE] = 0
    tcb.registers[registers.FIRST_MESSAGE] = take_consumed(target)
    tcb.registers[registers.MESSAGE_INFO] = to_word(MessageInfo(length=1))
    cancel_yield_to(tcb)


@compiled
def complete_yield_from(context: SchedContext) -> None:
    """End the waiting of the thread that yielded to this context, if there is one."""
    tcb = context.yield_from
    if tcb is not None:
        complete_yield_to(tcb)


@compiled
def retire(context: SchedContext) -> None:
    """The last capability to the context goes away: nothing refers to it any more."""
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    is_an_object(context)
    complete_yield_from(context)
    unbind_all(context)
    context.refill_limit = 0

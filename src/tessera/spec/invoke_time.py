# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of scheduling contexts, of the right to give out time, and of domains (manual: Scheduling Contexts;
Domains).
"""

from __future__ import annotations

from tessera.abi.capabilities import SCHED_CONTEXT_SPORADIC
from tessera.abi.configuration import configuration
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import MIN_REFILLS, max_extra_refills
from tessera.spec import budget, contexts, scheduling
from tessera.spec.capability import ContextCap, NotificationCap, ThreadCap
from tessera.spec.objects import Context, Thread
from tessera.spec.refusal import illegal_operation, invalid_argument, invalid_capability, out_of_range, truncated
from tessera.spec.request import Request, Result
from tessera.spec.state import LONGEST_DOMAIN_TIME, Kernel, ticks


def context(k: Kernel, r: Request, cap: ContextCap) -> Result:
    """SchedContext Bind, Unbind, UnbindObject, Consumed and YieldTo."""
    match r.label:
        case Label.SCHED_CONTEXT_BIND:
            bind(k, r, cap.context)
        case Label.SCHED_CONTEXT_UNBIND:
            if cap.context.thread is not None and cap.context.thread is k.current:
                raise illegal_operation()
            contexts.unbind_all(k, cap.context)
        case Label.SCHED_CONTEXT_UNBIND_OBJECT:
            unbind_object(k, r, cap.context)
        case Label.SCHED_CONTEXT_CONSUMED:
            return [contexts.take_consumed(cap.context)]
        case Label.SCHED_CONTEXT_YIELD_TO:
            return yield_to(k, r.caller, cap.context)
        case _:
            raise illegal_operation()
    return []


def bind(k: Kernel, r: Request, target: Context) -> None:
    """Bind a thread or a notification."""
    r.need(0, 1)
    match r.cap(0):
        case ThreadCap(thread):
            if target.thread is not None or thread.context is not None:
                raise illegal_operation()
            if thread.is_blocked and not budget.is_released(k, target):
                raise illegal_operation()
            contexts.bind_thread(k, target, thread)
        case NotificationCap(notification):
            if target.notification is not None or notification.context is not None:
                raise illegal_operation()
            contexts.bind_notification(target, notification)
        case _:
            raise invalid_capability(1)


def unbind_object(k: Kernel, r: Request, target: Context) -> None:
    """Undo the binding of one object."""
    r.need(0, 1)
    match r.cap(0):
        case ThreadCap(thread):
            if target.thread is not thread or thread is k.current:
                raise illegal_operation()
            contexts.unbind_thread(k, target)
        case NotificationCap(notification):
            if target.notification is not notification:
                raise illegal_operation()
            contexts.unbind_notification(target)
        case _:
            raise invalid_capability(1)


def yield_to(k: Kernel, caller: Thread, target: Context) -> Result:
    """YieldTo: the context's thread is the next of its priority; the caller learns how much time it used.

    If the other thread runs before the caller goes on, the caller learns it when it runs again.
    """
    thread = target.thread
    if thread is None or thread is caller or thread.priority > caller.maximum_priority:
        raise illegal_operation()

    contexts.complete_yield_from(target)
    contexts.resume(k, target)
    if scheduling.can_run(thread):
        scheduling.leave(k, thread)
        if thread.priority >= caller.priority:
            contexts.yield_to(caller, target)
            scheduling.enter(k, caller)
            scheduling.enter(k, thread)
            scheduling.reconsider(k)
            return []
        scheduling.enter(k, thread)
    return [contexts.take_consumed(target)]


def control(k: Kernel, r: Request) -> Result:
    """SchedControl ConfigureFlags: give a scheduling context its budget and period, in microseconds."""
    if r.label != Label.SCHED_CONTROL_CONFIGURE_FLAGS:
        raise illegal_operation()
    r.need(5, 1)
    amount, period, extra_refills, badge, flags = r.words[:5]
    cap = r.cap(0)
    if not isinstance(cap, ContextCap):
        raise invalid_capability(1)
    least, greatest = configuration.profile.min_budget_us, configuration.max_period_us
    if not (least <= amount <= greatest and least <= period <= greatest):
        raise out_of_range(least, greatest)
    if amount > period:
        raise out_of_range(least, period)
    # Two refills of the core count on top of those that the memory behind it has room for.
    room = max_extra_refills(cap.size_bits)
    if extra_refills > room:
        raise out_of_range(0, room)

    target = cap.context
    thread = target.thread
    if thread is not None:
        scheduling.leave_all(k, thread)
        if target is k.charged:
            scheduling.account(k)
            # The timer was set for the budget that it had.
            k.set_timer = True
    in_use = thread is not None and thread.is_runnable and budget.is_configured(target)
    sporadic = flags & SCHED_CONTEXT_SPORADIC != 0
    limit = extra_refills + MIN_REFILLS
    budget.configure(k, target, limit, ticks(amount), ticks(period), sporadic, badge, in_use)
    if thread is not None:
        contexts.resume(k, target)
        if thread is k.current:
            scheduling.reconsider(k)
        elif thread.is_runnable:
            scheduling.let_run(k, thread)
    return []


def domain(k: Kernel, r: Request) -> Result:
    """DomainSet Set, ScheduleConfigure and ScheduleSetStart."""
    match r.label:
        case Label.DOMAIN_SET_SET:
            set_domain(k, r)
        case Label.DOMAIN_SET_SCHEDULE_CONFIGURE:
            configure_schedule(k, r)
        case Label.DOMAIN_SET_SCHEDULE_SET_START:
            set_schedule_start(k, r)
        case _:
            raise illegal_operation()
    return []


def set_domain(k: Kernel, r: Request) -> None:
    """Put a thread into a domain."""
    r.need(1)
    if r.words[0] >= configuration.profile.domains:
        raise invalid_argument(0)
    if not r.caps:
        raise truncated()
    cap = r.cap(0)
    if not isinstance(cap, ThreadCap):
        raise invalid_argument(1)
    scheduling.move_to_domain(k, cap.thread, r.words[0])


def configure_schedule(k: Kernel, r: Request) -> None:
    """Set an entry of the domain schedule. Domain 0 for no time ends it; the last entry always does."""
    r.need(3)
    index, number, duration = r.words[:3]
    last = configuration.profile.domain_schedule_entries - 1
    if index >= last:
        raise out_of_range(0, last - 1)
    if number >= configuration.profile.domains:
        raise out_of_range(0, configuration.profile.domains - 1)
    if duration > LONGEST_DOMAIN_TIME:
        raise invalid_argument(2)
    if duration == 0 and number != 0:
        raise invalid_argument(1)
    if duration == 0 and index == k.schedule_start:
        raise invalid_argument(2)
    k.schedule[index] = (number, duration)


def set_schedule_start(k: Kernel, r: Request) -> None:
    """Begin the domain schedule at another entry, at once."""
    r.need(1)
    index = r.words[0]
    if index >= len(k.schedule):
        raise out_of_range(0, len(k.schedule) - 1)
    if k.schedule[index][1] == 0:
        raise invalid_argument(0)
    scheduling.start_schedule(k, index)

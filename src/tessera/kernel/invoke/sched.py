# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling Contexts: invocations (manual: Threads and Execution, Scheduling Contexts; seL4_SchedContext methods)."""

from __future__ import annotations

from tessera.abi.capabilities import SCHED_CONTEXT_SPORADIC
from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import SCHED_CONTEXT_CORE_BYTES
from tessera.kernel import budget, message, schedcontext, scheduler, thread
from tessera.kernel.capability import NotificationCap, SchedContextCap, SchedControlCap, ThreadCap
from tessera.kernel.invoke import domain
from tessera.kernel.layout import MIN_REFILLS, Refill, SchedContext
from tessera.kernel.refill_ring import LONGEST_PERIOD, has_room, is_configured
from tessera.kernel.request import Status, fail, invalid_capability, range_error, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_at_work, waits_for_nothing
from tessera.lang import compiled, ensures, ghost, requires, size_of, specification, u64


@compiled
def decode_bind(context: SchedContext) -> Status:
    """Bind a thread or a notification."""
    requires(request_is_good())
    slot = request.extra[0]
    if slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    cap = slot.capability
    match cap:
        case ThreadCap():
            if context.tcb is not None or cap.tcb.scheduling_context is not None:
                return fail(Error.ILLEGAL_OPERATION)
            if thread.is_blocked(cap.tcb) and not budget.is_released(context):
                return fail(Error.ILLEGAL_OPERATION)

            schedcontext.bind_tcb(context, cap.tcb)
            return Status.OK
        case NotificationCap():
            if context.notification is not None or cap.notification.scheduling_context is not None:
                return fail(Error.ILLEGAL_OPERATION)

            schedcontext.bind_notification(context, cap.notification)
            return Status.OK
        case _:
            return invalid_capability(1)


@compiled
def decode_unbind(context: SchedContext) -> Status:
    """Undo all bindings."""
    if context.tcb is kernel.current:
        return fail(Error.ILLEGAL_OPERATION)

    schedcontext.unbind_all(context)
    return Status.OK


@compiled
def decode_unbind_object(context: SchedContext) -> Status:
    """Undo the binding of one object."""
    requires(request_is_good())
    slot = request.extra[0]
    if slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    cap = slot.capability
    match cap:
        case ThreadCap():
            if context.tcb is not cap.tcb or cap.tcb is kernel.current:
                return fail(Error.ILLEGAL_OPERATION)

            schedcontext.unbind_tcb(context)
            return Status.OK
        case NotificationCap():
            if context.notification is not cap.notification:
                return fail(Error.ILLEGAL_OPERATION)

            schedcontext.unbind_notification(context)
            return Status.OK
        case _:
            return invalid_capability(1)


@compiled
def report_consumed(context: SchedContext) -> Status:
    """The time used since the last query becomes the result."""
    used = schedcontext.take_consumed(context)
    if request.is_call:
        message.set_reply_word(0, used)
    return Status.OK


@compiled
def decode_yield_to(context: SchedContext) -> Status:
    """YieldTo: the context's thread is the next of its priority; the caller learns how much time it used.

    If the other thread runs before the caller goes on, the result is set when the caller is activated.
    """
    requires(is_at_work())
    tcb = context.tcb
    current = kernel.current
    if tcb is None or tcb is current:
        return fail(Error.ILLEGAL_OPERATION)
    if tcb.priority > current.maximum_priority:
        return fail(Error.ILLEGAL_OPERATION)

    schedcontext.complete_yield_from(context)
    schedcontext.resume(context)
    if not scheduler.is_schedulable(tcb):
        return report_consumed(context)
    scheduler.dequeue(tcb)
    if tcb.priority < current.priority:
        scheduler.enqueue(tcb)
        return report_consumed(context)
    schedcontext.yield_to(current, context)
    scheduler.reschedule_required()
    scheduler.enqueue(current)
    scheduler.enqueue(tcb)
    return Status.OK


@compiled
def decode_context(label: u64, length: u64, cap: SchedContextCap) -> Status:
    """Check and do an invocation of a scheduling context."""
    requires(request_is_good() and is_at_work())
    ensures(lambda result: result != Status.PREEMPTED)
    match label:
        case InvocationLabel.SCHED_CONTEXT_BIND:
            return decode_bind(cap.context)
        case InvocationLabel.SCHED_CONTEXT_UNBIND:
            return decode_unbind(cap.context)
        case InvocationLabel.SCHED_CONTEXT_UNBIND_OBJECT:
            return decode_unbind_object(cap.context)
        case InvocationLabel.SCHED_CONTEXT_CONSUMED:
            return report_consumed(cap.context)
        case InvocationLabel.SCHED_CONTEXT_YIELD_TO:
            return decode_yield_to(cap.context)
        case _:
            return fail(Error.ILLEGAL_OPERATION)


@specification
def places_in(cap: SchedContextCap) -> u64:
    """How many refills the object of a scheduling context has places for."""
    return MIN_REFILLS + ((u64(1) << cap.size_bits) - SCHED_CONTEXT_CORE_BYTES) // size_of(Refill)


@compiled
def max_refills(cap: SchedContextCap) -> u64:
    """How many refills a scheduling context has room for."""
    ensures(lambda result: result == places_in(cap) and result >= MIN_REFILLS)
    with ghost:
        size = u64(1) << cap.size_bits
        # A size of 7 bits or more is as large as the struct.
        assert size == 2 * (u64(1) << cap.size_bits - 1) and size == 4 * (u64(1) << cap.size_bits - 2)
    return MIN_REFILLS + ((u64(1) << cap.size_bits) - SCHED_CONTEXT_CORE_BYTES) // size_of(Refill)


@compiled(inline="always")
def has_its_places(cap: SchedContextCap) -> None:
    """An assumption of the proofs: a scheduling context's object has as many places for refills as its size says."""
    ensures(lambda: has_room(cap.context, places_in(cap)))


@compiled
def set_parameters(
    context: SchedContext, goes_on: bool, limit: u64, wanted: u64, period: u64, badge: u64, sporadic: bool
) -> None:
    """Give a scheduling context its parameters. A thread that ``goes_on`` running on it keeps what it used."""
    requires(limit >= MIN_REFILLS and (not goes_on or budget.is_active(context)))
    requires(wanted >= configuration.min_budget_ticks and wanted <= period and period <= LONGEST_PERIOD)
    requires(has_room(context, limit))
    ensures(lambda: is_configured(context, limit, wanted, period, sporadic, badge))
    ensures(lambda: goes_on or (budget.head_time(context) == kernel.now and budget.head_amount(context) == wanted))
    if goes_on:
        budget.reconfigure(context, limit, wanted, period, sporadic, badge)
    else:
        budget.configure(context, limit, wanted, period, sporadic, badge)


@compiled
def configure(context: SchedContext, limit: u64, wanted: u64, period: u64, badge: u64, sporadic: bool) -> None:
    """Give a scheduling context its parameters, in ticks, and let its thread go on by them."""
    requires(limit >= MIN_REFILLS and kernel.candidate is None)
    requires(wanted >= configuration.min_budget_ticks and wanted <= period and period <= LONGEST_PERIOD)
    requires(has_room(context, limit))
    ensures(lambda: is_configured(context, limit, wanted, period, sporadic, badge))
    tcb = context.tcb
    if tcb is None:
        set_parameters(context, False, limit, wanted, period, badge, sporadic)
        return
    scheduler.leave_queues(tcb)
    if context is kernel.current_context:
        scheduler.commit_time()
        # The timer was set for the budget that it had.
        kernel.reprogram = True
    goes_on = budget.is_active(context) and scheduler.is_runnable(tcb)
    set_parameters(context, goes_on, limit, wanted, period, badge, sporadic)
    schedcontext.resume(context)
    if tcb is kernel.current:
        scheduler.reschedule_required()
    elif scheduler.is_runnable(tcb):
        scheduler.possible_switch_to(tcb)


@compiled
def decode_control(label: u64, length: u64, cap: SchedControlCap) -> Status:
    """SchedControl ConfigureFlags: give a scheduling context its budget and period, in microseconds."""
    requires(request_is_good() and is_at_work())
    ensures(lambda result: result != Status.PREEMPTED)
    if label != InvocationLabel.SCHED_CONTROL_CONFIGURE_FLAGS:
        return fail(Error.ILLEGAL_OPERATION)
    slot = request.extra[0]
    if slot is None or length < 5:
        return fail(Error.TRUNCATED_MESSAGE)
    budget_us = message.argument(0)
    period_us = message.argument(1)
    extra_refills = message.argument(2)
    badge = message.argument(3)
    flags = message.argument(4)
    target = slot.capability
    if not isinstance(target, SchedContextCap):
        return invalid_capability(1)
    least = u64(configuration.profile.min_budget_us)
    greatest = u64(configuration.max_period_us)
    if budget_us < least or budget_us > greatest or period_us < least or period_us > greatest:
        return range_error(least, greatest)
    if budget_us > period_us:
        return range_error(least, period_us)
    room = max_refills(target) - MIN_REFILLS
    if extra_refills > room:
        return range_error(0, room)

    has_its_places(target)
    budget_ticks = budget_us * configuration.ticks_per_us
    period_ticks = period_us * configuration.ticks_per_us
    sporadic = flags & SCHED_CONTEXT_SPORADIC != 0
    configure(target.context, extra_refills + MIN_REFILLS, budget_ticks, period_ticks, badge, sporadic)
    return Status.OK


@compiled
def decode_domain(label: u64, length: u64) -> Status:
    """Check and do an invocation of the domain capability."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: waits_for_nothing(kernel.current))
    ensures(lambda result: result != Status.PREEMPTED)
    return domain.decode(label, length)

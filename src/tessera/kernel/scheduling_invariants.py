# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: what holds whenever the kernel is left (manual: Threads and Execution, Scheduling).

Each predicate speaks of one object; tests check it for all objects of a concrete state.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel import budget, queue, scheduler
from tessera.kernel.layout import MIN_REFILLS, FaultKind, SchedContext, Tcb, ThreadState
from tessera.kernel.state import PRIORITIES, SchedulerAction, kernel
from tessera.lang import address_of, implies, invariant, live, specification, trigger, u64


@specification
def is_marked(domain: u64, priority: u64) -> bool:
    """Whether the bitmap says that a ready queue has a thread."""
    return (kernel.domains[domain].occupied[priority >> 6] >> (priority & 63)) & 1 != 0


@invariant
def queues_are_apart(tcb: Tcb) -> bool:
    """A thread is ready, or waits for time, or neither."""
    trigger(tcb.in_ready_queue)
    trigger(tcb.in_release_queue)
    return not (tcb.in_ready_queue and tcb.in_release_queue)


@invariant
def links_are_of_a_queue(tcb: Tcb) -> bool:
    """A thread that is not ready has no links."""
    trigger(tcb.queue_next)
    trigger(tcb.queue_previous)
    return tcb.in_ready_queue or (tcb.queue_next is None and tcb.queue_previous is None)


@invariant
def neighbours_agree(tcb: Tcb) -> bool:
    """The next thread in a ready queue is another one, in the same queue, and knows this one; so back."""
    following = tcb.queue_next
    before = tcb.queue_previous
    if following is not None:
        if following is tcb or following.queue_previous is not tcb:
            return False
        if following.in_ready_queue != tcb.in_ready_queue:
            return False
    return before is None or (before is not tcb and before.queue_next is tcb)


@invariant
def ready_queue_knows_its_ends(tcb: Tcb) -> bool:
    """A ready thread without neighbour is an end of the queue of its domain and priority; its neighbours share both."""
    if not tcb.in_ready_queue:
        return True
    queue_of = queue.ready_queue(tcb)
    if (tcb.queue_previous is None) != (queue_of.head is tcb):
        return False
    if (tcb.queue_next is None) != (queue_of.tail is tcb):
        return False
    following = tcb.queue_next
    return following is None or (following.priority == tcb.priority and following.domain == tcb.domain)


@invariant
def ready_thread_can_run(tcb: Tcb) -> bool:
    """A ready thread waits for nothing, and its context has time now."""
    if not tcb.in_ready_queue:
        return True
    context = tcb.scheduling_context
    return scheduler.is_schedulable(tcb) and context is not None and budget.is_released(context)


@invariant
def bitmap_is_exact(domain: u64, priority: u64) -> bool:
    """A ready queue has both ends or none, and its bit says which; the summary has a bit for each word of bits."""
    if domain >= configuration.profile.domains or priority >= PRIORITIES:
        return True
    queues = kernel.domains[domain]
    ends = queues.queues[priority]
    word = priority >> 6
    return (
        (ends.head is None) == (ends.tail is None)
        and is_marked(domain, priority) == (ends.head is not None)
        and ((queues.summary >> word) & 1 != 0) == (queues.occupied[word] != 0)
    )


@invariant
def ready_queue_begins_with_a_ready_thread(domain: u64, priority: u64) -> bool:
    """The ends of a ready queue are threads of that domain and priority."""
    if domain >= configuration.profile.domains or priority >= PRIORITIES:
        return True
    first = kernel.domains[domain].queues[priority].head
    last = kernel.domains[domain].queues[priority].tail
    if first is None or last is None:
        return True
    return (
        (first.in_ready_queue and last.in_ready_queue)
        and (first.domain == domain and last.domain == domain)
        and (first.priority == priority and last.priority == priority)
    )


@invariant
def release_time_is_the_budgets(tcb: Tcb) -> bool:
    """A thread in the release queue can run but for time, and waits for the time of its first refill."""
    if not tcb.in_release_queue:
        return True
    context = tcb.scheduling_context
    if context is None or not budget.is_active(context) or not scheduler.is_runnable(tcb):
        return False
    return tcb.release_time == budget.head_time(context)


@invariant
def runnable_thread_is_somewhere(tcb: Tcb) -> bool:
    """A thread that can run and has time is the current one, or ready."""
    return implies(scheduler.is_schedulable(tcb) and tcb is not kernel.current, tcb.in_ready_queue)


@invariant
def current_thread_can_run() -> bool:
    """The current thread is in no queue, and time is counted against its own context."""
    tcb = kernel.current
    context = tcb.scheduling_context
    if tcb.in_ready_queue or tcb.in_release_queue or context is not kernel.current_context:
        return False
    if tcb is kernel.idle:
        return tcb.state == ThreadState.IDLE
    return (
        tcb.state == ThreadState.RUNNING
        and tcb.fault == FaultKind.NONE
        and tcb.yield_to is None
        and budget.is_released(kernel.current_context)
        and not kernel.reprogram
    )


@invariant
def nothing_is_left_to_decide() -> bool:
    """The scheduler acted on what handlers noted."""
    return kernel.action == SchedulerAction.RESUME_CURRENT and kernel.candidate is None


@invariant
def no_ready_thread_is_above_the_current() -> bool:
    """The current thread has the highest priority of the current domain; the idle thread runs only when none can."""
    domain = kernel.current_domain
    if not queue.has_ready(domain):
        return True
    return kernel.current is not kernel.idle and kernel.current.priority >= queue.highest_priority(domain)


@invariant
def context_and_thread_agree(tcb: Tcb) -> bool:
    """A thread's scheduling context is bound to it."""
    trigger(tcb.scheduling_context)
    context = tcb.scheduling_context
    return context is None or (live(context) and context.tcb is tcb)


@invariant
def context_knows_its_thread(context: SchedContext) -> bool:
    """What a scheduling context is bound to is bound to it, and no two threads wait to yield to it."""
    trigger(context.tcb)
    trigger(context.notification)
    trigger(context.yield_from)
    tcb = context.tcb
    notification = context.notification
    waiting = context.yield_from
    return (
        (tcb is None or (live(tcb) and tcb.scheduling_context is context))
        and (notification is None or (live(notification) and notification.scheduling_context is context))
        and (waiting is None or (live(waiting) and waiting.yield_to is context))
    )


@invariant
def yielding_is_known(tcb: Tcb) -> bool:
    """The context that a thread yielded to knows it."""
    trigger(tcb.yield_to)
    context = tcb.yield_to
    return context is None or (live(context) and context.yield_from is tcb)


@invariant
def ring_is_inside(context: SchedContext) -> bool:
    """A context that was configured has room for two refills at least, and the ones in use are among them."""
    if not budget.is_active(context):
        return True
    limit = context.refill_limit
    return limit >= MIN_REFILLS and context.refill_head < limit and context.refill_tail < limit


@invariant
def refills_are_the_budget(context: SchedContext) -> bool:
    """All refills together are the budget; a round robin context has one, of no more than that."""
    if not budget.is_active(context):
        return True
    if budget.is_round_robin(context):
        return budget.is_single(context) and budget.head(context).amount <= context.budget
    index = context.refill_head
    total = budget.refill_at(context, index).amount
    while index != context.refill_tail:
        index = budget.next_index(context, index)
        total += budget.refill_at(context, index).amount
    return total == context.budget


@invariant
def refills_do_not_overlap(context: SchedContext) -> bool:
    """Each refill is something, and ends before the next one begins; the first is worth running for."""
    if not budget.is_active(context):
        return True
    index = context.refill_head
    refill = budget.refill_at(context, index)
    if refill.amount < configuration.min_budget_ticks:
        return False
    while index != context.refill_tail:
        index = budget.next_index(context, index)
        following = budget.refill_at(context, index)
        if following.amount == 0 or refill.time + refill.amount > following.time:
            return False
        refill = following
    return True


@invariant
def refills_lie_within_a_period(context: SchedContext) -> bool:
    """The last refill begins no later than a period after the first one, so what is used now comes back behind it."""
    if not budget.is_active(context) or budget.is_round_robin(context):
        return True
    return budget.tail(context).time <= budget.head(context).time + context.period


@invariant
def context_is_aligned(context: SchedContext) -> bool:
    """A capability can name it."""
    return address_of(context) & 15 == 0


# Proofs use kernel.scheduling_queues and kernel.refill_ring instead, without walks.
EXECUTED_ONLY = (
    neighbours_agree,
    ready_queue_knows_its_ends,
    bitmap_is_exact,
    ready_queue_begins_with_a_ready_thread,
    release_time_is_the_budgets,
    ring_is_inside,
    refills_are_the_budget,
    refills_do_not_overlap,
    refills_lie_within_a_period,
)
AT_EXIT = (
    ready_thread_can_run,
    runnable_thread_is_somewhere,
    current_thread_can_run,
    nothing_is_left_to_decide,
    no_ready_thread_is_above_the_current,
)

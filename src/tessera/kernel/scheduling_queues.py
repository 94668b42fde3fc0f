# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: ready queues as ordered sets, for proofs (manual: Threads and Execution, Scheduling).

Each ready thread has a position, which grows from the first to the last: so a queue has no circle, and whatever
is in it can be reached from its head.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.objects import PREEMPTION_WORK_UNITS
from tessera.kernel.layout import Tcb, ThreadState
from tessera.kernel.state import (
    LONGEST_DOMAIN_TIME,
    MAX_DOMAIN_SCHEDULE,
    PRIORITIES,
    ReadyQueue,
    SchedulerAction,
    kernel,
)
from tessera.lang import forall, implies, invariant, live, specification, trigger, u64


@specification
def is_ready_queue(domain: u64, priority: u64) -> bool:
    """Whether there is a ready queue for this domain and priority."""
    return domain < configuration.profile.domains and priority < PRIORITIES


@specification
def ready_queue_at(domain: u64, priority: u64) -> ReadyQueue:
    """The ready queue of a domain and priority."""
    return kernel.domains[domain].queues[priority]


@specification
def is_queued(tcb: Tcb) -> bool:
    """Whether a thread is in the ready or the release queue."""
    return tcb.in_ready_queue or tcb.in_release_queue


@specification
def can_be_queued(tcb: Tcb) -> bool:
    """Whether a thread waits for nothing but time, and has a context that was configured."""
    context = tcb.scheduling_context
    return tcb.state in (ThreadState.RUNNING, ThreadState.RESTART) and context is not None and context.refill_limit != 0


@specification
def gives_way(tcb: Tcb) -> bool:
    """Whether a thread is not the current one, or another one is to be chosen."""
    return tcb is not kernel.current or kernel.action != SchedulerAction.RESUME_CURRENT or kernel.is_choosing


@specification
def may_join(tcb: Tcb) -> bool:
    """Whether a thread may come into a queue."""
    return can_be_queued(tcb) and not is_queued(tcb) and gives_way(tcb)


@specification
def may_be_postponed(tcb: Tcb | None) -> bool:
    """Whether a scheduling context's thread, if there is one, may come to wait for a refill."""
    return tcb is None or (can_be_queued(tcb) and gives_way(tcb) and tcb is not kernel.candidate)


@specification
def is_same_queue(a: Tcb, b: Tcb) -> bool:
    """Whether two threads are in one ready queue."""
    return a.in_ready_queue and b.in_ready_queue and a.domain == b.domain and a.priority == b.priority


@specification
def is_same(tcb: Tcb, was_queued: bool) -> bool:
    """Whether a thread is in a queue as it was before."""
    trigger(tcb.in_ready_queue)
    trigger(tcb.in_release_queue)
    return is_queued(tcb) == was_queued


@specification
def is_not_before(tcb: Tcb, other: Tcb, first: Tcb | None) -> bool:
    """Whether another thread is ready elsewhere, or not before what is to be the first of this one's queue."""
    trigger(other.position)
    if other is tcb or not other.in_ready_queue or other.domain != tcb.domain or other.priority != tcb.priority:
        return True
    return first is not None and first.position <= other.position


@specification
def is_not_behind(tcb: Tcb, other: Tcb, last: Tcb | None) -> bool:
    """Whether another thread is ready elsewhere, or not behind what is to be the last of this one's queue."""
    trigger(other.position)
    if other is tcb or not other.in_ready_queue or other.domain != tcb.domain or other.priority != tcb.priority:
        return True
    return last is not None and other.position <= last.position


@specification
def is_ready_in(tcb: Tcb, domain: u64) -> bool:
    """Whether a thread of the domain is ready."""
    trigger(tcb.in_ready_queue)
    return tcb.in_ready_queue and tcb.domain == domain


@specification
def is_ready_above(tcb: Tcb, domain: u64, priority: u64) -> bool:
    """Whether a thread of the domain is ready and comes before all of that priority."""
    trigger(tcb.in_ready_queue)
    return tcb.in_ready_queue and tcb.domain == domain and tcb.priority > priority


@specification
def is_first_of(domain: u64, priority: u64, tcb: Tcb | None) -> bool:
    """Whether a reference could be an end of a ready queue: null, or a ready thread of that domain and priority."""
    if tcb is None:
        return True
    return live(tcb) and tcb.in_ready_queue and tcb.domain == domain and tcb.priority == priority


@invariant
def thread_has_ready_queue(tcb: Tcb) -> bool:
    """Domain and priority of a thread are in range."""
    trigger(tcb.domain)
    trigger(tcb.priority)
    return is_ready_queue(tcb.domain, tcb.priority)


@invariant
def maximum_priority_is_one(tcb: Tcb) -> bool:
    """A thread gives out priorities that there are."""
    trigger(tcb.maximum_priority)
    return tcb.maximum_priority < PRIORITIES


@invariant
def current_domain_is_one() -> bool:
    """The domain that runs is in range."""
    return kernel.current_domain < configuration.profile.domains


@invariant
def queued_thread_can_be(tcb: Tcb) -> bool:
    """A thread in the ready or the release queue waits for nothing but time."""
    trigger(tcb.in_ready_queue)
    trigger(tcb.in_release_queue)
    return implies(is_queued(tcb), can_be_queued(tcb))


@invariant
def candidate_can_run() -> bool:
    """There is a candidate when the scheduler is to switch to it: another thread that waits for nothing."""
    candidate = kernel.candidate
    if candidate is None:
        return kernel.action != SchedulerAction.SWITCH_TO_CANDIDATE
    return (
        kernel.action == SchedulerAction.SWITCH_TO_CANDIDATE
        and live(candidate)
        and candidate is not kernel.current
        and can_be_queued(candidate)
        and not candidate.in_release_queue
    )


@invariant
def scheduler_state_is_live() -> bool:
    """The current and the idle thread, and their contexts, are there."""
    return live(kernel.current) and live(kernel.idle) and live(kernel.current_context) and live(kernel.idle_context)


@invariant
def current_thread_is_in_no_queue() -> bool:
    """The current thread joins a queue only when another one is to be chosen."""
    if kernel.action != SchedulerAction.RESUME_CURRENT or kernel.is_choosing:
        return True
    return not is_queued(kernel.current)


@invariant
def idle_thread_is_idle() -> bool:
    """The idle thread waits for nothing, and is in no queue."""
    return kernel.idle.state == ThreadState.IDLE


@invariant
def idle_thread_has_its_context() -> bool:
    """The idle thread never lends its time."""
    context = kernel.idle_context
    return kernel.idle.scheduling_context is context and context.refill_limit != 0 and context.reply is None


@invariant
def domain_time_is_short() -> bool:
    """What is left of the current domain's time is no more than an entry can have."""
    return kernel.domain_time <= LONGEST_DOMAIN_TIME


@invariant
def work_is_counted() -> bool:
    """Steps of a long operation are counted up to the next look for interrupts."""
    return kernel.work_units < PREEMPTION_WORK_UNITS


@invariant
def domain_entries_are_short(entry: u64) -> bool:
    """No entry of the domain schedule is longer than one can be."""
    trigger(kernel.domain_schedule[entry].duration)
    return entry >= MAX_DOMAIN_SCHEDULE or kernel.domain_schedule[entry].duration <= LONGEST_DOMAIN_TIME


@invariant
def domain_schedule_is_inside() -> bool:
    """The present and the first entry of the domain schedule are among those that there are."""
    entries = u64(configuration.profile.domain_schedule_entries)
    return kernel.domain_index < entries and kernel.domain_start < entries


@invariant
def schedule_has_domains(entry: u64) -> bool:
    """Each entry of the domain schedule names a domain."""
    trigger(kernel.domain_schedule[entry].domain)
    if entry >= configuration.profile.domain_schedule_entries:
        return True
    return kernel.domain_schedule[entry].domain < configuration.profile.domains


@invariant
def next_knows_this_one(tcb: Tcb) -> bool:
    """The next thread is in the same queue, and its previous is this one."""
    trigger(tcb.queue_next)
    following = tcb.queue_next
    return following is None or (live(following) and following.queue_previous is tcb and is_same_queue(tcb, following))


@invariant
def previous_knows_this_one(tcb: Tcb) -> bool:
    """The previous thread is in the same queue, and its next is this one."""
    trigger(tcb.queue_previous)
    before = tcb.queue_previous
    return before is None or (live(before) and before.queue_next is tcb and is_same_queue(before, tcb))


@invariant
def next_is_behind(tcb: Tcb) -> bool:
    """Positions grow along a queue."""
    trigger(tcb.queue_next)
    following = tcb.queue_next
    return following is None or tcb.position < following.position


@invariant
def queue_skips_nothing(a: Tcb, b: Tcb) -> bool:
    """Threads of one queue have different positions, and whatever is behind one is reached through the next."""
    trigger(a.queue_next, b.position)
    if a is b or not is_same_queue(a, b):
        return True
    following = a.queue_next
    return a.position != b.position and implies(
        a.position < b.position, following is not None and following.position <= b.position
    )


@invariant
def ends_have_no_neighbour(tcb: Tcb) -> bool:
    """The first thread of a ready queue is the one without previous, the last the one without next."""
    trigger(tcb.queue_previous)
    trigger(tcb.queue_next)
    if not tcb.in_ready_queue:
        return True
    queue = ready_queue_at(tcb.domain, tcb.priority)
    return (tcb.queue_previous is None) == (queue.head is tcb) and (tcb.queue_next is None) == (queue.tail is tcb)


@invariant
def ready_queue_has_a_first(tcb: Tcb) -> bool:
    """A ready thread's queue begins, with this thread or one before it."""
    trigger(tcb.in_ready_queue)
    if not tcb.in_ready_queue:
        return True
    first = ready_queue_at(tcb.domain, tcb.priority).head
    return first is not None and first.position <= tcb.position


@invariant
def ends_are_ready(domain: u64, priority: u64) -> bool:
    """The ends of a ready queue are threads of that domain and priority; it has both or none."""
    trigger(ready_queue_at(domain, priority).head)
    trigger(ready_queue_at(domain, priority).tail)
    if not is_ready_queue(domain, priority):
        return True
    queue = ready_queue_at(domain, priority)
    first = queue.head
    last = queue.tail
    return (
        is_first_of(domain, priority, first)
        and is_first_of(domain, priority, last)
        and (first is None) == (last is None)
    )


@invariant
def marked_queue_has_threads(domain: u64, priority: u64) -> bool:
    """Those ready queues are marked that are not empty."""
    trigger(ready_queue_at(domain, priority).head)
    trigger(ready_queue_at(domain, priority).marked)
    if not is_ready_queue(domain, priority):
        return True
    queue = ready_queue_at(domain, priority)
    return queue.marked == (queue.head is not None)


@specification
def is_unmarked_above(domain: u64, limit: u64, priority: u64) -> bool:
    """Whether a priority is no higher than a limit, or has no ready thread by its mark."""
    trigger(ready_queue_at(domain, priority).marked)
    return priority <= limit or not is_ready_queue(domain, priority) or not ready_queue_at(domain, priority).marked


@invariant
def bitmap_marks_queues(domain: u64, priority: u64) -> bool:
    """A bit is set for each marked ready queue."""
    trigger(ready_queue_at(domain, priority).marked)
    if not is_ready_queue(domain, priority):
        return True
    word = kernel.domains[domain].occupied[priority >> 6]
    return ready_queue_at(domain, priority).marked == ((word >> (priority & 63)) & 1 != 0)


@invariant
def summary_marks_words(domain: u64, word: u64) -> bool:
    """A bit of the summary is set for each word of the bitmap that is not zero."""
    trigger(kernel.domains[domain].occupied[word])
    if domain >= configuration.profile.domains or word >= PRIORITIES // 64:
        return True
    queues = kernel.domains[domain]
    return ((queues.summary >> word) & 1 != 0) == (queues.occupied[word] != 0)


@invariant
def summary_is_small(domain: u64) -> bool:
    """The summary has bits for the words that there are."""
    trigger(kernel.domains[domain].summary)
    return implies(domain < configuration.profile.domains, kernel.domains[domain].summary < 1 << (PRIORITIES // 64))


@specification
def bitmap_is_exact(domain: u64) -> bool:
    """Whether a domain's bitmap and its summary mark the ready queues that are marked."""
    return (
        forall(u64, lambda priority: bitmap_marks_queues(domain, priority))
        and forall(u64, lambda word: summary_marks_words(domain, word))
        and summary_is_small(domain)
    )

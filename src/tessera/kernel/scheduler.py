# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: who runs next, and time accounting (manual: Threads and Execution, Scheduling; Domains).

Handlers only note what they decide, in ``kernel.action`` and the queues; ``schedule`` runs once, when the kernel is
left. The running thread is in no queue.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.objects import PREEMPTION_WORK_UNITS, RELEASES_PER_ENTRY
from tessera.arch import machine
from tessera.kernel import budget, clock, idle, queue, release_queue
from tessera.kernel.layout import SchedContext, Tcb, ThreadState
from tessera.kernel.scheduling_queues import can_be_queued, is_queued, is_same, may_be_postponed
from tessera.kernel.state import (
    LONGEST_DOMAIN_TIME,
    DomainQueues,
    ReadyQueue,
    SchedulerAction,
    idle_scheduling_context,
    idle_tcb,
    kernel,
)
from tessera.lang import compiled, ensures, forall, ghost, min, modifies, old, range, requires, u64

NEVER = (1 << 64) - 1


@compiled
def initialise() -> None:
    """At boot, before there is any thread: the idle thread runs, and one domain for ever."""
    idle_tcb.state = ThreadState.IDLE
    idle_tcb.scheduling_context = idle_scheduling_context
    idle_scheduling_context.tcb = idle_tcb
    kernel.now = clock.read()
    kernel.charged_until = kernel.now
    idle.begin_idle_time(idle_scheduling_context)
    kernel.idle = idle_tcb
    kernel.idle_context = idle_scheduling_context
    kernel.current = idle_tcb
    kernel.current_context = idle_scheduling_context
    kernel.action = SchedulerAction.CHOOSE_NEW
    kernel.candidate = None
    kernel.reprogram = True
    kernel.domain_schedule[0].domain = 0
    kernel.domain_schedule[0].duration = LONGEST_DOMAIN_TIME
    kernel.domain_time = LONGEST_DOMAIN_TIME


@compiled
def is_runnable(tcb: Tcb) -> bool:
    """Whether a thread waits for nothing but time."""
    return tcb.state in (ThreadState.RUNNING, ThreadState.RESTART)


@compiled
def is_schedulable(tcb: Tcb) -> bool:
    """Whether a thread could be given the processor: it can run and has time that is not exhausted."""
    context = tcb.scheduling_context
    return is_runnable(tcb) and context is not None and budget.is_active(context) and not tcb.in_release_queue


@compiled
def enqueue(tcb: Tcb) -> None:
    """Make a thread ready, as the next of its priority, if it is not ready yet."""
    if not tcb.in_ready_queue:
        queue.prepend_ready(tcb)


@compiled
def append(tcb: Tcb) -> None:
    """Make a thread ready, as the last of its priority, if it is not ready yet."""
    if not tcb.in_ready_queue:
        queue.append_ready(tcb)


@compiled
def dequeue(tcb: Tcb) -> None:
    """Take a thread out of the ready queue, if it is in it."""
    if tcb.in_ready_queue:
        queue.remove_ready(tcb)


@compiled
def cancel_release(tcb: Tcb) -> None:
    """Take a thread out of the release queue, if it is in it."""
    if tcb.in_release_queue:
        if kernel.release_head is tcb:
            kernel.reprogram = True
        release_queue.remove(tcb)


@compiled
def leave_queues(tcb: Tcb) -> None:
    """Take a thread out of ready and release queues."""
    modifies(tcb.in_ready_queue, tcb.in_release_queue, kernel.release_head, kernel.reprogram)
    modifies(Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    modifies(Tcb.release_parent, Tcb.release_low, Tcb.release_high, Tcb.release_first, Tcb.release_last)
    ensures(lambda: not is_queued(tcb))
    dequeue(tcb)
    cancel_release(tcb)


@compiled
def postpone(context: SchedContext) -> None:
    """Let the context's thread wait until its first refill is available."""
    requires(may_be_postponed(context.tcb))
    modifies(Tcb.in_ready_queue, Tcb.in_release_queue, Tcb.position, kernel.release_head, kernel.reprogram)
    modifies(Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    modifies(Tcb.release_time, Tcb.release_number, kernel.releases)
    modifies(Tcb.release_parent, Tcb.release_low, Tcb.release_high, Tcb.release_first, Tcb.release_last)
    ensures(lambda: context.tcb is None or (context.tcb.in_release_queue and not context.tcb.in_ready_queue))
    ensures(lambda: forall(Tcb, lambda tcb: tcb is context.tcb or is_same(tcb, old(is_queued(tcb)))))
    tcb = context.tcb
    if tcb is not None:
        dequeue(tcb)
        if not tcb.in_release_queue:
            release_queue.insert(tcb, context)
            kernel.reprogram = True


@compiled
def reschedule_required() -> None:
    """Choose anew when the kernel is left; a candidate goes back to the others."""
    modifies(kernel.action, kernel.candidate, Tcb.in_ready_queue, Tcb.position)
    modifies(Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    ensures(lambda: kernel.action == SchedulerAction.CHOOSE_NEW and kernel.candidate is None)
    ensures(lambda: forall(Tcb, lambda tcb: tcb is old(kernel.candidate) or is_same(tcb, old(is_queued(tcb)))))
    if kernel.action == SchedulerAction.SWITCH_TO_CANDIDATE:
        candidate = kernel.candidate
        if candidate is not None and is_schedulable(candidate):
            enqueue(candidate)
        kernel.candidate = None
    kernel.action = SchedulerAction.CHOOSE_NEW


@compiled
def possible_switch_to(tcb: Tcb) -> None:
    """A thread can run again: perhaps at once, without the way through the queues."""
    requires(tcb.scheduling_context is None or can_be_queued(tcb))
    requires(tcb is not kernel.current or kernel.action != SchedulerAction.RESUME_CURRENT)
    modifies(kernel.action, kernel.candidate, Tcb.in_ready_queue, Tcb.position)
    modifies(Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    ensures(lambda: tcb.scheduling_context is None or is_queued(tcb) or kernel.candidate is tcb)
    ensures(lambda: kernel.candidate is None or kernel.candidate is tcb or kernel.candidate is old(kernel.candidate))
    ensures(
        lambda: forall(
            Tcb,
            lambda other: other is tcb or other is old(kernel.candidate) or is_same(other, old(is_queued(other))),
        )
    )
    if tcb.scheduling_context is None or tcb.in_release_queue:
        return
    if tcb.domain != kernel.current_domain:
        enqueue(tcb)
    elif kernel.action != SchedulerAction.RESUME_CURRENT:
        reschedule_required()
        enqueue(tcb)
    else:
        kernel.action = SchedulerAction.SWITCH_TO_CANDIDATE
        kernel.candidate = tcb


@compiled
def set_thread_state(tcb: Tcb, state: ThreadState) -> None:
    """Change what a thread is doing. Whether the current one can go on is looked at when the kernel is left."""
    tcb.state = state


@compiled
def update_time() -> None:
    """At each kernel entry: read the clock, and count what the current thread used of its domain's time."""
    before = kernel.now
    now = clock.read()
    kernel.now = now
    if configuration.profile.domains > 1:
        used = now - before
        left = kernel.domain_time
        # What would not last for another entry is no time at all.
        kernel.domain_time = u64(0) if used + configuration.min_budget_ticks >= left else left - used


@compiled
def consumed() -> u64:
    """What the current scheduling context used since it was last charged."""
    return kernel.now - kernel.charged_until


@compiled
def is_domain_expired() -> bool:
    """Whether the time of the current domain is over."""
    return configuration.profile.domains > 1 and kernel.domain_time == 0


@compiled
def commit_time() -> None:
    """Take the time used off the current context. It has enough: that was checked when the kernel was entered."""
    context = kernel.current_context
    used = consumed()
    if used > 0 and context is not kernel.idle_context and budget.is_active(context):
        budget.charge(context, used)
        context.consumed += used
    kernel.charged_until = kernel.now


# Kept out of line: few entries wake a thread.
@compiled(inline="never")
def awaken() -> None:
    """Threads whose first refill is available now can run again, so many at once as one kernel entry has time for.

    If more are due, the timer comes at once (:func:`set_next_interrupt`), and the next entry goes on with them.
    """
    requires(not kernel.is_choosing)
    for _ in range(RELEASES_PER_ENTRY):
        tcb = kernel.release_head
        if tcb is None or tcb.release_time > kernel.now + configuration.kernel_wcet_ticks:
            return
        release_queue.remove(tcb)
        kernel.reprogram = True
        possible_switch_to(tcb)


@compiled
def next_domain() -> None:
    """Go on in the domain schedule; behind its last entry it begins again at its start."""
    entry = kernel.domain_index + 1
    if entry >= configuration.profile.domain_schedule_entries or kernel.domain_schedule[entry].duration == 0:
        entry = kernel.domain_start
    kernel.domain_index = entry
    kernel.current_domain = kernel.domain_schedule[entry].domain
    kernel.domain_time = kernel.domain_schedule[entry].duration
    kernel.work_units = 0
    kernel.reprogram = True


@compiled
def start_domain_schedule(index: u64) -> None:
    """Let the domain schedule begin at this entry, at once."""
    requires(index < configuration.profile.domain_schedule_entries)
    kernel.domain_start = index
    # Behind the last entry, so that the next one is the start.
    kernel.domain_index = configuration.profile.domain_schedule_entries - 1
    kernel.domain_time = 0
    reschedule_required()


@compiled
def switch_to(tcb: Tcb) -> None:
    """Make a thread the current one."""
    dequeue(tcb)
    kernel.current = tcb


@compiled
def choose_thread() -> None:
    """The first thread of the highest priority in the current domain runs; the idle thread if there is none."""
    requires(kernel.candidate is None)
    modifies(kernel.current, kernel.current_domain, kernel.domain_index, kernel.domain_time, kernel.work_units)
    modifies(kernel.reprogram, Tcb.in_ready_queue, Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    ensures(lambda: (kernel.current is kernel.idle or can_be_queued(kernel.current)) and not is_queued(kernel.current))
    if kernel.domain_time == 0:
        next_domain()
    domain = kernel.current_domain
    if queue.has_ready(domain):
        tcb = kernel.domains[domain].queues[queue.highest_priority(domain)].head
        if tcb is not None:
            switch_to(tcb)
            return
    kernel.current = kernel.idle


@compiled
def consider_candidate(candidate: Tcb, was_running: bool) -> None:
    """Switch to the candidate unless another thread comes first. ``was_running``: the current one is ready now.

    A candidate that is above the current thread is above all others, for the current one was chosen before them.
    """
    requires(kernel.candidate is None and can_be_queued(candidate) and not candidate.in_release_queue)
    requires(candidate is not kernel.current)
    modifies(kernel.current, kernel.current_domain, kernel.domain_index, kernel.domain_time, kernel.work_units)
    modifies(
        kernel.reprogram, Tcb.in_ready_queue, Tcb.position, Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue
    )
    ensures(lambda: (kernel.current is kernel.idle or can_be_queued(kernel.current)) and not is_queued(kernel.current))
    current = kernel.current
    if (current is kernel.idle or candidate.priority < current.priority) and queue.has_ready_above(
        kernel.current_domain, candidate.priority
    ):
        enqueue(candidate)
        choose_thread()
    elif was_running and candidate.priority == current.priority:
        append(candidate)
        choose_thread()
    else:
        switch_to(candidate)


@compiled
def change_thread() -> None:
    """Do what the handlers decided; the current thread goes to the others if it could go on."""
    ensures(lambda: kernel.action == SchedulerAction.RESUME_CURRENT and not kernel.is_choosing)
    ensures(lambda: kernel.current is kernel.idle or can_be_queued(kernel.current))
    with ghost:
        kernel.is_choosing = True
    current = kernel.current
    was_running = is_schedulable(current)
    if was_running:
        enqueue(current)
    candidate = kernel.candidate
    kernel.action = SchedulerAction.RESUME_CURRENT
    kernel.candidate = None
    if candidate is not None:
        consider_candidate(candidate, was_running)
    else:
        choose_thread()
    with ghost:
        kernel.is_choosing = False


@compiled
def switch_context() -> None:
    """Charge who ran, and account to the context of who will run."""
    context = kernel.current.scheduling_context
    assert context is not None
    if context is not kernel.current_context:
        kernel.reprogram = True
        if not context.sporadic and budget.is_active(context):
            budget.unblock(context)
    if kernel.reprogram:
        commit_time()
    kernel.current_context = context


@compiled
def set_next_interrupt() -> None:
    """Set the timer: the end of the budget or of the domain's time, or when a waiting thread's refill is available."""
    deadline = u64(NEVER)
    if kernel.current is not kernel.idle:
        deadline = kernel.now + budget.head_amount(kernel.current_context)
    if configuration.profile.domains > 1:
        deadline = min(deadline, kernel.now + kernel.domain_time)
    waiting = kernel.release_head
    if waiting is not None:
        deadline = min(deadline, waiting.release_time)
    kernel.deadline = deadline
    machine.set_deadline(deadline)


@compiled
def schedule() -> None:
    """Before the kernel is left: settle who is the current thread, and whose time runs."""
    requires(not kernel.is_choosing)
    ensures(lambda: kernel.action == SchedulerAction.RESUME_CURRENT and not kernel.is_choosing)
    ensures(lambda: kernel.current is kernel.idle or can_be_queued(kernel.current))
    ensures(lambda: kernel.current.scheduling_context is kernel.current_context)
    if kernel.release_head is not None:
        awaken()
    if is_domain_expired():
        kernel.reprogram = True
        reschedule_required()
    if kernel.action != SchedulerAction.RESUME_CURRENT or not is_schedulable(kernel.current):
        change_thread()
    switch_context()
    if kernel.reprogram:
        set_next_interrupt()
        kernel.reprogram = False


@compiled
def preemption_point() -> bool:
    """One step of a long operation is done. True: something waits, so stop here; the call will start again.

    Every ``PREEMPTION_WORK_UNITS`` steps it looks for interrupts, the end of the budget and of the domain's time.
    """
    modifies(kernel.work_units, kernel.now, kernel.domain_time)
    kernel.work_units += 1
    if kernel.work_units < PREEMPTION_WORK_UNITS:
        return False
    kernel.work_units = 0
    # In any case: the time until here is the caller's, and not that of who runs next.
    update_time()
    if machine.read_pending() != 0:
        return True
    context = kernel.current_context
    return (budget.is_active(context) and not budget.is_sufficient(context, consumed())) or is_domain_expired()


@compiled
def move_to_domain(tcb: Tcb, domain: u64) -> None:
    """Assign a thread to a domain. (seL4: setDomain.)"""
    requires(domain < configuration.profile.domains)
    if tcb is kernel.current or tcb is kernel.candidate:
        reschedule_required()
    dequeue(tcb)
    tcb.domain = domain
    # The current one may come to wait for something yet: it joins a queue when the kernel is left, if it can run.
    if tcb is not kernel.current and is_schedulable(tcb):
        possible_switch_to(tcb)

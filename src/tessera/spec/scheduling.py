# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: who runs next, and time accounting (manual: Threads and Execution, Scheduling; Domains).

The running thread is in no queue. Ready threads are first come first served among equals, but who was preempted or
woken comes first.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.objects import RELEASES_PER_ENTRY
from tessera.spec import budget
from tessera.spec.objects import Context, Thread
from tessera.spec.state import NO_DEADLINE, Kernel


def can_run(thread: Thread | None) -> bool:
    """Whether a thread could be given the processor: it can run and has time that is not exhausted."""
    if thread is None or not thread.is_runnable or thread.context is None:
        return False
    return budget.is_configured(thread.context) and not thread.is_postponed


def enter(k: Kernel, thread: Thread, last: bool = False) -> None:
    """Make a thread ready: the first of its priority, or the last."""
    if not thread.is_ready:
        thread.is_ready = True
        queue = k.ready.setdefault((thread.domain, thread.priority), [])
        queue.insert(len(queue) if last else 0, thread)


def leave(k: Kernel, thread: Thread) -> None:
    """Take a thread out of the ready queue, if it is in it."""
    if thread.is_ready:
        thread.is_ready = False
        queue = k.ready[thread.domain, thread.priority]
        queue.remove(thread)
        if not queue:
            del k.ready[thread.domain, thread.priority]


def leave_all(k: Kernel, thread: Thread) -> None:
    """A thread is neither ready nor waits for its budget."""
    leave(k, thread)
    if thread.is_postponed:
        k.set_timer |= k.postponed[0] is thread
        k.postponed.remove(thread)
        thread.is_postponed = False


def postpone(k: Kernel, context: Context) -> None:
    """The context's thread waits until its first refill is available, behind those whose time comes no later."""
    thread = context.thread
    if thread is None:
        return
    leave(k, thread)
    if not thread.is_postponed:
        place = 0
        while place < len(k.postponed) and _release_time(k.postponed[place]) <= context.refills[0].time:
            place += 1
        k.postponed.insert(place, thread)
        thread.is_postponed = True
        k.set_timer = True


def _release_time(thread: Thread) -> int:
    assert thread.context is not None
    return thread.context.refills[0].time


def reconsider(k: Kernel) -> None:
    """Choose anew when the kernel is left; whoever would have gone first waits with the others."""
    if k.candidate is not None and can_run(k.candidate):
        enter(k, k.candidate)
    k.candidate = None
    k.choose_anew = True


def let_run(k: Kernel, thread: Thread) -> None:
    """A thread can run again; of several that can, the one that woke last is the first of its priority."""
    if thread.context is None or thread.is_postponed:
        return
    if thread.domain != k.domain:
        enter(k, thread)
    elif k.choose_anew or k.candidate is not None:
        reconsider(k)
        enter(k, thread)
    else:
        k.candidate = thread


def pass_time(k: Kernel, now: int) -> None:
    """At each entry: the time since the last one was used by the current context, and by its domain."""
    passed = now - k.now
    k.now = now
    k.used += passed
    if configuration.profile.domains > 1:
        # What would not last for another entry is no time at all.
        is_over = passed + configuration.min_budget_ticks >= k.domain_time
        k.domain_time = 0 if is_over else k.domain_time - passed


def is_domain_over(k: Kernel) -> bool:
    """Whether the time of the current domain is over."""
    return configuration.profile.domains > 1 and k.domain_time == 0


def account(k: Kernel) -> None:
    """Take the time used off the context in use."""
    if k.used > 0 and k.charged is not None and budget.is_configured(k.charged):
        budget.charge(k.charged, k.used)
        k.charged.consumed += k.used
    k.used = 0


def next_domain(k: Kernel) -> None:
    """Go on in the domain schedule; behind its last entry it begins again at its start."""
    index = k.schedule_index + 1
    if index >= len(k.schedule) or k.schedule[index][1] == 0:
        index = k.schedule_start
    k.schedule_index = index
    k.domain, k.domain_time = k.schedule[index]
    k.set_timer = True


def choose(k: Kernel) -> None:
    """The first thread of the highest priority of the domain runs; without any, the kernel waits."""
    before, candidate = k.current, k.candidate
    could_go_on = can_run(before)
    if before is not None and could_go_on:
        enter(k, before)
    if candidate is not None:
        # Whoever runs is not displaced by an equal.
        enter(k, candidate, last=could_go_on and before is not None and candidate.priority == before.priority)
    k.candidate, k.choose_anew = None, False
    if k.domain_time == 0:
        next_domain(k)
    priorities = [priority for domain, priority in k.ready if domain == k.domain]
    k.current = k.ready[k.domain, max(priorities)][0] if priorities else None
    if k.current is not None:
        leave(k, k.current)


def release(k: Kernel) -> None:
    """Threads whose first refill is available now can run again; each entry wakes so many, then the timer comes."""
    for _ in range(RELEASES_PER_ENTRY):
        if not k.postponed or not budget.is_ready(k, _context_of(k.postponed[0])):
            return
        thread = k.postponed.pop(0)
        thread.is_postponed = False
        k.set_timer = True
        let_run(k, thread)


def _context_of(thread: Thread) -> Context:
    assert thread.context is not None
    return thread.context


def schedule(k: Kernel) -> None:
    """Before the kernel is left: who runs, on whose time, and when the timer comes."""
    release(k)
    if is_domain_over(k):
        k.set_timer = True
        reconsider(k)
    if k.choose_anew or k.candidate is not None or not can_run(k.current):
        choose(k)
    context = None if k.current is None else _context_of(k.current)
    if context is not k.charged:
        k.set_timer = True
        if context is not None and not context.sporadic and budget.is_configured(context):
            budget.wake(k, context)
    if k.set_timer:
        account(k)
    k.charged = context
    if k.set_timer:
        k.deadline = _deadline(k)
        k.set_timer = False


def _deadline(k: Kernel) -> int:
    """The end of the budget or of the domain's time, or when a waiting thread's refill is available."""
    times = [NO_DEADLINE]
    if k.charged is not None:
        times.append(k.now + k.charged.refills[0].amount)
    if configuration.profile.domains > 1:
        times.append(k.now + k.domain_time)
    if k.postponed:
        times.append(_release_time(k.postponed[0]))
    return min(times)


def move_to_domain(k: Kernel, thread: Thread, domain: int) -> None:
    """Assign a thread to a domain."""
    if thread is k.current or thread is k.candidate:
        reconsider(k)
    leave(k, thread)
    thread.domain = domain
    # The one that runs is among those to choose from anyway, if it still can then.
    if thread is not k.current and can_run(thread):
        let_run(k, thread)


def start_schedule(k: Kernel, index: int) -> None:
    """Let the domain schedule begin at this entry, at once."""
    k.schedule_start = index
    # Behind the last entry, so that the next one is the start.
    k.schedule_index = len(k.schedule) - 1
    k.domain_time = 0
    reconsider(k)

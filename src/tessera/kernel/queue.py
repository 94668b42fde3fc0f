# SPDX-License-Identifier: BSD-2-Clause
"""Queues of threads that are ready (manual: Threads and Execution, Scheduling).

There is a list for each domain and priority, and a bitmap that finds the highest one in constant time.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel.layout import Tcb
from tessera.kernel.scheduling_queues import (
    bitmap_is_exact,
    is_not_before,
    is_not_behind,
    is_ready_above,
    is_ready_in,
    is_ready_queue,
    is_same_queue,
    is_unmarked_above,
    may_join,
    ready_queue_at,
)
from tessera.kernel.state import PRIORITIES, DomainQueues, ReadyQueue, kernel
from tessera.lang import (
    compiled,
    ensures,
    forall,
    ghost,
    implies,
    modifies,
    requires,
    specification,
    u64,
    without_invariants,
)


@compiled
def mark_occupied(domain: u64, priority: u64) -> None:
    """Note that a ready queue is not empty."""
    without_invariants()
    requires(is_ready_queue(domain, priority) and bitmap_is_exact(domain))
    modifies(lambda: (kernel.domains[domain].occupied, kernel.domains[domain].summary))
    modifies(lambda: ready_queue_at(domain, priority).marked)
    ensures(lambda: ready_queue_at(domain, priority).marked)
    ensures(lambda: bitmap_is_exact(domain))
    queues = kernel.domains[domain]
    with ghost:
        ready_queue_at(domain, priority).marked = True
    word = priority >> 6
    queues.occupied[word] |= u64(1) << (priority & 63)
    queues.summary |= u64(1) << word


@compiled
def mark_empty(domain: u64, priority: u64) -> None:
    """Note that a ready queue is empty."""
    without_invariants()
    requires(is_ready_queue(domain, priority) and bitmap_is_exact(domain))
    modifies(lambda: (kernel.domains[domain].occupied, kernel.domains[domain].summary))
    modifies(lambda: ready_queue_at(domain, priority).marked)
    ensures(lambda: not ready_queue_at(domain, priority).marked)
    ensures(lambda: bitmap_is_exact(domain))
    queues = kernel.domains[domain]
    with ghost:
        ready_queue_at(domain, priority).marked = False
    word = priority >> 6
    left = queues.occupied[word] & ~(u64(1) << (priority & 63))
    queues.occupied[word] = left
    if left == 0:
        queues.summary &= ~(u64(1) << word)


@compiled
def ready_queue(tcb: Tcb) -> ReadyQueue:
    """The ready queue that a thread belongs to."""
    return kernel.domains[tcb.domain].queues[tcb.priority]


@compiled
def prepend_ready(tcb: Tcb) -> None:
    """Let a thread be the next of its priority."""
    requires(may_join(tcb))
    modifies(tcb.in_ready_queue, tcb.position, Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    ensures(lambda: tcb.in_ready_queue and ready_queue(tcb).head is tcb)
    queue = ready_queue(tcb)
    first = queue.head
    with ghost:
        assert tcb.in_ready_queue or forall(Tcb, lambda other: other.queue_next is not tcb)
        assert tcb.in_ready_queue or forall(Tcb, lambda other: is_not_before(tcb, other, first))
    tcb.queue_previous = None
    tcb.queue_next = first
    queue.head = tcb
    if first is None:
        queue.tail = tcb
        mark_occupied(tcb.domain, tcb.priority)
    else:
        first.queue_previous = tcb
    tcb.in_ready_queue = True
    with ghost:
        if first is not None:
            tcb.position = first.position - 1


@compiled
def append_ready(tcb: Tcb) -> None:
    """Let a thread be the last of its priority."""
    requires(may_join(tcb))
    modifies(tcb.in_ready_queue, tcb.position, Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    ensures(lambda: tcb.in_ready_queue and ready_queue(tcb).tail is tcb)
    queue = ready_queue(tcb)
    last = queue.tail
    with ghost:
        assert tcb.in_ready_queue or forall(Tcb, lambda other: other.queue_next is not tcb)
        assert last is None or last.queue_next is None
        assert tcb.in_ready_queue or forall(Tcb, lambda other: is_not_behind(tcb, other, last))
    tcb.queue_previous = last
    tcb.queue_next = None
    queue.tail = tcb
    if last is None:
        queue.head = tcb
        mark_occupied(tcb.domain, tcb.priority)
    else:
        last.queue_next = tcb
    tcb.in_ready_queue = True
    with ghost:
        if last is not None:
            tcb.position = last.position + 1


@compiled
def remove_ready(tcb: Tcb) -> None:
    """Take a thread out of its ready queue."""
    requires(tcb.in_ready_queue)
    modifies(tcb.in_ready_queue, Tcb.queue_next, Tcb.queue_previous, DomainQueues, ReadyQueue)
    ensures(lambda: not tcb.in_ready_queue)
    queue = ready_queue(tcb)
    before = tcb.queue_previous
    after = tcb.queue_next
    with ghost:
        assert before is None or is_same_queue(before, tcb)
        assert after is None or is_same_queue(tcb, after)
        assert before is not None or forall(Tcb, lambda other: is_not_before(tcb, other, after))
    if before is None:
        queue.head = after
        if after is None:
            mark_empty(tcb.domain, tcb.priority)
    else:
        before.queue_next = after
    if after is None:
        queue.tail = before
    else:
        after.queue_previous = before
    tcb.queue_next = None
    tcb.queue_previous = None
    tcb.in_ready_queue = False


@compiled
def highest_bit(word: u64) -> u64:
    """The number of the highest bit that is set. There must be one. The hardware cannot count zeros at once."""
    requires(word != 0)
    ensures(lambda result: result < 64 and word >> result == 1)
    found = u64(0)
    rest = word
    if rest >> 32 != 0:
        found = u64(32)
        rest = rest >> 32
    if rest >> 16 != 0:
        found += 16
        rest = rest >> 16
    if rest >> 8 != 0:
        found += 8
        rest = rest >> 8
    if rest >> 4 != 0:
        found += 4
        rest = rest >> 4
    return found + highest_of_four(rest)


@compiled
def highest_of_four(bits: u64) -> u64:
    """The number of the highest of four bits that is set. There must be one."""
    requires(bits != 0 and bits < 1 << 4)
    ensures(lambda result: result < 4 and bits >> result == 1)
    if bits & 0b1100 == 0:
        return bits >> 1
    return 2 + (bits >> 3)


@compiled
def highest_priority(domain: u64) -> u64:
    """The highest priority with a ready thread. There must be one."""
    requires(domain < configuration.profile.domains and kernel.domains[domain].summary != 0)
    ensures(lambda result: result < PRIORITIES and ready_queue_at(domain, result).head is not None)
    ensures(lambda result: forall(Tcb, lambda tcb: not is_ready_above(tcb, domain, result)))
    queues = kernel.domains[domain]
    word = highest_of_four(queues.summary)
    found = (word << 6) + highest_bit(queues.occupied[word])
    with ghost:
        assert queues.summary == 0 or forall(u64, lambda other: is_unmarked_above(domain, found, other))
    return found


@specification
def has_mark_above(domain: u64, priority: u64) -> bool:
    """Whether the bitmaps have a bit above that of a priority: what is left from there on is more than that bit."""
    queues = kernel.domains[domain]
    word = priority >> 6
    return queues.occupied[word] >> (priority & 63) >= 2 or queues.summary >> word >= 2


@compiled
def has_ready_above(domain: u64, priority: u64) -> bool:
    """Whether a thread of a higher priority is ready: the bitmaps have bits above those of ``priority``."""
    requires(is_ready_queue(domain, priority))
    ensures(lambda result: implies(not result, forall(Tcb, lambda tcb: not is_ready_above(tcb, domain, priority))))
    ensures(lambda result: result == has_mark_above(domain, priority))
    queues = kernel.domains[domain]
    word = priority >> 6
    above = (queues.summary >> word) >> 1 != 0 or (queues.occupied[word] >> (priority & 63)) >> 1 != 0
    with ghost:
        assert above or forall(u64, lambda other: is_unmarked_above(domain, priority, other))
    return above


@compiled
def has_ready(domain: u64) -> bool:
    """Whether a thread of the domain is ready."""
    requires(domain < configuration.profile.domains)
    ensures(lambda result: result == (kernel.domains[domain].summary != 0))
    ensures(lambda result: implies(not result, forall(Tcb, lambda tcb: not is_ready_in(tcb, domain))))
    return kernel.domains[domain].summary != 0

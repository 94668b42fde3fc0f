# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: the order and the shape of the release queue (manual: Threads and Execution, Scheduling).

The release queue is a tree of threads, each before those below it. A place in the tree is for threads whose numbers
lie in a range; the places below it are for the halves of that range. So no place has more than 64 others above it,
whatever threads there are.
"""

from __future__ import annotations

from tessera.kernel.layout import Tcb
from tessera.kernel.state import kernel
from tessera.lang import (
    address_of,
    compiled,
    ensures,
    forall,
    invariant,
    live,
    specification,
    trigger,
    u64,
    without_invariants,
    wrapping_mul,
)

LAST_NUMBER = (1 << 64) - 1
# Times the size of a thread this is 2**64 divided by the golden ratio: so the numbers of threads that lie side by side
# are spread evenly (multiplicative hashing); in memory for 2**n threads, no place has more than n + 2 others above it.
# It is odd: different addresses have different numbers.
SPREAD = 0x13C6EF372FE94F


@compiled
def comes_before(a: Tcb, b: Tcb) -> bool:
    """Whether a thread leaves the release queue before another: its time comes earlier, or it has waited longer."""
    return a.release_time < b.release_time or (a.release_time == b.release_time and a.release_number < b.release_number)


@compiled
def middle(first: u64, last: u64) -> u64:
    """The last number of the lower half of a range."""
    return first + ((last - first) >> 1)


@specification
def number_at(address: u64) -> u64:
    """The number of the thread at an address."""
    return wrapping_mul(address, SPREAD)


@compiled
def number_of(tcb: Tcb) -> u64:
    """The number that says which places of the tree are for a thread; no other thread has it."""
    without_invariants()
    ensures(lambda result: result == number_at(address_of(tcb)))
    return wrapping_mul(address_of(tcb), SPREAD)


@specification
def is_inside(tcb: Tcb, stray: Tcb | None) -> bool:
    """Whether a thread of the release queue is where its number belongs; ``stray`` may be elsewhere."""
    trigger(tcb.in_release_queue)
    trigger(tcb.release_first)
    if not tcb.in_release_queue or tcb is stray:
        return True
    return tcb.release_first <= number_at(address_of(tcb)) and number_at(address_of(tcb)) <= tcb.release_last


@specification
def is_in_order(tcb: Tcb, stray: Tcb | None) -> bool:
    """Whether the threads below this one do not come before it; nothing is said of ``stray``."""
    trigger(tcb.release_low)
    trigger(tcb.release_high)
    low = tcb.release_low
    high = tcb.release_high
    if tcb is stray:
        return True
    return (low is None or low is stray or not comes_before(low, tcb)) and (
        high is None or high is stray or not comes_before(high, tcb)
    )


@invariant
def above_knows_this_one(tcb: Tcb) -> bool:
    """A thread of the release queue is below another one that knows it; only the first is below none."""
    trigger(tcb.release_parent)
    trigger(tcb.in_release_queue)
    above = tcb.release_parent
    if above is None:
        return tcb.in_release_queue == (kernel.release_head is tcb)
    return (
        live(above)
        and tcb.in_release_queue
        and above.in_release_queue
        and (above.release_low is tcb or above.release_high is tcb)
    )


@invariant
def low_has_the_lower_half(tcb: Tcb) -> bool:
    """What is low below a thread knows it, and has the lower half of its range."""
    trigger(tcb.release_low)
    below = tcb.release_low
    return below is None or (
        live(below)
        and below.release_parent is tcb
        and tcb.release_first < tcb.release_last
        and below.release_first == tcb.release_first
        and below.release_last == middle(tcb.release_first, tcb.release_last)
    )


@invariant
def high_has_the_upper_half(tcb: Tcb) -> bool:
    """What is high below a thread knows it, and has the upper half of its range."""
    trigger(tcb.release_high)
    below = tcb.release_high
    return below is None or (
        live(below)
        and below.release_parent is tcb
        and tcb.release_first < tcb.release_last
        and below.release_first == middle(tcb.release_first, tcb.release_last) + 1
        and below.release_last == tcb.release_last
    )


@invariant
def first_has_all_numbers(tcb: Tcb) -> bool:
    """The first of the release queue waits, is below none, and its place is for every number."""
    trigger(tcb.release_parent)
    if kernel.release_head is not tcb:
        return True
    return tcb.in_release_queue and tcb.release_parent is None and has_all_numbers(tcb)


@specification
def has_all_numbers(tcb: Tcb) -> bool:
    """Whether a place is for every number."""
    return tcb.release_first == 0 and tcb.release_last == LAST_NUMBER


@invariant
def release_head_is_live() -> bool:
    """The first of the release queue is a thread."""
    return kernel.release_head is None or live(kernel.release_head)


@invariant
def those_below_come_later(tcb: Tcb) -> bool:
    """A thread of the release queue comes before those below it."""
    trigger(tcb.release_low)
    trigger(tcb.release_high)
    return is_in_order(tcb, None)


@invariant
def number_belongs_here(tcb: Tcb) -> bool:
    """A thread of the release queue is in a place that is for its number."""
    trigger(tcb.in_release_queue)
    trigger(tcb.release_first)
    return is_inside(tcb, None)


@specification
def is_release_tree(stray: Tcb) -> bool:
    """Whether all of this holds, but that ``stray`` may be too far down for its number and its time."""
    return (
        release_head_is_live()
        and forall(Tcb, lambda tcb: above_knows_this_one(tcb))
        and forall(Tcb, lambda tcb: low_has_the_lower_half(tcb))
        and forall(Tcb, lambda tcb: high_has_the_upper_half(tcb))
        and forall(Tcb, lambda tcb: first_has_all_numbers(tcb))
        and forall(Tcb, lambda tcb: is_in_order(tcb, stray))
        and forall(Tcb, lambda tcb: is_inside(tcb, stray))
    )


@specification
def is_between(tcb: Tcb, below: Tcb | None) -> bool:
    """Whether what is below a thread does not come before what is above it."""
    above = tcb.release_parent
    return above is None or below is None or not comes_before(below, above)


@specification
def is_place(above: Tcb | None, is_high: bool, held: Tcb | None, first: u64, last: u64) -> bool:
    """Whether what is right below a thread, or what is first if that is none, has a place for these numbers."""
    if above is None:
        return held is kernel.release_head and first == 0 and last == LAST_NUMBER
    centre = middle(above.release_first, above.release_last)
    if above.release_first >= above.release_last:
        return False
    if is_high:
        return held is above.release_high and first == centre + 1 and last == above.release_last
    return held is above.release_low and first == above.release_first and last == centre


@specification
def waits_or_is(tcb: Tcb, carried: Tcb, was: bool) -> bool:
    """Whether a thread is in the release queue or on its way in exactly if it ``was`` to be."""
    trigger(tcb.in_release_queue)
    return (tcb.in_release_queue or tcb is carried) == was


# Solvers multiply words only where it matters that different threads have different numbers.
OPAQUE = (number_at,)

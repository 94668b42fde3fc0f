# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: threads that wait for a refill of their budget (manual: Threads and Execution, Scheduling).

The thread whose first refill comes first is the head of a tree (``release_tree``); of equals it is the one that has
waited longest. Whoever joins or leaves takes at most 64 steps, however many threads wait. (A radix priority search
tree: McCreight, Priority search trees, 1985.)
"""

from __future__ import annotations

from tessera.kernel import budget
from tessera.kernel.layout import SchedContext, Tcb
from tessera.kernel.release_tree import (
    LAST_NUMBER,
    above_knows_this_one,
    comes_before,
    first_has_all_numbers,
    high_has_the_upper_half,
    is_between,
    is_in_order,
    is_inside,
    is_place,
    is_release_tree,
    low_has_the_lower_half,
    middle,
    number_at,
    number_of,
    waits_or_is,
)
from tessera.kernel.scheduling_queues import may_join
from tessera.kernel.state import kernel
from tessera.lang import (
    address_of,
    compiled,
    decreases,
    ensures,
    forall,
    ghost,
    loop_invariant,
    modifies,
    old,
    requires,
    u64,
    without_invariants,
    wrapping_add,
)


@compiled
def link_low(tcb: Tcb, below: Tcb | None) -> None:
    """Put what may be nothing below a thread, in the place for low numbers."""
    tcb.release_low = below
    if below is not None:
        below.release_parent = tcb


@compiled
def link_high(tcb: Tcb, below: Tcb | None) -> None:
    """Put what may be nothing below a thread, in the place for high numbers."""
    tcb.release_high = below
    if below is not None:
        below.release_parent = tcb


@compiled
def replace_below(above: Tcb | None, tcb: Tcb, by: Tcb | None) -> None:
    """Whoever is above a thread, or the head if nobody is, knows another one in its place."""
    if above is None:
        kernel.release_head = by
    elif above.release_low is tcb:
        above.release_low = by
    else:
        above.release_high = by


@compiled
def take_place(tcb: Tcb, other: Tcb) -> None:
    """A thread that is not in the tree takes the place of another one, which is out of it then."""
    above = other.release_parent
    with ghost:
        assert other.release_low is None or other.release_low is not other.release_high
    replace_below(above, other, tcb)
    tcb.release_parent = above
    link_low(tcb, other.release_low)
    link_high(tcb, other.release_high)
    other.release_parent = None
    other.release_low = None
    other.release_high = None
    tcb.in_release_queue = True
    other.in_release_queue = False
    with ghost:
        tcb.release_first = other.release_first
        tcb.release_last = other.release_last


@compiled
def insert(tcb: Tcb, context: SchedContext) -> None:
    """Let a thread wait for the first refill of its ``context``, behind those whose time comes no later."""
    requires(may_join(tcb) and tcb is not kernel.candidate)
    requires(tcb.scheduling_context is context)
    modifies(tcb.release_time, tcb.release_number, kernel.releases, kernel.release_head, Tcb.in_release_queue)
    modifies(Tcb.release_parent, Tcb.release_low, Tcb.release_high, Tcb.release_first, Tcb.release_last)
    ensures(lambda: tcb.in_release_queue)
    ensures(lambda: forall(Tcb, lambda other: other is tcb or other.in_release_queue == old(other.in_release_queue)))
    tcb.release_time = budget.head_time(context)
    tcb.release_number = kernel.releases
    kernel.releases = wrapping_add(kernel.releases, 1)
    # Down the places that are for its number. Where it comes before the thread there, that one goes on in its stead.
    carried = tcb
    above: Tcb | None = None
    following = kernel.release_head
    is_high = False
    first = u64(0)
    last = u64(LAST_NUMBER)
    # Bounded by 64: each step halves the range of numbers.
    while following is not None:
        loop_invariant(may_join(carried) and carried is not kernel.candidate)
        loop_invariant(first <= number_at(address_of(carried)) and number_at(address_of(carried)) <= last)
        loop_invariant(following is None or (following.release_first == first and following.release_last == last))
        loop_invariant(is_place(above, is_high, following, first, last))
        loop_invariant(above is None or (above.in_release_queue and not comes_before(carried, above)))
        loop_invariant(
            forall(Tcb, lambda other: waits_or_is(other, carried, old(other.in_release_queue) or other is tcb))  # noqa: B023
        )
        decreases(last - first)
        place = following
        with ghost:
            assert place is not carried
            assert number_at(address_of(place)) != number_at(address_of(carried))
        if comes_before(carried, place):
            take_place(carried, place)
            place = carried
            carried = following
        centre = middle(first, last)
        above = place
        is_high = number_of(carried) > centre
        if is_high:
            first = centre + 1
            following = place.release_high
        else:
            last = centre
            following = place.release_low
    if above is None:
        kernel.release_head = carried
    elif is_high:
        above.release_high = carried
    else:
        above.release_low = carried
    carried.release_parent = above
    carried.in_release_queue = True
    with ghost:
        carried.release_first = first
        carried.release_last = last


@compiled
def earlier_below(tcb: Tcb) -> Tcb:
    """Which of those below a thread comes first. There must be one."""
    low = tcb.release_low
    high = tcb.release_high
    if low is None:
        assert high is not None
        return high
    return low if high is None or comes_before(low, high) else high


@compiled
def exchange(tcb: Tcb, below: Tcb) -> None:
    """Let a thread and one right below it change places."""
    above = tcb.release_parent
    low = tcb.release_low
    high = tcb.release_high
    replace_below(above, tcb, below)
    link_low(tcb, below.release_low)
    link_high(tcb, below.release_high)
    below.release_parent = above
    if low is below:
        link_low(below, tcb)
        link_high(below, high)
    else:
        link_low(below, low)
        link_high(below, tcb)
    with ghost:
        first = tcb.release_first
        last = tcb.release_last
        tcb.release_first = below.release_first
        tcb.release_last = below.release_last
        below.release_first = first
        below.release_last = last


@compiled
def sink(tcb: Tcb) -> None:
    """Let a thread of the release queue change places with those below it, until there are none."""
    without_invariants()
    requires(tcb.in_release_queue and is_release_tree(tcb))
    requires(is_between(tcb, tcb.release_low) and is_between(tcb, tcb.release_high))
    modifies(kernel.release_head, Tcb.release_parent, Tcb.release_low, Tcb.release_high)
    modifies(Tcb.release_first, Tcb.release_last)
    ensures(lambda: tcb.release_low is None and tcb.release_high is None)
    ensures(lambda: is_release_tree(tcb))
    # Bounded by 64: each step halves the range of numbers that the thread's place is for.
    while tcb.release_low is not None or tcb.release_high is not None:
        loop_invariant(is_release_tree(tcb))
        loop_invariant(is_between(tcb, tcb.release_low) and is_between(tcb, tcb.release_high))
        decreases(tcb.release_last - tcb.release_first)
        exchange(tcb, earlier_below(tcb))
        with ghost:
            assert forall(Tcb, lambda one: above_knows_this_one(one))
            assert forall(Tcb, lambda one: low_has_the_lower_half(one))
            assert forall(Tcb, lambda one: high_has_the_upper_half(one))
            assert forall(Tcb, lambda one: first_has_all_numbers(one))
            assert forall(Tcb, lambda one: is_in_order(one, tcb))
            assert forall(Tcb, lambda one: is_inside(one, tcb))


@compiled
def remove(tcb: Tcb) -> None:
    """Take a thread out of the release queue."""
    requires(tcb.in_release_queue)
    modifies(tcb.in_release_queue, kernel.release_head, Tcb.release_parent, Tcb.release_low, Tcb.release_high)
    modifies(Tcb.release_first, Tcb.release_last)
    ensures(lambda: not tcb.in_release_queue)
    sink(tcb)
    replace_below(tcb.release_parent, tcb, None)
    tcb.release_parent = None
    tcb.in_release_queue = False

# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling Contexts: the refills of a context as a sequence, for proofs (manual: Scheduling Contexts; Budgets).

The refill at the head of the ring comes first. Each refill in use has an ``offset``, the amount of all refills before
it, counted from an arbitrary origin: so sums over parts of the sequence are differences, and what holds of all pairs
of refills needs no walk through the ring.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel.layout import MIN_REFILLS, Refill, SchedContext
from tessera.kernel.state import kernel
from tessera.lang import (
    address_of,
    at,
    at_or_none,
    forall,
    integer,
    invariant,
    live,
    min,
    size_of,
    specification,
    trigger,
    u64,
)

LAST_ADDRESS = (1 << 64) - 1
# The clock starts at 0 and does not get there; no refill is later than the second.
LAST_TIME = 1 << 62
LATEST_REFILL = 7 << 61
LONGEST_PERIOD = 1 << 61


@specification
def rank_of(context: SchedContext, index: u64) -> integer:
    """The place in the sequence: how far it is from the ring's beginning, where the ring goes on from the head."""
    place = integer(index)
    return place if index >= context.refill_head else place + integer(context.refill_limit)


@specification
def is_used(refill: Refill) -> bool:
    """Whether a refill is one of its context's sequence."""
    context = refill.owner
    if context is None or refill.index >= context.refill_limit:
        return False
    return rank_of(context, refill.index) <= rank_of(context, context.refill_tail)


@specification
def is_before(a: Refill, b: Refill) -> bool:
    """Whether two refills are of one sequence, and ``a`` comes first."""
    context = a.owner
    if context is None or b.owner is not context or not is_used(a) or not is_used(b):
        return False
    return rank_of(context, a.index) < rank_of(context, b.index)


@invariant
def ring_is_in_object(context: SchedContext) -> bool:
    """The object has room for the ring, and head and tail are places in it; its places count from then on."""
    trigger(context.refill_head)
    trigger(context.refill_limit)
    if context.capacity == 0:
        return context.refill_limit == 0
    if context.capacity < MIN_REFILLS or context.refill_head >= context.capacity:
        return False
    if context.refill_limit > context.capacity:
        return False
    if address_of(context.refills[0]) > LAST_ADDRESS - context.capacity * size_of(Refill):
        return False
    limit = context.refill_limit
    return limit == 0 or (limit >= MIN_REFILLS and context.refill_head < limit and context.refill_tail < limit)


@invariant
def ring_places_are_refills(context: SchedContext, address: u64) -> bool:
    """Each place of the ring is a refill, and knows its context."""
    trigger(context.capacity, live(at_or_none(Refill, address)))
    start = address_of(context.refills[0])
    if address < start or (address - start) % size_of(Refill) != 0:
        return True
    if address >= start + context.capacity * size_of(Refill):
        return True
    return live(at_or_none(Refill, address)) and at(Refill, address).owner is context


@invariant
def refill_is_in_a_ring(refill: Refill) -> bool:
    """A refill knows its place, if its context was ever configured."""
    trigger(refill.owner)
    trigger(refill.index)
    context = refill.owner
    if context is None:
        return True
    place = address_of(context.refills[0]) + refill.index * size_of(Refill)
    return live(context) and refill.index < context.capacity and address_of(refill) == place


@invariant
def ends_are_in_the_ring(context: SchedContext) -> bool:
    """The first and the last refill are those at the ring's head and tail."""
    trigger(context.first)
    trigger(context.last)
    trigger(context.refill_head)
    trigger(context.refill_tail)
    first = context.first
    last = context.last
    if context.refill_limit == 0:
        return True
    if first is None or last is None or not live(first) or not live(last):
        return False
    if first.owner is not context or first.index != context.refill_head:
        return False
    return last.owner is context and last.index == context.refill_tail


@invariant
def refill_is_something(refill: Refill) -> bool:
    """A refill in use is not empty, and no further from the first one than the budget goes."""
    trigger(refill.amount)
    trigger(refill.time)
    context = refill.owner
    if context is None or not is_used(refill) or context.period == 0:
        return True
    first = context.first
    if first is None:
        return False
    end = first.offset + integer(context.budget)
    return refill.amount != 0 and first.offset <= refill.offset and refill.offset + integer(refill.amount) <= end


@invariant
def refills_are_in_order(a: Refill, b: Refill) -> bool:
    """Refills do not overlap: between two of them there is time for all that comes between."""
    trigger(a.offset, b.offset)
    context = a.owner
    if context is None or context.period == 0 or not is_before(a, b):
        return True
    end = a.offset + integer(a.amount)
    if end > b.offset or integer(a.time) + (b.offset - a.offset) > integer(b.time):
        return False
    return rank_of(context, b.index) != rank_of(context, a.index) + 1 or end == b.offset


@invariant
def refills_make_up_the_budget(context: SchedContext) -> bool:
    """All refills together are the budget, and begin within a period; times stay within a word."""
    trigger(context.first)
    trigger(context.last)
    if context.refill_limit == 0:
        return True
    first = context.first
    last = context.last
    if first is None or last is None:
        return False
    if context.budget < configuration.min_budget_ticks or context.budget > LONGEST_PERIOD or last.time > LATEST_REFILL:
        return False
    if context.period == 0:
        return context.refill_head == context.refill_tail and first.amount <= context.budget
    return (
        context.budget <= context.period
        and context.period <= LONGEST_PERIOD
        and last.offset + integer(last.amount) == first.offset + integer(context.budget)
        and last.time <= first.time + context.period
    )


@invariant
def unit_is_not_early(refill: Refill) -> bool:
    """No unit of time may be used before it is due, a period after that which it replaces was used (``note_use``).

    Nothing says which unit a context's ``unit`` is, so this holds of each one.
    """
    trigger(refill.amount)
    trigger(refill.time)
    context = refill.owner
    if context is None or not is_used(refill) or context.period == 0:
        return True
    place = context.unit - refill.offset
    return place < 0 or integer(refill.amount) <= place or context.due <= integer(refill.time) + place


@invariant
def clock_has_not_ended() -> bool:
    """Times can be added without leaving the word."""
    return kernel.now <= LAST_TIME


@invariant
def charged_time_has_passed() -> bool:
    """Time is charged when it has passed."""
    return kernel.charged_until <= kernel.now


@invariant
def consumed_time_was_charged(context: SchedContext) -> bool:
    """No scheduling context used more time than there was."""
    trigger(context.consumed)
    return context.consumed <= kernel.charged_until


@specification
def has_place(context: SchedContext, index: u64) -> bool:
    """Whether a context's ring has such a place; for the prover only, because it speaks of ghosts."""
    return (
        forall(u64, lambda address: ring_places_are_refills(context, address))
        and forall(Refill, lambda refill: refill_is_in_a_ring(refill))
        and forall(SchedContext, lambda other: other is not context or is_inside(context, index))
    )


@specification
def has_room(context: SchedContext, limit: u64) -> bool:
    """Whether a context's object has room for so many refills; for the prover only."""
    return forall(u64, lambda address: ring_places_are_refills(context, address)) and forall(
        SchedContext, lambda other: other is not context or (limit <= other.capacity and is_inside(other, 0))
    )


@specification
def is_in_use(refill: Refill, context: SchedContext) -> bool:
    """Whether a refill is one of those of a context."""
    return refill.owner is context and is_used(refill)


@specification
def is_up_to(refill: Refill, context: SchedContext, index: u64) -> bool:
    """Whether a refill in use comes no later in its sequence than the place ``index``."""
    return is_in_use(refill, context) and rank_of(context, refill.index) <= rank_of(context, index)


@specification
def is_ring(context: SchedContext) -> bool:
    """Whether a context's ring has all its places; for the prover only."""
    return (
        forall(u64, lambda address: ring_places_are_refills(context, address))
        and forall(Refill, lambda refill: refill_is_in_a_ring(refill))
        and forall(SchedContext, lambda other: other is not context or is_whole(other))
    )


@specification
def is_whole(context: SchedContext) -> bool:
    """Whether the places between a ring's head and tail are in its object."""
    limit = context.refill_limit
    inside = context.refill_head < limit and context.refill_tail < limit and limit <= context.capacity
    return inside and is_inside(context, context.refill_tail)


@specification
def is_first(refill: Refill, context: SchedContext) -> bool:
    """Whether a refill is known to be a context's first one; true where ghost code never ran."""
    return context.first is None or context.first is refill


@specification
def is_next(a: Refill, b: Refill) -> bool:
    """Whether ``b`` follows ``a`` in its sequence; for the prover only."""
    return forall(
        Refill, lambda one: one is not b or (is_before(a, one) and one.offset == a.offset + integer(a.amount))
    )


@specification
def is_inside(context: SchedContext, index: u64) -> bool:
    """Whether the object has room for this place, and lies in the address space."""
    start = address_of(context.refills[0])
    return index < context.capacity and start <= LAST_ADDRESS - context.capacity * size_of(Refill)


@specification
def is_place(refill: Refill, context: SchedContext, index: u64) -> bool:
    """Whether a refill is the one at a place of a context's ring."""
    if address_of(refill) != address_of(context.refills[0]) + index * size_of(Refill):
        return False
    return forall(Refill, lambda other: other is not refill or (other.owner is context and other.index == index))


# What operations promise


@specification
def is_configured(context: SchedContext, limit: u64, budget: u64, period: u64, sporadic: bool, badge: u64) -> bool:
    """Whether a context has these parameters."""
    turns = context.refill_limit == limit and context.budget == budget
    turns = turns and context.period == (u64(0) if budget == period else period)
    return turns and context.sporadic == sporadic and context.badge == badge


@specification
def kept_of(first: Refill, budget: u64) -> u64:
    """What may be used at once of a first refill under a new budget; if that is too little, the whole budget later."""
    amount = min(first.amount, budget)
    return budget if amount < configuration.min_budget_ticks else amount


@specification
def left_of(refill: Refill, usage: u64) -> u64:
    """What a refill has when ``usage`` is taken off it, as far as that goes."""
    return refill.amount - min(usage, refill.amount)

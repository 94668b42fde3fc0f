# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling Contexts: budgets and refills (manual: Threads and Execution, Scheduling Contexts; Sporadic servers).

A scheduling context holds its budget as a ring of refills: time that was used comes back one period after it was
available. The refills' amounts add up to the budget, they do not overlap, and the first one is never smaller than the
least budget. A context whose ``period`` is 0 is round robin: one refill, what is left of the current turn.
All times are timer ticks. (Sprunt, Sha, Lehoczky: Aperiodic task scheduling for hard-real-time systems, 1989.)
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel.layout import MIN_REFILLS, Refill, SchedContext
from tessera.kernel.refill_ring import (
    LATEST_REFILL,
    LONGEST_PERIOD,
    has_place,
    has_room,
    is_configured,
    is_first,
    is_in_use,
    is_next,
    is_place,
    is_ring,
    is_up_to,
    kept_of,
    left_of,
    rank_of,
)
from tessera.kernel.state import kernel
from tessera.lang import (
    address_of,
    at,
    compiled,
    decreases,
    ensures,
    forall,
    ghost,
    integer,
    loop_invariant,
    max,
    min,
    modifies,
    old,
    requires,
    size_of,
    specification,
    u64,
    without_invariants,
)

# No overrun delays a refill further than this at once, and none at all that is as late as this, which the clock never
# is: so times do not leave the word.
LONGEST_DELAY = 1 << 62
END_OF_TIME = 1 << 63


@compiled
def refill_at(context: SchedContext, index: u64) -> Refill:
    """A place in the ring, which goes on behind the struct."""
    without_invariants()
    requires(has_place(context, index))
    ensures(lambda result: is_place(result, context, index))
    return at(Refill, address_of(context.refills[0]) + index * size_of(Refill))


@compiled
def head(context: SchedContext) -> Refill:
    """The refill in use."""
    return refill_at(context, context.refill_head)


@compiled
def tail(context: SchedContext) -> Refill:
    """The refill that is available last."""
    return refill_at(context, context.refill_tail)


@compiled
def next_index(context: SchedContext, index: u64) -> u64:
    """The place behind another one in the ring."""
    without_invariants()
    requires(index < context.refill_limit)
    ensures(lambda result: result < context.refill_limit)
    ensures(lambda result: result == index + 1 or (result == 0 and index + 1 == context.refill_limit))
    following = index + 1
    return u64(0) if following == context.refill_limit else following


@compiled
def is_active(context: SchedContext) -> bool:
    """Whether it was ever configured."""
    return context.refill_limit != 0


@compiled
def is_round_robin(context: SchedContext) -> bool:
    """Whether a turn of the budget follows the other without waiting."""
    return context.period == 0


@compiled
def is_single(context: SchedContext) -> bool:
    """Whether there is only one refill."""
    return context.refill_head == context.refill_tail


@compiled
def is_full(context: SchedContext) -> bool:
    """Whether the ring has no place left."""
    return next_index(context, context.refill_tail) == context.refill_head


@compiled
def is_ready(context: SchedContext) -> bool:
    """Whether the first refill may be used now; the kernel needs some time itself to get back to user level."""
    return head(context).time <= kernel.now + configuration.kernel_wcet_ticks


@compiled
def is_sufficient(context: SchedContext, usage: u64) -> bool:
    """Whether the first refill lasts for a kernel entry and exit after ``usage`` ticks are taken off it."""
    amount = head(context).amount
    return usage <= amount and amount - usage >= configuration.min_budget_ticks


@compiled
def head_time(context: SchedContext) -> u64:
    """When the first refill is available."""
    requires(is_active(context))
    ensures(lambda result: result <= LATEST_REFILL)
    return head(context).time


@compiled
def head_amount(context: SchedContext) -> u64:
    """How much the first refill has."""
    requires(is_active(context))
    ensures(lambda result: result <= LONGEST_PERIOD)
    return head(context).amount


@compiled
def is_released(context: SchedContext) -> bool:
    """Whether a thread could run on it now."""
    return is_active(context) and is_ready(context) and is_sufficient(context, 0)


@compiled
def configure(context: SchedContext, limit: u64, budget: u64, period: u64, sporadic: bool, badge: u64) -> None:
    """Start anew with the whole budget, available from now. ``budget == period`` makes it round robin."""
    requires(limit >= MIN_REFILLS and budget >= configuration.min_budget_ticks and budget <= period)
    requires(period <= LONGEST_PERIOD)
    requires(has_room(context, limit))
    context.budget = budget
    context.period = u64(0) if budget == period else period
    context.sporadic = sporadic
    context.badge = badge
    context.refill_limit = limit
    context.refill_head = 0
    context.refill_tail = 0
    first = refill_at(context, 0)
    first.time = kernel.now
    first.amount = budget
    with ghost:
        context.first = first
        context.last = first
        # Nothing was used yet.
        context.due = 0


@compiled
def reconfigure(context: SchedContext, limit: u64, budget: u64, period: u64, sporadic: bool, badge: u64) -> None:
    """Change the parameters of a context in use: no window of the new period may hold more than the new budget.

    What the first refill has may still be used, the rest comes a period later.
    """
    requires(is_active(context) and limit >= MIN_REFILLS and budget >= configuration.min_budget_ticks)
    requires(budget <= period and period <= LONGEST_PERIOD)
    requires(has_room(context, limit))
    ensures(lambda: is_configured(context, limit, budget, period, sporadic, badge))
    ensures(lambda: head(context).amount == old(kept_of(head(context), budget)))
    first = head(context)
    time = min(max(first.time, kernel.now), END_OF_TIME)
    amount = min(first.amount, budget)
    configure(context, limit, budget, period, sporadic, badge)
    first = refill_at(context, 0)
    if amount < configuration.min_budget_ticks:
        # The last bit of a turn waits for the rest.
        first.time = time + period - amount
        return
    first.time = time
    first.amount = amount
    if amount < budget and not is_round_robin(context):
        append(context, first, time + period, budget - amount)


@compiled
def append(context: SchedContext, last: Refill, time: u64, amount: u64) -> None:
    """Put a refill at the end, behind the ``last`` one. The ring must not be full."""
    requires(not is_full(context))
    index = next_index(context, context.refill_tail)
    refill = refill_at(context, index)
    with ghost:
        refill.offset = last.offset + integer(last.amount)
        context.last = refill
    context.refill_tail = index
    refill.time = time
    refill.amount = amount


@compiled
def give_back(context: SchedContext, time: u64, amount: u64) -> None:
    """Schedule used time to come back at ``time``, not before any refill there is.

    It joins the last refill where they touch, and where the ring is full: then the last one is delayed, so that no
    time comes back too early.
    """
    requires(tail(context).time <= time)
    last = tail(context)
    with ghost:
        # The unit that takes the place of one that was used a period before.
        place = context.unit - (last.offset + integer(last.amount))
        if 0 <= place and place < integer(amount):
            context.due = integer(time) + place
    if last.time + last.amount >= time:
        last.amount += amount
    elif is_full(context):
        last.time = time - last.amount
        last.amount += amount
    else:
        append(context, last, time, amount)


@compiled
def drop_head(context: SchedContext) -> None:
    """Take the first refill out of the ring."""
    requires(not is_single(context))
    context.refill_head = next_index(context, context.refill_head)
    with ghost:
        context.first = head(context)


@compiled
def charge(context: SchedContext, usage: u64) -> None:
    """Take ``usage`` ticks off; each part comes back a period after it was available."""
    requires(is_active(context))
    ensures(lambda: is_round_robin(context) or head(context).amount >= configuration.min_budget_ticks)
    ensures(lambda: not is_round_robin(context) or head(context).amount == old(left_of(head(context), usage)))
    if is_round_robin(context):
        turn = head(context)
        turn.amount -= min(usage, turn.amount)
        return
    left = usage
    if left >= context.budget:
        left = charge_rounds(context, usage)
    # Less than the sum of all refills is left, so at least one stays.
    first = head(context)
    # Bounded by the refills of the context: each turn uses one up.
    while left >= first.amount:
        loop_invariant(first is head(context) and is_first(first, context) and left < context.budget)
        decreases(left)
        if first.time >= END_OF_TIME:
            left = u64(0)
            break
        left -= first.amount
        drop_head(context)
        give_back(context, first.time + context.period, first.amount)
        first = head(context)
    # A refill that comes too late to be used needs no delay.
    if left > 0 and first.time < END_OF_TIME:
        available = first.time
        first.amount -= left
        first.time = available + left
        with ghost:
            first.offset += integer(left)
        give_back(context, available + context.period, left)
    enlarge_head(context)


@compiled
def charge_rounds(context: SchedContext, usage: u64) -> u64:
    """Use up the whole budget as often as ``usage`` has it: all refills move by so many periods. Gives what is left.

    A thread overruns its budget only while the kernel is kept from running (manual: budgets are checked at entry).
    """
    if head(context).time < END_OF_TIME:
        delay_all(context, delay_of(usage // context.budget, context.period))
    return usage % context.budget


@compiled
def delay_of(rounds: u64, period: u64) -> u64:
    """How long so many periods are, or as many of them as fit into the longest delay."""
    without_invariants()
    requires(0 < period)
    ensures(lambda result: result <= LONGEST_DELAY)
    ensures(lambda result: rounds > LONGEST_DELAY // period or result == rounds * period)
    return min(rounds, LONGEST_DELAY // period) * period


@compiled
def delay_all(context: SchedContext, delay: u64) -> None:
    """All refills come so much later."""
    without_invariants()
    requires(is_ring(context))
    requires(forall(Refill, lambda x: not is_in_use(x, context) or x.time + delay <= LATEST_REFILL))
    modifies(Refill.time)
    ensures(lambda: forall(Refill, lambda x: x.time == old(x.time) + (delay if is_in_use(x, context) else 0)))
    index = context.refill_head
    refill_at(context, index).time += delay
    # Bounded by the refills of the context, whatever the usage: each is moved once.
    while index != context.refill_tail:
        loop_invariant(index < context.refill_limit)
        loop_invariant(rank_of(context, index) <= rank_of(context, context.refill_tail))
        loop_invariant(
            forall(Refill, lambda x: x.time == old(x.time) + (delay if is_up_to(x, context, index) else 0))  # noqa: B023
        )
        # Each place of the ring once.
        decreases(rank_of(context, context.refill_tail) - rank_of(context, index))
        index = next_index(context, index)
        refill_at(context, index).time += delay


@compiled
def enlarge_head(context: SchedContext) -> None:
    """Join the first refill to the next until it is worth running for; the joined one ends when the next one did."""
    requires(is_active(context) and not is_round_robin(context))
    ensures(lambda: head(context).amount >= configuration.min_budget_ticks)
    first = head(context)
    # Bounded by the refills of the context: each turn joins two.
    while first.amount < configuration.min_budget_ticks:
        loop_invariant(first is head(context) and is_first(first, context))
        # The whole budget is enough, so this ends at the last refill at the latest.
        decreases(context.budget - first.amount)
        drop_head(context)
        following = head(context)
        following.time -= first.amount
        following.amount += first.amount
        with ghost:
            following.offset = first.offset
        first = following


@compiled
def begin_turn(context: SchedContext) -> None:
    """A round robin context starts a new turn with its whole budget."""
    head(context).amount = context.budget


@compiled
def unblock(context: SchedContext) -> None:
    """A thread begins to run on this context after a pause: time that it did not use before now is not made up for.

    Refills that are available one right after the other become one. (seL4: refill_unblock_check.)
    """
    requires(is_active(context))
    ensures(lambda: is_round_robin(context) or head(context).time >= kernel.now)
    ensures(lambda: is_round_robin(context) or kernel.reprogram or not old(is_ready(context)))
    if is_round_robin(context) or not is_ready(context):
        return
    kernel.reprogram = True
    first = head(context)
    # A refill that may be used a little too early keeps its time.
    available = max(first.time, kernel.now)
    # Bounded by the refills of the context: each turn joins two.
    while not is_single(context):
        loop_invariant(first is head(context) and first.time <= available)
        # Each turn drops a refill.
        decreases(context.budget - first.amount)
        following = refill_at(context, next_index(context, context.refill_head))
        with ghost:
            assert is_next(first, following)
        if following.time > available + first.amount:
            break
        following.time -= first.amount
        following.amount += first.amount
        with ghost:
            following.offset = first.offset
        drop_head(context)
        first = following
    first.time = available


@specification
def is_renewed(context: SchedContext | None) -> bool:
    """Whether a sporadic server, that is not the one in use, has no time left over from before now."""
    if context is None or not context.sporadic or not is_active(context) or context is kernel.current_context:
        return True
    return is_round_robin(context) or head(context).time >= kernel.now


@compiled
def unblock_sporadic(context: SchedContext | None) -> None:
    """A thread with this context wakes up: a sporadic server's time counts from now. The context in use goes on."""
    modifies(SchedContext.refill_head, SchedContext.first, Refill.time, Refill.amount, Refill.offset, kernel.reprogram)
    ensures(lambda: is_renewed(context))
    if context is not None and context.sporadic and is_active(context) and context is not kernel.current_context:
        unblock(context)

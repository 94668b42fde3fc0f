# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling Contexts: budgets and refills (manual: Threads and Execution, Scheduling Contexts; Sporadic servers).

Time that was used comes back one period after it was available. A context with period 0 is round robin: one refill,
what is left of the current turn.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.spec.objects import Context, Refill
from tessera.spec.state import Kernel

# No overrun delays a refill further than this at once, and none that is as late as this: the clock never is.
LONGEST_DELAY = 1 << 62
END_OF_TIME = 1 << 63


def is_configured(context: Context) -> bool:
    """Whether it was ever given a budget, and still exists."""
    return context.limit != 0


def is_ready(k: Kernel, context: Context) -> bool:
    """Whether the first refill may be used now, the way out of the kernel included."""
    return context.refills[0].time <= k.now + configuration.kernel_wcet_ticks


def lasts(context: Context, used: int = 0) -> bool:
    """Whether the first refill is worth running for after so much is taken off."""
    return context.refills[0].amount - used >= configuration.min_budget_ticks


def is_released(k: Kernel, context: Context) -> bool:
    """Whether a thread could run on it now."""
    return is_configured(context) and is_ready(k, context) and lasts(context)


def configure(
    k: Kernel, context: Context, limit: int, budget: int, period: int, sporadic: bool, badge: int, keep: bool
) -> None:
    """Give new parameters. The whole budget is available at once; or, for a thread that runs (``keep``), what the
    first refill has, and the rest a period later.
    """
    first = Refill(k.now, budget)
    if keep:
        first = Refill(min(max(context.refills[0].time, k.now), END_OF_TIME), min(context.refills[0].amount, budget))
        if first.amount < configuration.min_budget_ticks:
            # The last bit of a turn waits for the rest.
            first = Refill(first.time + period - first.amount, budget)
    context.budget, context.period = budget, 0 if budget == period else period
    context.sporadic, context.badge, context.limit = sporadic, badge, limit
    context.refills = [first]
    if first.amount < budget and context.period != 0:
        context.refills.append(Refill(first.time + period, budget - first.amount))


def give_back(context: Context, time: int, amount: int) -> None:
    """Used time comes back at ``time``; it joins the last refill where they touch, or where there is no other place."""
    last = context.refills[-1]
    if last.time + last.amount >= time:
        last.amount += amount
    elif len(context.refills) == context.limit:
        last.time = time - last.amount
        last.amount += amount
    else:
        context.refills.append(Refill(time, amount))


def charge(context: Context, used: int) -> None:
    """Take ticks off; each part comes back a period after it was available."""
    refills = context.refills
    if context.period == 0:
        refills[0].amount -= min(used, refills[0].amount)
        return
    rounds = used // context.budget
    # Whoever overran the whole budget, perhaps several times, is delayed by so many periods.
    if refills[0].time < END_OF_TIME:
        delay = min(rounds, LONGEST_DELAY // context.period) * context.period
        for refill in refills:
            refill.time += delay
    # Less than the whole budget is left, so there is another refill behind each that is spent.
    used -= rounds * context.budget
    while used >= refills[0].amount and refills[0].time < END_OF_TIME:
        spent = refills.pop(0)
        used -= spent.amount
        give_back(context, spent.time + context.period, spent.amount)
    first = refills[0]
    if 0 < used and first.time < END_OF_TIME:
        available = first.time
        first.time, first.amount = available + used, first.amount - used
        give_back(context, available + context.period, used)
    while refills[0].amount < configuration.min_budget_ticks:
        small = refills.pop(0)
        refills[0].time -= small.amount
        refills[0].amount += small.amount


def wake(k: Kernel, context: Context) -> None:
    """A thread begins to run on the context after a pause: time not used before now is not made up for."""
    if context.period == 0 or not is_ready(k, context):
        return
    k.set_timer = True
    refills = context.refills
    available = max(refills[0].time, k.now)
    while len(refills) > 1 and refills[1].time <= available + refills[0].amount:
        earlier = refills.pop(0)
        refills[0].time -= earlier.amount
        refills[0].amount += earlier.amount
    refills[0].time = available


def wake_sporadic(k: Kernel, context: Context | None) -> None:
    """A thread with this context wakes up: a sporadic server's time counts from now. The context in use goes on."""
    if context is not None and context.sporadic and is_configured(context) and context is not k.charged:
        wake(k, context)

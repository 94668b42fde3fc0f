# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: the time of the idle thread, which nobody counts (manual: Threads and Execution, Scheduling)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel.layout import MIN_REFILLS, SchedContext
from tessera.kernel.state import kernel
from tessera.lang import compiled, ghost


@compiled
def begin_idle_time(context: SchedContext) -> None:
    """The idle thread's time, which nobody counts: one turn follows the other."""
    context.budget = configuration.min_budget_ticks
    context.refill_limit = MIN_REFILLS
    first = context.refills[0]
    first.time = kernel.now
    first.amount = configuration.min_budget_ticks
    with ghost:
        context.capacity = MIN_REFILLS
        context.first = first
        context.last = first
        second = context.refills[1]
        first.owner = context
        second.owner = context
        second.index = 1

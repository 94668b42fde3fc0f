# SPDX-License-Identifier: BSD-2-Clause
"""The examples as data, and the textbook's answer to each.

A control loop has a low priority, a driver a high one. Nobody trusts the driver, so it gets a budget in each period.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

MILLISECOND = 1000


def response_time(work: int, others: Iterable[tuple[int, int]], longest: int) -> int | None:
    """The longest time from the release of a job to its end: its own ``work``, and all time of higher priorities.

    ``others`` are (budget, period) of the threads of higher priority. The result is the least fixed point of
    ``R = work + sum(ceil(R / period) * budget)``; ``None`` if it is greater than ``longest``. All in one unit.
    (Joseph, Pandya: Finding response times in a real-time system, 1986.)
    """
    some = list(others)
    response = 0
    found = work + sum(budget for budget, _ in some)
    while found != response and found <= longest:
        response = found
        found = work + sum(-(-response // period) * budget for budget, period in some)
    return response if found <= longest else None


@dataclass(frozen=True)
class System:
    """A control loop and a driver: budgets and periods in microseconds, the loop's deadline is the end of its period.

    ``kernel_share`` is the part of the loop's budget, in per cent, that is left to the kernel, whose time is charged
    to the thread that it serves: the loop's own work is the rest. The driver serves so many ``interrupts`` well, which
    come ``gap`` to twice ``gap`` microseconds apart, before it spins for ever. ``partitioned``: a domain of its own for
    each, of which the driver's has the time of its budget and the loop's the rest of the driver's period.
    """

    name: str
    loop_budget: int
    loop_period: int
    driver_budget: int
    driver_period: int
    jobs: int
    interrupts: int
    gap: int
    kernel_share: int = 1
    partitioned: bool = False

    @property
    def textbook(self) -> int | None:
        """The longest response of the loop by the textbook, in microseconds; ``None``: it misses its deadline."""
        return response_time(self.loop_budget, [(self.driver_budget, self.driver_period)], self.loop_period)

    @property
    def work_ns(self) -> int:
        """The loop's own work, in nanoseconds."""
        return self.loop_budget * (100 - self.kernel_share) * 10

    @property
    def label(self) -> str:
        """A name that is different for each way in which the same workload is scheduled."""
        return f"{self.name} {'partition' if self.partitioned else 'MCS'}"

    def with_partition(self) -> System:
        """The same workload under a fixed time partition."""
        return replace(self, partitioned=True)


SLOW = System("slow-loop", 25 * MILLISECOND, 100 * MILLISECOND, 2 * MILLISECOND, 3 * MILLISECOND, 6, 60, 1500)
FAST = System("fast-loop", 3 * MILLISECOND, 5 * MILLISECOND, 300, MILLISECOND, 100, 120, 300)
EXAMPLES = (SLOW, FAST)

# The driver's budget in microseconds, in periods one and a half times as long. The last ones are below what the kernel
# admits.
SCALES = (2000, 1000, 500, 200, 150, 120, 100, 50, 30, 20, 16)
# Parts of the loop's budget for the kernel that are tried, in per cent.
SHARES = (1, 5)


def scaled(driver_budget: int, kernel_share: int) -> System:
    """The slow loop under a driver of two thirds of the processor, that spins from its start on."""
    return replace(
        SLOW,
        name=f"scale-{driver_budget}-{kernel_share}",
        driver_budget=driver_budget,
        driver_period=driver_budget * 3 // 2,
        jobs=2,
        interrupts=0,
        kernel_share=kernel_share,
    )


@dataclass
class Selection:
    """The systems that a root task is built with, as constants of the language (see ``main.run``)."""

    rows: tuple[tuple[bytes, bool, int, int, int, int, int, int, int, int], ...] = field(default=())

    def choose(self, systems: Iterable[System]) -> None:
        """Build with these from now on."""
        self.rows = tuple(
            (
                one.label.encode(),
                one.partitioned,
                one.loop_budget,
                one.loop_period,
                one.driver_budget,
                one.driver_period,
                one.work_ns,
                one.jobs,
                one.interrupts,
                one.gap,
            )
            for one in systems
        )


selection = Selection()

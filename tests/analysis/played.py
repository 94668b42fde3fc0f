# SPDX-License-Identifier: BSD-2-Clause
"""Schedules played in small whole numbers: the refills of kernel/budget.py, and several components under priorities."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Refills:
    """A scheduling context with ``limit`` refills, as [time, amount]."""

    budget: int
    period: int
    limit: int = 2
    sporadic: bool = False
    ring: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ring = [[0, self.budget]]

    def ready(self, now: int) -> bool:
        return self.budget >= self.period or self.ring[0][0] <= now

    def left(self) -> int:
        """What may be used before it has to be charged."""
        return self.ring[0][1]

    def unblock(self, now: int) -> None:
        """It is used again from ``now`` on."""
        if self.budget >= self.period or not self.ready(now):
            return
        first = self.ring[0]
        available = max(first[0], now)
        while len(self.ring) > 1 and self.ring[1][0] <= available + first[1]:
            self.ring[1] = [self.ring[1][0] - first[1], self.ring[1][1] + first[1]]
            self.ring.pop(0)
            first = self.ring[0]
        first[0] = available

    def give_back(self, time: int, amount: int) -> None:
        last = self.ring[-1]
        if last[0] + last[1] >= time:
            last[1] += amount
        elif len(self.ring) == self.limit:
            last[0], last[1] = time - last[1], last[1] + amount
        else:
            self.ring.append([time, amount])

    def charge(self, left: int) -> None:
        """So much of it was used."""
        if self.budget >= self.period:
            return
        while left and left >= self.ring[0][1]:
            time, amount = self.ring[0]
            left -= amount
            if len(self.ring) == 1:
                self.ring[0] = [time + self.period, amount]
            else:
                self.ring.pop(0)
                self.give_back(time + self.period, amount)
        if left:
            first = self.ring[0]
            available = first[0]
            first[1] -= left
            first[0] = available + left
            self.give_back(available + self.period, left)


@dataclass
class Played:
    """A component: its jobs as (release, work), in order; a higher ``priority`` comes first."""

    priority: int
    refills: Refills
    jobs: list[tuple[int, int]]
    # Of the job at hand: what is left of it.
    rest: int = 0
    done: list[int] = field(default_factory=list)
    used: int = 0

    def wake(self, now: int) -> None:
        """Take up the next job, if it is there."""
        if self.rest == 0 and self.jobs and self.jobs[0][0] <= now:
            self.rest = self.jobs[0][1]
            if self.refills.sporadic and self.jobs[0][0] == now:
                self.refills.unblock(now)

    def stop(self) -> None:
        """It does not run any more: charge it."""
        self.refills.charge(self.used)
        self.used = 0


def play(components: list[Played], until: int) -> None:
    """In each unit of time the first of those runs that have work and budget. One is charged when another one runs,
    when its budget ends, and when its work is done; its refills are brought up to date when it runs again.
    """
    running: Played | None = None
    for now in range(until):
        for one in components:
            one.wake(now)
        able = [one for one in components if one.rest and (one is running or one.refills.ready(now))]
        chosen = max(able, key=lambda one: one.priority, default=None)
        if running is not None and running is not chosen:
            running.stop()
        if chosen is None:
            running = None
            continue
        if chosen is not running and not chosen.refills.sporadic:
            chosen.refills.unblock(now)
        running = chosen
        chosen.used += 1
        chosen.rest -= 1
        if chosen.rest == 0:
            chosen.done.append(now + 1 - chosen.jobs.pop(0)[0])
        unlimited = chosen.refills.budget >= chosen.refills.period
        if chosen.rest == 0 or (not unlimited and chosen.used == chosen.refills.left()):
            chosen.stop()
            running = None

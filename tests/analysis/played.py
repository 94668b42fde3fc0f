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
class Server:
    """A passive component: it answers one call at a time, on the caller's budget and at its own priority."""

    priority: int
    caller: Played | None = None
    waiting: list[Played] = field(default_factory=list)

    def answered(self) -> None:
        """The next call is that of the highest priority, the first among equals."""
        self.waiting.sort(key=lambda one: -one.priority)
        self.caller = self.waiting.pop(0) if self.waiting else None


Segment = tuple["Server | None", int]


@dataclass
class Played:
    """A component: its jobs as (release, work), in order; a higher ``priority`` comes first. Work is a number, or
    numbers in turn by itself (None) and in servers that it calls.
    """

    priority: int
    refills: Refills
    jobs: list[tuple[int, int]] | list[tuple[int, list[Segment]]]
    # Of the job at hand: what is left of it.
    rest: list[Segment] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    used: int = 0

    def wake(self, now: int) -> None:
        """Take up the next job, if it is there."""
        if not self.rest and self.jobs and self.jobs[0][0] <= now:
            work = self.jobs[0][1]
            self.rest = [(None, work)] if isinstance(work, int) else list(work)
            if self.refills.sporadic and self.jobs[0][0] == now:
                self.refills.unblock(now)

    def can_go_on(self) -> bool:
        """Whether it has work, and waits for no server."""
        if not self.rest:
            return False
        server = self.rest[0][0]
        if server is None or server.caller is self:
            return True
        return self not in server.waiting

    def level(self) -> tuple[int, int]:
        """At which priority it runs; its own one decides among equals."""
        server = self.rest[0][0]
        return (server.priority if server is not None and server.caller is self else self.priority), self.priority

    def stop(self) -> None:
        """It does not run any more: charge it."""
        self.refills.charge(self.used)
        self.used = 0

    def step(self, now: int) -> bool:
        """One unit of work; whether it goes on at once. The end of a call, and of a job, is told."""
        server, left = self.rest[0]
        self.used += 1
        if left > 1:
            self.rest[0] = server, left - 1
            return True
        self.rest.pop(0)
        if server is not None:
            server.answered()
        if not self.rest:
            self.done.append(now + 1 - self.jobs.pop(0)[0])
        return bool(self.rest)


def ask(one: Played) -> bool:
    """Where its work goes on in a server, call it; whether it is answered now."""
    server = one.rest[0][0]
    if server is None or server.caller is one:
        return True
    if server.caller is None:
        server.caller = one
        return True
    if one not in server.waiting:
        server.waiting.append(one)
    return False


def play(components: list[Played], until: int) -> None:
    """In each unit of time the first of those runs that have work and budget. One is charged when another one runs,
    when its budget ends, when it waits and when its work is done; its refills are brought up to date when it runs.
    """
    running: Played | None = None
    for now in range(until):
        for one in components:
            one.wake(now)
        while True:
            able = [one for one in components if one.can_go_on() and (one is running or one.refills.ready(now))]
            chosen = max(able, key=Played.level, default=None)
            if running is not None and running is not chosen:
                running.stop()
                running = None
            if chosen is None:
                break
            if chosen is not running and not chosen.refills.sporadic:
                chosen.refills.unblock(now)
            running = chosen
            if ask(chosen):
                break
        if running is None:
            continue
        goes_on = running.step(now)
        unlimited = running.refills.budget >= running.refills.period
        if not goes_on or (not unlimited and running.used == running.refills.left()):
            running.stop()
            running = None

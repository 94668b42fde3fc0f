# SPDX-License-Identifier: BSD-2-Clause
"""Response times under fixed priorities with budgets. All times are whole nanoseconds.

Higher priorities are counted as in the response-time analysis of periodic tasks (Joseph, Pandya: Finding response times
in a real-time system, 1986; Audsley et al. 1993): a scheduling context is a sporadic server, of which each part of the
budget comes back a period after it was used, so it takes no more in any window than a periodic task that is released
at its beginning (Sprunt, Sha, Lehoczky: Aperiodic task scheduling for hard-real-time systems, 1989). Who waits in
between is counted as a task with release jitter (Chen et al.: Many suspensions, many problems, 2019).

When a component's own budget comes back is that of the kernel's refills (kernel/budget.py, as seL4's): with two of
them, the least there are, what is used while others preempt comes back in one piece, a period after its last part
was begun. A component that used its budget up stalls until then; the bounds here count that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

# Windows that do not close after so many steps count as unbounded.
STEPS = 20_000
# How many periods of its own a busy time may have, before it counts as unbounded.
LONGEST = 200


@dataclass(frozen=True)
class Load:
    """At most ``amount`` in each ``every``, released up to ``jitter`` late. ``activations``: how often it begins to run
    in each. ``once``: an overrun of the kernel's, which later refills make up for.
    """

    amount: int
    every: int
    jitter: int = 0
    activations: int = 1
    once: int = 0

    @cached_property
    def rate(self) -> Fraction:
        return Fraction(self.amount, self.every)

    def releases(self, window: int) -> int:
        """How many releases a window has at most, that begins with one."""
        return -(-(window + self.jitter) // self.every)


@dataclass(frozen=True)
class Interference:
    """What one component takes from others: the least of what its budget allows, and of what its jobs need. None where
    nothing is known of one of these.
    """

    name: str
    budget: Load | None
    jobs: tuple[Load, ...] | None

    @cached_property
    def rate(self) -> Fraction | None:
        known = [self.budget.rate] if self.budget is not None else []
        if self.jobs is not None:
            known.append(sum((load.rate for load in self.jobs), Fraction(0)))
        return min(known) if known else None

    def taken(self, window: int, instants: int, kernel: int) -> tuple[int, int]:
        """The most time that it takes in a window which falls into ``instants`` pieces, and how often it preempts;
        each time costs the kernel's time too.
        """
        budget = self.budget
        if budget is not None and self.jobs is None:  # the usual case, which is much asked for
            count = -(-(window + budget.jitter) // budget.every) + instants - 1
            preemptions = count * budget.activations
            return budget.amount * count + budget.once + kernel * preemptions, preemptions
        options = []
        for loads in ((budget,) if budget else None, self.jobs):
            if loads is not None:
                counts = [(load, load.releases(window) + instants - 1) for load in loads]
                preemptions = sum(count * load.activations for load, count in counts)
                work = sum(load.amount * count + load.once for load, count in counts)
                options.append((work + kernel * preemptions, preemptions))
        return min(options)


@dataclass(frozen=True)
class Window:
    """A time until work is done: its length, and how often the work was preempted."""

    length: int
    preemptions: int


def window(
    work: Callable[[int], int],
    others: Sequence[Interference],
    kernel: int = 0,
    instants: int = 1,
    longest: int | None = None,
) -> Window | None:
    """The least ``w`` with ``w = work(w) + `` what the others take in it; None if there is none, or none up to
    ``longest``.

    ``work`` does not fall. ``kernel``: the kernel's time at each preemption, if the work itself does not include it.
    """
    if is_overloaded(others):
        return None
    # Others take their rates at least, so that no shorter window can close.
    idle = 1.0 - math.fsum(float(other.rate or 0) for other in others)
    length = max(work(0), int(work(0) / idle * (1 - 1e-9)) if idle > 1e-6 else 0)
    for _ in range(STEPS):
        taken = [other.taken(length, instants, kernel) for other in others]
        following = work(length) + sum(time for time, _ in taken)
        if following <= length:
            return Window(length, sum(count for _, count in taken))
        length = following
        if longest is not None and length > longest:
            return None
    return None


def is_overloaded(others: Sequence[Interference]) -> bool:
    """Whether others may take all of the time."""
    rates = [other.rate for other in others]
    return any(rate is None for rate in rates) or sum(filter(None, rates)) >= 1


def latency(work: int, others: Sequence[Interference], kernel: int = 0) -> int | None:
    """The longest time until something runs that others come before: releases at its very end count too."""
    found = window(lambda length: work, [_and_at_the_end(other) for other in others], kernel)
    return None if found is None else found.length


def _and_at_the_end(other: Interference) -> Interference:
    def later(load: Load) -> Load:
        return Load(load.amount, load.every, load.jitter + 1, load.activations, load.once)

    jobs = None if other.jobs is None else tuple(later(load) for load in other.jobs)
    return Interference(other.name, None if other.budget is None else later(other.budget), jobs)


@dataclass(frozen=True)
class Server:
    """A scheduling context: ``reserve`` at the end of a budget is kept for the kernel. ``sporadic``: used time counts
    from when the thread woke. Budget and period alike: it may run whenever it is its turn.
    """

    budget: int
    period: int
    reserve: int = 0
    sporadic: bool = False

    @property
    def is_unlimited(self) -> bool:
        return self.budget >= self.period

    @property
    def usable(self) -> int:
        return self.budget - self.reserve


@dataclass(frozen=True)
class Stream:
    """Jobs of one component that come at least ``every`` apart. ``waits``: how often a job waits for an answer of
    somebody who runs on time of his own, ``waiting`` in all.
    """

    work: int
    every: int
    waits: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Response:
    """The longest time from release to end, and how often the component stalls for budget meanwhile."""

    time: int
    stalls: int


def respond(
    server: Server, streams: Sequence[Stream], others: Sequence[Interference], kernel: int = 0, late: int = 0
) -> Response | None:
    """The longest response of a component whose jobs are ``streams``; None if there is no bound.

    ``late``: for how long the kernel may keep it from starting.
    """
    if len(streams) == 1:
        found = _undisturbed(server, streams[0], others, kernel, late)
        if found is not None:
            return found
        whole = _stalling(server, streams, others, kernel, late, 1)
        # With a whole period of rest between jobs the budget is whole when the next one comes.
        if whole is not None and whole.time + server.period <= streams[0].every:
            return whole
    return _stalling(server, streams, others, kernel, late, 0)


def _stalling(
    server: Server, streams: Sequence[Stream], others: Sequence[Interference], kernel: int, late: int, ready: int
) -> Response | None:
    """The response with a stall for each budget that is needed, but for those that are ``ready`` at the release."""
    stalls = 0
    while True:
        busy = _busy(server, streams, others, kernel, late, stalls)
        if busy is None:
            return None
        length, budgets = busy
        if max(0, budgets - ready) <= stalls:
            return Response(length, stalls)
        stalls = budgets - ready


def _undisturbed(
    server: Server, job: Stream, others: Sequence[Interference], kernel: int, late: int
) -> Response | None:
    """The response if each job is over before the next, and finds budget for all of it; None if that is not sure."""
    found = window(lambda length: job.work + late, others, kernel, 1 + job.waits)
    if found is None:
        return None
    time = found.length + job.waiting
    need = job.work + kernel * found.preemptions
    if time > job.every:
        return None
    if server.is_unlimited:
        return Response(time, 0)
    if need > server.usable:
        return None
    gap = job.every - server.period
    if server.sporadic:
        is_sure = gap >= 0
    else:
        # What a job uses is back a period after it was used, less its own length: before the next job, or else so much
        # of the budget is left that the next one has enough.
        is_sure = time - need <= gap or time - gap <= server.usable - need
    return Response(time, 0) if is_sure else None


def _busy(
    server: Server, streams: Sequence[Stream], others: Sequence[Interference], kernel: int, late: int, stalls: int
) -> tuple[int, int] | None:
    """The longest time in which the component always has something to do, and the budgets that its work needs then."""
    if not server.is_unlimited and server.usable <= 0:
        return None
    longest = LONGEST * max(server.period, *(stream.every for stream in streams))
    waits = sum(stream.waits for stream in streams)

    def arrived(length: int) -> int:
        return sum(max(1, -(-length // s.every)) * s.work for s in streams)

    def waited(length: int) -> int:
        return sum(max(1, -(-length // s.every)) * s.waiting for s in streams)

    def work(length: int) -> int:
        return arrived(length) + waited(length) + stalls * server.period + late

    found = window(work, others, kernel, 1 + stalls + waits, longest)
    if found is None:
        return None
    need = arrived(found.length) + kernel * found.preemptions
    return found.length, 0 if server.is_unlimited else -(-need // server.usable)

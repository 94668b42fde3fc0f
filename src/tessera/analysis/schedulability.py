# SPDX-License-Identifier: BSD-2-Clause
"""Whether a system is in time: the longest responses and interrupt latencies of all components, with their reasons.

A component with lines in the file of needs is judged by its jobs. Of one without, nothing is known but its budget: it
may use all of that, and it is judged by whether it gets its whole budget within a period, if it finds it whole. A
budget that is all of the period promises nothing, and bounds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from tessera.analysis.model import Model, Part
from tessera.analysis.response import Interference, Load, Response, Stream, latency, respond, window
from tessera.analysis.timing_file import Need
from tessera.lang.diagnostics import Location

COMES_BACK = (
    "what it used comes back together, a period after it was last preempted or woken: a budget of twice its work, or "
    "as long as its period, avoids this"
)


@dataclass(frozen=True)
class Promise:
    """A deadline, and the longest response. ``response`` is None where there is no bound; ``reasons`` say why then, and
    on what it relies otherwise. ``what`` is "job", "interrupt" or "budget". Times in nanoseconds.
    """

    component: str
    what: str
    response: int | None
    deadline: int
    location: Location
    stalls: int = 0
    irq: int | None = None
    reasons: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.response is not None and self.response <= self.deadline

    @property
    def slack(self) -> int | None:
        return None if self.response is None else self.deadline - self.response

    @property
    def label(self) -> str:
        return (
            f"interrupt {self.irq} of '{self.component}'"
            if self.irq is not None
            else f"{self.what} of '{self.component}'"
        )


@dataclass(frozen=True)
class Latency:
    """From an interrupt to the first instruction of its handler. None: no bound, for ``reason``."""

    component: str
    irq: int
    time: int | None
    location: Location
    reason: str = ""


@dataclass(frozen=True)
class Schedule:
    """All answers. ``silent``: components of which nothing is promised, with the reason."""

    promises: tuple[Promise, ...]
    latencies: tuple[Latency, ...]
    silent: dict[str, str]

    @property
    def holds(self) -> bool:
        return all(promise.holds for promise in self.promises)


def analyse(model: Model, *, until_missed: bool = False) -> Schedule:
    """All responses and latencies of a model; or none behind the first deadline that may be missed."""
    # Nobody's budget is expected to end before its job, until that turns out to be possible. If it is not possible for
    # anybody under this expectation, it never happens: the first one to whom it did would contradict it.
    sure = frozenset(part.name for part in model.parts if part.jobs)
    while True:
        found = _Round(model, sure).run(until_missed)
        unsure = {promise.component for promise in found.promises if promise.stalls or not promise.holds}
        if not unsure & sure or (until_missed and not found.holds):
            return found
        sure -= unsure


@dataclass(frozen=True)
class _Cost:
    """Of calls: time on the caller's budget, and waiting for who runs on time of his own, with the reasons."""

    work: int = 0
    waits: int = 0
    waiting: int | None = 0
    kernel_entries: int = 0
    reason: str = ""


class _Round:
    """``sure``: components whose budget is known not to end before their job does."""

    def __init__(self, model: Model, sure: frozenset[str]) -> None:
        self.model = model
        self.kernel = model.kernel
        self.sure = sure
        self.responses: dict[str, dict[int | None, Response | None]] = {}
        self.known: dict[tuple[str, int, int | None, str | None], Interference] = {}

    def run(self, until_missed: bool) -> Schedule:
        promises: list[Promise] = []
        latencies: list[Latency] = []
        silent: dict[str, str] = {}
        for part in sorted(self.model.parts, key=lambda part: -part.priority):
            if part.jobs:
                promises += self.of_jobs(part)
            elif part.passive:
                silent[part.name] = "runs on the time of its callers"
            elif part.procedure is not None:
                silent[part.name] = "answers calls, on its own budget"
            elif part.is_unlimited:
                silent[part.name] = "its budget is all of its period, and nothing says what it needs"
            else:
                promises.append(self.of_budget(part))
            if until_missed and promises and not promises[-1].holds:
                break
            latencies += self.latencies_of(part)
        return Schedule(tuple(promises), tuple(latencies), silent)

    # What others take

    def others(self, part: Part) -> list[Interference]:
        """Every other component that may run at this one's priority or above."""
        return [
            self.interference(other, part)
            for other in self.model.parts
            if other.name != part.name and other.ceiling >= part.priority and other.runs_alone
        ]

    def interference(self, other: Part, part: Part) -> Interference:
        """What ``other`` takes from ``part``. But for calls that ``part`` makes itself, only their order counts."""
        order = (other.priority > part.priority) - (other.priority < part.priority)
        below = part.priority if order < 0 else None
        key = other.name, order, below, part.name if other.procedure is not None else None
        if key not in self.known:
            self.known[key] = self.new_interference(other, part)
        return self.known[key]

    def new_interference(self, other: Part, part: Part) -> Interference:
        # Refills may be used a little early, by what the kernel reserves for itself; and a budget may be overrun by as
        # much, if its end falls into the kernel.
        is_raised = other.priority < part.priority
        budget = None
        if not other.is_unlimited:
            jitter = self.kernel + (other.period - other.budget if is_raised else 0)
            often = sum(-(-other.period // need.every) for need in other.jobs) or 1
            budget = Load(other.budget, other.period, jitter, often, self.kernel)
        jobs = None
        requests = self.requests(other)
        if requests is not None and (other.jobs or other.procedure is not None):
            own = [self.load(other, need, part) for need in other.jobs]
            # What it does for this one counts as this one's waiting.
            asked = [(need, stream) for need, stream in requests if need.component != part.name]
            jobs = (*own, *(Load(stream.work, stream.every, need.deadline) for need, stream in asked))
        return Interference(other.name, budget, jobs)

    def requests(self, server: Part) -> list[tuple[Need, Stream]] | None:
        """What a component does on its own budget because it is called, with the jobs that call it; None: nobody
        knows, for a caller does not say how often.
        """
        if server.passive:
            return []
        counts = self.counts(server.name)
        if counts is None or (counts and server.procedure is None):
            return None
        found = []
        for need, count in counts:
            assert server.procedure is not None
            inner = self.calls(server.procedure)
            work = count * (server.procedure.wcet + inner.work + self.kernel * (2 + inner.kernel_entries))
            waiting = need.every * 1000 if inner.waiting is None else inner.waiting
            found.append((need, Stream(work, need.every, count * inner.waits, count * waiting)))
        return found

    def counts(self, server: str) -> list[tuple[Need, int]] | None:
        """How often each job calls a component, directly or through the procedures of others."""
        found = []
        for caller in self.model.callers(server):
            if not caller.jobs and caller.procedure is None:
                return None
            for need in caller.jobs:
                found.append((need, sum(call.count for call in need.calls if call.server == server)))
            through = [call for call in caller.procedure.calls if call.server == server] if caller.procedure else []
            if through:
                above = self.counts(caller.name)
                if above is None:
                    return None
                found += [(need, count * sum(call.count for call in through)) for need, count in above]
        return [(need, count) for need, count in found if count]

    def load(self, other: Part, need: Need, part: Part) -> Load:
        """A job as ``part`` sees it. Where it may wait in between, its end may come as late as its deadline allows. Of
        one with a lower priority only its calls count, in which it comes before.
        """
        if other.priority < part.priority:
            work, entries = self.called_above(need, part.priority)
            work += self.kernel * entries
            return Load(work, need.every, max(0, need.deadline - work) + self.kernel, max(1, entries))
        cost = self.calls(need)
        work = need.wcet + cost.work + self.kernel * (1 + cost.kernel_entries)
        is_known = other.priority > part.priority
        response = self.responses.get(other.name, {}).get(need.irq) if is_known else None
        is_straight = response is not None and response.stalls == 0 and cost.waits == 0
        late = 0 if is_straight else max(0, need.deadline - work)
        return Load(work, need.every, late + self.kernel)

    def called_above(self, need: Need, priority: int) -> tuple[int, int]:
        """The time of a job in passive components of at least this priority, and its entries into the kernel for it."""
        work, entries = 0, 0
        for call in need.calls:
            server = self.model.part(call.server)
            if not server.passive or server.procedure is None:
                continue
            inner_work, inner_entries = self.called_above(server.procedure, priority)
            own = server.procedure.wcet if server.priority >= priority else 0
            work += call.count * (own + inner_work)
            entries += call.count * (2 * (server.priority >= priority) + inner_entries)
        return work, entries

    # Calls

    def calls(self, need: Need) -> _Cost:
        """What the calls of a job cost, with those that the servers make in turn."""
        total = _Cost()
        for call in need.calls:
            one = self.call(need.component, call.server)
            waiting = None if total.waiting is None or one.waiting is None else total.waiting + call.count * one.waiting
            total = _Cost(
                total.work + call.count * one.work,
                total.waits + call.count * one.waits,
                waiting,
                total.kernel_entries + call.count * one.kernel_entries,
                total.reason or one.reason,
            )
        return total

    def call(self, caller: str, name: str) -> _Cost:
        server = self.model.part(name)
        procedure = server.procedure
        assert procedure is not None  # the file of needs was checked
        inner = self.calls(procedure)
        if not server.passive:
            waiting = self.answer_time(server)
            reason = "" if waiting is not None else f"there is no bound for an answer of '{name}' on its own budget"
            return _Cost(0, 1 + inner.waits, waiting, 2, reason)
        held = self.held_by_others(caller, server, procedure.wcet + inner.work)
        if held is None:
            return _Cost(0, 0, None, 0, f"callers of '{name}' above it may hold it in turns when their budgets end")
        waiting = None if inner.waiting is None else inner.waiting + held
        return _Cost(
            procedure.wcet + inner.work, inner.waits + (held > 0), waiting, 2 + inner.kernel_entries, inner.reason
        )

    def held_by_others(self, caller: str, server: Part, work: int) -> int | None:
        """How long a passive server may be kept by other callers whose budget ends in the middle of a call. Of those
        below the caller only one can be in the server. One above comes first, and once: when it is answered, who waits
        is next. Two above could take turns for ever; None.
        """
        mine = self.model.part(caller)
        above: list[int] = []
        below = [0]
        for other in self.model.callers(server.name):
            if other.name == caller:
                continue
            usable = other.server(self.kernel).usable
            stuck = 0
            if not other.is_unlimited and other.name not in self.sure:
                stuck = other.period * -(-work // usable) if usable > 0 else other.period
            (above if other.priority >= mine.priority else below).append(stuck)
        if len(above) > 1 and any(above):
            return None
        return sum(above) + max(below)

    def answer_time(self, server: Part) -> int | None:
        """The longest time until a component that runs on its own budget has answered, whatever else it has to do."""
        requests = self.requests(server)
        if requests is None:
            return None
        streams = [*(self.stream(need) for need in server.jobs), *(stream for _, stream in requests)]
        found = respond(server.server(self.kernel), streams, self.others(server), self.kernel, self.kernel)
        return None if found is None else found.time

    def stream(self, need: Need) -> Stream:
        cost = self.calls(need)
        work = need.wcet + cost.work + self.kernel * (1 + cost.kernel_entries)
        return Stream(work, need.every, cost.waits, cost.waiting or 0)

    # Answers

    def of_jobs(self, part: Part) -> list[Promise]:
        others = self.others(part)
        streams = [self.stream(need) for need in part.jobs]
        endless = [cost.reason for cost in map(self.calls, part.jobs) if cost.waiting is None]
        found = None
        if not endless:
            found = respond(part.server(self.kernel), streams, others, self.kernel, self.kernel)
        promises = []
        for need in part.jobs:
            self.responses.setdefault(part.name, {})[need.irq] = found
            reasons = tuple(endless) or self.reasons(part, others, found)
            promises.append(
                Promise(
                    component=part.name,
                    what="interrupt" if need.irq is not None else "job",
                    response=None if found is None else found.time,
                    deadline=need.deadline,
                    location=need.location,
                    stalls=0 if found is None else found.stalls,
                    irq=need.irq,
                    reasons=reasons,
                )
            )
        return promises

    def reasons(self, part: Part, others: list[Interference], found: Response | None) -> tuple[str, ...]:
        if found is not None and found.stalls == 0:
            return ()
        if found is not None:
            times = "once" if found.stalls == 1 else f"{found.stalls} times"
            return (f"its budget may end {times} before its work does; {COMES_BACK}",)
        unlimited = [other.name for other in others if other.rate is None]
        if unlimited:
            names = ", ".join(f"'{name}'" for name in unlimited)
            return (f"at its priority or above {names} may run all the time: the budget is all of the period",)
        rates = sum(float(other.rate or 0) for other in others)
        if rates >= 1:
            return (f"priorities from its own on may take {rates:.0%} of the time",)
        if sum(need.wcet / need.every for need in part.jobs) < part.budget / part.period:
            return (f"its budget may end again and again before its work does; {COMES_BACK}",)
        return ("its work can pile up: it needs more than its budget",)

    def of_budget(self, part: Part) -> Promise:
        others = self.others(part)
        # The budget includes what the kernel does for the component, so that preemptions add nothing.
        found = window(lambda length: part.budget + self.kernel, others)
        response = None if found is None else Response(found.length, 0)
        return Promise(
            component=part.name,
            what="budget",
            response=None if found is None else found.length,
            deadline=part.period,
            location=part.location,
            reasons=self.reasons(part, others, response),
        )

    def latencies_of(self, part: Part) -> list[Latency]:
        found = []
        others = self.others(part)
        for irq, location in part.interrupts:
            need = next((need for need in part.jobs if need.irq == irq), None)
            response = self.responses.get(part.name, {}).get(irq)
            straight = latency(2 * self.kernel, others)
            if straight is None:
                reason = self.reasons(part, others, None)[0]
                found.append(Latency(part.name, irq, None, location, reason))
            elif need is None:
                reason = "while it waits for it, with budget left"
                found.append(Latency(part.name, irq, straight, location, "" if part.is_unlimited else reason))
            elif response is None:
                found.append(Latency(part.name, irq, None, location, "there is no bound for its response"))
            elif response.stalls == 0 and len(part.jobs) == 1:
                found.append(Latency(part.name, irq, straight, location))
            else:
                found.append(Latency(part.name, irq, max(straight, response.time - need.wcet), location))
        return found

# SPDX-License-Identifier: BSD-2-Clause
"""The portfolio: queries go to solvers in worker processes, and answers are kept by content.

An answer is a property of the query and the limits alone. Each query goes through the strategies of its kind in their
fixed order until one is definite, whatever the other workers do meanwhile.
"""

from __future__ import annotations

import os
import re
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Literal

from tessera.smt.cache import Cache, Entry, key_of
from tessera.smt.worker import STRATEGIES, STRATEGIES_VERSION, Reply, Strategy, versions
from tessera.smt.workers import Process, Start

Kind = Literal["quantified", "brief", "hinted", "quick", "long", "bits", "ground"]
Status = Literal["proved", "refuted", "unknown"]

# What a solver may take beyond its own wall limit, and a worker to start, before it is killed (seconds).
GRACE = 10.0
# Reasons that do not depend on the machine: such an "unknown" is as repeatable as a proof.
_REPEATABLE = "step limit"
_ENDS = ("wall limit", "memory limit", "crash")


@dataclass(frozen=True)
class Query:
    """SMT-LIB 2.6 declarations and assertions, without ``set-logic`` and ``check-sat``. Unsatisfiable means proved.

    ``quantified``: with quantifiers and triggers; ``brief``, ``quick``, ``long``: the same, searches of that length;
    ``hinted``: brief ones, then quick ones;
    ``bits``: QF_BV; ``ground``: integers and arrays, no quantifiers. ``shapes`` are short names of the assertions, in
    their order; an answer tells by them which were used.
    """

    name: str
    text: str
    kind: Kind
    shapes: tuple[str, ...] = ()


# How z3 names what it shares inside one assertion: by a counter of everything that the process ever built.
_SHARED = re.compile(r"(?<![^\s()])[?$]x\d+(?![^\s()])")


def canonical(text: str) -> str:
    """The text with z3's names of shared terms numbered from 0, so that it does not depend on what was built before."""
    names: dict[str, str] = {}
    return _SHARED.sub(lambda found: names.setdefault(found[0], f"{found[0][0]}x{len(names)}"), text)


@dataclass(frozen=True)
class Answer:
    """What came of a query. ``seconds`` is the solvers' time, also where the answer was kept from an earlier run.

    ``detail`` says, where nothing is proved, what each strategy said. ``core``: the shapes of the assertions that a
    proof used, where the solver tells.
    """

    name: str
    status: Status
    solver: str
    seconds: float
    cached: bool
    detail: str
    core: tuple[str, ...] = ()


class SolversDisagree(Exception):
    """One solver proved what another refuted: one of them, or the query's text, is wrong, and no answer can be used."""


@dataclass
class _Job:
    """A query on its way through its strategies; ``places`` are the numbers and names under which it was asked."""

    query: Query
    key: str
    places: list[tuple[int, str]]
    strategies: deque[Strategy] = field(init=False)
    seconds: float = 0.0
    said: list[str] = field(default_factory=list)
    saturated: set[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=set)
    first: tuple[str, str] | None = None  # the first definite outcome, and whose; kept while it is cross-checked
    asked: set[str] = field(default_factory=set)  # the solvers that have said something
    keep: bool = True
    used: list[int] = field(default_factory=list)  # the numbers of the assertions that a proof used

    def __post_init__(self) -> None:
        self.strategies = deque(STRATEGIES[self.query.kind])

    @property
    def core(self) -> tuple[str, ...]:
        """The shapes of the assertions that a proof used, where the query has shapes."""
        return tuple(self.query.shapes[number] for number in self.used) if self.query.shapes else ()


class _Batch:
    """One stream of queries: what is being asked, and what was answered, by key."""

    def __init__(self, source: Iterator[tuple[int, Query] | None], on_answer: Callable[[int, Answer], None]) -> None:
        self.source = source
        self.on_answer = on_answer
        self.open: dict[str, _Job] = {}
        self.answered: dict[str, Answer] = {}
        self.ended = False

    def done(self, job: _Job, status: Status, solver: str, detail: str, cached: bool = False) -> None:
        """Tell everybody who asked."""
        del self.open[job.key]
        for number, (place, name) in enumerate(job.places):
            seconds = 0.0 if number else round(job.seconds, 4)
            answer = Answer(name, status, solver, seconds, cached, detail, job.core)
            self.answered[job.key] = answer
            self.on_answer(place, answer)


class _Seat:
    """One worker, and the job that it has at present."""

    def __init__(self, selector: selectors.BaseSelector, start: Start) -> None:
        self.selector = selector
        self.start = start
        self.job: _Job | None = None
        self.strategy: Strategy | None = None
        self.deadline = 0.0
        self.worker = start()
        selector.register(self.worker, selectors.EVENT_READ, self)

    def send(self, job: _Job, strategy: Strategy, limit: float) -> None:
        """Hand over a job."""
        self.job, self.strategy = job, strategy
        self.deadline = time.monotonic() + strategy.wall * limit + GRACE
        self.worker.send({"kind": job.query.kind, "strategy": strategy.name, "text": job.query.text, "limit": limit})

    def replace(self) -> None:
        """A fresh worker in place of one that crashed or hangs; it takes over the job."""
        self.stop()
        self.worker = self.start()
        self.selector.register(self.worker, selectors.EVENT_READ, self)

    def stop(self) -> None:
        """End the worker, whatever it does."""
        self.selector.unregister(self.worker)
        self.worker.stop()


class Portfolio:
    """Worker processes and a cache, for as long as the ``with`` lasts.

    ``limit`` scales every solver's limits. ``cross_check`` asks two solvers about every query and raises
    :class:`SolversDisagree` if they contradict each other. ``start`` makes workers, of this machine or of others.
    """

    def __init__(
        self,
        workers: int | None = None,
        cache: Path | None = None,
        limit: float = 1.0,
        cross_check: bool = False,
        start: Start = Process,
    ) -> None:
        self.size = max(1, workers or os.cpu_count() or 1)
        self.cache = Cache(cache) if cache is not None else None
        self.limit = limit
        self.cross_check = cross_check
        self._selector = selectors.DefaultSelector()
        self._start = start
        self._seats: list[_Seat] = []
        self._versions = versions()

    def __enter__(self) -> Portfolio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for seat in self._seats:
            seat.stop()
        self._seats.clear()
        self._selector.close()

    def run(self, queries: Iterable[Query], on_answer: Callable[[Answer], None] | None = None) -> list[Answer]:
        """Answer all queries, in their order; ``on_answer`` hears of each as soon as it is known."""
        answers: dict[int, Answer] = {}

        def keep(place: int, answer: Answer) -> None:
            answers[place] = answer
            if on_answer is not None:
                on_answer(answer)

        self.stream(enumerate(queries), keep)
        return [answers[place] for place in sorted(answers)]

    def stream(
        self,
        source: Iterator[tuple[int, Query] | None],
        on_answer: Callable[[int, Answer], None],
        readable: Callable[[], Sequence[Connection]] = tuple,
    ) -> None:
        """Answer queries as they come; ``on_answer`` gets the number that came with the query.

        ``source`` gives ``None`` where the next query is not there yet; then one of the connections that ``readable``
        names tells when to ask again. A query is only taken when a worker is free for it.
        """
        batch = _Batch(source, on_answer)
        try:
            while not batch.ended or batch.open:
                self._take(batch)
                busy = [seat for seat in self._seats if seat.job]
                if busy or not batch.ended:
                    free = not batch.ended and len(busy) < self.size
                    self._step(batch, readable() if free else ())
        except BaseException:
            # The workers are in the middle of something: the next run gets new ones.
            for seat in self._seats:
                seat.stop()
            self._seats.clear()
            raise

    def _take(self, batch: _Batch) -> None:
        """Take queries until every worker has one or there is none."""
        while not batch.ended:
            idle = next((seat for seat in self._seats if not seat.job), None)
            if idle is None and len(self._seats) >= self.size:
                return
            try:
                item = next(batch.source)
            except StopIteration:
                batch.ended = True
                return
            if item is None:
                return
            job = self._job(batch, *item)
            if job is not None:
                if idle is None:
                    idle = _Seat(self._selector, self._start)
                    self._seats.append(idle)
                idle.send(job, job.strategies.popleft(), self.limit)

    def _job(self, batch: _Batch, place: int, given: Query) -> _Job | None:
        """What has to be asked: every text once, and only if no answer was kept."""
        query = replace(given, text=canonical(given.text))
        settings = f"{STRATEGIES_VERSION} {self._versions} {self.limit} {self.cross_check}"
        key = key_of(query.kind, settings, query.text)
        if key in batch.open:
            batch.open[key].places.append((place, given.name))
            return None
        if key in batch.answered:
            batch.on_answer(place, replace(batch.answered[key], name=given.name, seconds=0.0))
            return None
        job = batch.open[key] = _Job(query, key, [(place, given.name)])
        entry = self.cache.get(key) if self.cache else None
        kept = _status(entry.get("status")) if entry else None
        if entry is None or kept is None:
            return job
        job.seconds = float(entry.get("seconds", 0.0))
        job.used = [int(number) for number in str(entry.get("used", "")).split()]
        batch.done(job, kept, str(entry.get("solver", "")), str(entry.get("detail", "")), cached=True)
        return None

    def _step(self, batch: _Batch, also: Sequence[Connection]) -> None:
        """Wait until a worker replies or is late, or there is something to read."""
        deadlines = [seat.deadline for seat in self._seats if seat.job]
        wait = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        for connection in also:
            self._selector.register(connection, selectors.EVENT_READ, None)
        events = self._selector.select(wait)
        for connection in also:
            self._selector.unregister(connection)
        for event, _ in events:
            if event.data is not None:
                self._hear(event.data, batch)
        for seat in list(self._seats):
            if seat.job and time.monotonic() > seat.deadline:
                late: Reply = {"outcome": "unknown", "detail": "wall limit", "seconds": 0.0, "core": []}
                seat.replace()
                self._react(seat, late, batch)

    def _hear(self, seat: _Seat, batch: _Batch) -> None:
        reply = seat.worker.receive()
        if reply is not None:
            if reply["detail"] == "crash":
                seat.replace()
            self._react(seat, reply, batch)

    def _react(self, seat: _Seat, reply: Reply, batch: _Batch) -> None:
        job, strategy = seat.job, seat.strategy
        if job is None or strategy is None:
            return  # it died between two jobs
        following = self._judge(job, strategy, reply, batch)
        if following is None:
            seat.job = None
        else:
            seat.send(job, following, self.limit)

    def _judge(self, job: _Job, strategy: Strategy, reply: Reply, batch: _Batch) -> Strategy | None:
        """What a reply means: the strategy to try next, or ``None`` when the query has its answer."""
        job.seconds += reply["seconds"]
        job.asked.add(strategy.solver)
        outcome = reply["outcome"]
        if outcome == "error":
            # Other solvers might accept the text, but what they then prove is not what was meant.
            batch.done(job, "unknown", strategy.name, f"{strategy.name}: error: {reply['detail']}")
            return None
        if outcome in ("unsat", "sat"):
            if job.first is not None and job.first[0] != outcome:
                raise SolversDisagree(f"{job.query.name}: {job.first[1]} {job.first[0]}, {strategy.name} {outcome}")
            job.first = job.first or (outcome, strategy.name)
            job.used = job.used or reply["core"]
        else:
            job.said.append(f"{strategy.name}: {reply['detail']}")
            job.keep = job.keep and reply["detail"] not in _ENDS
            if reply["detail"] not in (_REPEATABLE, *_ENDS):
                job.saturated.add((strategy.solver, strategy.options))
        following = self._following(job)
        if following is None:
            self._finish(job, batch)
        return following

    def _following(self, job: _Job) -> Strategy | None:
        if job.first is not None:
            others = [each for each in STRATEGIES[job.query.kind] if each.solver not in job.asked]
            return others[0] if self.cross_check and len(job.asked) < 2 and others else None
        while job.strategies:
            following = job.strategies.popleft()
            # A solver that had nothing left to try says no more when it is given more time.
            if (following.solver, following.options) not in job.saturated:
                return following
        return None

    def _finish(self, job: _Job, batch: _Batch) -> None:
        detail = "; ".join(job.said)
        status: Status = "unknown"
        solver = ""
        if job.first is not None:
            status, solver = ("proved" if job.first[0] == "unsat" else "refuted"), job.first[1]
        if self.cache and (status != "unknown" or job.keep):
            entry: Entry = {"status": status, "solver": solver, "seconds": round(job.seconds, 4), "detail": detail}
            if job.used:
                entry["used"] = " ".join(map(str, job.used))
            self.cache.put(job.key, entry)
        batch.done(job, status, solver, detail)


def _status(value: object) -> Status | None:
    """A status read from a file, if it is one."""
    known: tuple[Status, ...] = ("proved", "refuted", "unknown")
    return next((status for status in known if status == value), None)

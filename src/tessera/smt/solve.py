# SPDX-License-Identifier: BSD-2-Clause
"""The portfolio: queries go to solvers in worker processes, and answers are kept by content.

An answer is a property of the query and the limits alone. Each query goes through the strategies of its kind in their
fixed order until one is definite, whatever the other workers do meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

from tessera.smt.cache import Cache, Entry, key_of
from tessera.smt.worker import STRATEGIES, STRATEGIES_VERSION, Reply, Strategy, versions

Kind = Literal["quantified", "bits", "ground"]
Status = Literal["proved", "refuted", "unknown"]

COMMAND = (sys.executable, "-m", "tessera.smt.worker")
# What a solver may take beyond its own wall limit, and a worker to start, before it is killed (seconds).
GRACE = 10.0
# Reasons that do not depend on the machine: such an "unknown" is as repeatable as a proof.
_REPEATABLE = "step limit"
_ENDS = ("wall limit", "memory limit", "crash")


@dataclass(frozen=True)
class Query:
    """SMT-LIB 2.6 declarations and assertions, without ``set-logic`` and ``check-sat``. Unsatisfiable means proved.

    ``quantified``: with quantifiers and triggers; ``bits``: QF_BV; ``ground``: integers and arrays, no quantifiers.
    """

    name: str
    text: str
    kind: Kind


# How z3 names what it shares inside one assertion: by a counter of everything that the process ever built.
_SHARED = re.compile(r"(?<![^\s()])[?$]x\d+(?![^\s()])")


def canonical(text: str) -> str:
    """The text with z3's names of shared terms numbered from 0, so that it does not depend on what was built before."""
    names: dict[str, str] = {}
    return _SHARED.sub(lambda found: names.setdefault(found[0], f"{found[0][0]}x{len(names)}"), text)


@dataclass(frozen=True)
class Answer:
    """What came of a query. ``seconds`` is the solvers' time, also where the answer was kept from an earlier run.

    ``detail`` says, where nothing is proved, what each strategy said.
    """

    name: str
    status: Status
    solver: str
    seconds: float
    cached: bool
    detail: str


class SolversDisagree(Exception):
    """One solver proved what another refuted: one of them, or the query's text, is wrong, and no answer can be used."""


@dataclass
class _Job:
    """A query on its way through its strategies; ``places`` are the positions in the list that ask the same."""

    query: Query
    key: str
    places: list[int]
    strategies: deque[Strategy]
    seconds: float = 0.0
    said: list[str] = field(default_factory=list)
    saturated: set[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=set)
    first: tuple[str, str] | None = None  # the first definite outcome, and whose; kept while it is cross-checked
    asked: set[str] = field(default_factory=set)  # the solvers that have said something
    keep: bool = True


class _Worker:
    """One process, and the job that it has at present."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.selector = selector
        self.job: _Job | None = None
        self.strategy: Strategy | None = None
        self.deadline = 0.0
        self.received = b""
        places = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            # Control-C goes to the process at the terminal, which then stops its workers.
            start_new_session=True,
        )
        selector.register(self._pipe(self.process.stdout), selectors.EVENT_READ, self)

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # both ends were asked for
        return pipe

    def send(self, job: _Job, strategy: Strategy, limit: float) -> None:
        """Hand over a job; a worker that is dead already is noticed when its output ends."""
        self.job, self.strategy = job, strategy
        self.deadline = time.monotonic() + strategy.wall * limit + GRACE
        request = {"kind": job.query.kind, "strategy": strategy.name, "text": job.query.text, "limit": limit}
        pipe = self._pipe(self.process.stdin)
        with contextlib.suppress(BrokenPipeError):
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()

    def receive(self) -> Reply | None:
        """A whole reply if it has arrived; a crash is a reply too."""
        data = os.read(self._pipe(self.process.stdout).fileno(), 1 << 16)
        self.received += data
        if not data:
            return {"outcome": "unknown", "detail": "crash", "seconds": 0.0}
        if not self.received.endswith(b"\n"):
            return None
        reply: Reply = json.loads(self.received)
        self.received = b""
        return reply

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.selector.unregister(self._pipe(self.process.stdout))
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                self._pipe(pipe).close()
        self.process.wait()


class Portfolio:
    """Worker processes and a cache, for as long as the ``with`` lasts.

    ``limit`` scales every solver's limits. ``cross_check`` asks two solvers about every query and raises
    :class:`SolversDisagree` if they contradict each other.
    """

    def __init__(
        self, workers: int | None = None, cache: Path | None = None, limit: float = 1.0, cross_check: bool = False
    ) -> None:
        self.size = max(1, workers or os.cpu_count() or 1)
        self.cache = Cache(cache) if cache is not None else None
        self.limit = limit
        self.cross_check = cross_check
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._versions = versions()

    def __enter__(self) -> Portfolio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()
        self._selector.close()

    def run(self, queries: Iterable[Query], on_answer: Callable[[Answer], None] | None = None) -> list[Answer]:
        """Answer all queries, in their order; ``on_answer`` hears of each as soon as it is known."""
        listed = list(queries)
        answers: dict[int, Answer] = {}

        def done(job: _Job, status: Status, solver: str, detail: str, cached: bool = False) -> None:
            for place in job.places:
                answers[place] = Answer(listed[place].name, status, solver, round(job.seconds, 4), cached, detail)
                if on_answer is not None:
                    on_answer(answers[place])

        waiting = deque(self._jobs(listed, done))
        self._hire(min(self.size, len(waiting)))
        for worker in self._workers:
            self._feed(worker, waiting)
        try:
            while any(worker.job for worker in self._workers):
                self._step(waiting, done)
        except BaseException:
            # The workers are in the middle of something: the next run gets new ones.
            for worker in self._workers:
                worker.stop()
            self._workers.clear()
            raise
        return [answers[place] for place in range(len(listed))]

    def _jobs(self, listed: Sequence[Query], done: Callable[..., None]) -> list[_Job]:
        """What has to be asked: every text once, and only if no answer was kept."""
        jobs: dict[str, _Job] = {}
        settings = f"{STRATEGIES_VERSION} {self._versions} {self.limit} {self.cross_check}"
        for place, given in enumerate(listed):
            query = replace(given, text=canonical(given.text))
            key = key_of(query.kind, settings, query.text)
            if key in jobs:
                jobs[key].places.append(place)
            else:
                jobs[key] = _Job(query, key, [place], deque(STRATEGIES[query.kind]))
        asked = []
        for job in jobs.values():
            entry = self.cache.get(job.key) if self.cache else None
            kept = _status(entry.get("status")) if entry else None
            if entry is None or kept is None:
                asked.append(job)
            else:
                job.seconds = float(entry.get("seconds", 0.0))
                done(job, kept, str(entry.get("solver", "")), str(entry.get("detail", "")), cached=True)
        return asked

    def _hire(self, number: int) -> None:
        while len(self._workers) < number:
            self._workers.append(_Worker(self._selector))

    def _feed(self, worker: _Worker, waiting: deque[_Job]) -> None:
        worker.job = None
        if waiting:
            job = waiting.popleft()
            worker.send(job, job.strategies.popleft(), self.limit)

    def _step(self, waiting: deque[_Job], done: Callable[..., None]) -> None:
        """Wait until a worker replies or is late, and give it its next task."""
        deadline = min(worker.deadline for worker in self._workers if worker.job)
        for event, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
            self._hear(event.data, waiting, done)
        for worker in list(self._workers):
            if worker.job and time.monotonic() > worker.deadline:
                late: Reply = {"outcome": "unknown", "detail": "wall limit", "seconds": 0.0}
                self._react(self._replace(worker), late, waiting, done)

    def _hear(self, worker: _Worker, waiting: deque[_Job], done: Callable[..., None]) -> None:
        reply = worker.receive()
        if reply is not None:
            self._react(self._replace(worker) if reply["detail"] == "crash" else worker, reply, waiting, done)

    def _replace(self, worker: _Worker) -> _Worker:
        """A fresh process in place of one that crashed or hangs; it takes over the job."""
        worker.stop()
        fresh = _Worker(self._selector)
        fresh.job, fresh.strategy = worker.job, worker.strategy
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def _react(self, worker: _Worker, reply: Reply, waiting: deque[_Job], done: Callable[..., None]) -> None:
        job, strategy = worker.job, worker.strategy
        if job is None or strategy is None:
            return  # it died between two jobs
        following = self._judge(job, strategy, reply, done)
        if following is None:
            self._feed(worker, waiting)
        else:
            worker.send(job, following, self.limit)

    def _judge(self, job: _Job, strategy: Strategy, reply: Reply, done: Callable[..., None]) -> Strategy | None:
        """What a reply means: the strategy to try next, or ``None`` when the query has its answer."""
        job.seconds += reply["seconds"]
        job.asked.add(strategy.solver)
        outcome = reply["outcome"]
        if outcome == "error":
            # Other solvers might accept the text, but what they then prove is not what was meant.
            done(job, "unknown", strategy.name, f"{strategy.name}: error: {reply['detail']}")
            return None
        if outcome in ("unsat", "sat"):
            if job.first is not None and job.first[0] != outcome:
                raise SolversDisagree(f"{job.query.name}: {job.first[1]} {job.first[0]}, {strategy.name} {outcome}")
            job.first = job.first or (outcome, strategy.name)
        else:
            job.said.append(f"{strategy.name}: {reply['detail']}")
            job.keep = job.keep and reply["detail"] not in _ENDS
            if reply["detail"] not in (_REPEATABLE, *_ENDS):
                job.saturated.add((strategy.solver, strategy.options))
        following = self._following(job)
        if following is None:
            self._finish(job, done)
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

    def _finish(self, job: _Job, done: Callable[..., None]) -> None:
        detail = "; ".join(job.said)
        status: Status = "unknown"
        solver = ""
        if job.first is not None:
            status, solver = ("proved" if job.first[0] == "unsat" else "refuted"), job.first[1]
        if self.cache and (status != "unknown" or job.keep):
            entry: Entry = {"status": status, "solver": solver, "seconds": round(job.seconds, 4), "detail": detail}
            self.cache.put(job.key, entry)
        done(job, status, solver, detail)


def _status(value: object) -> Status | None:
    """A status read from a file, if it is one."""
    known: tuple[Status, ...] = ("proved", "refuted", "unknown")
    return next((status for status in known if status == value), None)

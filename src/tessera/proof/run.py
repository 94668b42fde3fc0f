# SPDX-License-Identifier: BSD-2-Clause
"""Proving: functions are read by some processes, solvers answer in others, and what is known already is not asked.

What the last proof used is tried first (:mod:`hints`). What is not proved in one round is asked again with more
hypotheses, then with more time (:mod:`slices`).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from tessera.proof.claims import Claim, FunctionReport, Report, Result, relative, short
from tessera.proof.fingerprints import Fingerprints
from tessera.proof.hints import HINTED, SAME, Hints, known_hints
from tessera.proof.invariants import proof_invariants
from tessera.proof.kernel import kernel_world
from tessera.proof.laws import GROUPS, MAKERS
from tessera.proof.readers import Ended, Found, More, Readers, Task, warm
from tessera.proof.slices import ROUNDS
from tessera.smt.cache import Cache
from tessera.smt.cluster import Cluster
from tessera.smt.session import World
from tessera.smt.solve import Answer, Portfolio, Query
from tessera.smt.workers import Process


@dataclass(frozen=True)
class Progress:
    """How far a run is. ``found`` counts the obligations that were read up to now."""

    functions: int
    functions_done: int
    found: int
    answered: int
    at: str = ""


OnProgress = Callable[[Progress], None]


@dataclass
class _Open:
    """A task on its way: what was found in it, the answers so far, and which are still to come."""

    report: FunctionReport
    hints: Hints
    claims: dict[int, Claim] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    awaited: set[int] = field(default_factory=set)
    keys: dict[int, str] = field(default_factory=dict)
    same: set[int] = field(default_factory=set)
    reading: bool = True
    round: int = 0


def default_cache() -> Path:
    """Where answers are kept: a folder of the user, so that all checkouts share them."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tessera" / "proofs"


def the_kernel() -> World:
    """The kernel with all invariants that proofs use. Raises Diagnostics where its source has mistakes."""
    return kernel_world(proof_invariants(), set())


def prove(
    targets: Sequence[str],
    *,
    world: World | None = None,
    workers: int | None = None,
    cache: Path | None = None,
    limit: float = 1.0,
    cross_check: bool = False,
    hinted: bool = True,
    with_laws: bool = True,
    cluster: str | None = None,
    on_progress: OnProgress | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Prove functions of a program (of the kernel where ``world`` is not given), and the laws that proofs rest on.

    ``targets`` are full names. ``cache``: the folder where answers are kept; without it everything is asked anew.
    ``limit`` scales the limits of solvers; ``cross_check`` asks a second solver about each query and raises
    :class:`SolversDisagree` if it says the contrary. ``cluster``: where a Ray cluster is whose machines run solvers;
    raises Diagnostic where it does not answer. ``hinted``: what earlier proofs used is tried first. ``on_result`` hears
    of each obligation when its answer is final.
    """
    start = time.monotonic()
    here = os.cpu_count() or 1
    elsewhere = Cluster(cluster) if cluster else None
    program = _Run(world or the_kernel(), cache, limit, cross_check, hinted, on_progress, on_result)
    program.begin(list(dict.fromkeys(targets)), GROUPS if with_laws else ())
    if program.tasks:
        warm(program.world)
        # Readers are copies of this process: they are made before anything starts other processes or threads.
        # More than are needed to read: some wait for answers about what they have read.
        number = min((here if elsewhere else workers or here) + 2, len(program.tasks))
        with Readers(program.world, number) as readers, elsewhere or contextlib.nullcontext():
            size, begin = (workers or elsewhere.size, elsewhere.start()) if elsewhere else (workers or here, Process)
            with Portfolio(size, cache, limit, cross_check, begin) as portfolio:
                program.run(readers, portfolio)
    report = program.report(targets)
    report.seconds = time.monotonic() - start
    return report


class _Run:
    def __init__(
        self,
        world: World,
        cache: Path | None,
        limit: float,
        cross_check: bool,
        hinted: bool,
        on_progress: OnProgress | None,
        on_result: Callable[[Result], None] | None,
    ) -> None:
        self.world = world
        self.cache = Cache(cache) if cache is not None else None
        self.prints = Fingerprints(world, f"{limit} {cross_check}") if cache is not None else None
        self.on_progress = on_progress or (lambda _: None)
        self.on_result = on_result or (lambda _: None)
        self.tasks: list[Task] = []
        self.open: dict[str, _Open] = {}
        self.ended: dict[str, FunctionReport] = {}
        self.laws: Sequence[str] = ()
        self.hinted = hinted
        self.hints: dict[str, Hints] = {}
        # By the number under which the portfolio knows a query: the task and the number of the obligation in it.
        self.asked: list[tuple[str, int]] = []

    # Before anything is read

    def begin(self, targets: Sequence[str], laws: Sequence[str]) -> None:
        """Decide what has to be read: the largest functions first, so that no long one is left for the end."""
        self.laws = laws
        sizes = {name: len(self.world.program.functions[name].body) for name in targets}
        for name in sorted(targets, key=lambda one: -self._weight(one, sizes)):
            self._begin(Task(name))
        for name in laws:
            self._begin(Task(name, MAKERS[name]))

    def _weight(self, name: str, sizes: dict[str, int]) -> float:
        """How long a function took last time; where that is not known, its length."""
        entry = self.cache.get(f"weight-{name}") if self.cache else None
        return float(entry["seconds"]) if entry else sizes[name] / 1000

    def _begin(self, task: Task) -> None:
        kept = self._kept(task.name)
        if kept is not None:
            self.ended[task.name] = kept
            for one in kept.results:
                self.on_result(one)
        else:
            hints = known_hints(self.cache, task.name) if self.hinted and task.make is None else None
            self.tasks.append(replace(task, hints=hints))
            begun = self.open[task.name] = _Open(FunctionReport(task.name), hints or Hints())
            begun.round = SAME if hints else 0

    def _key(self, name: str) -> str:
        assert self.prints is not None  # only asked for with a cache
        return self.prints.of_laws(name) if name in MAKERS else self.prints.of(name)

    def _kept(self, name: str) -> FunctionReport | None:
        """A function that was proved before, and nothing that it depends on has changed."""
        entry = self.cache.get(self._key(name)) if self.cache else None
        if entry is None:
            return None
        try:
            told = json.loads(str(entry["proof"]))
            report = FunctionReport(name, [], 0.0, tuple(told["relies_on"]), tuple(told["inlined"]), kept=True)
            for claim, solver, seconds in told["results"]:
                answer = Answer("", "proved", solver, float(seconds), True, "")
                report.results.append(self._result(name, Claim(*claim), answer))
        except (KeyError, TypeError, ValueError):
            return None  # written by another version
        return report

    def _keep(self, name: str, one: _Open) -> None:
        """Remember a function that is proved. What is not proved is read again: somebody will want to see it."""
        if self.cache is None or not one.report.proved:
            return
        results = []
        for number in sorted(one.claims):
            claim, answer = one.claims[number], one.answers[number]
            results.append([astuple(claim), answer.solver, answer.seconds])
        told = {"relies_on": one.report.relies_on, "inlined": one.report.inlined, "results": results}
        self.cache.put(self._key(name), {"proof": json.dumps(told)})
        self.cache.put(f"weight-{name}", {"seconds": one.report.seconds + one.report.solver_seconds})

    # While it runs

    def run(self, readers: Readers, portfolio: Portfolio) -> None:
        """Read and ask until nothing is left; answers may bring new tasks."""
        readers.add(self.tasks)
        while self.open:
            portfolio.stream(self._source(readers), self._answer, readers.connections)

    def _source(self, readers: Readers) -> Iterator[tuple[int, Query] | None]:
        self.readers = readers
        for message in readers.messages():
            if isinstance(message, Found):
                one = self.open[message.task]
                one.claims[message.number], one.keys[message.number] = message.claim, message.key
                one.awaited.add(message.number)
                (one.same.add if message.same else one.same.discard)(message.number)
                self.asked.append((message.task, message.number))
                yield len(self.asked) - 1, message.query
            elif isinstance(message, Ended):
                self._read(message)
            else:
                yield None

    def _read(self, message: Ended) -> None:
        one = self.open[message.task]
        one.reading = False
        one.report.seconds += message.seconds
        one.hints.seen = message.seen or one.hints.seen
        if message.error:
            one.report.error = message.error
        else:
            one.report.relies_on, one.report.inlined = message.relies_on, message.inlined
        self._settle(message.task)

    def _answer(self, place: int, answer: Answer) -> None:
        name, number = self.asked[place]
        one = self.open[name]
        before = one.answers.get(number)
        if before is not None:
            answer = replace(answer, seconds=before.seconds + answer.seconds)
        one.answers[number] = answer
        one.awaited.discard(number)
        if answer.status == "proved":
            one.hints.learn(one.keys[number], answer.core, one.round, number in one.same)
            self.on_result(self._result(name, one.claims[number], answer))
        self._tell(name)
        self._settle(name)

    def _settle(self, name: str) -> None:
        """Where all is read and answered: ask again what is not proved, or be done with it."""
        one = self.open[name]
        if one.reading or one.awaited:
            return
        unproved = frozenset(n for n, answer in one.answers.items() if answer.status != "proved")
        if not one.report.error:
            last = name in MAKERS or one.round + 1 == len(ROUNDS)
            one.reading = not last and bool(unproved)
            one.round += 1
            if one.round == HINTED:
                # Of others it is known already that hints do not help.
                one.round, unproved = (HINTED, unproved & one.same) if unproved & one.same else (0, unproved)
            self.readers.more(name, More(unproved, one.round) if one.reading else More())
            if one.reading:
                return
        for number in sorted(one.claims):
            result = self._result(name, one.claims[number], one.answers[number])
            one.report.results.append(result)
            if result.status != "proved":
                self.on_result(result)
        if name not in MAKERS:
            self.hints[name] = one.hints
            if self.cache is not None:
                one.hints.save(self.cache, name)
        self._keep(name, one)
        self.ended[name] = one.report
        del self.open[name]
        self._tell(name)

    def _tell(self, at: str) -> None:
        reports = self.ended.values()
        self.on_progress(
            Progress(
                len(self.ended) + len(self.open),
                len(self.ended),
                sum(len(one.results) for one in reports) + sum(len(one.claims) for one in self.open.values()),
                sum(len(one.results) for one in reports) + sum(len(one.answers) for one in self.open.values()),
                short(at),
            )
        )

    # What came of it

    def _result(self, name: str, claim: Claim, answer: Answer) -> Result:
        file, line, place = claim.file, claim.offset, str(claim.offset)
        if not file:
            function = self.world.program.functions[claim.place]
            file, line = function.file, function.line + claim.offset
            place = str(line) if claim.place == name else f"{short(claim.place)}:{line}"
        told = f"{short(name)}:{place}: {claim.rule}" + (f" {claim.text}" if claim.text else "")
        if claim.number > 1:
            told += f" #{claim.number}"
        seen = relative(file)
        return Result(
            name, told, seen, line, claim.rule, claim.text,
            answer.status, answer.solver, answer.seconds, answer.cached, answer.detail,
        )  # fmt: skip

    def report(self, targets: Sequence[str]) -> Report:
        """Everything, in the order in which it was asked for."""
        functions, laws = dict.fromkeys(targets), self.laws
        return Report([self.ended[name] for name in functions], [self.ended[name] for name in laws], hints=self.hints)

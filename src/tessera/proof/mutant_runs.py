# SPDX-License-Identifier: BSD-2-Clause
"""Trying mutants: the functions that read the faulty code are read again, and some obligation must fail.

An obligation counts only if solvers prove it, under the same limits, of the code as it is. Each mutant is tried in a
process of its own, a copy of one that has read the function without fault.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from tessera.ir.nodes import Function
from tessera.proof.claims import Claim, relative, short
from tessera.proof.hints import Hints, keys_of, known_hints
from tessera.proof.mutants import SEED, Mutant, mutated, sample
from tessera.proof.slices import ROUNDS, hinted_query, query_in
from tessera.smt import worker
from tessera.smt.cache import Cache
from tessera.smt.session import Obligation, Session, World
from tessera.smt.text import shapes_of
from tessera.smt.verify import Reading, read_function
from tessera.smt.walk import expressions_of
from tessera.smt.writes import Writes

Outcome = Literal["refuted", "survived", "equivalent", "undecided", "unreadable"]

# Says of a hypothesis' shape whether it is tried first.
Choice = Callable[[str], bool]

EQUIVALENT = Path(__file__).with_name("equivalent_mutants.json")
# A mutant of a function that many read in place is tried in so many of them.
MOST_READERS = 2
# Mutants tried by one process, which reads the function without fault once; and seconds of processor time for each.
CHUNK = 4
PATIENCE = 200
# How much more a solver gets that was stopped by the clock, not by its own steps.
BUSY = 8
# Obligations that are asked again with long searches, where quick ones do not prove them of the code as it is.
MOST_LONG = 12


@dataclass(frozen=True)
class Tried:
    """What came of one mutant. ``by``: the obligation that fails, or why there is nothing to say."""

    mutant: Mutant
    outcome: Outcome
    by: str = ""
    seconds: float = 0.0


@dataclass
class MutantReport:
    """All that were tried; ``reasons`` say why equivalent ones are."""

    tried: list[Tried] = field(default_factory=list)
    seconds: float = 0.0
    reasons: dict[str, str] = field(default_factory=dict)

    def of(self, outcome: Outcome) -> list[Tried]:
        """Those that ended so."""
        return [one for one in self.tried if one.outcome == outcome]

    @property
    def counted(self) -> int:
        """How many are faults of code that can be read: not those that mean the same, or nothing."""
        return len(self.tried) - len(self.of("equivalent")) - len(self.of("unreadable"))

    @property
    def share(self) -> float:
        """The part of them that was refuted."""
        return len(self.of("refuted")) / self.counted if self.counted else 1.0

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        left = [*self.of("survived"), *self.of("undecided")]
        return {
            "mutants": len(self.tried),
            "refuted": len(self.of("refuted")),
            "equivalent": {one.mutant.key: self.reasons[one.mutant.key] for one in self.of("equivalent")},
            "unreadable": len(self.of("unreadable")),
            "survived": [
                {
                    "file": relative(one.mutant.file),
                    "line": one.mutant.line,
                    "change": one.mutant.key,
                    "outcome": one.outcome,
                }
                for one in left
            ],
            "share": round(self.share, 4),
            "seconds": round(self.seconds, 1),
        }


def equivalent_mutants() -> dict[str, str]:
    """The mutants that are known to mean the same, with the reason."""
    known: dict[str, str] = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return known


def run_mutants(
    targets: Sequence[str],
    count: int,
    workers: int,
    on_progress: Callable[[Tried], None] | None = None,
    *,
    world: World,
    seed: int = SEED,
    limit: float = 1.0,
    equivalent: dict[str, str] | None = None,
    cache: Path | None = None,
) -> MutantReport:
    """Try ``count`` mutants of functions under proof (full names).

    They are of these functions, and of what is read in place with them and stands in the same files. ``equivalent``
    gives the mutants that mean the same, by key; the kernel's if it is not given. ``cache``: where earlier proofs left
    what they used, which is tried first.
    """
    start = time.monotonic()
    reasons = equivalent_mutants() if equivalent is None else equivalent
    files = {world.program.functions[name].file for name in targets}
    readers = {
        name: some for name, some in readers_of(world, targets).items() if world.program.functions[name].file in files
    }
    functions = [world.program.functions[name] for name in readers]
    report = MutantReport(reasons=reasons)
    chosen: dict[str, list[Mutant]] = {}
    for mutant in sample(functions, count, seed):
        if mutant.key in reasons:
            _add(report, Tried(mutant, "equivalent", reasons[mutant.key]), on_progress)
        else:
            chosen.setdefault(mutant.function, []).append(mutant)
    chunks = [
        _Chunk(readers[name][:MOST_READERS], some[place : place + CHUNK], limit, cache)
        for name, some in chosen.items()
        for place in range(0, len(some), CHUNK)
    ]
    _shared.world = world
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(max(1, workers), mp_context=context, max_tasks_per_child=None) as pool:
        try:
            for future in as_completed([pool.submit(_try_all, chunk) for chunk in chunks]):
                for one in future.result():
                    _add(report, one, on_progress)
        except BaseException:
            # Somebody wants it to end: what was begun, and what waits, need not be tried first.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()
                process.join()
            raise
    report.tried.sort(key=lambda one: (one.mutant.file, one.mutant.line, one.mutant.key))
    report.seconds = time.monotonic() - start
    return report


def _add(report: MutantReport, one: Tried, on_progress: Callable[[Tried], None] | None) -> None:
    report.tried.append(one)
    if on_progress is not None:
        on_progress(one)


def readers_of(world: World, targets: Iterable[str]) -> dict[str, list[str]]:
    """The functions whose code is read when targets are proved, each with the targets that read it."""
    session = Session(world)
    found: dict[str, list[str]] = {}
    for target in targets:
        waiting = [target]
        seen = {target}
        while waiting:
            name = waiting.pop()
            found.setdefault(name, []).append(target)
            for callee in _called(world.program.functions[name]):
                function = world.program.functions.get(callee)
                if function is not None and callee not in seen and session.is_inlined(function):
                    seen.add(callee)
                    waiting.append(callee)
    return {name: sorted(readers, key=lambda one: (one != name, one)) for name, readers in sorted(found.items())}


def _called(function: Function) -> Iterator[str]:
    for node in expressions_of(function, contracts=False):
        if node.operation == "call" and node.data.kind == "compiled":
            yield node.data.name


# In the processes


class _Shared:
    world: World


_shared = _Shared()


@dataclass(frozen=True)
class _Chunk:
    targets: list[str]
    mutants: list[Mutant]
    limit: float
    cache: Path | None


class _Base:
    """A function without fault: its obligations, and which of them are proved."""

    def __init__(self, world: World, reading: Reading, limit: float, hints: Hints | None) -> None:
        self.reading = reading
        self.limit = limit
        self.hints = hints
        if hints is not None and not hints.seen:
            facts = {fact.term.get_id(): fact.term for one in reading.obligations for fact in one.facts}
            hints.seen = shapes_of(reading.session, list(facts.values()))
        self.obligations = {one.name: one for one in reading.obligations}
        self.chooses = self.choices(world, reading)
        # By name, and whether long searches were allowed.
        self.proved: dict[tuple[str, bool], bool] = {}

    def holds(self, name: str, long: bool) -> bool:
        """Whether the obligation is proved of the code as it is; one that it does not have need not be looked at."""
        if (name, long) not in self.proved:
            known = self.obligations.get(name)
            choice = self.chooses.get(name)
            self.proved[name, long] = known is None or is_proved(self.reading.session, known, self.limit, long, choice)
        return self.proved[name, long]

    def choices(self, world: World, reading: Reading) -> dict[str, Choice]:
        """What to try first of each obligation of the function, or of the faulty one, by name."""
        if self.hints is None:
            return {}
        function = self.reading.function.name
        keys = keys_of(Claim.of(world.program, function, one) for one in reading.obligations)
        found = {one.name: self.hints.chooses(key) for one, key in zip(reading.obligations, keys, strict=True)}
        return {name: choice for name, choice in found.items() if choice is not None}


def is_proved(session: Session, obligation: Obligation, limit: float, long: bool, choice: Choice | None = None) -> bool:
    """Whether quick searches prove it, or ``long`` ones; ``choice`` says which hypotheses to try first."""
    said: set[str] = set()
    queries = (query_in(session, obligation, asked) for asked in ROUNDS if (asked.kind == "long") == long)
    first = [replace(hinted_query(session, obligation, choice), kind="brief")] if choice and not long else []
    for query in chain(first, queries):
        if query.text in said:
            continue
        said.add(query.text)
        for strategy in worker.STRATEGIES[query.kind]:
            reply = worker.answer(query.kind, strategy.name, query.text, limit)
            if reply["detail"] == "wall limit":
                # The machine was busy with something else, which says nothing of the obligation.
                reply = worker.answer(query.kind, strategy.name, query.text, limit * BUSY)
            if reply["outcome"] == "unsat":
                return True
    return False


def _try_all(chunk: _Chunk) -> list[Tried]:
    world = _shared.world
    results = {mutant: Tried(mutant, "survived") for mutant in chunk.mutants}
    for target in chunk.targets:
        left = [mutant for mutant in chunk.mutants if results[mutant].outcome == "survived"]
        if not left:
            break
        hints = known_hints(Cache(chunk.cache) if chunk.cache is not None else None, target)
        base = _Base(world, read_function(world, world.program.functions[target]), chunk.limit, hints)
        for mutant in left:
            results[mutant], learned = _in_copy(world, base, target, mutant)
            base.proved.update(learned)
    return list(results.values())


def _in_copy(world: World, base: _Base, target: str, mutant: Mutant) -> tuple[Tried, dict[tuple[str, bool], bool]]:
    """Try one mutant in a copy of this process, which is given up after a while."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 10))
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pickle.dump(_told(world, base, target, mutant), pipe)
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        return Tried(mutant, "undecided", "it took too long, or a solver crashed", PATIENCE), {}
    result: tuple[Tried, dict[tuple[str, bool], bool]] = pickle.loads(told)
    return result


def _told(world: World, base: _Base, target: str, mutant: Mutant) -> tuple[Tried, dict[tuple[str, bool], bool]]:
    """What the copy says; a mistake of the prover itself is said too, and is no refutation."""
    try:
        return _try(world, base, target, mutant), base.proved
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Tried(mutant, "undecided", f"{type(error).__name__} at {where}: {error}"), {}


def _try(world: World, base: _Base, target: str, mutant: Mutant) -> Tried:
    start = time.monotonic()
    program = world.program
    # Contracts still mean the function without the fault.
    world.faulty = {mutant.function: mutated(program.functions[mutant.function], mutant)}
    functions = program.functions | world.faulty
    # What it writes may be something else now.
    world.writes = Writes(functions, world.objects)
    try:
        reading = read_function(world, functions[target])
    except (NotImplementedError, KeyError, RecursionError) as error:
        return Tried(mutant, "unreadable", f"{type(error).__name__}: {error}", time.monotonic() - start)
    open_: list[Obligation] = []
    chooses = base.choices(world, reading)
    for obligation in in_order(reading, mutant, base):
        same = base.obligations.get(obligation.name)
        if same is not None and _same(same, obligation):
            continue
        if not is_proved(reading.session, obligation, base.limit, False, chooses.get(obligation.name)):
            if base.holds(obligation.name, False):
                return Tried(mutant, "refuted", obligation.name, time.monotonic() - start)
            open_.append(obligation)
    for obligation in open_[:MOST_LONG]:
        if base.holds(obligation.name, True) and not is_proved(reading.session, obligation, base.limit, True):
            return Tried(mutant, "refuted", obligation.name, time.monotonic() - start)
    if len(open_) > MOST_LONG:
        by = f"of the code as it is, {open_[MOST_LONG].name} is not proved quickly either"
        return Tried(mutant, "undecided", by, time.monotonic() - start)
    return Tried(mutant, "survived", f"in {short(target)}", time.monotonic() - start)


def _same(one: Obligation, other: Obligation) -> bool:
    """Whether the fault does not touch an obligation: the terms are the same, down to their names."""
    if len(one.facts) != len(other.facts) or not one.goal.eq(other.goal):
        return False
    return all(a.term.eq(b.term) for a, b in zip(one.facts, other.facts, strict=True))


def in_order(reading: Reading, mutant: Mutant, base: _Base) -> list[Obligation]:
    """What is most likely to fail first: what says something else than before, promises before invariants."""

    def rank(one: Obligation) -> tuple[int, int, int]:
        same = base.obligations.get(one.name)
        changed = same is None or not same.goal.eq(one.goal)
        invariant = one.rule == "invariant"
        near = one.function == mutant.function and one.line >= mutant.line
        return int(not changed), int(invariant), abs(one.line - mutant.line) if near else 1_000

    return sorted(reading.obligations, key=rank)

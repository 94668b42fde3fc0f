# SPDX-License-Identifier: BSD-2-Clause
"""Processes that read functions into obligations, while solvers work on those of other functions.

Each function is read by a process of its own, a copy of one that knows the program: what one function leaves behind
cannot change the next one's text, so that answers are found again, and all memory is given back.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import z3

from tessera.proof.claims import Claim
from tessera.proof.hints import SAME, Hints, keys_of
from tessera.proof.slices import ROUNDS, hinted_query, query_in, same_query
from tessera.smt import bridge
from tessera.smt.reading import keeps_invariants
from tessera.smt.session import World
from tessera.smt.solve import Query
from tessera.smt.text import piece_of, shapes_of
from tessera.smt.verify import Reading, read_function

Make = Callable[[World], Iterator[tuple[Claim, Query]]]


@dataclass(frozen=True)
class Task:
    """One thing to read: a function of the program, or what ``make`` gives. ``hints`` are of its last proof."""

    name: str
    make: Make | None = None
    hints: Hints | None = None


@dataclass(frozen=True)
class Found:
    """One obligation: its number in the task, what it says, and the question of this round for solvers.

    ``key`` names it in hints. ``same``: it is asked with what the last proof used and nothing else.
    """

    task: str
    number: int
    claim: Claim
    query: Query
    key: str = ""
    same: bool = False


@dataclass(frozen=True)
class Ended:
    """Everything of this round was sent. ``error`` says why the task could not be read; then nothing more comes.

    ``seen``: the shapes of all hypotheses.
    """

    task: str
    seconds: float = 0.0
    relies_on: tuple[str, ...] = ()
    inlined: tuple[str, ...] = ()
    error: str = ""
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class More:
    """The obligations that are to be asked in another round; none if the task is done."""

    numbers: frozenset[int] = frozenset()
    round: int = 0


Message = Found | Ended


@dataclass
class _Reader:
    """``parked``: it waits to hear whether more is wanted of its task."""

    process: Any
    connection: Connection
    task: Task | None = None
    parked: bool = False


@dataclass
class Readers:
    """Some reading processes. They are made before anything else starts processes or threads."""

    world: World
    number: int
    _readers: list[_Reader] = field(default_factory=list)
    _waiting: deque[Task] = field(default_factory=deque)

    def __enter__(self) -> Readers:
        context = multiprocessing.get_context("fork")
        for _ in range(self.number):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(self.world, there, here), daemon=True)
            process.start()
            there.close()
            self._readers.append(_Reader(process, here))
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.connection.close()
        for reader in self._readers:
            if reader.task is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(reader.process.pid, signal.SIGKILL)  # with the copy that reads
            reader.process.join()

    def add(self, tasks: Iterable[Task]) -> None:
        """More to read, after what waits already."""
        self._waiting.extend(tasks)

    def more(self, task: str, wanted: More) -> None:
        """What is wanted after a round of a task; to be said once after each round that ended without error."""
        reader = next(one for one in self._readers if one.task is not None and one.task.name == task)
        reader.parked = False
        with contextlib.suppress(BrokenPipeError):  # its end is noticed when it is listened to
            reader.connection.send(wanted)
        if not wanted.numbers:
            reader.task = None

    def messages(self) -> Iterator[Message | None]:
        """What is read, as it comes, until nothing is left; ``None`` where the next message is not there yet."""
        while True:
            self._give()
            busy = self.connections()
            ready = wait(busy, 0) if busy else []
            for reader in self._readers:
                if reader.connection in ready:
                    yield self._receive(reader)
            if ready:
                continue
            if busy or any(reader.parked for reader in self._readers):
                yield None
            elif self._waiting:
                yield Ended(self._waiting.popleft().name, error="no process is left that could read it")
            else:
                return

    def connections(self) -> list[Connection]:
        """Where messages will come from."""
        return [reader.connection for reader in self._readers if reader.task is not None and not reader.parked]

    def _give(self) -> None:
        for reader in self._readers:
            if reader.task is None and self._waiting and not reader.connection.closed:
                reader.task = self._waiting.popleft()
                reader.connection.send(reader.task)

    def _receive(self, reader: _Reader) -> Message:
        task = reader.task
        assert task is not None  # only those that are busy are listened to
        try:
            message: Message = reader.connection.recv()
        except (EOFError, OSError):
            reader.connection.close()
            reader.task = None
            return Ended(task.name, error="the process that read it crashed")
        if isinstance(message, Ended):
            reader.parked = not message.error
            if message.error:
                reader.task = None
        return message


def warm(world: World) -> None:
    """Read what functions have in common, so that the copies of this process need not: invariants and axioms."""
    functions = [one for one in world.program.functions.values() if one.info.kind == "compiled"]
    smallest = min((one for one in functions if keeps_invariants(one)), key=lambda one: (len(one.body), one.name))
    with contextlib.suppress(NotImplementedError):
        for fact in read_function(world, smallest).assumptions:
            piece_of(fact.term)
    for axiom in bridge.axioms():
        piece_of(bridge.integer_form(axiom))


def _serve(world: World, connection: Connection, other_end: Connection) -> None:
    """Read tasks until the other side is gone."""
    # Copies of this process see the end of the connection only when nobody holds its other end any more.
    other_end.close()
    # Control-C goes to the process at the terminal, which then ends this one and its copies.
    os.setsid()
    # z3's Python interface looks at each argument twice; tests read functions with that on.
    z3.z3.Z3_DEBUG = False
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, OSError):
            return
        child = os.fork()
        if child == 0:
            _in_copy(world, task, connection)
        _, status = os.waitpid(child, 0)
        if status != 0:
            return


def _in_copy(world: World, task: Task, connection: Connection) -> None:
    code = 1
    try:
        for message in read(world, task, connection.recv):
            connection.send(message)
        code = 0
    except (BrokenPipeError, ConnectionResetError, EOFError):
        pass  # nobody wants to know any more
    finally:
        os._exit(code)


def read(world: World, task: Task, what_more: Callable[[], More]) -> Iterator[Message]:
    """What a task gives, round by round; ``what_more`` is asked after each."""
    start = time.process_time()
    try:
        if task.make is not None:
            for number, (claim, query) in enumerate(task.make(world)):
                yield Found(task.name, number, claim, query)
            yield Ended(task.name, time.process_time() - start)
            what_more()
            return
        reading = read_function(world, world.program.functions[task.name])
        known = tuple(sorted(reading.relies_on)), tuple(sorted(reading.inlined))
        wanted = More(frozenset(range(len(reading.obligations))), SAME if task.hints else 0)
        yield from _round(world, task, reading, wanted)
        hypotheses = {fact.term.get_id(): fact.term for one in reading.obligations for fact in one.facts}
        seen = shapes_of(reading.session, list(hypotheses.values()))
        yield Ended(task.name, time.process_time() - start, *known, seen=seen)
        while (wanted := what_more()).numbers:
            start = time.process_time()
            yield from _round(world, task, reading, wanted)
            yield Ended(task.name, time.process_time() - start, *known)
    except NotImplementedError as error:
        yield Ended(task.name, time.process_time() - start, error=f"the prover cannot read it yet: {error}")
    except RecursionError:
        yield Ended(task.name, time.process_time() - start, error="its terms are nested too deeply to be read")


def _round(world: World, task: Task, reading: Reading, wanted: More) -> Iterator[Found]:
    claims = [Claim.of(world.program, task.name, obligation) for obligation in reading.obligations]
    keys = keys_of(claims)
    for number in sorted(wanted.numbers):
        query, same = _query(task.hints, reading, number, keys[number], wanted.round)
        yield Found(task.name, number, claims[number], query, keys[number], same)


def _query(hints: Hints | None, reading: Reading, number: int, key: str, round: int) -> tuple[Query, bool]:
    """A question, and whether it is with what the last proof used and nothing else."""
    session, obligation = reading.session, reading.obligations[number]
    if hints is None or round >= 0:
        return query_in(session, obligation, ROUNDS[round]), False
    core = hints.cores.get(key)
    same = same_query(session, obligation, core) if core is not None and round == SAME else None
    if same is not None:
        return same, True
    chooses = hints.chooses(key)
    if chooses is not None:
        return hinted_query(session, obligation, chooses), False
    return query_in(session, obligation, ROUNDS[hints.rounds.get(key, 0)]), False

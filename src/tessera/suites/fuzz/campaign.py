# SPDX-License-Identifier: BSD-2-Clause
"""A campaign: so many random events, with what became of them, and the shortest way to each difference."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tessera.abi.errors import Error
from tessera.abi.invocations import BY_LABEL
from tessera.abi.labels import InvocationLabel
from tessera.abi.syscalls import Syscall
from tessera.spec.step import SystemCall
from tessera.suites.fuzz.arguments import KIND_OF_INTERFACE
from tessera.suites.fuzz.generator import Generator
from tessera.suites.fuzz.population import populate
from tessera.suites.fuzz.restarts import Abandoned
from tessera.suites.fuzz.world import Attempt, Native, Saved, World

# Random calls wear a system down; a new one has everything to lose again.
BOOT_EVERY = 600
# Worlds have seeds of their own, far apart.
STRIDE = 1_000_003
# How often everything is compared, and not only what may have changed, in events.
FULL_EVERY = 2000
# What is kept of a failure: the events since boot, the last ones only.
KEPT = 12
# How many worlds may lie about.
COLLECT_EVERY = 64
PLAIN = (Syscall.CALL, Syscall.SEND, Syscall.NB_SEND)
# How long a world may wait for interrupts until another one begins.
LONGEST_WAIT = 15

Pair = tuple[InvocationLabel, Error]


@dataclass(frozen=True)
class Failure:
    """A difference: the seed of the world, the number of the event in it, the event, and what differs."""

    world: int
    event: int
    attempt: Attempt
    told: tuple[str, ...]
    before: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        return f"world {self.world}, event {self.event}: {self.attempt}\n  " + "\n  ".join(self.told)


@dataclass
class Result:
    """Calls made, calls that succeeded, differences, and the errors of each invocation."""

    events: int = 0
    calls: int = 0
    succeeded: int = 0
    # How often a long operation stopped in between.
    stopped: int = 0
    # Worlds that ended because a long operation stopped and another thread ran.
    abandoned: int = 0
    failures: list[Failure] = field(default_factory=list)
    pairs: Counter[Pair] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)


class Campaign:
    """Random events that depend on the seed alone. Use within ``native.module.memory``."""

    def __init__(self, native: Native, seed: int, most_failures: int = 1) -> None:
        self.world = World(native)
        self.seed = seed
        self.most_failures = most_failures
        self.result = Result()
        self.populated = self.populate()

    def populate(self) -> Saved:
        """A world in which threads have begun to run: every other one begins like that."""
        for attempt in populate(Generator(self.world, 0)):
            self.try_(0, [attempt])
        return self.world.save()

    def run(self, calls: int, tell: Callable[[Result], None] | None = None) -> Result:
        """Make at least so many system calls; fewer if there are too many failures."""
        number = 0
        # Only whole worlds are garbage that refers to itself.
        collects = gc.isenabled()
        gc.disable()
        try:
            while self.result.calls < calls and len(self.result.failures) < self.most_failures:
                self.live(self.seed * STRIDE + number, calls)
                number += 1
                self.result.stopped = self.world.stopped
                if number % COLLECT_EVERY == 0:
                    gc.collect()
                if tell is not None:
                    tell(self.result)
        finally:
            if collects:
                gc.enable()
        if not self.result.failures:
            told = self.world.differences() or self.world.watch.check("pairs")
            if told:
                attempt = Attempt("the end", SystemCall(0))
                self.result.failures.append(Failure(self.seed * STRIDE + number, 0, attempt, tuple(told)))
        return self.result

    def attempts(self, seed: int) -> Iterator[Attempt]:
        """What happens in one world, until nothing can happen any more."""
        generator = Generator(self.world, seed)
        k, waited = self.world.k, 0
        for _ in range(BOOT_EVERY):
            waited += k.current is None
            if waited > LONGEST_WAIT or (k.current is None and not k.postponed and not k.ready):
                return
            yield generator.attempt()

    def live(self, seed: int, calls: int) -> None:
        """One world, from the populated one on."""
        self.world.restore(self.populated)
        done: list[Attempt] = []
        for attempt in self.attempts(seed):
            done.append(attempt)
            if not self.try_(seed, done) or self.result.calls >= calls:
                return

    def try_(self, seed: int, done: list[Attempt]) -> bool:
        """Do the last attempt. False if the two kernels differ then."""
        try:
            told = self.world.do(done[-1])
        except Abandoned:
            self.result.abandoned += 1
            return False
        if not told and self.result.events % FULL_EVERY == 0:
            told = self.world.differences()
        self.count(done[-1])
        if told:
            self.result.failures.append(Failure(seed, len(done), done[-1], tuple(told), tuple(done[-KEPT:-1])))
        return not told

    def count(self, attempt: Attempt) -> None:
        """Note what became of an event. A call that was not refused and raised no fault has succeeded."""
        result, outcome = self.result, self.world.k.outcome
        result.events += 1
        result.done[attempt.name] += 1
        if not isinstance(attempt.event, SystemCall):
            return
        result.calls += 1
        if outcome is None:
            return
        # Those that go on to receive may not invoke everything, and get an error of their own.
        is_plain = attempt.registers["a7"] in PLAIN
        cap, label, error = outcome
        if error == Error.NO_ERROR:
            result.succeeded += 1
        call = BY_LABEL.get(InvocationLabel(label)) if 1 <= label <= len(InvocationLabel) else None
        # What has not the kind that the invocation is for, refuses it; that says nothing of the invocation.
        if is_plain and call is not None and type(cap) is KIND_OF_INTERFACE[call.interface]:
            result.pairs[call.label, error] += 1

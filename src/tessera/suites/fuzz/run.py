# SPDX-License-Identifier: BSD-2-Clause
"""A campaign from a count and a seed: builds the kernel as native code, and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tessera.abi.errors import Error
from tessera.abi.invocations import INVOCATIONS
from tessera.abi.labels import InvocationLabel
from tessera.llvm.instrumented import Outcome
from tessera.suites.fuzz.campaign import Campaign, Failure, Pair, Result
from tessera.suites.fuzz.world import Native, small_configuration


def possible_pairs() -> set[Pair]:
    """What each invocation can end with, by the table of invocations: success, its errors, and a message too short."""
    found: set[Pair] = set()
    for call in INVOCATIONS:
        found.add((call.label, Error.NO_ERROR))
        found |= {(call.label, cause.error) for cause in call.causes}
        if call.placements or call.extra_caps:
            found.add((call.label, Error.TRUNCATED_MESSAGE))
    return found


@dataclass(frozen=True)
class Told:
    """A campaign's result, and how long it took, in seconds: to compile the kernel, and to run."""

    result: Result
    compiled: float
    seconds: float
    branches: dict[Outcome, bool]
    invariants: list[str]

    @property
    def missing(self) -> list[str]:
        """Pairs of invocation and error that were not reached."""
        return sorted(shown(pair) for pair in possible_pairs() - set(self.result.pairs))

    @property
    def unexpected(self) -> list[str]:
        """Pairs that the table of invocations does not have."""
        return sorted(shown(pair) for pair in set(self.result.pairs) - possible_pairs())

    @property
    def untaken(self) -> list[str]:
        """The ways of branches that were never taken."""
        return sorted(str(outcome) for outcome, taken in self.branches.items() if not taken)

    def facts(self) -> dict[str, Any]:
        """What ``tessera fuzz --json`` prints."""
        result, possible = self.result, possible_pairs()
        return {
            "ok": not result.failures,
            "calls": result.calls,
            "succeeded": result.succeeded,
            "events": result.events,
            "stopped": result.stopped,
            "abandoned": result.abandoned,
            "failures": [failure_facts(failure) for failure in result.failures],
            "invocation_error_pairs": {
                "reached": len(possible & set(result.pairs)),
                "possible": len(possible),
                "missing": self.missing,
                "unexpected": self.unexpected,
            },
            "branch_coverage": round(sum(self.branches.values()) / max(1, len(self.branches)), 4),
            "branches": {"outcomes": len(self.branches), "untaken": self.untaken},
            "invariants": {"checked": len(self.invariants), "in_proofs_only": []},
            "seconds": round(self.seconds, 1),
        }


def shown(pair: tuple[InvocationLabel, Error]) -> str:
    """An invocation and its error."""
    return f"{pair[0].name} {pair[1].name}"


def failure_facts(failure: Failure) -> dict[str, Any]:
    """A failure: where it was, what was done, what differs, and what was done before."""
    return {
        "world": failure.world,
        "event": failure.event,
        "attempt": str(failure.attempt),
        "differences": list(failure.told),
        "before": [str(attempt) for attempt in failure.before],
    }


def run(
    calls: int,
    seed: int,
    progress: Callable[[str, float], None] | None = None,
    most_failures: int = 1,
    tell: Callable[[Result], None] | None = None,
) -> Told:
    """At least so many random system calls, which depend on the seed alone; it ends after so many differences.

    ``tell`` hears after each world how far it is.
    """
    before = time.perf_counter()
    with small_configuration():
        native = Native()
        compiled = time.perf_counter() - before
        if progress is not None:
            progress("compile the kernel for this machine", compiled)
        with native.module.memory:
            campaign = Campaign(native, seed, most_failures)
            result = campaign.run(calls, tell)
            branches = native.branches()
    seconds = time.perf_counter() - before - compiled
    if progress is not None:
        progress("random system calls", seconds)
    checked = sorted({name for name, _ in native.plans.checks})
    return Told(result, compiled, seconds, branches, checked)

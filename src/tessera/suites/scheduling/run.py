# SPDX-License-Identifier: BSD-2-Clause
"""Running the scheduling examples: one boot with exact instruction counts for all systems that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.suites.program import Progress, boot_suite, build_suite
from tessera.suites.scheduling import main, roles
from tessera.suites.scheduling.systems import EXAMPLES, SCALES, SHARES, System, scaled, selection

# Upstream's test suite is configured without domains.
PROFILE = "microkit"
TIMEOUT = 600.0


@dataclass(frozen=True)
class Outcome:
    """What became of one system. Times in microseconds; latencies are of the interrupts that the driver served.

    ``refused`` is the least budget, in microseconds, if the kernel admits no budget as small as one of these.
    """

    system: System
    jobs: int = 0
    missed: int = 0
    calm_jobs: int = 0
    worst_response: float = 0.0
    worst_latency: float = 0.0
    mean_latency: float = 0.0
    refused: int | None = None

    @property
    def ok(self) -> bool:
        """Whether every job was done in its period."""
        return self.refused is None and self.missed == 0


def run_examples(
    examples: Iterable[System] = EXAMPLES,
    *,
    config: str = "release",
    stream: TextIO | None = None,
    progress: Progress | None = None,
) -> list[tuple[Outcome, Outcome]]:
    """Each example with budgets, and then under a fixed time partition."""
    some = list(examples)
    systems = [each for one in some for each in (one, one.with_partition())]
    outcomes = run(systems, config=config, stream=stream, progress=progress)
    return list(zip(outcomes[::2], outcomes[1::2], strict=True))


def run_scales(
    scales: Sequence[int] = SCALES,
    shares: Sequence[int] = SHARES,
    *,
    config: str = "release",
    progress: Progress | None = None,
) -> dict[int, list[Outcome]]:
    """The slow loop under ever smaller budgets of the driver, for each part of the loop's budget for the kernel."""
    outcomes = iter(run([scaled(one, share) for share in shares for one in scales], config=config, progress=progress))
    return {share: [next(outcomes) for _ in scales] for share in shares}


def smallest_that_holds(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The last of the outcomes, from great to small scales, before the first with a missed deadline."""
    found = None
    for one in outcomes:
        if not one.ok:
            break
        found = one
    return found


def run(
    systems: Sequence[System],
    *,
    config: str = "release",
    stream: TextIO | None = None,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run systems one after the other, in one boot.

    Raises :class:`Diagnostic` if something cannot be built or booted, or if the run did not come to its end.
    """
    selection.choose(systems)
    image = build_suite(
        "scheduling",
        [main.main, roles.run_thread],
        [repr(selection.rows)],
        profile=PROFILE,
        config=config,
        checked=True,
        progress=progress,
    )
    code, console = boot_suite(image, timeout=timeout, stream=stream)
    return read_outcomes(systems, code, console)


def read_outcomes(systems: Sequence[System], code: int, console: str) -> list[Outcome]:
    """The outcomes that the root task printed. Raises :class:`Diagnostic` if they are not complete."""
    lines = console.splitlines()
    differences = [line for line in lines if line.startswith("DIFF|")]
    told: dict[str, dict[str, int]] = {}
    for line in lines:
        kind, *rest = line.split("|")
        if kind in ("SYSTEM", "REFUSED") and rest[0] != "END":
            told[rest[0]] = {name: int(value, 16) for name, _, value in (each.partition("=") for each in rest[1:])}
    missing = [one.label for one in systems if one.label not in told]
    if code != 0 or differences or missing or "SYSTEM|END" not in lines:
        raise Diagnostic(
            "schedule-failed",
            Location("tessera.suites.scheduling"),
            f"the scheduling examples did not come to their end (exit code {code})",
            why="\n".join([*differences[:5], *lines[-10:]]),
            fix="run the conformance suite: the kernel does not do what the examples rely on",
        )
    return [_outcome(one, told[one.label]) for one in systems]


def _outcome(system: System, facts: dict[str, int]) -> Outcome:
    if "least" in facts:
        return Outcome(system, refused=facts["least"])
    return Outcome(
        system,
        jobs=system.jobs,
        missed=facts["missed"],
        calm_jobs=facts["calm_jobs"],
        worst_response=facts["worst_ticks"] / roles.TICKS,
        worst_latency=facts["latest_ns"] / 1000,
        mean_latency=facts["latencies_ns"] / 1000 / system.interrupts if system.interrupts else 0.0,
    )

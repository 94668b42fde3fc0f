# SPDX-License-Identifier: BSD-2-Clause
"""Running the conformance suite: builds it for a profile, boots it once, and reads the verdicts off the console."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from tessera.suites.conformance import bootplan, cases, main
from tessera.suites.conformance.catalogue import CASES, Case, selection
from tessera.suites.program import Progress, boot_suite, build_suite

TIMEOUT = 300.0


@dataclass(frozen=True)
class Result:
    """The verdict on one case; ``differences`` tell what was expected and what the kernel did."""

    name: str
    passed: bool
    differences: tuple[str, ...] = ()


@dataclass
class Results:
    """All verdicts of one boot, in the order of the run, and everything that was printed. ``code`` is QEMU's.

    ``kernel`` is the SHA-256 of the kernel's file.
    """

    profile: str
    code: int
    console: str
    by_name: dict[str, Result]
    kernel: str = ""

    @property
    def ok(self) -> bool:
        """Whether every case passed."""
        return all(result.passed for result in self.by_name.values())


def run(
    profile: str = "sel4test",
    config: str = "debug",
    *,
    chosen: Iterable[Case] | None = None,
    stream: TextIO | None = None,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> Results:
    """Run all cases, or the chosen ones, in one boot of the kernel.

    A case that printed no verdict has failed. Raises :class:`Diagnostic` if something cannot be built or booted.
    """
    chosen = list(CASES.values()) if chosen is None else list(chosen)
    selection.cases = tuple((case.name.encode(), case.function) for case in chosen)
    image = build_suite(
        "conformance",
        [main.main],
        [case.name for case in chosen],
        profile=profile,
        config=config,
        checked=True,
        progress=progress,
    )
    code, console = boot_suite(image, timeout=timeout, stream=stream)
    results = read_verdicts(console, chosen)
    results[bootplan.NAME] = Result(bootplan.NAME, *bootplan.compare(image, profile, console))
    return Results(profile, code, console, results, image.kernel_hash)


def read_verdicts(console: str, chosen: Iterable[Case]) -> dict[str, Result]:
    """The verdict on each case, from the lines that the root task printed."""
    differences: list[str] = []
    verdicts: dict[str, Result] = {}
    running = ""
    for line in console.splitlines():
        kind, _, rest = line.partition("|")
        if kind == "DIFF":
            what, expected, got = rest.rsplit("|", 2)
            differences.append(f"{what}: expected {expected}, got {got}")
        elif kind == "CASE":
            verdict, _, name = rest.partition("|")
            if verdict == "BEGIN":
                differences = []
                running = name
            else:
                verdicts[name] = Result(name, verdict == "PASS", tuple(differences))
    for case in chosen:
        if case.name not in verdicts:
            told = ("the run ended in the middle of it", *differences)
            verdicts[case.name] = Result(
                case.name, False, told if case.name == running else ("the run ended before it",)
            )
    return verdicts


def names() -> list[str]:
    """The names of all cases, the host's own comparison included."""
    return [*CASES, bootplan.NAME]


__all__ = ["CASES", "Result", "Results", "cases", "names", "read_verdicts", "run"]

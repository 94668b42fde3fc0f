# SPDX-License-Identifier: BSD-2-Clause
"""What works, by chapter of the reference manual: the table of the README, written from the results of the suites.

``make results`` runs the suites, keeps what they found in ``docs/results.json``, and writes the table;
``python -m tessera.suites.results conformance`` renews what is told of one (fuzz, conformance, schedule). Tests see
that the table is that of these results, that these are of the cases there are, and that each case still ends as told.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tessera
from tessera.lang.diagnostics import Diagnostic, Diagnostics
from tessera.proof.ledger_tables import README, replaced
from tessera.suites.conformance import bootplan
from tessera.suites.conformance import run as conformance
from tessera.suites.conformance.run import CASES, Results
from tessera.suites.fuzz import run as fuzz
from tessera.suites.scheduling.run import run_examples

RESULTS = Path(tessera.__file__).resolve().parents[2] / "docs" / "results.json"
BEGIN = "<!-- written by `make results` -->"

# Profile and configuration of the kernels that the conformance suite runs on.
KERNELS = (("sel4test", "debug"), ("sel4test", "release"), ("microkit", "release"))

# Chapters of the manual, in its order, with the files of suites/conformance.
CHAPTERS: dict[str, tuple[str, ...]] = {
    "Kernel Services and Objects": ("memory_allocation",),
    "Capability Spaces": ("capability_addressing", "capability_spaces", "capability_deletion", "preemption"),
    "Message Passing (IPC)": ("message_passing", "calls_and_replies", "capability_transfer"),
    "Notifications": ("notifications",),
    "Threads and Execution": ("threads", "scheduling_contexts", "faults"),
    "Address Spaces and Virtual Memory": ("address_spaces", "isolation"),
    "Hardware I/O": ("interrupts",),
    "System Bootstrapping": ("bootstrapping",),
}

FUZZ_CALLS = 200_000
FUZZ_SEED = 1

PARTS = ("fuzz", "conformance", "schedule")

Counts = dict[str, tuple[int, int]]


@dataclass
class Kept:
    """Results as they are kept: for each kernel the cases of each chapter (passed, all), and figures of the others."""

    conformance: dict[str, Counts]
    fuzz: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, int] = field(default_factory=dict)


def chapter_of(case: str) -> str:
    """The chapter of a case. Raises ``KeyError`` if its file belongs to none."""
    group = "bootstrapping" if case == bootplan.NAME else CASES[case].group
    for chapter, groups in CHAPTERS.items():
        if group in groups:
            return chapter
    raise KeyError(group)


def cases_by_chapter() -> Counter[str]:
    """How many cases there are."""
    return Counter(chapter_of(name) for name in conformance.names())


def counts(results: Results) -> Counts:
    """How many cases of each chapter passed in one boot, and how many there were."""
    every = Counter(chapter_of(name) for name in results.by_name)
    passed = Counter(chapter_of(name) for name, one in results.by_name.items() if one.passed)
    return {chapter: (passed[chapter], every[chapter]) for chapter in CHAPTERS}


def collect(before: Kept | None = None, parts: Iterable[str] = PARTS) -> Kept:
    """Run what the table tells of, or some of its parts, and keep the others as they were; all takes some minutes."""
    kept = before or Kept({})
    # First, because the others choose profiles and configurations: the specification is that of a debug kernel.
    if "fuzz" in parts:
        facts = fuzz.run(FUZZ_CALLS, FUZZ_SEED).facts()
        pairs = facts["invocation_error_pairs"]
        kept.fuzz = {
            "calls": facts["calls"],
            "succeeded": facts["succeeded"],
            "failures": len(facts["failures"]),
            "reached": pairs["reached"],
            "possible": pairs["possible"],
            "branches": facts["branch_coverage"],
            "invariants": facts["invariants"]["checked"],
        }
    if "conformance" in parts:
        kept.conformance = {" ".join(kernel): counts(conformance.run(*kernel)) for kernel in KERNELS}
    if "schedule" in parts:
        outcomes = [one for pair in run_examples() for one in pair]
        kept.schedule = {"jobs": sum(one.jobs for one in outcomes), "missed": sum(one.missed for one in outcomes)}
    return kept


def read_results(path: Path = RESULTS) -> Kept:
    """The results that were committed."""
    told = json.loads(path.read_text(encoding="utf-8"))
    kernels = {
        kernel: {chapter: (passed, every) for chapter, (passed, every) in some.items()}
        for kernel, some in told["conformance"].items()
    }
    return Kept(kernels, told["fuzz"], told["schedule"])


def write_results(kept: Kept, path: Path = RESULTS) -> None:
    """Keep results."""
    path.write_text(json.dumps(asdict(kept), indent=1) + "\n", encoding="utf-8")


def readme_part(kept: Kept) -> str:
    """The table."""
    kernels = list(kept.conformance)
    lines = [
        f"| conformance cases that pass, by chapter of the manual | {' | '.join(kernels)} |",
        f"| --- |{' --- |' * len(kernels)}",
    ]
    for chapter in CHAPTERS:
        cells = [_of(*kept.conformance[kernel][chapter]) for kernel in kernels]
        lines.append(f"| {chapter} | {' | '.join(cells)} |")
    sums = [[sum(column) for column in zip(*kept.conformance[kernel].values(), strict=True)] for kernel in kernels]
    lines.append(f"| all (`tessera conformance`) | {' | '.join(_of(passed, every) for passed, every in sums)} |")
    some, jobs = kept.fuzz, kept.schedule
    lines += [
        "",
        "| | | |",
        "| --- | --- | --- |",
        f"| random system calls, compared with the specification after each (`tessera fuzz`) | {some['calls']:,} calls,"
        f" {_times(some['failures'], 'difference')} | {_share(some['succeeded'], some['calls'])} succeed;"
        f" {_of(some['reached'], some['possible'])} pairs of invocation and error,"
        f" {100 * some['branches']:.0f} % of the ways of branches; {some['invariants']} invariants checked each time |",
        f"| the scheduling examples of the literature (`tessera schedule`) | {jobs['jobs']} jobs,"
        f" {_times(jobs['missed'], 'missed deadline')} | while a driver of higher priority spins |",
    ]
    return "\n".join(lines)


def _of(some: int, every: int) -> str:
    return f"{some} of {every}"


def _times(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _share(some: int, every: int) -> str:
    return f"{100 * some // every} %"


def update_readme(kept: Kept, path: Path = README) -> None:
    """Write the table. Raises :class:`Diagnostic` where its marks are missing."""
    text = path.read_text(encoding="utf-8")
    path.write_text(replaced(text, readme_part(kept), path, BEGIN), encoding="utf-8")


def main() -> int:
    """Run the suites, or those that are named, and write their results."""
    parts = sys.argv[1:] or PARTS
    if not set(parts) <= set(PARTS):
        print(f"there are {', '.join(PARTS)}, not {', '.join(sorted(set(parts) - set(PARTS)))}", file=sys.stderr)
        return 2
    try:
        write_results(collect(read_results(), parts))
        update_readme(read_results())
    except (Diagnostic, Diagnostics) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

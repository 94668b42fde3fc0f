# SPDX-License-Identifier: BSD-2-Clause
"""The generated parts of ``docs/kernel-time.md``: every loop with its bound, and the longest entries measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tessera.abi.profiles import MICROKIT
from tessera.proof.ledger import ROOT
from tessera.proof.ledger_tables import replaced
from tessera.suites.kernel_time.loops import Loop, all_loops
from tessera.suites.kernel_time.measure import Part, longest, measure_conformance, measure_operations

PAGE = ROOT / "docs" / "kernel-time.md"
LOOPS = "<!-- loops, written by `make kernel-time` -->"
TIMES = "<!-- times, written by `make kernel-time` -->"

# What a processor must do, at least, for the kernel's bound to hold.
INSTRUCTIONS_PER_US = 1000


def stretch_bound() -> int:
    """The stated bound: instructions between two times at which the kernel looks at clock and interrupts.

    A thread that makes a system call has the least budget left, or it would not have been let in; so that is what the
    kernel may use until it looks again.
    """
    return MICROKIT.min_budget_us * INSTRUCTIONS_PER_US


def loops_part(loops: Sequence[Loop]) -> str:
    """The table of loops."""
    lines = ["| file | function | bounded by |", "| --- | --- | --- |"]
    lines += [f"| `{loop.file}` | `{loop.function}` | {loop.bound or 'not stated'} |" for loop in loops]
    return "\n".join(lines)


def times_part(operations: Sequence[Part], conformance: Sequence[Part]) -> str:
    """The tables of measured entries."""
    lines = [
        "| entries, in all conformance cases | number | longest | without a look for interrupts |",
        "| --- | --- | --- | --- |",
    ]
    for one in longest(conformance):
        lines.append(f"| {one.kind} | {one.entries:,} | {one.longest:,} | {one.stretch:,} |")
    lines += ["", "| system call | longest | without a look for interrupts |", "| --- | --- | --- |"]
    for part in operations:
        if part.kind == "system call":
            lines.append(f"| {part.told} | {part.longest:,} | {part.stretch:,} |")
    most = max(part.stretch for part in (*operations, *conformance))
    lines += ["", f"The longest stretch of all is {most:,} instructions; the bound is {stretch_bound():,}."]
    return "\n".join(lines)


def update(with_times: bool = True, path: Path = PAGE) -> None:
    """Write the generated parts; the times need two boots in QEMU. Raises :class:`Diagnostic`."""
    text = replaced(path.read_text(encoding="utf-8"), loops_part(all_loops()), path, LOOPS)
    if with_times:
        text = replaced(text, times_part(measure_operations(), measure_conformance()), path, TIMES)
    path.write_text(text, encoding="utf-8")

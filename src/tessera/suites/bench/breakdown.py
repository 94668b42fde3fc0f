# SPDX-License-Identifier: BSD-2-Clause
"""Where the instructions of a measured operation go: a trace of all of them in QEMU, and the functions they are of.

Traced is the release kernel that ``tessera bench`` measures, in one warm round of the same measurement. Each
instruction is counted once, so the sums are what was measured.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.build.cache import PACKAGE
from tessera.build.kernel import build_kernel_with_lines
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.suites.bench import main
from tessera.suites.bench.reference import OPERATIONS
from tessera.suites.bench.run import PROFILE, Measurement, read_measurements
from tessera.suites.bench.source import KernelSource, loaded_bytes
from tessera.suites.bench.steps import FIRMWARE, USER, step_of
from tessera.suites.plugins import boot_with_plugin, places
from tessera.suites.program import BOARD, Progress, build_suite

TRACER = PACKAGE / "suites" / "bench" / "tracer.c"
TIMEOUT = 120.0

# The instructions that read the counter just before and just after an operation (guest/workers.py, start.S).
BEGIN = 0xC020_2F73
END = 0xC020_2FF3

ROUND_TRIP = ("call.0", "reply_recv.0")


@dataclass(frozen=True)
class Breakdown:
    """The instructions of one operation: by step, and by function with its module; the most costly first.

    ``measured`` is what the guest itself has counted in the same round.
    """

    name: str
    measured: int
    steps: dict[str, int]
    functions: dict[str, int]


@dataclass(frozen=True)
class Breakdowns:
    """Those of some operations on one kernel; ``kernel`` is its SHA-256."""

    kernel: str
    operations: list[Breakdown]


def run(names: Sequence[str] = ROUND_TRIP, progress: Progress | None = None) -> Breakdowns:
    """Trace operations of the benchmarks, by their names.

    Raises :class:`Diagnostic` for an unknown name, and if something cannot be built, booted or traced.
    """
    known = [item.name for item in OPERATIONS]
    for name in names:
        if name not in known:
            raise Diagnostic(
                "unknown-operation",
                Location("--of"),
                f"there is no operation {name!r}",
                why=f"the operations are {', '.join(known)}",
            )
    image = build_suite(
        "bench-trace", [main.main_of_trace], profile=PROFILE, config="release", checked=False, progress=progress
    )
    with_lines = build_kernel_with_lines(PROFILE, BOARD, "release")
    if loaded_bytes(with_lines) != loaded_bytes(image.kernel):
        raise _failed("the kernel with debug information has other code than the one without", str(with_lines))
    readings = []
    for what, wanted in (("begin", BEGIN), ("end", END)):
        found = places(image.root_task, wanted.__eq__)
        if not found:
            raise _failed(f"no instruction was found for '{what}'", str(image.root_task))
        readings += [f"{what}={address:#x}" for address in found]
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        told, console = boot_with_plugin(image, TRACER, readings, trace, _failed, TIMEOUT)
    console = console.replace("\r", "")
    # In the order in which they were done.
    measurements = sorted(
        read_measurements(0, console), key=lambda item: console.index(f"BENCH|{item.operation.name}|")
    )
    traces = find_traces(read_traces(told), measurements)
    source = KernelSource(with_lines)
    return Breakdowns(image.kernel_hash, [break_down(name, traces, measurements, source) for name in names])


def read_traces(told: str) -> list[list[int]]:
    """The addresses of the instructions of all traced operations, in the order in which they were done."""
    lines = told.splitlines()
    if not lines or lines[-1] != "END":
        raise _failed("the trace is not complete", told[-1000:])
    return [[int(address, 16) for address in line.split()] for line in lines[:-1]]


def find_traces(traces: Sequence[list[int]], measurements: Sequence[Measurement]) -> dict[str, list[int]]:
    """For each measured operation the trace of its last round.

    The rounds of an operation stand in the trace one after the other, or there is one other operation between any two.
    They are found by their lengths, which are what the guest has counted, in the order of the measurements.
    """
    lengths = [len(trace) for trace in traces]
    found = {}
    start = 0
    for item in measurements:
        wanted = list(item.samples)
        for first in range(start, len(lengths)):
            stride = next((s for s in (1, 2) if lengths[first : first + s * len(wanted) : s] == wanted), None)
            if stride is not None:
                start = first
                found[item.operation.name] = traces[first + stride * (len(wanted) - 1)]
                break
    return found


def break_down(
    name: str, traces: dict[str, list[int]], measurements: Sequence[Measurement], source: KernelSource
) -> Breakdown:
    """Count the instructions of one operation. Raises :class:`Diagnostic` if it was not traced."""
    if name not in traces:
        raise _failed(f"no trace has as many instructions as {name} took", "it may begin or end without a system call")
    measured = next(item.samples[-1] for item in measurements if item.operation.name == name)
    steps: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for address in traces[name]:
        chain = source.functions_at(address)
        where = FIRMWARE if address >= FIRMWARE_START else USER
        steps[step_of(chain) if chain else where] += 1
        functions[chain[-1] if chain else where] += 1
    assert sum(steps.values()) == sum(functions.values()) == measured
    return Breakdown(name, measured, dict(steps.most_common()), dict(functions.most_common()))


# Physical addresses: translation is off in machine mode. User level of the suites is below.
FIRMWARE_START = 0x8000_0000


def _failed(what: str, why: str) -> Diagnostic:
    return Diagnostic(
        "breakdown-failed",
        Location("tessera.suites.bench"),
        f"the operations were not traced: {what}",
        why=why,
        fix="run tessera bench; and see that QEMU was built with plugins",
    )

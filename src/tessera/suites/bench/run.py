# SPDX-License-Identifier: BSD-2-Clause
"""Running the benchmarks: one boot with exact instruction counts, and the figures of reference beside the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.suites.bench import main
from tessera.suites.bench.reference import OPERATIONS, Operation
from tessera.suites.program import Progress, boot_suite, build_suite

PROFILE = "sel4test"
TIMEOUT = 120.0


@dataclass(frozen=True)
class Measurement:
    """One operation: instructions in its last round, and in each round."""

    operation: Operation
    instructions: int
    rounds: tuple[int, ...]

    @property
    def ratio(self) -> float | None:
        """Instructions in relation to the figure of reference with fastpath; ``None`` without such a figure."""
        return self.instructions / self.operation.fast if self.operation.fast else None


@dataclass(frozen=True)
class Benchmarks:
    """All measurements of one kernel; ``kernel_text`` is its code and constants, in bytes; ``kernel`` its SHA-256."""

    profile: str
    config: str
    kernel_text: int
    measurements: list[Measurement]
    kernel: str = ""


def run(
    config: str = "release", *, stream: TextIO | None = None, timeout: float = TIMEOUT, progress: Progress | None = None
) -> Benchmarks:
    """Measure all operations on a kernel of this configuration.

    Raises :class:`Diagnostic` if something cannot be built or booted, or if the run did not come to its end.
    """
    image = build_suite("bench", [main.main], profile=PROFILE, config=config, checked=False, progress=progress)
    code, console = boot_suite(image, timeout=timeout, stream=stream)
    return Benchmarks(PROFILE, config, image.kernel_text, read_measurements(code, console), image.kernel_hash)


def read_measurements(code: int, console: str) -> list[Measurement]:
    """The measurements that the root task printed. Raises :class:`Diagnostic` if they are not complete."""
    lines = console.splitlines()
    differences = [line for line in lines if line.startswith("DIFF|")]
    rounds: dict[str, tuple[int, ...]] = {}
    for line in lines:
        kind, _, rest = line.partition("|")
        if kind == "BENCH" and rest != "END":
            name, *values = rest.split("|")
            rounds[name] = tuple(int(value, 16) for value in values)
    missing = [operation.name for operation in OPERATIONS if operation.name not in rounds]
    if code != 0 or differences or missing or "BENCH|END" not in lines:
        raise Diagnostic(
            "bench-failed",
            Location("tessera.suites.bench"),
            f"the benchmarks did not come to their end (exit code {code})",
            why="\n".join([*differences[:5], *lines[-10:]]),
            fix="run the conformance suite: the kernel does not do what the measurements rely on",
        )
    return [Measurement(item, rounds[item.name][-1], rounds[item.name]) for item in OPERATIONS]

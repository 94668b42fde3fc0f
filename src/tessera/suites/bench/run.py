# SPDX-License-Identifier: BSD-2-Clause
"""Running the benchmarks: boots with exact instruction counts, and the figures of reference beside the results."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from elftools.elf.elffile import ELFFile

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.suites.bench import main
from tessera.suites.bench.reference import OPERATIONS, WITHOUT_SSTC, Operation
from tessera.suites.program import Progress, boot_suite, build_suite

PROFILE = "sel4test"
TIMEOUT = 120.0


@dataclass(frozen=True)
class Measurement:
    """One operation, and the instructions that it took each time."""

    operation: Operation
    samples: tuple[int, ...]

    @property
    def median(self) -> int:
        """The instructions in the middle of all samples."""
        return statistics.median_low(self.samples)

    @property
    def in_kernel(self) -> int:
        """The same without the instructions at user level that enter the kernel; the firmware's are included."""
        return self.median - self.operation.traps

    @property
    def ratio(self) -> float | None:
        """Instructions in relation to the figure of reference with fastpath; ``None`` without such a figure."""
        return self.median / self.operation.fast if self.operation.fast else None


@dataclass(frozen=True)
class Benchmarks:
    """All measurements of one kernel; ``kernel_text`` is its code and constants, in bytes; ``kernel`` its SHA-256.

    ``floor`` are the instructions that any system call takes: entry, exit, saving and restoring all registers.
    """

    profile: str
    config: str
    kernel_text: int
    measurements: list[Measurement]
    kernel: str = ""
    floor: int = 0


def run(
    config: str = "release",
    *,
    sstc: tuple[bool, ...] = (True, False),
    stream: TextIO | None = None,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> Benchmarks:
    """Measure all operations on a kernel of this configuration, with Sstc, without, or both.

    Raises :class:`Diagnostic` if something cannot be built or booted, or if the run did not come to its end.
    """
    image = build_suite("bench", [main.main], profile=PROFILE, config=config, checked=False, progress=progress)
    measurements = []
    for has_sstc in sstc:
        processor = "" if has_sstc else "sstc=off"
        code, console = boot_suite(image, timeout=timeout, stream=stream, processor=processor)
        measurements += read_measurements(code, console, "" if has_sstc else WITHOUT_SSTC)
    floor = instructions_between(image.kernel, "trap_entry", "not_system_call")
    return Benchmarks(PROFILE, config, image.kernel_text, measurements, image.kernel_hash, floor)


def read_measurements(code: int, console: str, suffix: str = "") -> list[Measurement]:
    """The measurements that the root task printed. Raises :class:`Diagnostic` if they are not complete.

    ``suffix`` comes behind the names; the bars are meant for the measurements without one.
    """
    lines = console.splitlines()
    differences = [line for line in lines if line.startswith("DIFF|")]
    samples: dict[str, list[int]] = {}
    for line in lines:
        kind, _, rest = line.partition("|")
        if kind == "BENCH" and rest != "END":
            name, *values = rest.split("|")
            samples.setdefault(name, []).extend(int(value, 16) for value in values)
    missing = [operation.name for operation in OPERATIONS if not samples.get(operation.name)]
    if code != 0 or differences or missing or "BENCH|END" not in lines:
        raise Diagnostic(
            "bench-failed",
            Location("tessera.suites.bench"),
            f"the benchmarks did not come to their end (exit code {code})",
            why="\n".join([*differences[:5], *lines[-10:]]),
            fix="run the conformance suite: the kernel does not do what the measurements rely on",
        )
    return [Measurement(_named(item, suffix), tuple(samples[item.name])) for item in OPERATIONS]


def _named(operation: Operation, suffix: str) -> Operation:
    """The same operation on another processor, for which there is no figure but that of the fastpath's bars."""
    if not suffix:
        return operation
    keeps_bar = operation.name in ("call.0", "reply_recv.0", "round_trip.0")
    bar = operation.bar if keeps_bar else None
    return replace(operation, name=operation.name + suffix, bar=bar, goal=None)


def instructions_between(elf: Path, first: str, behind: str) -> int:
    """How many instructions lie between two symbols of a kernel: the length is in the lowest two bits of each."""
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        symbols: Any = file.get_section_by_name(".symtab")
        start, end = (symbols.get_symbol_by_name(name)[0]["st_value"] for name in (first, behind))
        text = file.get_section_by_name(".text")
        assert text is not None
        code = text.data()[start - text["sh_addr"] : end - text["sh_addr"]]
    count = offset = 0
    while offset < len(code):
        offset += 4 if code[offset] & 3 == 3 else 2
        count += 1
    return count

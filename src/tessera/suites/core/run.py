# SPDX-License-Identifier: BSD-2-Clause
"""Running the release kernel on a simulated CVA6 core: cycles of a round trip at several latencies of memory.

The kernel is byte for byte the one that ``tessera bench`` measures in QEMU. In front of it is a shim for machine mode
(``shim.S``), because the core has neither firmware nor a register for the time: each entry of the kernel traps to the
shim once to read the clock. What that costs is told apart.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.arch.riscv64.target import KERNEL
from tessera.build.boot_image import flatten
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.llvm.compile import assemble, link
from tessera.suites.core import guest
from tessera.suites.core.simulator import FOLDER, Told, build_simulator
from tessera.suites.program import Progress, SuiteImage, build_suite

PROFILE = "sel4test"
MOST_CYCLES = 100_000_000
# Seconds. The simulator does about a tenth of a million cycles in each.
TIMEOUT = 1800.0
# Of the rounds of one run these are warm: what a case finds new in kernel and caches is there from then on.
COLD_ROUNDS = 2

SHIM_TABLE = 0x3000
TICK_BITS = 3


@dataclass(frozen=True)
class Count:
    """One time that an operation was done. ``machine_cycles`` and ``machine_instructions`` are the shim's part."""

    cycles: int
    instructions: int
    machine_cycles: int
    machine_instructions: int

    def __add__(self, other: Count) -> Count:
        return Count(
            self.cycles + other.cycles,
            self.instructions + other.instructions,
            self.machine_cycles + other.machine_cycles,
            self.machine_instructions + other.machine_instructions,
        )


@dataclass(frozen=True)
class CoreMeasurement:
    """An operation at one latency of memory, in cycles, and how often it was measured."""

    name: str
    latency: int
    counts: tuple[Count, ...]

    @property
    def cycles(self) -> list[int]:
        """Of all samples."""
        return [count.cycles for count in self.counts]

    @property
    def middle(self) -> Count:
        """The sample in the middle, by its cycles."""
        median = statistics.median_low(self.cycles)
        return next(count for count in self.counts if count.cycles == median)


@dataclass(frozen=True)
class CoreBenchmarks:
    """All measurements on a core; ``kernel`` is the SHA-256 of the kernel's file."""

    core: str
    kernel: str
    simulated_cycles: int
    measurements: list[CoreMeasurement]


def run(told: Told, progress: Progress | None = None) -> CoreBenchmarks:
    """Build the simulator (minutes, the first time), boot the release kernel in it, and measure.

    Raises :class:`Diagnostic` if packages are missing, something cannot be built, or the run did not come to its end.
    """
    simulator = build_simulator(told)
    image = build_suite("core", [guest.main], profile=PROFILE, config="release", checked=False, progress=progress)
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "memory"
        memory.write_bytes(memory_image(image, Path(folder)))
        console = list(_simulate(simulator, memory, told))
    return CoreBenchmarks("cva6", image.kernel_hash, *read_console(console))


def memory_image(image: SuiteImage, work: Path) -> bytes:
    """What lies in memory when the core begins: the shim, the kernel and the root task behind it."""
    board, layout = QEMU_VIRT_RISCV64, image.layout
    kernel, task = flatten(image.kernel, physical=True), flatten(image.root_task, physical=False)
    defines: dict[str, int | str] = {
        "SHIM_START": f"{board.firmware.start:#x}",
        "SHIM_TABLE": f"{SHIM_TABLE:#x}",
        "TICK_BITS": TICK_BITS,
        "KERNEL_START": f"{kernel.start:#x}",
        "KERNEL_ENTRY": f"{kernel.entry:#x}",
        "IMAGE_START": f"{layout.image_start:#x}",
        "IMAGE_END": f"{layout.image_end:#x}",
        "IMAGE_VIRTUAL_OFFSET": str(layout.image_start - layout.image_virtual),
        "IMAGE_ENTRY": f"{task.entry:#x}",
    }
    item = assemble(FOLDER / "shim.S", work / "shim.o", target=KERNEL, defines=defines, debug_info=False)
    symbols = {"SHIM_START": board.firmware.start, "SHIM_TABLE": SHIM_TABLE}
    shim = flatten(link([item], FOLDER / "shim.ld", work / "shim.elf", symbols=symbols), physical=False)
    assert shim.start == shim.entry == board.memory_start and shim.end <= kernel.start
    memory = bytearray(layout.image_end - board.memory_start)
    for start, data in ((shim.start, shim.data), (kernel.start, kernel.data), (layout.image_start, task.data)):
        memory[start - board.memory_start : start - board.memory_start + len(data)] = data
    return bytes(memory)


def _simulate(simulator: Path, memory: Path, told: Told) -> Iterator[str]:
    """The lines that the simulator prints, as they come."""
    cases = 4 * len(guest.LATENCIES)
    process = subprocess.Popen(
        [str(simulator), str(memory), str(MOST_CYCLES)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    end = threading.Timer(TIMEOUT, process.kill)
    end.start()
    last: list[str] = []
    try:
        assert process.stdout is not None
        told("simulating the boot", 0, cases)
        done = 0
        for line in process.stdout:
            text = line.rstrip("\r\n")
            if text.startswith("CASE"):
                done += 1
                told("simulating", done, cases)
            last = [*last[-9:], text]
            yield text
        code = process.wait()
    finally:
        end.cancel()
        process.kill()
        process.wait()
    if code != 0:
        raise _failed(f"exit code {code}", "\n".join(last))


def read_console(lines: Iterable[str]) -> tuple[int, list[CoreMeasurement]]:
    """The simulated cycles and the measurements that were printed. Raises :class:`Diagnostic` if they are incomplete.

    The names of a case are told before its counts; where there are two, they take turns, and are a round trip together.
    """
    names: list[str] = []
    cycles = -1
    found: dict[tuple[str, int], list[Count]] = {}
    seen: list[int] = []
    for line in lines:
        kind, *rest = line.split("|")
        if kind == "CASE":
            names, seen = rest, []
        elif kind == "CORE" and rest[0] == "END":
            cycles = int(rest[1])
        elif kind == "CORE" and names:
            latency, *count = map(int, rest)
            found.setdefault((names[len(seen) % len(names)], latency), []).append(Count(*count))
            seen.append(latency)
        elif kind == "DIFF":
            raise _failed("the guest has found a difference", line)
    warm = {key: counts[COLD_ROUNDS:] for key, counts in found.items()}
    expected = [(name, latency) for latency in guest.LATENCIES for name in OPERATIONS]
    if cycles < 0 or any(not warm.get(key) for key in expected):
        raise _failed("the run was not complete", f"measured were {', '.join(f'{n} at {c}' for n, c in warm)}")
    result = []
    for name, latency in expected:
        result.append(CoreMeasurement(name, latency, tuple(warm[name, latency])))
        if name.startswith("reply_recv.0"):
            result.append(_round_trip(name, latency, warm))
    return cycles, result


OPERATIONS = ("null", "call.0", "reply_recv.0", "call.0.same_space", "reply_recv.0.same_space")


def _round_trip(name: str, latency: int, warm: dict[tuple[str, int], list[Count]]) -> CoreMeasurement:
    suffix = name.removeprefix("reply_recv.0")
    pairs: Sequence[tuple[Count, Count]] = list(
        zip(warm[f"call.0{suffix}", latency], warm[name, latency], strict=False)
    )
    return CoreMeasurement(f"round_trip.0{suffix}", latency, tuple(call + answer for call, answer in pairs))


def _failed(what: str, why: str) -> Diagnostic:
    return Diagnostic(
        "core-failed",
        Location("tessera.suites.core"),
        f"the kernel was not measured on the core: {what}",
        why=why,
        fix="run tessera bench first: it measures the same kernel in QEMU",
    )

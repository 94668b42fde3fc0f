# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks: complete, repeatable, within their bars, and refused when they did not come to their end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.abi.profiles import PROFILES
from tessera.build.kernel import build_kernel
from tessera.lang.diagnostics import Diagnostic
from tessera.llvm.compile import assemble, link
from tessera.suites.bench.reference import OPERATIONS, WITHOUT_SSTC
from tessera.suites.bench.run import PROFILE, Benchmarks, instructions_between, read_measurements, run

SAMPLES = 100


@pytest.fixture(scope="module")
def result() -> Benchmarks:
    return run("release")


@pytest.mark.qemu
def test_two_runs_give_the_same_numbers(result: Benchmarks) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tessera.cli", "bench", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ok"], told["config"], told["profile"], told["unit"]) == (True, "release", PROFILE, "instructions")
    assert told["text"] == result.kernel_text > 0 and told["floor"] == result.floor
    names = [operation.name for operation in OPERATIONS]
    assert [item["name"] for item in told["results"]] == names + [name + WITHOUT_SSTC for name in names]
    for item, measured in zip(told["results"], result.measurements, strict=True):
        assert item["samples"] == len(measured.samples) >= SAMPLES
        middle = measured.median
        expected = {"min": min(measured.samples), "median": middle, "max": max(measured.samples)}
        assert item["instructions"] == expected, item["name"]
        assert middle - 2 <= item["kernel_instructions"] <= middle
        entries = 2 if "round_trip" in item["name"] else 1
        assert item["floor"] == entries * result.floor < item["instructions"]["min"]


@pytest.mark.qemu
def test_numbers_are_those_of_a_kernel_entry(result: Benchmarks) -> None:
    found = {item.operation.name: item for item in result.measurements}
    # Saving and restoring 31 registers alone takes 62 instructions; nothing measured here comes near to a time slice.
    assert 62 < result.floor < 100
    for item in result.measurements:
        assert all(result.floor < count < 20_000 for count in item.samples), item
        # Once warm, nothing changes but what depends on the place of a slot.
        assert max(item.samples) - min(item.samples) <= 32, item
    assert found["call.0"].median < found["call.4"].median < found["call.10"].median
    assert found["call.0"].median + found["reply_recv.0"].median == found["round_trip.0"].median
    assert found["call.0"].median < found["call.0.client_fpu"].median < found["call.0.fpu"].median
    # The firmware sets the timer where the time of another context begins, and only there.
    assert found["null.nosstc"].median == found["null"].median
    assert found["yield.other.nosstc"].median > found["yield.other"].median + 100


@pytest.mark.qemu
def test_the_bars_hold_and_the_goals_are_reached(result: Benchmarks) -> None:
    bars = {item.operation.name: (item.median, item.operation.bar) for item in result.measurements}
    assert {name for name, (_, bar) in bars.items() if bar is not None} >= {"round_trip.0", "call.0.nosstc", "map.4k"}
    assert {name: pair for name, pair in bars.items() if pair[1] is not None and pair[0] > pair[1]} == {}
    goals = {item.operation.name: (item.median, item.operation.goal) for item in result.measurements}
    assert sum(goal is not None for _, goal in goals.values()) == 12
    assert {name: pair for name, pair in goals.items() if pair[1] is not None and pair[0] > pair[1]} == {}


@pytest.mark.parametrize("profile", list(PROFILES))
def test_kernels_are_small(profile: str) -> None:
    assert 0 < build_kernel(profile, QEMU_VIRT_RISCV64.name, "release").text < 80 * 1024


def test_instructions_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "count.S"
    source.write_text(".globl one, two\none: nop\n.option norvc\nnop\n.option rvc\nadd a0,a0,a1\nsret\ntwo: ret\n")
    script = tmp_path / "count.ld"
    script.write_text("SECTIONS { . = 0x1000; .text : { *(.text) } /DISCARD/ : { *(.riscv.attributes) } }")
    elf = link([assemble(source, tmp_path / "count.o", debug_info=False)], script, tmp_path / "count.elf", flags=LINK)
    assert instructions_between(elf, "one", "two") == 4


LINK = ("--orphan-handling=place", "--entry=one")


def lines(*, without: str = "", value: str = "0x64") -> str:
    """A console as a complete run prints it."""
    told = [f"BENCH|{item.name}|{value}|{value}" for item in OPERATIONS if item.name != without]
    return "\n".join(["", *told, "BENCH|END", ""])


def test_a_complete_run_is_read() -> None:
    measurements = read_measurements(0, lines())
    assert [item.operation for item in measurements] == list(OPERATIONS)
    assert {item.samples for item in measurements} == {(100, 100)}
    assert measurements[1].ratio == 100 / 277
    assert measurements[0].ratio is None and measurements[0].in_kernel == 99


def test_runs_are_put_together() -> None:
    repeated = "BENCH|null|0x1|0x9|0x2\n" + lines()
    null = read_measurements(0, repeated)[0]
    assert null.samples == (1, 9, 2, 100, 100) and null.median == 9


def test_without_sstc_the_bars_of_the_fast_path_are_left() -> None:
    measurements = read_measurements(0, lines(), WITHOUT_SSTC)
    bars = {item.operation.name: item.operation.bar for item in measurements if item.operation.bar is not None}
    assert bars == {"call.0.nosstc": 277, "reply_recv.0.nosstc": 359, "round_trip.0.nosstc": 636}


@pytest.mark.parametrize(
    "code, console",
    [
        (1, lines()),
        (0, lines(without="call.0")),
        (0, lines().replace("BENCH|END", "")),
        (0, "DIFF|all rounds are done|0x1|0x0\n" + lines()),
        (124, ""),
    ],
    ids=["exit code", "missing", "no end", "difference", "nothing"],
)
def test_an_incomplete_run_is_an_error(code: int, console: str) -> None:
    with pytest.raises(Diagnostic) as caught:
        read_measurements(code, console)
    assert caught.value.rule == "bench-failed"
    assert f"exit code {code}" in caught.value.what

# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks: complete, repeatable, and refused when they did not come to their end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tessera.lang.diagnostics import Diagnostic
from tessera.suites.bench.reference import OPERATIONS
from tessera.suites.bench.run import PROFILE, read_measurements, run


@pytest.mark.qemu
def test_two_runs_give_the_same_numbers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tessera.cli", "bench", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ok"], told["config"], told["profile"], told["unit"]) == (True, "release", PROFILE, "instructions")
    again = run("release")
    assert told["text"] == again.kernel_text > 0
    assert [item["rounds"] for item in told["operations"]] == [list(item.rounds) for item in again.measurements]


@pytest.mark.qemu
def test_numbers_are_those_of_a_kernel_entry() -> None:
    result = run("release")
    found = {item.operation.name: item for item in result.measurements}
    assert list(found) == [operation.name for operation in OPERATIONS]
    # Saving and restoring 31 registers alone takes 62 instructions; nothing measured here comes near to a time slice.
    for item in result.measurements:
        assert all(62 < count < 20_000 for count in item.rounds), item
        # From the second round on nothing changes any more.
        assert set(item.rounds[1:]) == {item.instructions}, item
    assert found["null"].instructions < found["call"].instructions < found["call_10_words"].instructions
    assert found["call"].instructions + found["reply_recv"].instructions == found["round_trip"].instructions
    assert found["call"].instructions < found["call_fpu"].instructions
    # The slow path of reference.
    slow = found["round_trip"].operation.slow
    assert slow is not None and found["round_trip"].instructions < slow


def lines(*, without: str = "", value: str = "0x64") -> str:
    """A console as a complete run prints it."""
    told = [f"BENCH|{item.name}|{value}|{value}" for item in OPERATIONS if item.name != without]
    return "\n".join(["", *told, "BENCH|END", ""])


def test_a_complete_run_is_read() -> None:
    measurements = read_measurements(0, lines())
    assert [item.operation for item in measurements] == list(OPERATIONS)
    assert {item.rounds for item in measurements} == {(100, 100)}
    assert measurements[1].ratio == 100 / 277
    assert measurements[0].ratio is None


@pytest.mark.parametrize(
    "code, console",
    [
        (1, lines()),
        (0, lines(without="call")),
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

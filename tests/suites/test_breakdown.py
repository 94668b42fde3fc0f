# SPDX-License-Identifier: BSD-2-Clause
"""Where instructions go: the sums are what was measured, and each is counted to the function that it is of."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.build.kernel import build_kernel, build_kernel_with_lines
from tessera.lang.diagnostics import Diagnostic
from tessera.suites.bench.breakdown import FIRMWARE_START, ROUND_TRIP, break_down, find_traces, read_traces, run
from tessera.suites.bench.reference import OPERATIONS
from tessera.suites.bench.run import PROFILE, Measurement
from tessera.suites.bench.source import KernelSource, loaded_bytes
from tessera.suites.bench.steps import ENTRY, EXIT, FIRMWARE, USER, in_order, step_of

BOARD = QEMU_VIRT_RISCV64.name


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tessera.cli", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.qemu
def test_the_sums_are_what_is_measured() -> None:
    told = bench("--breakdown", "--json")
    assert told.returncode == 0, told.stderr
    broken = json.loads(told.stdout)
    measured = json.loads(bench("--json").stdout)
    assert broken["kernel"] == measured["kernel"]
    medians = {item["name"]: item["instructions"]["median"] for item in measured["results"]}
    assert [one["name"] for one in broken["operations"]] == list(ROUND_TRIP)
    for one in broken["operations"]:
        assert one["instructions"] == medians[one["name"]]
        for part in ("steps", "functions"):
            assert sum(item["instructions"] for item in one[part]) == one["instructions"]
        steps = {item["step"]: item["instructions"] for item in one["steps"]}
        # Entry and exit together are the floor; what enters the kernel is one instruction.
        assert steps[ENTRY] + steps[EXIT] == measured["floor"] and steps[USER] == 1
        # All of the fast path has a step; nothing of it is told by a function's name.
        assert not [step for step in steps if step.startswith("kernel: ")]
        functions = {item["function"] for item in one["functions"]}
        assert functions >= {"trap_entry", "resume_thread", "tessera.kernel.scheduler.update_time"}


@pytest.mark.qemu
def test_operations_of_other_shapes_are_traced() -> None:
    names = ["signal.high", "fault.from_handler", "map.4k"]
    result = run(names)
    assert [one.name for one in result.operations] == names
    found = {one.name: one.functions for one in result.operations}
    assert "tessera.kernel.notification.signal" in found["signal.high"]
    assert not any("notification" in function for function in found["map.4k"])


def test_a_kernel_with_lines_has_the_same_code() -> None:
    plain = build_kernel(PROFILE, BOARD, "release").elf
    with_lines = build_kernel_with_lines(PROFILE, BOARD, "release")
    assert loaded_bytes(plain) == loaded_bytes(with_lines) and len(loaded_bytes(plain)[0]) > 10_000
    source = KernelSource(with_lines)
    address = source._addresses[source._names.index("handle_system_call")]
    chains = {source.functions_at(address + offset) for offset in range(0, 400, 2)}
    assert ("handle_system_call",) in chains
    assert ("handle_system_call", "tessera.kernel.fastpath.can_call", "tessera.kernel.fastpath.reaches") in chains
    assert source.functions_at(0x40_0000) == () and source.functions_at(source.end) == ()


def measurement(name: str, *samples: int) -> Measurement:
    return Measurement(next(item for item in OPERATIONS if item.name == name), samples)


def test_traces_are_found_by_what_was_measured() -> None:
    lengths = [9, 3, 5, 3, 5, 3, 5, 4, 4, 4]
    traces = [[index] * length for index, length in enumerate(lengths)]
    found = find_traces(
        traces,
        [
            measurement("call.0", 3, 3, 3),
            measurement("reply_recv.0", 5, 5, 5),
            measurement("wait", 4, 4, 4),
            measurement("null", 9, 9, 9),
        ],
    )
    assert {name: trace[0] for name, trace in found.items()} == {"call.0": 5, "reply_recv.0": 6, "wait": 9}


def test_each_instruction_counts_once() -> None:
    with_lines = build_kernel_with_lines(PROFILE, BOARD, "release")
    source = KernelSource(with_lines)
    entry = source._addresses[source._names.index("trap_entry")]
    trace = [0x40_0000, entry, entry + 4, FIRMWARE_START + 8]
    got = break_down("null", {"null": trace}, [measurement("null", 9, 4)], source)
    assert (got.measured, got.steps) == (4, {ENTRY: 2, USER: 1, FIRMWARE: 1})
    assert got.functions == {"trap_entry": 2, USER: 1, FIRMWARE: 1}
    with pytest.raises(AssertionError):
        break_down("null", {"null": trace}, [measurement("null", 5)], source)


def test_steps_are_those_of_the_innermost_known_function() -> None:
    assert step_of(("handle_system_call", "tessera.kernel.fastpath.call", "tessera.kernel.reply.stack")).startswith(
        "reply"
    )
    assert step_of(("trap_entry",)) == ENTRY
    assert step_of(("tessera.kernel.untyped.retype", "tessera.kernel.other.one")) == "kernel: untyped.retype"
    assert in_order([EXIT, "kernel: a", FIRMWARE, ENTRY, USER]) == [USER, ENTRY, "kernel: a", FIRMWARE, EXIT]


def test_an_incomplete_trace_is_an_error() -> None:
    assert read_traces("a b\n\nEND\n") == [[10, 11], []]
    for told in ("", "a b\n"):
        with pytest.raises(Diagnostic) as caught:
            read_traces(told)
        assert caught.value.rule == "breakdown-failed"


def test_mistakes_are_told() -> None:
    unknown = bench("--breakdown", "--of", "call.7")
    assert unknown.returncode == 2 and "call.7" in unknown.stderr and "call.10" in unknown.stderr
    assert bench("--of", "call.0").returncode == 2
    assert bench("--breakdown", "--config", "debug").returncode == 2

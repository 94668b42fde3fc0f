# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own time: every loop says its bound, and no stretch is longer than the bound that is stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tessera.abi.profiles import PROFILES
from tessera.lang.diagnostics import Diagnostic
from tessera.proof.ledger_tables import END
from tessera.suites.kernel_time.loops import Loop, all_loops, complaints
from tessera.suites.kernel_time.measure import Part, longest, measure_operations, read_counts
from tessera.suites.kernel_time.page import LOOPS, PAGE, TIMES, loops_part, stretch_bound, times_part


def part_of_page(mark: str) -> str:
    return PAGE.read_text().partition(mark)[2].partition(END)[0].strip()


def test_every_loop_says_its_bound() -> None:
    loops = all_loops()
    assert [str(one) for one in complaints(loops)] == []
    assert len(loops) > 50 and {"kernel/cspace.py", "kernel/invoke/untyped.py"} < {loop.file for loop in loops}
    assert part_of_page(LOOPS) == loops_part(loops), "call `make kernel-time`"


def test_a_loop_without_a_bound_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        """
@compiled
def good(count: u64) -> None:
    # Looks at each. Bounded by the fan-out limit,
    # 256.
    for i in range(count):
        pass
    for i in range(2, 1 << 4):
        pass
    for a, b in ((1, 2), (3, 4)):
        while a < b:
            pass
    with ghost:
        while True:
            pass


@invariant
def for_proofs() -> bool:
    while True:
        pass


@compiled
def also(count: u64) -> None:
    # Bounded by nothing that stands here.

    for i in range(count):
        pass
"""
    )
    (tmp_path / "some_invariants.py").write_text("def f() -> None:\n    while True:\n        pass\n")
    loops = all_loops((tmp_path,))
    assert [(loop.function, loop.bound) for loop in loops] == [
        ("good", "the fan-out limit, 256"),
        ("good", "14 turns"),
        ("good", "2 turns"),
        ("good", None),
        ("also", None),
    ]
    assert [str(one).partition(": error")[0] for one in complaints(loops)] == ["one.py:11", "one.py:28"]


@pytest.mark.qemu
def test_no_stretch_is_longer_than_the_bound() -> None:
    parts = measure_operations()
    assert stretch_bound() == 20_000
    for part in parts:
        assert part.stretch <= part.longest and part.stretch <= stretch_bound(), part
    by_name = {(part.name, part.deletes): part for part in parts if part.kind == "system call"}
    # What is counted is what was asked for: 256 objects take longer than saving all registers for each.
    retype = by_name["`Untyped_Retype` of 256 threads", False]
    assert retype.entries == 1 and retype.longest > 256 * 31 and retype.stretch < retype.longest
    # The tables are of these operations.
    table = part_of_page(TIMES)
    assert all(f"| {part.told} |" in table for part in by_name.values()), "call `make kernel-time`"
    assert f"the bound is {stretch_bound():,}." in table


def test_the_least_budget_follows_from_the_bound() -> None:
    for profile in PROFILES.values():
        assert profile.min_budget_us == 2 * profile.kernel_wcet_us * profile.kernel_wcet_scale == 20


def test_counts_are_read() -> None:
    told = (
        "0|system-call|9|9|9\n1|system-call|3|70|60\n1|interrupt|1|8|8\n2|system-call|2|80|50\n3|exception|1|5|5\nEND\n"
    )
    parts = read_counts(told, ["a", "b"])
    assert parts == [
        Part("a", False, "system call", 3, 70, 60),
        Part("a", False, "interrupt", 1, 8, 8),
        Part("a", True, "system call", 2, 80, 50),
        Part("b", False, "exception", 1, 5, 5),
    ]
    calls, exceptions, interrupts = longest(parts)
    assert (calls.entries, calls.longest, calls.during) == (5, 80, "deleting what this made: a")
    assert (calls.stretch, calls.stretch_during) == (60, "a")
    assert exceptions.during == "b" and interrupts.longest == 8
    table = times_part(parts, parts)
    assert "| system call | 5 | 80 | 60 |" in table and "| a | 70 | 60 |" in table
    assert "longest stretch of all is 60 instructions" in table


@pytest.mark.parametrize(
    "told", ["", "1|system-call|1|2|2\n", "1|system-call|1|2|2\nEND\n"], ids=["", "cut", "missing"]
)
def test_an_incomplete_run_is_an_error(told: str) -> None:
    with pytest.raises(Diagnostic, match="was not measured"):
        read_counts(told, ["a", "b"])


def test_a_row_without_a_bound_says_so() -> None:
    assert "| `f.py` | `g` | not stated |" in loops_part([Loop("f.py", 1, "g", None)])

# SPDX-License-Identifier: BSD-2-Clause
"""The scheduling examples: not one deadline is missed while the driver spins, and the answers of the textbook hold."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import typer

from tessera.cli import schedule
from tessera.lang.diagnostics import Diagnostic
from tessera.suites.scheduling import run as runs
from tessera.suites.scheduling import simulation
from tessera.suites.scheduling.run import Outcome, read_outcomes, run, run_examples, smallest_that_holds
from tessera.suites.scheduling.simulation import LITERAL, simulate
from tessera.suites.scheduling.systems import FAST, SLOW, response_time, scaled

# The driver has four fifths of the processor, which is too much.
TOO_MUCH = replace(scaled(2000, 1), name="too-much", driver_budget=2400, driver_period=3000)


def test_answers_of_the_textbook() -> None:
    assert SLOW.textbook == 75_000 and FAST.textbook == 4500
    assert (SLOW.loop_budget, SLOW.loop_period, SLOW.driver_budget, SLOW.driver_period) == (25_000, 100_000, 2000, 3000)
    assert (FAST.loop_budget, FAST.loop_period, FAST.driver_budget, FAST.driver_period) == (3000, 5000, 300, 1000)
    assert TOO_MUCH.textbook is None
    # Burns, Wellings: Real-Time Systems and Programming Languages, the set with periods 7, 12, 20.
    tasks = [(3, 7), (3, 12)]
    assert response_time(3, [], 7) == 3 and response_time(3, tasks[:1], 12) == 6 and response_time(5, tasks, 20) == 20


@pytest.mark.qemu
def test_the_examples_in_qemu() -> None:
    for budgets, partition in run_examples():
        for one in (budgets, partition):
            # The driver served interrupts first, then span from a release of the loop on.
            assert 0 < one.calm_jobs < one.jobs == one.system.jobs
            assert one.missed == 0
            textbook = one.system.textbook
            assert textbook is not None and 0.98 * textbook < one.worst_response <= textbook
        # With budgets an interrupt waits for the kernel, in a partition for its turn.
        rest = budgets.system.driver_period - budgets.system.driver_budget
        assert 0 < budgets.mean_latency <= budgets.worst_latency < 5
        assert 0.9 * rest < partition.worst_latency <= rest


@pytest.mark.qemu
def test_what_does_not_hold_is_told_and_runs_are_alike() -> None:
    systems = [TOO_MUCH, scaled(2000, 1), scaled(20, 5), scaled(16, 5)]
    too_much, large, least, refused = first = run(systems)
    assert too_much.missed == too_much.jobs > 0 and not too_much.ok and too_much.worst_response > SLOW.loop_period
    assert large.ok and least.ok and large.missed == least.missed == 0
    assert refused.refused == 20 and not refused.ok
    assert smallest_that_holds(first[1:]) is least and smallest_that_holds(first) is None
    assert run(systems) == first


def test_the_literal_example_in_simulated_time() -> None:
    assert (LITERAL.driver_budget, LITERAL.driver_period) == (2, 3)
    assert (LITERAL.loop_budget, LITERAL.loop_period) == (25_000, 100_000)
    found = simulate(replace(LITERAL, jobs=1))
    # The work is the budget but for the least one; the driver has two thirds of the time meanwhile.
    assert found.ok and found.jobs == 1 and found.worst_response == 3 * (25_000 - 2)
    busy = simulate(replace(LITERAL, driver_budget=8, driver_period=10, jobs=1))
    assert busy.missed == 1 and busy.worst_response == 5 * (25_000 - 2)


def test_a_budget_that_the_simulated_kernel_refuses() -> None:
    with pytest.raises(simulation.SetUpFailed, match="SCHED_CONTROL_CONFIGURE_FLAGS: RANGE_ERROR"):
        simulate(LITERAL, kernel_bound_us=2)


LINE = "SYSTEM|slow-loop MCS|missed=0x0|calm_jobs=0x2|worst_ticks=0x64|latest_ns=0x3e8|latencies_ns=0x7530"


def test_a_complete_run_is_read() -> None:
    (found,) = read_outcomes([SLOW], 0, f"\n{LINE}\nSYSTEM|END\n")
    assert found == Outcome(SLOW, jobs=6, calm_jobs=2, worst_response=10, worst_latency=1, mean_latency=0.5)


@pytest.mark.parametrize(
    "code, console",
    [(1, f"{LINE}\nSYSTEM|END"), (0, LINE), (0, "SYSTEM|END"), (0, f"DIFF|x|0x1|0x0\n{LINE}\nSYSTEM|END"), (124, "")],
    ids=["exit code", "no end", "missing", "difference", "nothing"],
)
def test_an_incomplete_run_is_an_error(code: int, console: str) -> None:
    with pytest.raises(Diagnostic) as caught:
        read_outcomes([SLOW], code, console)
    assert caught.value.rule == "schedule-failed"


def test_the_command_tells_what_was_missed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good = Outcome(SLOW, jobs=6, worst_response=74_765.2, worst_latency=0.644, mean_latency=0.527)
    bad = Outcome(SLOW.with_partition(), jobs=6, missed=3, worst_response=101_000, worst_latency=990.2)
    monkeypatch.setattr(runs, "run_examples", lambda examples, **_: [(good, bad)])
    with pytest.raises(typer.Exit) as ended:
        schedule.schedule(["slow-loop"], as_json=True)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert ended.value.exit_code == 1 and told["ok"] is False and told["literal"] is None and told["scales"] == []
    assert [(one["scheduling"], one["missed"]) for one in told["examples"]] == [("budgets", 0), ("partition", 3)]
    assert told["examples"][0]["textbook"] == 75_000
    assert told["examples"][0]["interrupt_latency"] == {"worst": 0.644, "mean": 0.527}
    lines = printed.err.splitlines()
    assert lines[3] == "slow-loop: interrupt latency at most 0.644 us with budgets, 990 us under the fixed partition"
    assert "6 of 6" in lines[1] and "74.77 ms" in lines[1] and "0.644 us" in lines[1] and "3 of 6" in lines[2]


def test_the_command_tells_the_smallest_scale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = [Outcome(scaled(100, 1), jobs=2, worst_response=74_900), Outcome(scaled(50, 1), jobs=2, missed=2)]
    other = [Outcome(scaled(20, 5), jobs=2, worst_response=74_000), Outcome(scaled(16, 5), refused=20)]
    monkeypatch.setattr(runs, "run_scales", lambda **_: {1: some, 5: other})
    schedule.schedule(["scale"], as_json=True)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["smallest_scales"] == [
        {"kernel_share": 1, "driver": {"budget": 100, "period": 150}},
        {"kernel_share": 5, "driver": {"budget": 20, "period": 30}},
    ]
    assert [one["holds"] for one in told["scales"]] == [True, False, True, False]
    assert "with 50 us in 75 us 2 of 2 are missed" in printed.err
    assert "the kernel refuses 16 us in 24 us: the least budget is 20 us" in printed.err


def test_an_unknown_example_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tessera.cli", "schedule", "slow"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "unknown-example" in done.stderr and "slow-loop" in done.stderr

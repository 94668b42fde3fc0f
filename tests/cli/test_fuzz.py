# SPDX-License-Identifier: BSD-2-Clause
"""`tessera fuzz`: what is printed where, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import typer

from tessera.cli import fuzz
from tessera.llvm.instrumented import Outcome
from tessera.spec.step import Interrupt
from tessera.suites.fuzz import run as runs
from tessera.suites.fuzz.campaign import Failure, Result
from tessera.suites.fuzz.run import Told, possible_pairs
from tessera.suites.fuzz.world import Attempt


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tessera.cli", "fuzz", *arguments], capture_output=True, text=True, check=False
    )


def test_the_same_seed_makes_the_same_calls() -> None:
    done = [command("--calls", "300", "--seed", "7", "--json") for _ in range(2)]
    told = [json.loads(one.stdout) for one in done]
    for one in told:
        one.pop("seconds")
    assert told[0] == told[1] and done[0].returncode == 0
    facts = told[0]
    assert facts["ok"] and facts["calls"] == 300 and facts["failures"] == [] and facts["succeeded"] > 90
    pairs = facts["invocation_error_pairs"]
    assert 0 < pairs["reached"] == pairs["possible"] - len(pairs["missing"]) and pairs["unexpected"] == []
    assert 0.3 < facts["branch_coverage"] < 1
    assert facts["invariants"]["checked"] > 100 and facts["invariants"]["in_proofs_only"] == []
    assert "300 calls, " in done[0].stderr


def test_a_difference_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(calls: int, seed: int, progress: Any, most_failures: int, tell: Any) -> Told:
        assert most_failures == 3 and tell is None, "nothing is shown where there is no terminal"
        result = Result(events=5, calls=calls)
        result.failures.append(Failure(3, 5, Attempt("timer", Interrupt(9)), ("/time/0: specified 8, found 9",)))
        branches = {Outcome("kernel.a.b", "kernel/a.py", 5, what, 1): what == "true" for what in ("true", "false")}
        return Told(result, 1.0, 2.0, branches, ["kernel.a.holds"])

    monkeypatch.setattr(runs, "run", run)
    with pytest.raises(typer.Exit) as ended:
        fuzz.fuzz(calls=4, failures=3, as_json=True)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert ended.value.exit_code == 1 and not told["ok"]
    assert told["failures"][0]["differences"] == ["/time/0: specified 8, found 9"]
    assert "world 3, event 5" in printed.err and "1 differences" in printed.err
    assert told["branch_coverage"] == 0.5
    assert told["branches"] == {"outcomes": 2, "untaken": ["kernel/a.py:5: kernel.a.b: branch 1: false"]}
    assert told["invariants"] == {"checked": 1, "in_proofs_only": []}
    assert told["invocation_error_pairs"]["reached"] == 0
    assert len(told["invocation_error_pairs"]["missing"]) == len(possible_pairs())

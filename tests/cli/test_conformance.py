# SPDX-License-Identifier: BSD-2-Clause
"""`tessera conformance`: which cases run, what is printed where, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tessera.cli import conformance
from tessera.suites.conformance import run as runs
from tessera.suites.conformance.run import CASES, Result, Results, names


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tessera.cli", "conformance", *arguments], capture_output=True, text=True, check=False
    )


def test_the_list_has_every_case_with_its_rule() -> None:
    told = json.loads(command("--list", "--json").stdout)["cases"]
    assert [one["name"] for one in told] == names() and len(told) >= 200
    assert all(one["rule"].endswith(").") and one["chapter"] for one in told)
    plain = command("--list", "faults").stdout
    assert plain.startswith("faults:\n") and "notifications" not in plain.split()


def test_a_name_that_is_not_known() -> None:
    done = command("fautls")
    assert done.returncode == 2 and "did you mean faults?" in done.stderr and "unknown-case" in done.stderr


@pytest.mark.qemu
def test_one_case_runs_alone() -> None:
    done = command("signal_is_kept", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and (told["passed"], told["failed"]) == (1, 0) and len(told["kernel"]) == 64
    assert [one["name"] for one in told["cases"]] == ["signal_is_kept"]
    assert done.stderr == "1 of 1 cases passed (sel4test, debug)\n"


def test_what_fails_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(profile: str, config: str, *, chosen: Any, progress: Any) -> Results:
        told = {case.name: Result(case.name, True) for case in chosen}
        told["signal_is_kept"] = Result("signal_is_kept", False, ("badge: expected 0x1, got 0x2",))
        return Results(profile, 0, "", told)

    monkeypatch.setattr(runs, "run", run)
    chapter = [name for name, case in CASES.items() if case.group == "notifications"]
    with pytest.raises(conformance.typer.Exit) as ended:
        conformance.conformance(["notifications"], as_json=True)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert ended.value.exit_code == 1 and (told["passed"], told["failed"]) == (len(chapter) - 1, 1)
    assert "failed  signal_is_kept: " in printed.err and "  badge: expected 0x1, got 0x2\n" in printed.err

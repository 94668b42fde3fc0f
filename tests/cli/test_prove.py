# SPDX-License-Identifier: BSD-2-Clause
"""`tessera prove`: what it prints, what it says as JSON, and its exit codes, on a module that is proved in a moment."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tessera.cli.main import app
from tessera.lang.diagnostics import Diagnostic
from tessera.proof import group, run, targets
from tests.cli.conftest import Command
from tests.proof.example import SOURCE
from tests.smt.proving import world_of_module

GOOD, WRONG = "proof_example.double", "proof_example.wrong"
Prove = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module, imported from a file, as if it were a part of the kernel."""
    path = tmp_path_factory.mktemp("example") / "proof_example.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("tessera.proof_example", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tessera.proof_example"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prove(example: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Prove:
    """The command, with the module in place of the kernel, and without the laws: exit code, output, what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "the_kernel", lambda: world_of_module(example))
    monkeypatch.setattr(run, "GROUPS", ())
    monkeypatch.setattr(targets, "GROUPS", (targets.Group("example", "Example", (GOOD, "proof_example.halve")),))
    monkeypatch.setattr(group, "QUICK", frozenset({GOOD}))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = int(app(["prove", *arguments], prog_name="tessera", standalone_mode=False) or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_everything_under_proof_is_proved_without_argument(prove: Prove) -> None:
    code, out, said = prove()
    assert (code, out) == (0, "")
    assert re.fullmatch(r"(\d+) of \1 obligations proved in \d+\.\d s\n", said)
    again = prove()[2]
    assert re.fullmatch(r"(\d+) of \1 obligations proved in \d+\.\d s, \1 known from before\n", again)


def test_a_failure_is_told_with_place_rule_and_line(prove: Prove, example: Any) -> None:
    code, out, said = prove(WRONG, "--explain", "0")
    assert (code, out) == (1, "")
    line = SOURCE.splitlines().index("    return value + 1") + 1
    place = f"{example.__file__}:{line}"
    assert f"{place}: overflow: (unknown, in proof_example.wrong)\n    return value + 1\n" in said
    assert re.search(r"invariant: values_are_small \(on return 1\) \(unknown, in proof_example\.wrong\)", said)
    assert re.search(r"\n2 of 4 obligations proved, 2 not in \d+\.\d s\n$", said)


def test_json_is_alone_on_standard_output(prove: Prove) -> None:
    code, out, said = prove(WRONG, GOOD, "--json", "--explain", "0")
    told: dict[str, Any] = json.loads(out)
    assert code == 1 and "obligations proved" in said
    assert set(told) == {
        "ok", "obligations", "proved", "failed", "unknown", "unread", "seconds", "cache_hits", "functions", "laws",
    }  # fmt: skip
    assert (told["ok"], told["proved"], told["failed"]) == (False, told["obligations"] - 2, [])
    assert {(one["function"], one["rule"]) for one in told["unknown"]} == {(WRONG, "overflow"), (WRONG, "invariant")}
    assert [one["name"] for one in told["functions"]] == [WRONG, GOOD]


def test_verbose_tells_each_obligation_and_function(prove: Prove) -> None:
    said = prove(GOOD, "-v")[2]
    assert re.search(r"^  proved  proof_example\.double:\S*: ensures .* cvc5\S* .*\d\.\d\d s$", said, re.M)
    assert re.search(r"^proof_example\.double: (\d+) of \1 proved, read in \d\.\d\d s, solvers \d\.\d\d s$", said, re.M)
    assert "proof_example.double: " in (again := prove(GOOD, "-v")[2]) and "unchanged" in again


def test_without_cache_nothing_is_kept(prove: Prove, tmp_path: Path) -> None:
    for _ in range(2):
        assert "known from before" not in prove(GOOD, "--no-cache")[2]
    assert not (tmp_path / "cache").exists()


def test_a_quick_run_leaves_slow_functions_out(prove: Prove) -> None:
    names = [one["name"] for one in json.loads(prove("--quick", "--json")[1])["functions"]]
    assert names == [GOOD]
    assert len(json.loads(prove("--json")[1])["functions"]) == 2


def test_list_says_what_is_under_proof(prove: Prove) -> None:
    assert prove("--list") == (0, "", "example: Example\n  proof_example.double\n  proof_example.halve  (slow)\n")
    assert json.loads(prove("--list", "--json")[1])["groups"][0]["functions"] == [GOOD, "proof_example.halve"]


def test_a_function_under_proof_that_is_gone_is_an_error(prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "GROUPS", (targets.Group("example", "Example", ("proof_example.doubled",)),))
    with pytest.raises(Diagnostic) as caught:
        prove()
    assert caught.value.location.file == "src/tessera/proof/groups.py" and GOOD in caught.value.fix


@pytest.mark.parametrize(
    "arguments",
    [("--quick", GOOD), ("--update",), ("--ledger", "--update", GOOD), ("--ledger", "--update", "--check")],
)
def test_options_that_contradict_each_other(prove: Prove, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Diagnostic) as caught:
        prove(*arguments)
    assert caught.value.rule == "usage" and caught.value.fix


def test_a_failure_is_explained_by_an_example(prove: Prove, tmp_path: Path) -> None:
    code, _, said = prove(WRONG)
    assert code == 1 and "counterexample:" in said
    tests = list((tmp_path / "build" / "counterexamples").glob("*.py"))
    assert tests and all(path.name in said for path in tests)


def test_a_bar_is_drawn_on_a_terminal_only(prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    here, there = pty.openpty()
    with open(there, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert prove(GOOD)[0] == 0
        terminal.flush()
        seen.append(os.read(here, 1 << 16).decode())
    os.close(here)
    assert "functions" in seen[0] and "\x1b[" in seen[0]


def test_an_unknown_function_is_a_mistake_with_close_matches(tessera: Command) -> None:
    result = tessera("prove", "kernel/cspace.py:lokup")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "kernel/cspace.py:lokup: error: the kernel has no function or file kernel/cspace.py:lokup [unknown-function]\n"
        "  why: only functions of the kernel can be proved\n"
        "  fix: did you mean kernel.cspace.lookup or kernel.cspace.lookup_slot or kernel.cspace?\n"
    )

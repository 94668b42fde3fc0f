# SPDX-License-Identifier: BSD-2-Clause
"""Failing obligations are told with a small state, and with a test that fails for the reason that is told."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tessera.ir.build import build_program
from tessera.lang.diagnostics import Diagnostic
from tessera.lang.functions import FUNCTIONS
from tessera.proof.counterexample import Explanation, explain, explain_obligation
from tessera.proof.kernel import world_of
from tessera.smt.session import World
from tessera.smt.verify import Reading, read_function
from tests.proof import planted

REPOSITORY = Path(__file__).resolve().parents[2]

# Function, rule, the line of the source, and what must be told.
PLANTED = [
    ("insert_behind", "invariant", "def insert_behind", ["is false"]),
    ("second", "null", "return bead.next.value", ["bead = bead1", "following is not None: no"]),
    ("total", "overflow", "return a.value + b.value", ["if a is b: no", "value=0x"]),
    ("larger", "ensures", "ensures(lambda result", ["a = 0", "b = 1", "if a < b: yes"]),
    ("bump", "modifies", "modifies(bead.value)", ["next=bead", "value is changed"]),
    ("bump_twice", "ensures", "ensures(lambda: bead.value == old", ["bead.value == old(bead.value) + 1"]),
    ("push", "index", "table.slots[table.count] = value", ["table = BeadTable(count=8)", "8 of 8"]),
    ("follow", "live", "return spare.value", ["no live Bead"]),
    ("keep", "invariant", "def keep", ["link_is_valid", "no live Bead"]),
    ("ask_for_link", "result", "def ask_for_link", ["BeadLink(bead=bead", "case BeadLink() as link"]),
    ("pass_on", "argument", "touch(bead.spare)", ["of touch"]),
    ("break_and_call", "invariant", "touch(bead)", ["next_is_linked"]),
    ("quarter", "requires", "return half(half(value))", ["value = 2", "half requires value % 2 == 0"]),
    ("until_now", "overflow", "return read_clock() - start", ["start = 1", "read_clock() gives 0"]),
]


@cache
def world() -> World:
    """The program with planted bugs, and its invariants."""
    infos = [info for info in FUNCTIONS.values() if info.function.__module__ == planted.__name__]
    program = build_program([info for info in infos if info.kind in ("compiled", "invariant")], specification=True)
    invariants = [program.functions[info.name] for info in infos if info.kind == "invariant"]
    return world_of(program, invariants, set())


@cache
def reading(name: str) -> Reading:
    return read_function(world(), world().program.functions[f"{planted.__name__}.{name}"])


def explained(name: str, rule: str, directory: Path) -> Explanation:
    """The explanation of the first obligation of a rule that has a counterexample, or of the last one tried."""
    tried = [
        explain_obligation(reading(name), one, directory, 20)
        for one in reading(name).obligations
        if one.rule == rule and f"{name}:" in one.name
    ]
    assert tried, f"{name} has no obligation of the rule {rule}"
    return next((one for one in tried if one.validated), tried[-1])


def pytest_run(*files: Path, also: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run written tests as a user would."""
    paths = os.pathsep.join(map(str, [REPOSITORY / "src", REPOSITORY, also]))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files)],
        cwd=also,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name, rule, line, said", PLANTED, ids=[f"{one[0]}-{one[1]}" for one in PLANTED])
def test_planted_bug_is_explained(name: str, rule: str, line: str, said: list[str], tmp_path: Path) -> None:
    found = explained(name, rule, tmp_path)
    text = found.text()
    assert found.validated, text
    assert found.source.startswith(line), text
    assert f"planted.py:{found.line}: {rule}" in text
    for words in said:
        assert words in text
    assert found.test_file is not None and found.test_file.parent == tmp_path


def test_written_tests_fail_as_they_say(tmp_path: Path) -> None:
    expected = {}
    for name, rule, _, _ in PLANTED:
        found = explained(name, rule, tmp_path)
        assert found.test_file is not None
        expected[found.test_file] = found.outcome
    run = pytest_run(*expected)
    assert run.returncode == 1, run.stdout
    assert f"{len(expected)} failed" in run.stdout, run.stdout
    for place, outcome in expected.items():
        assert place.name in run.stdout
        assert outcome.split(": ", 1)[1] in run.stdout


SMALL = """# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from tessera.lang import compiled, ensures, requires, struct, u64


@struct
class Purse{number}:
    coins: u64


@compiled
def take(purse: Purse{number}, coins: u64) -> None:
    ensures(lambda: purse.coins < 1 << 63)
{body}
"""
BUGGY = "    purse.coins = purse.coins - coins"
FIXED = "    purse.coins = u64(0) if coins > purse.coins or purse.coins >= 1 << 63 else purse.coins - coins"
NARROWED = "    requires(coins <= purse.coins and purse.coins < 1 << 63)\n    purse.coins = purse.coins - coins"


@pytest.mark.parametrize("number, repaired", [(1, FIXED), (2, NARROWED)], ids=["code", "contract"])
def test_written_test_passes_once_the_bug_is_fixed(
    number: int, repaired: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / f"purse_{number}.py"
    place.write_text(SMALL.format(number=number, body=BUGGY))
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__(place.stem)
    info = FUNCTIONS[f"{place.stem}.take"]
    program = build_program([info], specification=True)
    read = read_function(world_of(program, [], set()), program.functions[info.name])
    failing = next(one for one in read.obligations if one.rule == "overflow")
    found = explain_obligation(read, failing, tmp_path / "out")
    assert found.validated and found.test_file is not None
    assert pytest_run(found.test_file, also=tmp_path).returncode == 1
    place.write_text(SMALL.format(number=number, body=repaired))
    run = pytest_run(found.test_file, also=tmp_path)
    assert run.returncode == 0, run.stdout


def test_correct_function_has_no_counterexample(tmp_path: Path) -> None:
    for one in reading("correct").obligations:
        found = explain_obligation(reading("correct"), one, tmp_path, 20)
        assert not found.validated and found.test_file is None
        assert "no concrete state was found" in found.text()


def test_weak_contract_of_a_callee_is_said(tmp_path: Path) -> None:
    found = explained("half_of_bead", "ensures", tmp_path)
    assert not found.validated and found.test_file is None
    assert "a state that the solver proposes" in found.text()
    assert "contracts may allow what the bodies never do: tests.proof.planted.loose_half" in found.text()


def test_weak_loop_invariant_is_said(tmp_path: Path) -> None:
    found = explained("sum_to", "loop invariant kept", tmp_path)
    assert not found.validated
    assert "they may be too weak" in found.text()
    assert "left = " in found.text() and "(in a loop)" in found.text()


def test_named_obligation(tmp_path: Path) -> None:
    name = next(one.name for one in reading("larger").obligations if one.rule == "ensures")
    assert explain(world, f"{planted.__name__}.larger", name, tmp_path).validated


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(Diagnostic, match="not a part of the program"):
        explain(world, "no.function", "", tmp_path)
    with pytest.raises(Diagnostic, match="has no obligation"):
        explain(world, f"{planted.__name__}.larger", "no such one", tmp_path)

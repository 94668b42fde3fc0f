# SPDX-License-Identifier: BSD-2-Clause
"""The ledger: what a run says of every function, what is lost between two of them, and the documents made from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tessera.lang.diagnostics import Diagnostic
from tessera.proof.claims import FunctionReport, Report, Result
from tessera.proof.ledger import (
    ASSUMED,
    IN_PLACE,
    ITSELF,
    LEDGER,
    NOT_REACHED,
    Ledger,
    Row,
    ledger_of,
    read_ledger,
    regressions,
    write_ledger,
)
from tessera.proof.ledger_tables import BEGIN, CAVEATS, END, README, caveats_part, readme_part, replaced, table
from tessera.proof.lines import Lines, measure
from tessera.proof.run import default_cache, prove, the_kernel
from tessera.proof.targets import GROUPS, all_targets
from tessera.smt.session import World

LOOKUP, REMOVE, SLOT_AT = (
    f"tessera.kernel.{name}" for name in ("cspace.lookup", "derivation.remove", "cspace.slot_at")
)
REBALANCE = "tessera.kernel.untyped.reset"


@pytest.fixture(scope="module")
def kernel() -> World:
    return the_kernel()


def result(rule: str, status: Any = "proved") -> Result:
    return Result("f", f"f:1: {rule}", "f.py", 1, rule, "", status, "cvc5", 0.1, False, "")


def report(**changes: Any) -> Report:
    """Two functions under proof; ``changes`` replaces the outcomes of obligations of the first, by rule."""
    results = [result(rule, changes.get(rule, "proved")) for rule in ("overflow", "ensures", "invariant")]
    lookup = FunctionReport(LOOKUP, results, relies_on=(REMOVE, "arch.barrier"), inlined=(SLOT_AT,))
    lookup.error = changes.get("error", "")
    remove = FunctionReport(REMOVE, [result("live"), result("invariant")], relies_on=(REBALANCE,))
    return Report([lookup, remove], [FunctionReport("laws", [result("law", changes.get("law", "proved"))])])


def test_every_function_of_the_kernel_has_a_row(kernel: World) -> None:
    ledger = ledger_of(report(), kernel)
    compiled = {
        name.removeprefix("tessera.")
        for name, function in kernel.program.functions.items()
        if function.info.kind == "compiled" and name.startswith("tessera.kernel.")
    }
    assert set(ledger.rows) == compiled and len(compiled) > 300
    lookup = ledger.rows["kernel.cspace.lookup"]
    assert (lookup.how, lookup.safe, lookup.keeps_invariants, lookup.complete) == (ITSELF, True, True, True)
    assert (lookup.obligations, lookup.proved) == (3, 3)
    assert ledger.rows["kernel.cspace.slot_at"].how == IN_PLACE
    assert ledger.rows["kernel.cspace.slot_at"].callers == ["kernel.cspace.lookup"]
    assert ledger.rows["kernel.untyped.reset"].how == ASSUMED
    assert ledger.rows["kernel.entry.leave"].how == NOT_REACHED
    assert ledger.laws == {"laws": (1, 1)}
    assert ledger.lines == measure([LOOKUP, REMOVE, SLOT_AT]) and ledger.lines.code > 20


def test_what_is_assumed_is_told_through_what_is_proved(kernel: World) -> None:
    lookup = ledger_of(report(), kernel).rows["kernel.cspace.lookup"]
    assert lookup.assumed == ["kernel.untyped.reset"] and lookup.hardware == ["arch.barrier"]
    # A function under proof that is not proved is an assumption too.
    unproved = report()
    unproved.functions[1].results.append(result("live", "unknown"))
    lookup = ledger_of(unproved, kernel).rows["kernel.cspace.lookup"]
    assert lookup.assumed == ["kernel.derivation.remove", "kernel.untyped.reset"]


@pytest.mark.parametrize(
    "rule, lost",
    [
        ("overflow", ["is safe"]),
        ("ensures", ["keeps its promises"]),
        ("invariant", ["keeps the invariants"]),
    ],
)
def test_a_lost_proof_is_a_regression(kernel: World, rule: str, lost: list[str]) -> None:
    before, after = ledger_of(report(), kernel), ledger_of(report(**{rule: "unknown"}), kernel)
    lines = regressions(before, after, ["kernel.cspace.lookup"])
    assert lines == [f"kernel.cspace.lookup: it is no longer proved that it {what} (now: itself)" for what in lost]
    assert regressions(after, before) == [] == regressions(before, before)
    assert regressions(before, after, ["kernel.derivation.remove"]) == []


def test_what_is_read_in_place_is_lost_with_its_callers(kernel: World) -> None:
    before, after = ledger_of(report(), kernel), ledger_of(report(overflow="refuted"), kernel)
    assert "kernel.cspace.slot_at: it is no longer proved that it is safe (now: in place)" in regressions(before, after)


def test_a_function_that_cannot_be_read_or_is_not_tried_any_more_is_lost(kernel: World) -> None:
    before = ledger_of(report(), kernel)
    assert len(regressions(before, ledger_of(report(error="no"), kernel), ["kernel.cspace.lookup"])) == 3
    without = Report([report().functions[1]], report().laws)
    lost = regressions(before, ledger_of(without, kernel))
    assert "kernel.cspace.lookup: it is no longer proved that it is safe (now: not reached)" in lost


def test_a_lost_law_is_a_regression(kernel: World) -> None:
    before, after = ledger_of(report(), kernel), ledger_of(report(law="refuted"), kernel)
    assert regressions(before, after) == ["laws: 1 of 1 are not proved; before 1 were"]


def test_functions_that_work_without_invariants_or_promise_nothing_claim_neither(kernel: World) -> None:
    name = next(
        one for one, function in kernel.program.functions.items()
        if any(contract.kind == "without_invariants" for contract in function.contracts)
    )  # fmt: skip
    row = ledger_of(Report([FunctionReport(name, [result("live")])]), kernel).rows[name.removeprefix("tessera.")]
    assert row.keeps_invariants is None and row.complete
    silent = next(
        one for one, function in kernel.program.functions.items()
        if not function.contracts and function.info.kind == "compiled"
    )  # fmt: skip
    row = ledger_of(Report([FunctionReport(silent, [])]), kernel).rows[silent.removeprefix("tessera.")]
    assert row.keeps_promises is None and row.keeps_invariants is True


def test_a_ledger_is_read_as_it_was_written(kernel: World, tmp_path: Path) -> None:
    ledger = ledger_of(report(ensures="unknown"), kernel)
    write_ledger(ledger, tmp_path / "ledger.json")
    again = read_ledger(tmp_path / "ledger.json")
    assert again.as_json() == ledger.as_json() and again.laws == ledger.laws and again.lines == ledger.lines
    assert again.rows["kernel.cspace.lookup"] == ledger.rows["kernel.cspace.lookup"]
    assert regressions(ledger, again) == []


@pytest.mark.parametrize("text", [None, "", "[]", '{"functions": {"f": {"unheard": 1}}, "laws": {}}'])
def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "ledger.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Diagnostic) as caught:
        read_ledger(path)
    assert caught.value.rule == "ledger" and "--update" in caught.value.fix


def test_the_documents_are_those_of_the_committed_ledger() -> None:
    ledger = read_ledger()
    for path, part in ((CAVEATS, caveats_part(ledger)), (README, readme_part(ledger))):
        text = path.read_text()
        assert replaced(text, part, path) == text, f"{path.name}: run `tessera prove --ledger --update`"


def test_marks_that_are_missing_are_told() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb", "new", Path("x.md")) == f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    with pytest.raises(Diagnostic) as caught:
        replaced("a\nb", "new", Path("x.md"))
    assert caught.value.rule == "document-marks"


def test_the_committed_ledger_knows_all_functions_and_targets(kernel: World) -> None:
    ledger = read_ledger()
    assert {name for group in GROUPS for name in group.functions} == set(ledger.with_how(ITSELF))
    now = ledger_of(Report(), kernel)
    missing = sorted(set(now.rows) ^ set(ledger.rows))
    assert not missing, f"{LEDGER.name}: run `tessera prove --ledger --update`: {missing[:5]}"


def test_the_table_has_a_line_for_each_function_that_proofs_know() -> None:
    endless = Row(ITSELF, safe=True, keeps_invariants=True, obligations=4, proved=4, assumed=["kernel.b.g"], endless=1)
    rows = {"kernel.a.f": endless, "kernel.b.g": Row(ASSUMED, contract="default"), "kernel.b.h": Row(NOT_REACHED)}
    lines = list(table(Ledger(rows, {"laws": (3, 2)}, Lines(20, 30))))
    assert [line.split()[0] for line in lines[1:]] == ["kernel.a.f", "kernel.b.g", "3", "laws:", "contracts,"]
    assert lines[-1].endswith("1.5 lines for each line of code under proof (30 : 20)")
    assert re.search(r"itself +yes +yes +- +4/4  1 assumed  \(not shown to end: 1 loops\)", lines[1])
    assert "default contract" in lines[2] and lines[-2] == "laws: 2 of 3 proved"
    assert lines[3] == "3 functions of the kernel: 1 itself, 0 in place, 1 assumed, 1 not reached"


@pytest.mark.slow
def test_quick_proofs_have_not_been_lost(kernel: World) -> None:
    """What continuous integration runs: the quick set, anew, against the committed ledger; five minutes, two cores."""
    quick = all_targets(quick=True)
    found = prove(quick, world=kernel, workers=2)
    assert all(one.proved for one in found.laws)
    tried = [name.removeprefix("tessera.") for name in quick]
    assert regressions(read_ledger(), ledger_of(found, kernel), tried) == []
    assert found.seconds < 300


def test_the_cache_is_a_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "tessera" / "proofs"

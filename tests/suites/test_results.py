# SPDX-License-Identifier: BSD-2-Clause
"""The README's table of what works: it is that of the results kept, and these are of the cases there are."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pytest

from tessera.lang.diagnostics import Diagnostic
from tessera.proof.ledger_tables import END, README
from tessera.suites.conformance.catalogue import CASES
from tessera.suites.conformance.run import Result, Results, names
from tessera.suites.results import (
    BEGIN,
    CHAPTERS,
    KERNELS,
    cases_by_chapter,
    chapter_of,
    counts,
    read_results,
    readme_part,
    update_readme,
    write_results,
)
from tests.suites import test_conformance


def test_every_case_belongs_to_a_chapter() -> None:
    groups = [group for some in CHAPTERS.values() for group in some]
    assert Counter(groups) == Counter(set(groups)) and {case.group for case in CASES.values()} == set(groups)
    assert sum(cases_by_chapter().values()) == len(names()) and set(cases_by_chapter()) == set(CHAPTERS)


def test_the_results_are_of_these_cases_and_kernels() -> None:
    kept = read_results()
    assert list(kept.conformance) == [" ".join(kernel) for kernel in KERNELS]
    assert KERNELS == test_conformance.KERNELS
    for some in kept.conformance.values():
        assert {chapter: every for chapter, (_, every) in some.items()} == cases_by_chapter(), "call `make results`"
    assert kept.fuzz["calls"] >= 200_000 and kept.schedule["jobs"] > 100


def test_the_readme_has_their_table() -> None:
    part = README.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    assert part == readme_part(read_results()), "call `make results`"


def test_what_fails_is_in_the_table() -> None:
    by_name = {name: Result(name, name != "signal_is_kept") for name in names()}
    found = counts(Results("sel4test", 0, "", by_name))
    every = cases_by_chapter()
    assert found["Notifications"] == (every["Notifications"] - 1, every["Notifications"])
    assert chapter_of("signal_is_kept") == "Notifications"
    kept = copy.deepcopy(read_results())
    kept.conformance["sel4test debug"] = found
    kept.fuzz["failures"], kept.schedule["missed"] = 2, 1
    part = readme_part(kept)
    assert f"| Notifications | {every['Notifications'] - 1} of {every['Notifications']} |" in part
    assert "2 differences" in part and "1 missed deadline |" in part


def test_results_are_kept_and_the_table_is_replaced(tmp_path: Path) -> None:
    kept, path, page = read_results(), tmp_path / "results.json", tmp_path / "page.md"
    write_results(kept, path)
    assert read_results(path) == kept
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    update_readme(kept, page)
    assert page.read_text() == f"before\n{BEGIN}\n\n{readme_part(kept)}\n\n{END}\nafter\n"
    page.write_text("nothing")
    with pytest.raises(Diagnostic, match="marks"):
        update_readme(kept, page)

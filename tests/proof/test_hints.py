# SPDX-License-Identifier: BSD-2-Clause
"""Hints: after an edit, what the last proof used is tried first, and nothing is believed because of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import z3

from tessera.proof.hints import FILE, HINTED, Hints, known_hints, parse, write_hints
from tessera.proof.targets import all_targets
from tessera.smt.cache import Cache
from tessera.smt.text import piece_of
from tests.proof.example import PAIR, run
from tests.readers import HEADER

SOURCE = (
    PAIR
    + """
@specification
def limit() -> u64:
    return u64(100)

@compiled
def sum_of(x: Pair) -> u64:
    ensures(lambda result: result < 2 * limit())
    return x.first + x.second
"""
)

# Prints what solvers are asked about functions whose calls may change many fields.
QUESTIONS = """
import hashlib
from tessera.proof.run import the_kernel
from tessera.proof.slices import ROUNDS, query_in
from tessera.smt.verify import read_function
world = the_kernel()
for name in ("scheduler.change_thread", "budget.unblock"):
    reading = read_function(world, world.program.functions["tessera.kernel." + name])
    text = "".join(query_in(reading.session, one, ROUNDS[3]).text for one in reading.obligations)
    print(name, hashlib.sha256(text.encode()).hexdigest())
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "example.py"


def prove(file: Path, source: str) -> dict[str, Any]:
    file.write_text(HEADER + source)
    return run(file, "sum_of", cache=file.parent / "cache", workers=1)


def test_what_was_used_is_found_again_after_an_edit(file: Path) -> None:
    first = prove(file, SOURCE)
    # The obligations need all invariants: they were asked several times, with more hypotheses each time.
    assert first["ok"] and first["asked"] > first["obligations"]
    # Other text, other names of what is fresh, and a new obligation before.
    edited = SOURCE.replace(
        "    return x.first + x.second", "    y = x.third + 1\n    return x.second + x.first + y - y"
    )
    second = prove(file, edited)
    assert second["ok"] and not second["functions"][0]["unchanged"]
    assert first["obligations"] < second["obligations"] and second["asked"] < first["asked"]


def test_a_hint_proves_nothing_that_does_not_follow(file: Path) -> None:
    assert prove(file, SOURCE)["ok"]
    for old, new in (("x.third < 100", "x.third < 1000"), ("return u64(100)", "return u64(90)")):
        told = prove(file, SOURCE.replace(old, new))
        assert [one["rule"] for one in told["unknown"]] == ["ensures"]
    assert prove(file, SOURCE)["ok"]


def test_new_hypotheses_are_tried_with_those_that_were_used(file: Path) -> None:
    assert prove(file, SOURCE)["ok"]
    # The proof needs an invariant that was not there, in place of one that was used.
    other = "    return x.third < x.first + 50\n\n@invariant\ndef first_is_small(x: Pair) -> bool:\n"
    other += "    trigger(x.first)\n    return x.first < 50"
    told = prove(file, SOURCE.replace("    return x.third < 100", other))
    assert told["ok"] and told["asked"] == told["obligations"], "each was proved at once"


def test_hints_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    hints = Hints(seen=frozenset({"a", "b"}))
    hints.learn("one", ("a",), 3)
    hints.learn("two", (), 4)
    hints.learn("three", (), HINTED)
    hints.learn("four", ("a", "b"), 0)
    hints.learn("four", ("b",), HINTED)
    hints.learn("five", ("a",), 0)
    hints.learn("five", ("b",), 2)
    hints.learn("six", ("a",), 0)
    hints.learn("six", ("a",), 2)
    hints.save(cache, "f")
    assert Hints.load(cache, "f") == hints and hints.rounds == {"two": 4, "six": 2}
    assert hints.cores == {"one": {"a"}, "four": {"b"}, "five": {"b"}}, "what alone did not do is not tried again"
    assert Hints.load(cache, "g") is None
    for broken in ('{"names": ["a"], "seen": [7], "cores": {}, "rounds": {}}', "[]", "{", '{"names": 1}'):
        cache.put("hints-3-f", {"hints": broken})
        assert Hints.load(cache, "f") is None


def test_what_an_edit_does_not_concern_is_not_asked(file: Path) -> None:
    new = "@invariant\ndef third_is_{}(x: Pair) -> bool:\n    trigger(x.third)\n    return x.third % 2 == {}\n"
    assert prove(file, SOURCE)["ok"]
    # Now it is asked with what was used and nothing else, which is a question of its own.
    assert prove(file, SOURCE + new.format("odd", 1))["ok"]
    told = prove(file, SOURCE + new.format("even", 0))
    assert told["ok"] and not told["functions"][0]["unchanged"]
    assert told["cache_hits"] == told["obligations"] and told["asked"] == told["obligations"]


def test_hints_of_the_source(tmp_path: Path) -> None:
    hints = {"a.f": Hints({"one": frozenset({"x", "y"})}, {"two": 4}), "a.g": Hints({}, {}, frozenset({"x"}))}
    write_hints(["a.g", "a.f", "a.h"], hints, None, tmp_path / "some.hints")
    text = (tmp_path / "some.hints").read_text()
    assert parse(text) == {"a.f": hints["a.f"], "a.g": Hints(), "a.h": Hints()}
    assert parse(text.replace("version", "Version")) == {}, "written by another version"
    found = known_hints(None, "tessera.kernel.cspace.lookup")
    assert found is not None and found.cores and found.chooses(next(iter(found.cores))) is None
    assert known_hints(None, "tessera.kernel.nothing") is None


def test_every_function_under_proof_has_hints() -> None:
    known = parse(FILE.read_text(encoding="utf-8"))
    assert set(known) == set(all_targets()), "stale: tessera prove --ledger --update"


def test_shapes_leave_out_the_numbers_of_fresh_names_only() -> None:
    x, y = z3.Ints("x!12 y"), z3.Ints("x!3 y")
    f, g = (z3.Function(f"f!{number}", z3.IntSort(), z3.IntSort()) for number in (1, 2))
    assert piece_of(f(x[0]) == x[1]).shape == piece_of(g(y[0]) == y[1]).shape
    every = [
        z3.ForAll([x[1]], f(x[1]) == x[0], patterns=[pattern])
        for pattern in (f(x[1]), z3.MultiPattern(f(x[1]), g(x[1])))
    ]
    terms = [x[0] == x[1], x[0] == 1, x[0] == 2, x[1] == 1, x[0] <= x[1], x[0] >= x[1], z3.Int("z") == x[1], *every]
    assert len({piece_of(term).shape for term in terms}) == len(terms)


def test_every_process_asks_the_same_questions() -> None:
    told = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", QUESTIONS], capture_output=True, text=True, env=environment)
        assert not run.returncode, run.stderr
        told.add(run.stdout)
    assert len(told) == 1 and len(told.pop()) > 60

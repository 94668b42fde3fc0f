# SPDX-License-Identifier: BSD-2-Clause
"""The portfolio: right answers of every kind, the same with any number of workers, and none that cannot be trusted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import z3

from tessera.smt import solve
from tessera.smt import workers as processes
from tessera.smt.cache import Cache, key_of
from tessera.smt.solve import Answer, Kind, Portfolio, Query, SolversDisagree, canonical
from tessera.smt.worker import STRATEGIES, Strategy, answer, ask

ARRAY = "(declare-const a (Array Int Int)) (declare-const x Int)"
SORTED = "(assert (forall ((i Int)) (! (< (select a i) (select a (+ i 1))) :pattern ((select a i)))))"
TRUE = {
    "quantified": f"{ARRAY} {SORTED} (assert (not (< (select a x) (select a (+ x 1)))))",
    "bits": "(declare-const w (_ BitVec 64)) (assert (distinct (bvand w w) w))",
    "ground": "(declare-const x Int) (assert (and (< 3 x) (< x 4)))",
}
FALSE = {
    "quantified": "(declare-const x Int) (assert (< 3 x))",
    "bits": "(declare-const w (_ BitVec 64)) (assert (distinct (bvand w #x00000000000000ff) w))",
    "ground": "(declare-const x Int) (assert (and (< 3 x) (< x 5)))",
}
# True, but the trigger never fires; and no model is looked for.
OPEN = f"{ARRAY} (assert (forall ((i Int)) (! (< (select a i) 0) :pattern ((select a (select a (select a i)))))))"
KINDS: tuple[Kind, ...] = ("quantified", "bits", "ground")
# Pigeons in too few holes: resolution needs exponentially many steps.
HOLES = 12
HARD = "".join(
    f"(declare-const p{i} Int)(assert (or {' '.join(f'(= p{i} {hole})' for hole in range(HOLES - 1))}))"
    for i in range(HOLES)
) + "".join(f"(assert (not (= p{i} p{j})))" for i in range(HOLES) for j in range(i))


def statuses(answers: list[Answer]) -> list[str]:
    return [each.status for each in answers]


@pytest.fixture(scope="module")
def portfolio() -> object:
    with Portfolio(2) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_true_is_proved_and_false_refuted(portfolio: Portfolio, kind: Kind) -> None:
    answers = portfolio.run([Query("true", TRUE[kind], kind), Query("false", FALSE[kind], kind)])
    assert statuses(answers) == ["proved", "refuted"]
    assert [each.name for each in answers] == ["true", "false"]
    assert all(each.solver and not each.cached for each in answers)


@pytest.mark.parametrize("kind, name", [(kind, strategy.name) for kind in KINDS for strategy in STRATEGIES[kind]])
def test_every_strategy_works_on_its_own(kind: Kind, name: str) -> None:
    assert answer(kind, name, TRUE[kind], 1.0)["outcome"] == "unsat"
    assert answer(kind, name, FALSE[kind], 1.0)["outcome"] == "sat"
    assert answer(kind, name, "(assert (= undeclared 1))", 1.0)["outcome"] == "error"


def test_what_nobody_decides_is_unknown_and_says_why(portfolio: Portfolio) -> None:
    (found,) = portfolio.run([Query("open", OPEN, "quantified")])
    assert (found.status, found.solver) == ("unknown", "")
    assert "cvc5: incomplete" in found.detail and "z3: " in found.detail
    # A strategy that had nothing left to try is not run again for longer.
    assert "cvc5, longer" not in found.detail


@pytest.mark.parametrize("solver", ["cvc5", "z3"])
def test_steps_bound_a_search(solver: str) -> None:
    options = next(each.options for each in STRATEGIES["ground"] if each.solver == solver)
    assert ask(Strategy(solver, solver, options, 20_000, 600.0), HARD, 1.0) == ("unknown", "step limit", [])


def test_a_text_that_a_solver_rejects_is_not_proved_by_another(portfolio: Portfolio) -> None:
    text = "(declare-const x Int) (assert (= x y)) (assert false)"
    (found,) = portfolio.run([Query("malformed", text, "quantified")])
    assert found.status == "unknown" and "error" in found.detail and "y" in found.detail


def test_answers_do_not_depend_on_the_number_of_workers() -> None:
    queries = [
        Query(f"{kind} {n}", text, kind) for n in range(4) for kind in KINDS for text in (TRUE[kind], FALSE[kind])
    ]
    queries = [Query(each.name, f"{each.text} ; {place}", each.kind) for place, each in enumerate(queries)]
    found = []
    for workers in (1, 3):
        heard: list[Answer] = []
        with Portfolio(workers) as portfolio:
            answers = portfolio.run(queries, on_answer=heard.append)
        assert sorted(each.name for each in heard) == sorted(each.name for each in queries)
        found.append([(each.name, each.status, each.solver, each.detail) for each in answers])
    assert found[0] == found[1]


def test_a_tiny_query_takes_milliseconds(portfolio: Portfolio) -> None:
    portfolio.run([Query("warm", TRUE["ground"], "ground")] * 2)
    queries = [Query(str(n), f"{TRUE['ground']} ; {n}", "ground") for n in range(50)]
    start = time.monotonic()
    assert statuses(portfolio.run(queries)) == ["proved"] * 50
    assert time.monotonic() - start < 5.0  # some 0.3 s; starting a process for each would take more than 10


# The cache


def test_answers_are_kept_by_content(tmp_path: Path) -> None:
    queries = [Query("true", TRUE["ground"], "ground"), Query("open", OPEN, "quantified")]
    with Portfolio(1, cache=tmp_path) as portfolio:
        first = portfolio.run(queries)
        assert not any(each.cached for each in first)
        again = portfolio.run([Query("renamed", TRUE["ground"], "ground"), queries[1]])
    assert [each.cached for each in again] == [True, True] and again[0].name == "renamed"
    assert [(each.status, each.solver, each.detail) for each in again] == [
        (each.status, each.solver, each.detail) for each in first
    ]
    for other in (Portfolio(1, cache=tmp_path, limit=0.5), Portfolio(1, cache=tmp_path, cross_check=True)):
        with other:
            assert not other.run(queries[:1])[0].cached
    with Portfolio(1, cache=tmp_path) as portfolio:
        assert not portfolio.run([Query("true", TRUE["ground"] + " ", "ground")])[0].cached


def test_the_same_text_is_asked_once(portfolio: Portfolio) -> None:
    first, second = portfolio.run([Query("one", TRUE["bits"], "bits"), Query("two", TRUE["bits"], "bits")])
    assert (first.name, second.name) == ("one", "two") and first.seconds > second.seconds == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"status": "proved", "key": "another"}', '{"status": "proved"}'])
def test_a_damaged_file_is_ignored_and_written_anew(tmp_path: Path, damage: str) -> None:
    query = Query("false", FALSE["ground"], "ground")
    with Portfolio(1, cache=tmp_path) as portfolio:
        portfolio.run([query])
        (file,) = tmp_path.glob("*/*.json")
        whole = file.read_text()
        file.write_text(damage)
        found = portfolio.run([query])[0]
        assert (found.status, found.cached) == ("refuted", False)
        assert file.read_text().startswith(whole[:30])
        assert portfolio.run([query])[0].cached


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    cache.put(key_of("a"), {"status": "proved"})
    assert cache.get(key_of("a")) is None


def test_parts_of_a_key_do_not_run_together() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")


def shared_term(before: int) -> str:
    """A query with shared terms, from z3, after so many others were built."""
    context = z3.Context()  # which counts from the beginning
    junk = [z3.Int(f"junk{n}", context) + n for n in range(before)]
    x, y = z3.Ints("x y", context)
    f = z3.Function("f", z3.IntSort(context), z3.IntSort(context))
    term = f(f(x) + y)
    solver = z3.Solver(ctx=context)
    solver.add(z3.Or(term * 2 == term + f(term), f(term) > f(f(term)), z3.And(f(x) > 3, term > f(x))))
    assert len(junk) == before
    return str(solver.to_smt2()).replace("(check-sat)", "")


def test_the_text_of_a_query_does_not_depend_on_what_was_built_before() -> None:
    first, second = shared_term(0), shared_term(137)
    assert first != second and canonical(first) == canonical(second)
    assert "$x0" in canonical(first)
    assert canonical("(let ((?x9 1) ($x4 p)) (f ?x9 $x4 ?x9))") == "(let ((?x0 1) ($x1 p)) (f ?x0 $x1 ?x0))"
    assert canonical("(f a?x12 |?x12b|)") == "(f a?x12 |?x12b|)"


# Workers that misbehave: a stand-in for the worker does what the query's text says.

STAND_IN = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    text, name = request["text"], request["strategy"]
    if "crash" in text and name in text: os._exit(9)
    if "hang" in text and name in text: time.sleep(1000)
    outcome = ("unsat" if name == "cvc5" else "sat") if "disagree" in text else "unsat"
    print(json.dumps({"outcome": outcome, "detail": "", "seconds": 0.0, "core": []}), flush=True)
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", STAND_IN))
    monkeypatch.setattr(solve, "GRACE", 1.0)


@pytest.mark.parametrize("text, why", [("crash cvc5", "crash"), ("hang cvc5", "wall limit")])
def test_a_worker_that_dies_or_hangs_is_replaced(stand_in: None, tmp_path: Path, text: str, why: str) -> None:
    queries = [Query("before", "", "quantified"), Query("bad", text, "quantified"), Query("after", " ", "quantified")]
    with Portfolio(1, cache=tmp_path, limit=0.001) as portfolio:
        before, bad, after = portfolio.run(queries)
    assert (before.solver, after.solver) == ("cvc5", "cvc5")
    assert (bad.status, bad.solver, bad.detail) == ("proved", "z3", f"cvc5: {why}")


def test_what_every_worker_dies_of_is_unknown_and_not_kept(stand_in: None, tmp_path: Path) -> None:
    text = "crash " + " ".join(strategy.name for strategy in STRATEGIES["quantified"])
    with Portfolio(1, cache=tmp_path) as portfolio:
        (bad,) = portfolio.run([Query("bad", text, "quantified")])
        assert bad.status == "unknown" and bad.detail.count("crash") == len(STRATEGIES["quantified"])
        assert not portfolio.run([Query("bad", text, "quantified")])[0].cached


def test_solvers_that_disagree_stop_everything(stand_in: None) -> None:
    query = Query("shaky", "disagree", "quantified")
    with Portfolio(1) as portfolio:
        assert portfolio.run([query])[0].status == "proved"
    with Portfolio(1, cross_check=True) as portfolio, pytest.raises(SolversDisagree, match="shaky: cvc5 unsat, z3 sat"):
        portfolio.run([query])


def test_cross_checking_asks_two_solvers() -> None:
    queries = [Query(kind, text[kind], kind) for kind in KINDS for text in (TRUE, FALSE)]
    with Portfolio(2, cross_check=True) as portfolio:
        assert statuses(portfolio.run(queries)) == ["proved", "refuted"] * 3


INTERRUPTED = """
from tessera.smt.solve import Portfolio, Query
import sys
with Portfolio(2, limit=1000.0) as portfolio:
    portfolio.run([Query("easy", "(assert false)", "ground")] * 2 + [Query("easy 2", "(assert (not true))", "ground")])
    print(*[seat.worker.process.pid for seat in portfolio._seats], flush=True)
    portfolio.run([Query(str(n), sys.argv[1] + f"; {n}", "ground") for n in range(4)])
"""


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_interrupt_leaves_no_process_behind(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    command = [sys.executable, "-c", INTERRUPTED, HARD]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert running.stdout is not None
    workers = [int(word) for word in running.stdout.readline().split()]
    assert len(workers) == 2 and all(alive(worker) for worker in workers)
    time.sleep(0.5)  # into the long search
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert not any(alive(worker) for worker in workers)

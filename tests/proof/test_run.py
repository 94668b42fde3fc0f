# SPDX-License-Identifier: BSD-2-Clause
"""Runs of the prover: what is proved and what is not, what is known again, and what an edit makes it look at."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import z3

from tessera.lang.diagnostics import Diagnostic
from tessera.proof.claims import Claim
from tessera.proof.laws import MAKERS, zero_laws
from tessera.proof.readers import Ended, Found, More, Readers, Task
from tessera.proof.run import the_kernel
from tessera.proof.slices import ROUNDS, query_in
from tessera.proof.targets import all_targets, check_groups, group_of, resolve
from tessera.smt.session import World
from tessera.smt.solve import Portfolio, Query
from tests.proof.example import PAIR, SOURCE, run
from tests.readers import module_of
from tests.smt.proving import reading_of, world_of_module

GOOD = ("double", "store", "halve", "bounded")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "example.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def kernel() -> World:
    return the_kernel()


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SOURCE.splitlines(), 1) if text in line)


def test_what_holds_is_proved_and_what_does_not_is_told_with_its_place(file: Path) -> None:
    told = run(file, *GOOD, "wrong")
    assert told["ok"] is False and told["failed"] == told["unread"] == [] and told["cache_hits"] == 0
    assert told["proved"] == told["obligations"] - 2
    line = line_of("ensures(lambda result: result > value)")
    found = [(one["file"], one["line"], one["rule"], one["what"], one["source"]) for one in told["unknown"]]
    assert sorted(found) == [
        ("example.py", line - 1, "invariant", "values_are_small (on return 1)", SOURCE.splitlines()[line - 2]),
        ("example.py", line + 2, "overflow", "", "return value + 1"),
    ]


def test_figures_of_each_function(file: Path) -> None:
    told = run(file, *GOOD, "wrong")
    functions = {one["name"].rpartition(".")[2]: one for one in told["functions"]}
    assert [one["name"] for one in told["functions"]] == [f"example_of_proofs.{name}" for name in (*GOOD, "wrong")]
    assert all(functions[name]["safe"] and functions[name]["keeps_invariants"] for name in GOOD)
    assert not functions["wrong"]["safe"] and not functions["wrong"]["keeps_invariants"]
    assert functions["double"]["read_in_place"] == ["example_of_proofs.twice"]
    assert functions["halve"]["relies_on"] == ["example_of_proofs.bounded", "example_of_proofs.store"]
    assert sum(one["obligations"] for one in told["functions"]) == told["obligations"]


def test_nothing_is_asked_twice(file: Path, tmp_path: Path) -> None:
    first = run(file, *GOOD, cache=tmp_path / "cache", workers=1)
    second = run(file, *GOOD, cache=tmp_path / "cache")
    assert first["ok"] and first["cache_hits"] == 0 and not any(one["unchanged"] for one in first["functions"])
    assert second["ok"] and second["cache_hits"] == second["obligations"] == first["obligations"]
    assert all(one["unchanged"] for one in second["functions"])
    for before, after in zip(first["functions"], second["functions"], strict=True):
        for key in ("name", "obligations", "proved", "relies_on", "read_in_place"):
            assert before[key] == after[key]


def test_what_is_not_proved_is_looked_at_again(file: Path, tmp_path: Path) -> None:
    first = run(file, "wrong", cache=tmp_path / "cache")
    second = run(file, "wrong", cache=tmp_path / "cache")
    assert not second["ok"] and second["unknown"] == first["unknown"]
    assert not second["functions"][0]["unchanged"] and second["cache_hits"] > 0


def changed(file: Path, old: str, new: str) -> set[str]:
    """The functions that an edit makes the prover read again."""
    before = run(file)["digests"]
    assert SOURCE.count(old) == 1
    file.write_text(SOURCE.replace(old, new))
    after = run(file)["digests"]
    return {name.rpartition(".")[2] for name in before if before[name] != after[name]}


ALL = {"values_are_small", "next_is_live", "limit", "twice", "bounded", "double", "store", "halve", "wrong"}


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("    return value + value\n", "    return value + value + 0\n", {"twice", "double"}),
        ("    x.value = value\n\n\n", "    x.value = value + 0\n\n\n", {"store"}),
        ("requires(value < 1000)", "requires(value < 999)", {"store", "halve"}),
        ("    modifies(x.value)\n", "", {"store", "halve"}),
        ("return u64(1000)", "return u64(1001)", {"limit", "double"}),
        ("x.value // 2)", "x.value // 2)  # a comment", {"halve"}),
        ("counter = static(", "# a comment\ncounter = static(", set()),
        ("x.value < 1000", "x.value < 1001", ALL),
        ("    number: u64\n", "    number: u64\n    more: u64\n", ALL),
    ],
)  # fmt: skip
def test_an_edit_is_noticed_by_those_whom_it_concerns(file: Path, old: str, new: str, expected: set[str]) -> None:
    assert changed(file, old, new) == expected


def test_lines_follow_an_edit_above(file: Path, tmp_path: Path) -> None:
    run(file, *GOOD, cache=tmp_path / "cache")
    file.write_text("\n\n\n" + SOURCE.replace("return value + value", "return value + value + 2"))
    told = run(file, *GOOD, cache=tmp_path / "cache")
    assert {one["name"].rpartition(".")[2]: one["unchanged"] for one in told["functions"]} == {
        "double": False, "store": True, "halve": True, "bounded": True,
    }  # fmt: skip
    assert [(one["line"], one["rule"]) for one in told["unknown"]] == [(line_of("2 * limit()") + 3, "ensures")]


def crash(world: World) -> Iterator[tuple[Claim, Query]]:
    yield Claim("", 1, "law", "one", file="x"), Query("one", "(assert false)", "bits")
    os._exit(9)


def give_up(world: World) -> Iterator[tuple[Claim, Query]]:
    raise NotImplementedError("such a thing")
    yield


def test_a_crash_of_a_reader_is_told_and_the_others_go_on(kernel: World) -> None:
    with Readers(kernel, 2) as readers:
        readers.add([Task("crash", crash), Task("give up", give_up), Task("zero", zero_laws)])
        errors, found = {}, 0
        for message in readers.messages():
            if isinstance(message, Ended):
                errors[message.task] = message.error
                if not message.error:
                    readers.more(message.task, More())
            elif isinstance(message, Found):
                found += message.task == "zero"
    assert errors == {
        "crash": "the process that read it crashed",
        "give up": "the prover cannot read it yet: such a thing",
        "zero": "",
    }
    assert found == len(list(zero_laws(kernel))) > 50


BARE = module_of(
    "tests_zero",
    """
@word(u8)
class Level(IntEnum):
    LOW = 1
    HIGH = 2

@struct
class Thing:
    level: Level
    number: u64
    owner: Thing
    friend: Thing | None

@compiled
def look(thing: Thing) -> u64:
    other = thing.friend
    return thing.number if other is None else other.number
""",
)


def test_a_field_for_which_zero_is_no_value_is_refuted() -> None:
    pairs = list(zero_laws(world_of_module(BARE)))
    with Portfolio(1) as portfolio:
        answers = portfolio.run([query for _, query in pairs])
    found = {claim.text: answer.status for (claim, _), answer in zip(pairs, answers, strict=True)}
    assert {name: status for name, status in found.items() if name.startswith("Thing.")} == {
        "Thing.level": "refuted",
        "Thing.number": "proved",
        "Thing.owner": "refuted",
        "Thing.friend": "proved",
    }


SLICED = module_of(
    "tests_slices",
    PAIR
    + """
@compiled
def sum_of(x: Pair) -> u64:
    return x.first + x.second
""",
)


def test_hypotheses_grow_from_round_to_round_until_none_is_left_out() -> None:
    world = world_of_module(SLICED)
    reading = reading_of(world, SLICED.sum_of)
    obligation = next(one for one in reading.obligations if one.rule == "overflow")
    names = ("first_is_below_second", "second_is_below_third", "third_is_small")
    hypotheses = {fact.invariant: fact.term.sexpr() for fact in obligation.facts if fact.invariant}
    assert set(hypotheses) == set(names)
    queries = [query_in(reading.session, obligation, each) for each in ROUNDS]
    assert [query.kind for query in queries] == [each.kind for each in ROUNDS]
    used = {
        each.width: {name for name in names if hypotheses[name] in query.text}
        for each, query in zip(ROUNDS, queries, strict=True)
    }
    # The sum speaks of the first two fields; only all three invariants together bound it.
    assert used == {"goal": {names[0]}, "path": {names[0]}, "near": set(names[:2]), "all": set(names)}
    with Portfolio(1) as portfolio:
        assert [answer.status for answer in portfolio.run(queries)] == [
            "proved" if each.width == "all" else "unknown" for each in ROUNDS
        ]


def test_laws_speak_of_all_packed_classes_and_axioms(kernel: World) -> None:
    texts = {name: [claim.text for claim, _ in make(kernel)] for name, make in MAKERS.items()}
    packed, bridge, zero = texts.values()
    assert len(packed) > 400 and {"UntypedCap.base set/get", "Entry.address range"} <= set(packed)
    assert len(bridge) > 40 and "aligned blocks nest or are apart" in bridge
    assert {"Slot.capability", "Tcb.state"} <= set(zero)
    for claim, query in (pair for make in MAKERS.values() for pair in make(kernel)):
        assert Path(claim.file).is_file() and claim.offset > 0
        assert query.kind in ("bits", "ground") and "assert" in query.text
        z3.Solver().from_string(query.text)


LOOKUPS = ("lookup", "lookup_slot", "lookup_capability", "lookup_target_slot")


def test_names_of_functions(kernel: World) -> None:
    lookup = ["tessera.kernel.cspace.lookup"]
    for name in (
        "kernel/cspace.py:lookup",
        "kernel.cspace.lookup",
        "tessera.kernel.cspace.lookup",
        "src/tessera/kernel/cspace.py:lookup",
    ):
        assert resolve(kernel, [name]) == lookup
    assert resolve(kernel, ["laws"]) == []
    assert resolve(kernel, ["lookup"]) == [f"tessera.kernel.cspace.{name}" for name in LOOKUPS]
    core = resolve(kernel, ["core", "mint"])
    assert len(core) == len(set(core)) and set(resolve(kernel, ["lookup", "tree", "send"])) < set(core)
    assert len(core) < len(all_targets())
    in_file = resolve(kernel, ["kernel/derivation.py", "kernel.derivation.insert"])
    assert {"tessera.kernel.derivation.insert", "tessera.kernel.derivation.remove"} <= set(in_file)
    assert len(in_file) == len(set(in_file))
    assert "tessera.kernel.derivation.make_empty" not in in_file, "it is read in place"


@pytest.mark.parametrize(
    "name, close",
    [
        ("kernel/cspace.py:lokup", "kernel.cspace.lookup"),
        ("locup", "lookup"),
        ("kernel/cspac.py", "kernel.cspace"),
    ],
)
def test_unknown_names_get_close_matches(kernel: World, name: str, close: str) -> None:
    with pytest.raises(Diagnostic) as caught:
        resolve(kernel, [name])
    assert caught.value.rule == "unknown-function" and close in caught.value.fix


def test_functions_under_proof_exist_and_have_one_group(kernel: World) -> None:
    check_groups(kernel)
    names = all_targets()
    assert len(names) == len(set(names)) and set(all_targets(quick=True)) <= set(names)
    assert all(group_of(name) for name in names)


def wait_for_ever(world: World) -> Iterator[tuple[Claim, Query]]:
    Path(os.environ["EXAMPLE_PID"]).write_text(str(os.getpid()))
    time.sleep(600)
    yield Claim("", 1, "law", "never", file="x"), Query("never", "(assert false)", "bits")


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_process_is_left_when_a_run_is_interrupted(
    kernel: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "pid"
    monkeypatch.setenv("EXAMPLE_PID", str(place))
    with Readers(kernel, 2) as readers:
        readers.add([Task("wait", wait_for_ever)])
        for _ in readers.messages():
            if place.exists() and place.read_text():
                break
    end = time.monotonic() + 10
    while is_there(int(place.read_text())) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_there(int(place.read_text()))

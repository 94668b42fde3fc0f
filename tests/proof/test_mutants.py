# SPDX-License-Identifier: BSD-2-Clause
"""Mutants: which faults are made, that strong contracts refute them, and that weak ones let them through."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest

from tessera.ir.interpret import Interpreter
from tessera.ir.nodes import Program
from tessera.lang import Memory
from tessera.lang.functions import FunctionInfo
from tessera.proof.mutant_runs import MutantReport, Tried, equivalent_mutants, run_mutants
from tessera.proof.mutants import Mutant, mutants_of, mutated, sample
from tests.readers import info, memory_size, module_of
from tests.smt.proving import world_of_module

SOURCE = """
@word(u8)
class Answer(IntEnum):
    NO = 0
    YES = 1
    LATER = 2

@struct
class Box:
    value: u64
    other: u64
    rank: integer = ghost_field()

box = static(Box)

@compiled
def clamp(a: u64, most: u64) -> u64:
    ensures(lambda result: result == (a if a < most else most))
    return a if a < most else most

@compiled
def keep(a: u64) -> Answer:
    ensures(lambda result: (result == Answer.YES) == (a < 10) and (result == Answer.LATER) == (a >= 10 and a < 20))
    ensures(lambda: implies(a < 10, box.value == a) and implies(a >= 10, box.value == old(box.value)))
    ensures(lambda: box.other == old(box.other))
    if a < 10:
        box.value = a
        with ghost:
            box.rank = integer(a) + 1
        assert box.value < 10
        return Answer.YES
    if not is_late(a):
        return Answer.LATER
    return Answer.NO

@compiled
def is_late(a: u64) -> bool:
    return a >= 20

@compiled
def weak(a: u64) -> u64:
    ensures(lambda result: result >= 1)
    return a // 2 + 1 if a > 0 else 1
"""
MODULE = module_of("tests_mutants", SOURCE)
WORLD = world_of_module(MODULE)
FILE = MODULE.__file__


def name_of(function: Any) -> str:
    found: FunctionInfo = info(function)
    return found.name


def tried(function: Any, count: int = 100, equivalent: dict[str, str] | None = None) -> MutantReport:
    return run_mutants([name_of(function)], count, 2, world=WORLD, equivalent=equivalent or {})


def changes(function: Any) -> list[str]:
    return [mutant.change for mutant in mutants_of(WORLD.program.functions[name_of(function)])]


def test_which_faults_are_made() -> None:
    assert changes(MODULE.clamp) == ["< becomes <="]
    assert changes(MODULE.keep) == [
        "the condition is negated",
        "the branch is never taken",
        "< becomes <=",
        "10 becomes 11",
        "10 becomes 9",
        "the assignment is left out",
        "value becomes other",
        "YES becomes LATER",
        "the condition is negated",
        "the branch is never taken",
        "LATER becomes NO",
        "NO becomes YES",
    ]
    assert changes(MODULE.is_late) == ["the result is negated", ">= becomes >", "20 becomes 21", "20 becomes 19"]


def test_a_mutant_runs_with_its_fault_and_the_original_without() -> None:
    program = WORLD.program
    function = program.functions[name_of(MODULE.clamp)]
    (mutant,) = mutants_of(function)
    faulty = Program({**program.functions, function.name: mutated(function, mutant)}, {}, [])

    def result(which: Program, *values: int) -> Any:
        return Interpreter(which, Memory(memory_size())).call_raw(function.name, *values)

    keep = program.functions[name_of(MODULE.keep)]
    for one in mutants_of(keep):
        other = Program({**program.functions, keep.name: mutated(keep, one)}, {}, [])
        outcomes = []
        for which in (program, other):
            interpreter = Interpreter(which, Memory(memory_size()), checked=False)
            outcomes.append(
                [(interpreter.call_raw(keep.name, a), bytes(interpreter.memory.data)) for a in (9, 3, 10, 19, 20, 11)]
            )
        assert outcomes[0] != outcomes[1], one.change
    # The same result on all inputs: this one is equivalent.
    assert all(result(program, a, 5) == result(faulty, a, 5) for a in range(10))


def test_strong_contracts_refute_all() -> None:
    report = tried(MODULE.keep)
    assert [(one.outcome, one.mutant.change) for one in report.tried if one.outcome != "refuted"] == []
    # Of what is read in place, too.
    assert {one.mutant.function for one in report.tried} == {name_of(MODULE.keep), name_of(MODULE.is_late)}
    assert report.counted == 16
    assert report.share == 1.0


def test_equivalent_ones_are_named_with_a_reason() -> None:
    report = tried(MODULE.clamp)
    assert [one.outcome for one in report.tried] == ["survived"]
    key = report.tried[0].mutant.key
    assert key == "tests_mutants.clamp: < becomes <= in `return a if a < most else most`"
    assert report.data()["survived"] == [
        {"file": FILE, "line": report.tried[0].mutant.line, "change": key, "outcome": "survived"}
    ]
    report = tried(MODULE.clamp, equivalent={key: "where both are equal it does not matter which is taken"})
    assert [one.outcome for one in report.tried] == ["equivalent"]
    assert (report.counted, report.share) == (0, 1.0)


def test_weak_contracts_let_faults_through() -> None:
    report = tried(MODULE.weak)
    assert 0 < report.share < 0.7
    survived = {one.mutant.change for one in report.of("survived")}
    assert {"2 becomes 3", "> becomes >="} <= survived


def test_the_same_sample_every_time() -> None:
    functions = [WORLD.program.functions[name_of(one)] for one in (MODULE.keep, MODULE.weak)]
    first = sample(functions, 7)
    assert first == sample(functions, 7) != sample(functions, 7, seed=4)
    assert len(first) == len(set(first)) == 7
    assert {one.function for one in first} == {function.name for function in functions}


def test_keys_are_unique() -> None:
    for function in WORLD.program.functions.values():
        keys = [mutant.key for mutant in mutants_of(function)]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("key", equivalent_mutants() or ["none"])
def test_known_equivalent_mutants_have_reasons(key: str) -> None:
    known = equivalent_mutants()
    assert key == "none" or len(known[key]) > 20


def test_a_mutant_is_a_fault_of_code() -> None:
    lines = SOURCE.splitlines()
    for one in mutants_of(WORLD.program.functions[name_of(MODULE.keep)]):
        assert isinstance(one, Mutant)
        assert not one.source.startswith(("assert", "ensures", "box.rank"))
        assert any(line.strip() == one.source for line in lines)


def test_an_interrupted_run_leaves_nothing_behind() -> None:
    def stop(_: Tried) -> None:
        raise KeyboardInterrupt

    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        run_mutants([name_of(MODULE.keep)], 30, 2, stop, world=WORLD, equivalent={})
    assert not set(multiprocessing.active_children()) - before

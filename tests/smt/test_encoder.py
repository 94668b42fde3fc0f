# SPDX-License-Identifier: BSD-2-Clause
"""The encoding for the prover against the interpreter: the same results; each broken rule is a false obligation."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tessera.ir.build import build_program
from tessera.ir.interpret import Interpreter
from tessera.lang import Memory
from tessera.lang.words import Violation
from tessera.proof.kernel import world_of
from tessera.smt.session import World
from tessera.smt.walk import expressions_of
from tests.ir.test_operators import source
from tests.ir.test_random import programs
from tests.readers import edges, functions_of, info, memory_size, module_of
from tests.smt.evaluate import Evaluation
from tests.smt.exact import Encoding, encoding_of, result_agrees

_numbers = itertools.count()
WIDTHS = (8, 16, 32, 64, 128)
# What the prover does not read yet; it says so, and proves nothing.
UNREAD = {"arithmetic_shift_right", "count_leading_zeros", "count_trailing_zeros", "signed_less"}


def world(functions: list[Any]) -> World:
    return world_of(build_program(map(info, functions)), [], set())


def outcome_of(interpreter: Interpreter, encoding: Encoding, raws: tuple[Any, ...]) -> tuple[Any, Violation | None]:
    """The result, or the rule that was broken."""
    try:
        return interpreter.call_raw(encoding.function.name, *raws), None
    except Violation as violation:
        return None, violation


def compare(encoding: Encoding, interpreter: Interpreter, raws: tuple[Any, ...]) -> str:
    """Run both; how it ended: ``gives``, or the broken rule."""
    evaluation = Evaluation(encoding.state(raws))
    where = f"{encoding.function.name}{raws}"
    broken = encoding.broken(evaluation)
    taken = encoding.taken(evaluation)
    result, violation = outcome_of(interpreter, encoding, raws)
    if violation is not None:
        assert [one.rule for one in broken] == [violation.rule], f"{where}: {violation}, and not {broken}"
        assert f":{broken[0].line}:" in str(violation)
        assert not taken, where
        return violation.rule
    assert not broken, f"{where} gives {result}, but {broken[0].rule} at line {broken[0].line}: {broken[0].goal}"
    assert len(taken) == 1, f"{where}: {len(taken)} paths"
    end, value = taken[0]
    assert result_agrees(evaluation, encoding.function.result, value, result), f"{where}: {result}, not {value}"
    return "gives"


@pytest.mark.parametrize("width", WIDTHS)
def test_operators_at_their_edges(width: int) -> None:
    module = module_of(f"tests_encoder_{width}", source(width))
    functions = functions_of(module)
    all_of_them = world(functions)
    interpreter = Interpreter(all_of_them.program, Memory(memory_size()))
    met = set()
    for function in functions:
        read = all_of_them.program.functions[info(function).name]
        if any(node.operation in UNREAD for node in expressions_of(read)):
            with pytest.raises(NotImplementedError, match="does not know the operation"):
                encoding_of(all_of_them, read)
            continue
        encoding = encoding_of(all_of_them, read)
        ranges = [[0, 1] if type_ is bool else edges(type_.width) for _, type_ in read.parameters]
        for raws in itertools.product(*ranges):
            met.add(compare(encoding, interpreter, raws))
    assert met >= {"gives", "overflow", "divide", "shift"} | ({"narrow"} if width > 8 else set())


BACK = """
@compiled
def same(x: u64, n: u64) -> u64:
    return (x << n) >> n


@compiled
def other(x: u64, n: u64, m: u64) -> u64:
    return (x << n) >> m


@compiled
def narrow(x: u8, n: u8) -> u8:
    return (x << n) >> n
"""


def test_shifting_out_and_back() -> None:
    """A word shifted both ways by one amount is a term of its own; by others, or another width, it is not."""
    functions = functions_of(module_of("tests_encoder_back", BACK))
    read = world(functions)
    interpreter = Interpreter(read.program, Memory(memory_size()))
    for function in functions:
        encoding = encoding_of(read, read.program.functions[info(function).name])
        met = set()
        types = [type_ for _, type_ in encoding.function.parameters]
        words = [0, 1, 5, 7, 8, 63, 64, 200, *edges(types[0].width)]
        for raws in itertools.product([w for w in words if w < 1 << types[0].width], repeat=len(types)):
            met.add(compare(encoding, interpreter, raws))
        assert met == {"gives", "shift"}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs(program: tuple[str, list[tuple[int, int, int]]]) -> None:
    text, inputs = program
    functions = functions_of(module_of(f"tests_encoder_random_{next(_numbers)}", text))
    read = world(functions)
    encoding = encoding_of(read, read.program.functions[info(functions[0]).name])
    interpreter = Interpreter(read.program, Memory(memory_size()))
    for raws in inputs:
        compare(encoding, interpreter, raws)

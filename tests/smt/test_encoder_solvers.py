# SPDX-License-Identifier: BSD-2-Clause
"""The encoding as solvers get it, with its axioms: of concrete inputs nothing false is proved, and what is simple is.

The result that the interpreter gives is claimed, and its contrary; the rule that is broken is claimed to hold. Solvers
may not know, but they may never prove what is false.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import z3

from tessera.ir.interpret import Interpreter
from tessera.lang import Memory
from tessera.smt import terms, worker
from tessera.smt.heap import Fact
from tessera.smt.session import Obligation
from tessera.smt.text import query_of
from tessera.smt.walk import expressions_of
from tests.ir.test_operators import source
from tests.readers import edges, functions_of, info, memory_size, module_of
from tests.smt.exact import Encoding, encoding_of
from tests.smt.test_encoder import UNREAD, outcome_of, world

WIDTHS = (8, 64, 128)
# Inputs of each operator.
TRIED = 6
# Operations on bits of unknown words: their axioms do not compute.
NOT_COMPUTED = {"and", "or", "xor", "invert", "shl", "shr"}


def inputs(encoding: Encoding, raws: tuple[Any, ...]) -> list[Any]:
    """The parameters have these values."""
    found = []
    for name, value in encoding.constants(raws).items():
        constant = z3.Const(name, terms.BOOL if isinstance(value, bool) else terms.INT)
        found.append(constant == (z3.BoolVal(value) if isinstance(value, bool) else terms.number(value)))
    return found


def is_proved(encoding: Encoding, facts: list[Any], goal: Any) -> bool:
    """Whether any solver proves the goal from the facts."""
    obligation = Obligation("", "", 0, "", "", [Fact(fact) for fact in facts], goal)
    text = query_of(encoding.session, obligation, True).text
    for strategy in worker.STRATEGIES["quantified"][:2]:
        outcome = worker.answer("quantified", strategy.name, text, 0.2)
        assert outcome["outcome"] != "error", outcome["detail"]
        if outcome["outcome"] == "unsat":
            return True
    return False


def claims(encoding: Encoding, raws: tuple[Any, ...], interpreter: Interpreter) -> tuple[int, int]:
    """How many true claims there are, and how many of them are proved. False ones must not be."""
    given = inputs(encoding, raws)
    result, violation = outcome_of(interpreter, encoding, raws)
    where = f"{encoding.function.name}{raws}"
    if violation is not None:
        # The first broken rule is the last that can be claimed: behind it everything follows.
        broken = [one for one in encoding.obligations if one.rule == violation.rule]
        proved = [is_proved(encoding, [*given, *(f.term for f in one.facts)], one.goal) for one in broken]
        assert not all(proved), f"{where}: {violation.rule} is proved, and broken"
        return 0, 0
    goals = [(one.goal, [f.term for f in one.facts]) for one in encoding.obligations]
    for end, value in encoding.ends:
        same = value == result if z3.is_int(value) else value == z3.BoolVal(bool(result))
        goals.append((same, end.known()))
    for end, _ in encoding.ends if len(encoding.ends) == 1 else ():
        assert not is_proved(encoding, [*given, *end.known()], terms.FALSE), f"{where}: everything is proved"
    if len(encoding.ends) == 1:
        same = goals[-1][0]
        assert not is_proved(encoding, [*given, *goals[-1][1]], terms.negation(same)), f"{where} is not {result}"
    return len(goals), sum(is_proved(encoding, [*given, *facts], goal) for goal, facts in goals)


@pytest.mark.parametrize("width", WIDTHS)
def test_operators(width: int) -> None:
    functions = functions_of(module_of(f"tests_encoder_solvers_{width}", source(width)))
    read = world(functions)
    interpreter = Interpreter(read.program, Memory(memory_size()))
    chance = random.Random(width)
    for function in functions:
        one = read.program.functions[info(function).name]
        operations = {node.operation for node in expressions_of(one)}
        if operations & UNREAD:
            continue
        encoding = encoding_of(read, one)
        ranges = [[0, 1] if type_ is bool else edges(type_.width) for _, type_ in one.parameters]
        all_inputs = list(itertools.product(*ranges))
        for raws in chance.sample(all_inputs, min(TRIED, len(all_inputs))):
            true, proved = claims(encoding, raws, interpreter)
            assert proved == true or operations & NOT_COMPUTED, f"{one.name}{raws}: {proved} of {true}"


LOOPS = """
@compiled
def counted(n: u64, step: u64) -> u64:
    total = u64(0)
    for i in range(n):
        total = total + step
        if total > 100:
            break
    return total

@compiled
def halved(n: u64) -> u64:
    steps = u64(0)
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = n - 1
        steps += 1
        if steps == 50:
            return steps
    return steps

@compiled
def nested(n: u64, m: u64) -> u64:
    found = u64(0)
    for i in range(n):
        for j in range(m):
            if i * j == 6:
                found = i
                continue
            if j > i:
                break
    return found
"""


def test_loops_forget_and_never_lie() -> None:
    functions = functions_of(module_of("tests_encoder_loops", LOOPS))
    read = world(functions)
    interpreter = Interpreter(read.program, Memory(memory_size()))
    for function in functions:
        one = read.program.functions[info(function).name]
        encoding = encoding_of(read, one)
        for raws in itertools.product((0, 1, 3, 7), repeat=len(one.parameters)):
            result, violation = outcome_of(interpreter, encoding, raws)
            assert violation is None
            given = inputs(encoding, raws)
            ends = [[*given, *end.known(), value == result] for end, value in encoding.ends]
            # Some path gives this result: not all of them are refuted.
            assert not all(is_proved(encoding, facts, terms.FALSE) for facts in ends), f"{one.name}{raws}"

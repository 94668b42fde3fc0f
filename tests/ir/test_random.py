# SPDX-License-Identifier: BSD-2-Clause
"""Random programs: every reader gives the same result, or names the same broken rule."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.readers import edges, everywhere, functions_of, module_of

_numbers = itertools.count()
WIDTHS = (8, 16, 32, 64, 128)
NAMES = ("a", "b", "c")


def words(width: int, depth: int) -> st.SearchStrategy[str]:
    """Expressions of one word type over a, b, c; never constants alone, which are computed by the builder."""
    leaf = st.sampled_from(NAMES)
    if depth == 0:
        return leaf
    below = words(width, depth - 1)
    constant = st.sampled_from(edges(width)).map(str)
    operator = st.sampled_from(["+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>"])
    safe = st.sampled_from(["+", "-", "*", "&", "|", "^"])
    named = st.sampled_from(["wrapping_add", "wrapping_sub", "wrapping_mul", "min", "max"])
    return st.one_of(
        leaf,
        st.tuples(below, operator, below).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(below, safe, constant).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(constant, safe, below).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(named, below, below).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        below.map(lambda t: f"~{t}"),
        st.tuples(st.sampled_from(WIDTHS), below).map(lambda t: f"u{width}(u{t[0]}({t[1]}))"),
        st.tuples(below, conditions(width, depth - 1), below).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        conditions(width, depth - 1).map(lambda t: f"u{width}({t})"),
    )


def conditions(width: int, depth: int) -> st.SearchStrategy[str]:
    """Conditions over a, b, c."""
    below = words(width, max(0, depth - 1))
    compared = st.tuples(below, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), below)
    simple = compared.map(lambda t: f"{t[0]} {t[1]} {t[2]}")
    if depth <= 0:
        return simple
    inner = conditions(width, depth - 1)
    return st.one_of(
        simple,
        st.tuples(below, below, below).map(lambda t: f"{t[0]} < {t[1]} <= {t[2]}"),
        st.tuples(below, below, below).map(lambda t: f"{t[0]} in ({t[1]}, 3, {t[2]})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(not ({t}))"),
    )


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def statements(width: int, depth: int) -> st.SearchStrategy[str]:
    """Statements that change a, b, c; loops are short."""
    assignment = st.tuples(st.sampled_from(NAMES), words(width, 2)).map(lambda t: f"{t[0]} = {t[1]}")
    augmented = st.tuples(st.sampled_from(NAMES), st.sampled_from("+-*^&|"), words(width, 1)).map(
        lambda t: f"{t[0]} {t[1]}= {t[2]}"
    )
    swap = st.permutations(NAMES).map(lambda names: f"a, b, c = {', '.join(names)}")
    leave = conditions(width, 1).map(lambda t: f"if {t}:\n    return b")
    check = conditions(width, 1).map(lambda t: f"assert {t}")
    simple = st.one_of(assignment, augmented, swap, leave, check)
    if depth == 0:
        return simple
    block = st.lists(statements(width, depth - 1), min_size=1, max_size=3).map("\n".join)
    branch = st.tuples(conditions(width, 2), block, block).map(
        lambda t: f"if {t[0]}:\n{indented(t[1])}\nelse:\n{indented(t[2])}"
    )
    loop = st.tuples(block, conditions(width, 1), st.sampled_from(["break", "continue"])).map(
        lambda t: f"for i in range(u{width}(4)):\n    if {t[1]}:\n        {t[2]}\n{indented(t[0])}\n    c = c ^ i"
    )
    choice = st.tuples(words(width, 1), st.sampled_from(edges(width)[3:]), block, block, block).map(
        lambda t: (
            f"match {t[0]}:\n    case 0 | 1:\n{indented(indented(t[2]))}\n    case {t[1]}:\n{indented(indented(t[3]))}"
            f"\n    case _:\n{indented(indented(t[4]))}"
        )
    )
    return st.one_of(simple, branch, loop, choice)


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, int]]]:
    """A function of three words, and some arguments."""
    width = draw(st.sampled_from(WIDTHS))
    body = "\n".join(draw(st.lists(statements(width, 2), min_size=1, max_size=5)))
    text = f"@compiled\ndef f(a: u{width}, b: u{width}, c: u{width}) -> u{width}:\n{indented(body)}\n    return a\n"
    value = st.one_of(st.sampled_from(edges(width)), st.integers(0, (1 << width) - 1))
    return text, draw(st.lists(st.tuples(value, value, value), min_size=8, max_size=8))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_interpreter_equals_cpython(program: tuple[str, list[tuple[int, int, int]]]) -> None:
    text, inputs = program
    readers = everywhere(functions_of(module_of(f"tests_random_{next(_numbers)}", text)), native=False)
    for raws in inputs:
        readers.agree(readers.functions[0], *raws, memory=None)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(programs(), min_size=4, max_size=4))
def test_native_code_equals_both(made: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
    text = "".join(text.replace("def f(", f"def f{i}(") for i, (text, _) in enumerate(made))
    readers = everywhere(functions_of(module_of(f"tests_random_{next(_numbers)}", text)))
    for function, (_, inputs) in zip(readers.functions, made, strict=True):
        for raws in inputs:
            readers.agree(function, *raws, memory=None)

# SPDX-License-Identifier: BSD-2-Clause
"""Every operator at its edge values, at every width, in every reader, against formulas written here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.readers import Everywhere, edges, everywhere, functions_of, module_of

WIDTHS = (8, 16, 32, 64, 128)


def top(width: int) -> int:
    return (1 << width) - 1


def signed(value: int, width: int = 64) -> int:
    return value - (1 << width) if value >> width - 1 else value


def exact(formula: Callable[[int, int], int]) -> Callable[[int, int, int], tuple[Any, int]]:
    """The number must fit; release code cuts it."""

    def expected(left: int, right: int, width: int) -> tuple[Any, int]:
        number = formula(left, right)
        return (number if 0 <= number <= top(width) else "overflow"), number & top(width)

    return expected


def always(formula: Callable[[int, int], int]) -> Callable[[int, int, int], tuple[Any, int]]:
    """The number is cut, in every build."""

    def expected(left: int, right: int, width: int) -> tuple[Any, int]:
        number = formula(left, right) & top(width)
        return number, number

    return expected


def when(rule: str, holds: Callable[[int, int], bool], formula: Any, otherwise: Any) -> Any:
    """The right operand must be good, else release code has another result."""

    def expected(left: int, right: int, width: int) -> tuple[Any, int]:
        good = holds(right, width)
        number = (formula if good else otherwise)(left, right, width) & top(width)
        return (number if good else rule), number

    return expected


# Source of the expression, and what it gives: checked (a number or a rule), and in release code.
WORDS: dict[str, tuple[str, Any]] = {
    "add": ("a + b", exact(lambda a, b: a + b)),
    "sub": ("a - b", exact(lambda a, b: a - b)),
    "mul": ("a * b", exact(lambda a, b: a * b)),
    "add_one": ("1 + a", exact(lambda a, b: 1 + a)),
    "one_less": ("a - 1", exact(lambda a, b: a - 1)),
    "wrapped_sum": ("wrapping_add(a, b)", always(lambda a, b: a + b)),
    "wrapped_difference": ("wrapping_sub(a, b)", always(lambda a, b: a - b)),
    "wrapped_product": ("wrapping_mul(a, b)", always(lambda a, b: a * b)),
    "negated": ("wrapping_sub(0, a)", always(lambda a, b: -a)),
    "floordiv": ("a // b", when("divide", lambda r, w: r != 0, lambda a, b, w: a // b, lambda a, b, w: top(w))),
    "mod": ("a % b", when("divide", lambda r, w: r != 0, lambda a, b, w: a % b, lambda a, b, w: a)),
    "third": ("a // 3", always(lambda a, b: a // 3)),
    "rest": ("a % 8", always(lambda a, b: a % 8)),
    "bit_and": ("a & b", always(lambda a, b: a & b)),
    "bit_or": ("a | b", always(lambda a, b: a | b)),
    "bit_xor": ("a ^ b", always(lambda a, b: a ^ b)),
    "invert": ("~a ^ b", always(lambda a, b: ~a ^ b)),
    "shl": ("a << b", when("shift", lambda r, w: r < w, lambda a, b, w: a << b, lambda a, b, w: a << b % w)),
    "shr": ("a >> b", when("shift", lambda r, w: r < w, lambda a, b, w: a >> b, lambda a, b, w: a >> b % w)),
    "bit": ("1 << b", when("shift", lambda r, w: r < w, lambda a, b, w: 1 << b, lambda a, b, w: 1 << b % w)),
    "shl_seven": ("a << 7", always(lambda a, b: a << 7)),
    "smaller": ("min(a, b)", always(min)),
    "larger": ("max(a, b)", always(max)),
    "chosen": ("a if a < b else 5", always(lambda a, b: a if a < b else 5)),
}
TESTS: dict[str, tuple[str, Callable[[int, int], bool]]] = {
    "eq": ("a == b", lambda a, b: a == b),
    "ne": ("a != b", lambda a, b: a != b),
    "lt": ("a < b", lambda a, b: a < b),
    "le": ("a <= b", lambda a, b: a <= b),
    "gt": ("a > b", lambda a, b: a > b),
    "ge": ("a >= b", lambda a, b: a >= b),
    "chain": ("1 <= a < b", lambda a, b: 1 <= a < b),
    "member": ("a in (b, 1, 7)", lambda a, b: a in (b, 1, 7)),
    "stranger": ("a not in (b, 1, 7)", lambda a, b: a not in (b, 1, 7)),
    "both": ("a > 1 and b > 1", lambda a, b: a > 1 and b > 1),
    "either": ("a > 1 or b > 1", lambda a, b: a > 1 or b > 1),
    "neither": ("not (a > 1 or b > 1)", lambda a, b: not (a > 1 or b > 1)),
}
ON_64: dict[str, tuple[str, str, Any]] = {
    "signed_smaller": ("signed_less(a, b)", "bool", always(lambda a, b: int(signed(a) < signed(b)))),
    "leading": ("count_leading_zeros(a)", "u64", always(lambda a, b: 64 - a.bit_length())),
    "trailing": ("count_trailing_zeros(a)", "u64", always(lambda a, b: (a & -a).bit_length() - 1 if a else 64)),
    "sar": (
        "arithmetic_shift_right(a, b)",
        "u64",
        when("shift", lambda r, w: r < w, lambda a, b, w: signed(a) >> b, lambda a, b, w: signed(a) >> b % w),
    ),
}


def source(width: int) -> str:
    lines = []
    for name, (text, _) in WORDS.items():
        lines.append(f"@compiled\ndef {name}(a: u{width}, b: u{width}) -> u{width}:\n    return {text}\n")
    for name, (text, _) in TESTS.items():
        lines.append(f"@compiled\ndef {name}(a: u{width}, b: u{width}) -> bool:\n    return {text}\n")
    for other in WIDTHS:
        lines.append(f"@compiled\ndef to_{other}(a: u{width}) -> u{other}:\n    return u{other}(a)\n")
        if other <= width:
            lines.append(f"@compiled\ndef cut_{other}(a: u{width}) -> u{other}:\n    return truncate(u{other}, a)\n")
    lines.append(f"@compiled\ndef from_bool(a: bool) -> u{width}:\n    return u{width}(a)\n")
    if width == 64:
        for name, (text, result, _) in ON_64.items():
            lines.append(f"@compiled\ndef {name}(a: u64, b: u64) -> {result}:\n    return {text}\n")
        lines.append("@compiled\ndef same(a: bool, b: bool) -> bool:\n    return a == b\n")
        lines.append("@compiled\ndef differ(a: bool, b: bool) -> bool:\n    return a != b\n")
    return "\n".join(lines)


@pytest.fixture(scope="module", params=WIDTHS)
def operators(request: pytest.FixtureRequest) -> tuple[int, Any, Everywhere]:
    width: int = request.param
    module = module_of(f"tests_operators_{width}", source(width))
    return width, module, everywhere(functions_of(module))


Operators = tuple[int, Any, Everywhere]


def check(operators: Operators, name: str, raws: tuple[int, ...], checked: Any, release: int) -> None:
    _, module, readers = operators
    found = readers.agree(getattr(module, name), *raws, memory=None)
    expected = ("breaks", checked) if isinstance(checked, str) else ("gives", checked)
    assert found == {True: expected, False: ("gives", release)}, (name, raws)


@pytest.mark.parametrize("name", WORDS)
def test_arithmetic(operators: Operators, name: str) -> None:
    width = operators[0]
    for left in edges(width):
        for right in edges(width):
            check(operators, name, (left, right), *WORDS[name][1](left, right, width))


@pytest.mark.parametrize("name", TESTS)
def test_comparisons(operators: Operators, name: str) -> None:
    for left in edges(operators[0]):
        for right in edges(operators[0]):
            expected = int(TESTS[name][1](left, right))
            check(operators, name, (left, right), expected, expected)


@pytest.mark.parametrize("other", WIDTHS)
def test_conversions(operators: Operators, other: int) -> None:
    width = operators[0]
    for value in {*edges(width), *(edge for edge in edges(other) if edge <= top(width))}:
        cut = value & top(other)
        check(operators, f"to_{other}", (value,), value if cut == value else "narrow", cut)
        if other <= width:
            check(operators, f"cut_{other}", (value,), cut, cut)


def test_conditions_as_words(operators: Operators) -> None:
    for flag in (0, 1):
        check(operators, "from_bool", (flag,), flag, flag)


@pytest.mark.parametrize("operators", [64], indirect=True)
def test_operations_on_64_bits(operators: Operators) -> None:
    for name in ON_64:
        for left in edges(64):
            for right in edges(64):
                check(operators, name, (left, right), *ON_64[name][2](left, right, 64))


@pytest.mark.parametrize("operators", [64], indirect=True)
def test_conditions_compare(operators: Operators) -> None:
    for left in (0, 1):
        for right in (0, 1):
            check(operators, "same", (left, right), int(left == right), int(left == right))
            check(operators, "differ", (left, right), int(left != right), int(left != right))

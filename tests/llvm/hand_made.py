# SPDX-License-Identifier: BSD-2-Clause
"""Programs put together from IR nodes, one function for each operation and width, and what each must give.

The expected results are written here from the table of operations, not taken from a reader: a rule that is broken, or a
number; and the defined number that release code gives where a rule is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tessera.ir.nodes import Expression, Function, Program, Return, Statement
from tessera.lang import u8, u16, u32, u64, u128
from tessera.lang.functions import FunctionInfo

WORDS: dict[int, Any] = {8: u8, 16: u16, 32: u32, 64: u64, 128: u128}


def info(name: str, parameters: dict[str, Any], result: Any, **keywords: Any) -> FunctionInfo:
    """A function of the language that has no Python body."""

    def body() -> None:
        raise AssertionError("not run under CPython")

    body.__module__, body.__qualname__ = "made", name
    keywords.setdefault("kind", "compiled")
    return FunctionInfo(body, _signature=(parameters, result), **keywords)


def local(name: str, type_: Any) -> Expression:
    """A name's value."""
    return Expression("local", type_, (), name, 2, 1)


def constant(type_: Any, number: int) -> Expression:
    """A constant."""
    return Expression("constant", type_, (), number, 2, 1)


def make(operation: str, type_: Any, *operands: Expression, data: Any = None) -> Expression:
    """An operation."""
    return Expression(operation, type_, operands, data, 2, 1)


def function(
    name: str,
    parameters: dict[str, Any],
    result: Any,
    body: list[Statement] | Expression,
    names: dict[str, Any] | None = None,
    **keywords: Any,
) -> Function:
    """A function with this body, or one that returns this expression."""
    statements: list[Statement] = [Return(2, body)] if isinstance(body, Expression) else body
    made = info(name, parameters, result, **keywords)
    return Function(made, "made.py", 1, list(parameters.items()), result, {**parameters, **(names or {})}, statements)


def program(*functions: Function, externals: tuple[FunctionInfo, ...] = (), statics: tuple[Any, ...] = ()) -> Program:
    """A program of these functions."""
    return Program({f.name: f for f in functions}, {i.name: i for i in externals}, list(statics))


def edges(width: int) -> list[int]:
    """Numbers at which operators of a width change their behaviour: ends, signs, powers of two, neighbouring widths."""
    top = (1 << width) - 1
    found = {0, 1, 2, 3, 7, width - 1, width & top, top, top - 1, top >> 1, (top >> 1) + 1, (top >> 1) + 2}
    for smaller in (8, 16, 32, 64):
        if smaller < width:
            found |= {(1 << smaller) - 1, 1 << smaller, (1 << smaller - 1) + 1}
    found |= {0xA5A5A5A5_5A5A5A5A_0123456789ABCDEF_FEDCBA98 & top}
    return sorted(found)


def signed(number: int, width: int) -> int:
    """A word read as two's complement."""
    return number - (1 << width if number >> (width - 1) else 0)


@dataclass(frozen=True)
class Case:
    """One operation at one width. ``exact`` gives the broken rule or the number; ``release`` the defined number."""

    operation: str
    width: int
    operands: int
    result: Any
    exact: Callable[..., str | int]
    release: Callable[..., int]

    @property
    def name(self) -> str:
        """Name of the function that computes it."""
        return f"{self.operation}_{self.width}" + (f"_to_{self.result.__name__}" if self.operation == "convert" else "")

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameter types by name."""
        return dict.fromkeys(("x", "y")[: self.operands], WORDS[self.width])

    def function(self) -> Function:
        """The IR."""
        operands = [local(name, type_) for name, type_ in self.parameters.items()]
        return function(self.name, self.parameters, self.result, make(self.operation, self.result, *operands))

    def inputs(self) -> Iterator[tuple[int, ...]]:
        """All combinations of edge values."""
        values = edges(self.width)
        if self.operands == 1:
            yield from ((x,) for x in values)
        else:
            yield from ((x, y) for x in values for y in values)


def cases() -> list[Case]:
    """Every operation on words, at every width that it has."""
    found: list[Case] = []
    for width, word in WORDS.items():
        top = (1 << width) - 1

        def add(
            operation: str, operands: int, result: Any, exact: Any, release: Any = None, width: int = width
        ) -> None:
            found.append(Case(operation, width, operands, result, exact, release or exact))

        def fitting(compute: Any, top: int = top) -> Any:
            return lambda x, y: compute(x, y) if 0 <= compute(x, y) <= top else "overflow"

        def wrapped(compute: Any, top: int = top) -> Any:
            return lambda x, y: compute(x, y) & top

        def below_width(compute: Any, width: int = width) -> Any:
            return lambda x, y: compute(x, y) if y < width else "shift"

        def masked(compute: Any, width: int = width) -> Any:
            return lambda x, y: compute(x, y % width)

        for name, compute in (
            ("add", lambda x, y: x + y),
            ("sub", lambda x, y: x - y),
            ("mul", lambda x, y: x * y),
        ):
            add(name, 2, word, fitting(compute), wrapped(compute))
            add(f"wrapping_{name}", 2, word, wrapped(compute))
        add("floordiv", 2, word, lambda x, y: x // y if y else "divide", lambda x, y, top=top: x // y if y else top)
        add("mod", 2, word, lambda x, y: x % y if y else "divide", lambda x, y: x % y if y else x)
        add("and", 2, word, lambda x, y: x & y)
        add("or", 2, word, lambda x, y: x | y)
        add("xor", 2, word, lambda x, y: x ^ y)
        add("invert", 1, word, lambda x, top=top: x ^ top)
        left = lambda x, y, top=top: x << y & top  # noqa: E731
        right = lambda x, y: x >> y  # noqa: E731
        add("shl", 2, word, below_width(left), masked(left))
        add("shr", 2, word, below_width(right), masked(right))
        add("min", 2, word, lambda x, y: x if x < y else y)
        add("max", 2, word, lambda x, y: x if x > y else y)
        for name, compute in (
            ("eq", lambda x, y: x == y),
            ("ne", lambda x, y: x != y),
            ("lt", lambda x, y: x < y),
            ("le", lambda x, y: x <= y),
            ("gt", lambda x, y: x > y),
            ("ge", lambda x, y: x >= y),
        ):
            add(name, 2, bool, lambda x, y, compute=compute: int(compute(x, y)))
        for target, target_word in WORDS.items():
            limit = (1 << target) - 1
            add(
                "convert",
                1,
                target_word,
                lambda x, limit=limit: x if x <= limit else "narrow",
                lambda x, limit=limit: x & limit,
            )
    found += _only_64()
    return found


def _only_64() -> list[Case]:
    top = (1 << 64) - 1

    def arithmetic(x: int, y: int) -> int:
        return signed(x, 64) >> y & top

    return [
        Case("signed_less", 64, 2, bool, *[lambda x, y: int(signed(x, 64) < signed(y, 64))] * 2),
        Case("count_leading_zeros", 64, 1, u64, *[lambda x: 64 - x.bit_length()] * 2),
        Case("count_trailing_zeros", 64, 1, u64, *[lambda x: (x & -x).bit_length() - 1 if x else 64] * 2),
        Case(
            "arithmetic_shift_right",
            64,
            2,
            u64,
            lambda x, y: arithmetic(x, y) if y < 64 else "shift",
            lambda x, y: arithmetic(x, y % 64),
        ),
    ]

# SPDX-License-Identifier: BSD-2-Clause
"""Invariants of packed classes are shown where values were written; what was written badly is still noticed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.readers import module_of
from tests.smt.proving import unproved, world_of_module

HOLDERS = module_of(
    "tests_packed_holders",
    """
@word(u8)
class Kind(IntEnum):
    NONE = 0
    SPAN = 1

@packed(u64, tag="kind")
class Value(Packed):
    kind: Kind = bits(60, 1)

@variant(Kind.NONE)
class Nothing(Value):
    pass

@variant(Kind.SPAN)
class Span(Value):
    start: u64 = bits(0, 32)
    size: u64 = bits(32, 16)

@struct
class Holder:
    span: Value
    other: Value
    number: u64

@invariant
def span_is_short(span: Value) -> bool:
    return not isinstance(span, Span) or span.size <= span.start

@compiled
def put_two(a: Holder, b: Holder, span: Value) -> None:
    a.span = span
    b.span = Span(start=7, size=3)

@compiled
def put_bad(a: Holder, b: Holder, span: Value) -> None:
    a.span = span
    b.span = Span(start=3, size=7)

@compiled
def shorten(a: Holder, b: Holder) -> None:
    span = a.span
    if isinstance(span, Span):
        a.span = span.replace(size=0)

@compiled
def mix(a: Holder, b: Holder) -> None:
    a.span = Span(start=9, size=0)
    span = b.span
    if isinstance(span, Span) and span.start < 9:
        b.span = span.replace(start=9)

@compiled
def mix_badly(a: Holder, b: Holder) -> None:
    a.span = Nothing()
    span = b.span
    if isinstance(span, Span):
        b.span = span.replace(start=0)

@compiled
def overwrite(a: Holder, b: Holder) -> None:
    a.span = Span(start=0, size=7)
    a.span = Span(start=8, size=7)

@compiled
def leave_one(a: Holder, b: Holder) -> None:
    if a.number == 1:
        a.span = Span(start=0, size=7)
    a.number = 2

@compiled
def put_if(a: Holder, flag: bool) -> None:
    if flag:
        a.span = Span(start=0, size=1)

@compiled
def leave_one_inside(a: Holder, b: Holder) -> None:
    put_if(a, b.number == 1)

@compiled
def anything(a: Holder) -> None:
    modifies(a.span)
    if a.number == 1:
        a.span = Span(start=0, size=0)

@compiled
def after_a_call(a: Holder, b: Holder) -> None:
    anything(a)
    b.span = Span(start=2, size=1)

@compiled
def badly_before_a_call(a: Holder, b: Holder) -> None:
    a.span = Span(start=0, size=1)
    anything(b)
    a.span = Span(start=2, size=1)
""",
)


@pytest.mark.parametrize("name", ["put_two", "shorten", "mix", "overwrite", "after_a_call"])
def test_good_values_are_good_wherever_they_are_written(name: str) -> None:
    assert unproved(world_of_module(HOLDERS), getattr(HOLDERS, name)) == set()


@pytest.mark.parametrize("name", ["put_bad", "mix_badly", "leave_one", "leave_one_inside", "badly_before_a_call"])
def test_a_bad_value_is_noticed(name: str) -> None:
    function: Any = getattr(HOLDERS, name)
    missing = unproved(world_of_module(HOLDERS), function)
    assert missing and all("span_is_short" in one for one in missing)

# SPDX-License-Identifier: BSD-2-Clause
"""Ghost fields, unbounded numbers and the rest of the contract language as CPython runs them."""

from __future__ import annotations

from enum import IntEnum
from fractions import Fraction

import pytest

from tessera.lang import (
    ContractError,
    Memory,
    Violation,
    clear_ghosts,
    compiled,
    ensures,
    everything,
    forall,
    ghost,
    ghost_field,
    ghosts_of,
    inline,
    integer,
    live,
    loop_invariant,
    modifies,
    old,
    range,
    rational,
    specification,
    static,
    struct,
    trigger,
    u8,
    u64,
    without_invariants,
    word,
)
from tessera.lang.types import INTEGER, RATIONAL, OptionalReference, UnknownType
from tests.readers import memory_size


@word(u8)
class Phase(IntEnum):
    IDLE = 0
    BUSY = 1


@word(u8)
class Step(IntEnum):
    FIRST = 1


@struct
class Part:
    value: u64
    depth: integer = ghost_field()


@struct
class Thing:
    value: u64
    next: Thing | None
    part: Part = inline()
    low: integer = ghost_field()
    share: rational = ghost_field()
    size: u64 = ghost_field()
    marked: bool = ghost_field()
    phase: Phase = ghost_field()
    step: Step = ghost_field()
    parent: Thing | None = ghost_field()


@struct
class Strange:
    value: u64
    whole: int = ghost_field()
    thing: Thing = ghost_field()


thing: Thing = static(Thing)
other: Thing = static(Thing)


@compiled
def add_one(x: Thing) -> None:
    without_invariants()
    modifies(x.value, Thing.value, Thing.low, Thing, everything, x.part.value)
    modifies(lambda: (x.next.next,))  # type: ignore[union-attr]
    ensures(lambda: x.value == old(x.value) + 1)
    x.value = x.value + 1


@compiled
def promise_in_quantifier(x: Thing) -> None:
    ensures(lambda: forall(Thing, lambda y: y.value == old(y.value)) and x.value == 99)
    x.value = x.value + 1


@compiled
def wrong(x: Thing) -> None:
    ensures(lambda: x.value == 99)


@compiled
def count(x: Thing, turns: u64) -> None:
    for i in range(turns):
        loop_invariant(x.value == old(x.value) + i)
        x.value = x.value + 1


@specification
def span(x: Thing, more: integer) -> rational:
    trigger(x.low)
    return (rational(x.low) + more) / 3


def test_values_before_they_are_written() -> None:
    with Memory(memory_size()):
        assert (thing.low, thing.share, thing.size, thing.marked) == (0, Fraction(0), u64(0), False)
        assert thing.phase is Phase.IDLE and thing.parent is None
        assert type(thing.low) is int and type(thing.size) is u64 and isinstance(thing.share, Fraction)
        with pytest.raises(Violation, match="enum"):
            assert thing.step


def test_values_are_of_the_declared_type() -> None:
    with Memory(memory_size()):
        thing.size = 7
        assert type(thing.size) is u64
        thing.share = 2  # type: ignore[assignment]
        assert thing.share == Fraction(2) and isinstance(thing.share, Fraction)
        thing.low = -(1 << 200)
        assert thing.low == -(1 << 200)
        for name, value in (("low", u64(3)), ("marked", 1), ("parent", 5), ("phase", 0), ("share", 0.5)):
            with pytest.raises(TypeError):
                setattr(thing, name, value)


def test_values_are_per_object_and_memory() -> None:
    with Memory(memory_size()) as first:
        thing.low, other.low, thing.part.depth = 1, 2, 3
        with Memory(memory_size()):
            assert (thing.low, other.low, thing.part.depth) == (0, 0, 0)
            thing.low = 9
        assert (thing.low, other.low, thing.part.depth, other.part.depth) == (1, 2, 3, 0)
        clear_ghosts()
        assert (thing.low, other.low, thing.part.depth) == (0, 0, 0)
        thing.low = 4
    clear_ghosts(first)
    with first:
        assert thing.low == 0


def test_types_of_ghost_fields() -> None:
    assert dict(ghosts_of(Thing)) == {
        "low": INTEGER,
        "share": RATIONAL,
        "size": u64,
        "marked": bool,
        "phase": Phase,
        "step": Step,
        "parent": OptionalReference(Thing),
    }
    assert "value" not in ghosts_of(Thing) and len(ghosts_of(Part)) == 1
    with pytest.raises(UnknownType, match=r"Strange\.whole: .* use integer"):
        ghosts_of(Strange)["whole"]
    with pytest.raises(UnknownType, match=r"Strange\.thing: .* Thing \| None"):
        ghosts_of(Strange)["thing"]


def test_promises_about_the_state_at_entry_are_left_to_the_prover() -> None:
    with Memory(memory_size()):
        add_one(thing)
        count(thing, 3)
        promise_in_quantifier(thing)
        assert thing.value == 5
        with pytest.raises(ContractError, match="wrong: ensures"):
            wrong(thing)


def test_specification_functions_run() -> None:
    with Memory(memory_size()):
        thing.low = 5
        assert span(thing, 2) == Fraction(7, 3)
        with pytest.raises(TypeError, match="integer"):
            span(thing, u64(2))


def test_numbers_are_converted() -> None:
    assert integer(u64(3)) - 5 == -2 and type(integer(u64(3))) is int
    assert integer(True) == 1
    assert rational(integer(1)) / 3 == Fraction(1, 3) and rational(Fraction(1, 2)) == Fraction(1, 2)


def test_what_a_run_cannot_decide_is_true() -> None:
    assert forall(Thing, lambda x: x.value == 77)
    assert live(thing) and not live(None)
    with ghost:
        assert repr(everything) == "everything"

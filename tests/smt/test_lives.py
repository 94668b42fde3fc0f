# SPDX-License-Identifier: BSD-2-Clause
"""Objects come into being and end: what is live then, what it holds, and what has to be shown first."""

from __future__ import annotations

from typing import Any

import pytest

from tessera.lang import Memory
from tests.readers import module_of
from tests.smt.proving import unproved, world_of_module

MODULE = module_of(
    "tests_lives",
    """
@struct(size=16, alignment=16)
class Grain:
    value: u128

@struct(size=16)
class Part:
    value: u64
    next: Part | None
    rank: integer = ghost_field()

@struct(size=64)
class Whole:
    number: u64
    first: Part = inline()
    others: Array[Part] = array(2)
    friend: Whole | None

@struct(alignment=16)
class Note:
    kind: u64 = ghost_field()

@word(u8)
class Kind(IntEnum):
    ONE = 1
    TWO = 2

@struct(size=16)
class Typed:
    kind: Kind

@packed(u64)
class Mark(Packed):
    is_set: bool = bits(0, 1)
    number: u32 = bits(8, 32)

@specification
def is_nothing(start: u64, size: u64) -> bool:
    return (
        forall(Grain, lambda x: address_of(x) + 16 <= start or address_of(x) >= start + size)
        and forall(Part, lambda x: address_of(x) + 16 <= start or address_of(x) >= start + size)
        and forall(Typed, lambda x: address_of(x) + 16 <= start or address_of(x) >= start + size)
        and forall(Whole, lambda x: address_of(x) + 64 <= start or address_of(x) >= start + size)
    )

@specification
def is_nothing_but_grains(start: u64, size: u64) -> bool:
    return (
        forall(Part, lambda x: address_of(x) + 16 <= start or address_of(x) >= start + size)
        and forall(Typed, lambda x: address_of(x) + 16 <= start or address_of(x) >= start + size)
        and forall(Whole, lambda x: address_of(x) + 64 <= start or address_of(x) >= start + size)
    )

@specification
def is_good(start: u64, size: u64) -> bool:
    return start > 0 and start % 16 == 0 and size < 1 << 30 and start < 1 << 30

@specification
def is_cleared(start: u64, size: u64) -> bool:
    return forall(u64, lambda a: implies(start <= a and a - start < size and a % 16 == 0,
                  live(at_or_none(Grain, a)) and at(Grain, a).value == 0))

@compiled
def out_of_nothing(start: u64, count: u64) -> Part:
    requires(count > 0 and count < 1000 and is_good(start, count * 16) and is_nothing(start, count * 16))
    ensures(lambda: forall(u64, lambda i: implies(i < count, live(at_or_none(Part, start + i * 16)))))
    ensures(lambda result: live(result))
    with ghost:
        begin_lives(Part, start, count * 16)
    return at(Part, start)

@compiled
def out_of_something(start: u64) -> Part:
    requires(is_good(start, 16))
    with ghost:
        begin_lives(Part, start, 16)
    return at(Part, start)

@compiled
def anywhere(start: u64) -> Part:
    requires(is_nothing(start, 16) and start > 0)
    with ghost:
        begin_lives(Part, start, 16)
    return at(Part, start)

@compiled
def holds_anything(start: u64) -> u64:
    requires(is_good(start, 16) and is_nothing(start, 16))
    ensures(lambda result: result == 0)
    with ghost:
        begin_lives(Part, start, 16)
    return at(Part, start).value

@compiled
def of_zeros(start: u64) -> Whole:
    requires(is_good(start, 64) and is_cleared(start, 64))
    modifies(Whole, Part, Grain)
    ensures(lambda result: live(result) and result.number == 0 and result.friend is None)
    ensures(lambda result: live(result.first) and result.first.rank == 0 and result.others[1].next is None)
    ensures(lambda: forall(Grain, lambda x: address_of(x) < start or address_of(x) >= start + 64))
    with ghost:
        begin_lives(Whole, start, 64, Grain)
    whole = at(Whole, start)
    assert whole.others[1].value == 0
    return whole

@compiled
def many_of_zeros(start: u64, count: u64) -> None:
    requires(count < 1000 and is_good(start, 64 * count) and is_cleared(start, 64 * count))
    ensures(lambda: forall(u64, lambda i: implies(i < count, at(Whole, start + i * 64).number == 0
                    and live(at_or_none(Whole, start + i * 64)) and live(at(Whole, start + i * 64).others[1]))))
    with ghost:
        begin_lives(Whole, start, 64 * count, Grain)

@compiled
def of_what_is_not_cleared(start: u64) -> Whole:
    requires(is_good(start, 64) and is_cleared(start, 48))
    with ghost:
        begin_lives(Whole, start, 64, Grain)
    return at(Whole, start)

@compiled
def ends(x: Part, y: Part) -> u64:
    requires(x is not y and is_good(address_of(x), 16) and address_of(x) % 16 == 0 and address_of(y) % 16 == 0)
    modifies(Part)
    ensures(lambda: live(y) and not live(x))
    with ghost:
        end_lives(Part, address_of(x), 16)
    return y.value

@compiled
def used_after_its_end(x: Part) -> u64:
    with ghost:
        end_lives(Part, address_of(x), 16)
    return x.value

@compiled
def not_named(x: Part) -> None:
    modifies(x.value)
    with ghost:
        end_lives(Part, address_of(x), 16)

@compiled
def call_that_ends(x: Part, y: Part) -> u64:
    requires(x is not y and is_good(address_of(x), 16) and address_of(x) % 16 == 0 and address_of(y) % 16 == 0)
    ends(x, y)
    return x.value + 1 if y.value > 3 and x.value < 3 else 0

@compiled
def of_zeros_marked(start: u64) -> None:
    requires(is_good(start, 64) and is_cleared(start, 64))
    ensures(lambda: forall(Part, lambda x: address_of(x) != start + 40 or not from_word(Mark, x.value).is_set))
    with ghost:
        begin_lives(Whole, start, 64, Grain)

@compiled
def made_anew(start: u64, size: u64) -> None:
    requires(is_good(start, size) and size % 16 == 0 and is_nothing_but_grains(start, size))
    ensures(lambda: forall(u64, lambda a: implies(start <= a and a - start < size and a % 16 == 0,
                    live(at_or_none(Grain, a)))))
    with ghost:
        end_lives(Grain, start, size)
        begin_lives(Grain, start, size)

@compiled
def made_anew_beside_another(start: u64) -> None:
    requires(is_good(start, 32))
    with ghost:
        end_lives(Grain, start, 16)
        begin_lives(Grain, start, 32)

@compiled
def everything_there(x: Part, y: Part) -> u64:
    requires(address_of(x) < 1 << 30 and address_of(y) >= address_of(x) + 16)
    modifies(everything_in(address_of(x), 16))
    ensures(lambda: y.value == old(y.value))
    x.value = 5
    return y.value

@compiled
def more_than_is_there(x: Part, y: Part) -> None:
    requires(address_of(x) < 1 << 30 and address_of(y) >= address_of(x) + 16)
    modifies(everything_in(address_of(x), 16))
    y.value = 5

@compiled
def of_any_bits(start: u64) -> None:
    requires(is_good(start, 16) and is_nothing(start, 16))
    with ghost:
        begin_lives(Typed, start, 16)

@compiled
def of_bits_that_mean_nothing(start: u64) -> None:
    requires(is_good(start, 16) and is_cleared(start, 16))
    with ghost:
        begin_lives(Typed, start, 16, Grain)

@compiled
def of_objects_with_gaps(start: u64) -> None:
    requires(is_good(start, 16) and forall(Typed, lambda x: x.kind == Kind.ONE))
    with ghost:
        begin_lives(Part, start, 16, Typed)

@compiled
def notes(start: u64) -> None:
    requires(is_good(start, 64) and forall(Note, lambda x: address_of(x) < start or address_of(x) >= start + 64))
    ensures(lambda: live(at_or_none(Note, start + 48)) and not live(at_or_none(Note, start + 8)))
    with ghost:
        begin_lives(Note, start, 64)
        at(Note, start + 16).kind = 3
""",
)
WORLD = world_of_module(MODULE)

EXPECTED: dict[str, set[str]] = {
    "out_of_nothing": set(),
    "out_of_something": {f"begin_lives Part: no {name} is there" for name in ("Grain", "Part", "Typed", "Whole")},
    "anywhere": {"begin_lives Part: addresses"},
    "holds_anything": {"ensures result == 0 (on return 1)"},
    "of_zeros": set(),
    "many_of_zeros": set(),
    "of_what_is_not_cleared": {"begin_lives Whole: live Grain", "begin_lives Whole: Grain.value is zero"},
    "ends": set(),
    "used_after_its_end": {"live"},
    "not_named": {"modifies Part.live (on return 1)"},
    "call_that_ends": {"live"},
    "of_zeros_marked": set(),
    "made_anew": set(),
    "made_anew_beside_another": {
        f"begin_lives Grain: no {name} is there" for name in ("Grain", "Part", "Typed", "Whole")
    },
    "everything_there": set(),
    "more_than_is_there": {"modifies Part.value (on return 1)"},
    "of_any_bits": {"begin_lives Typed: Typed.kind may not be whatever lies there"},
    "of_bits_that_mean_nothing": {"begin_lives Typed: Typed.kind may not be zero"},
    "of_objects_with_gaps": {
        "begin_lives Part: Typed does not consist of words",
        "begin_lives Part: live Typed",
    },
    "notes": set(),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_proved(name: str) -> None:
    assert unproved(WORLD, getattr(MODULE, name), limit=2.0) == EXPECTED[name]


def test_nothing_happens_when_it_runs() -> None:
    with Memory(4096):
        part: Any = MODULE.at(MODULE.Part, 0x10000)
        MODULE.end_lives(MODULE.Part, 1, 1)
        MODULE.begin_lives(MODULE.Part, 1, 1, MODULE.Grain)
    assert part is MODULE.at(MODULE.Part, 0x10000)

# SPDX-License-Identifier: BSD-2-Clause
"""Packed values in every reader: fields at their edges, kinds, and what narrows a name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.readers import Everywhere, edges, everywhere, functions_of, module_of

SOURCE = '''
@word(u8)
class Right(IntEnum):
    NONE = 0
    READ = 1
    ALL = 3

class Kind(IntEnum):
    EMPTY = 0
    ENDPOINT = 2
    FRAME = 5

@struct
class Thread:
    priority: u64

@packed(u128, tag="kind")
class Capability(Packed):
    kind: u8 = bits(59, 5)
    flag: bool = bits(127, 1)
    @property
    def is_empty(self) -> bool:
        return self.kind == Kind.EMPTY
    def marked(self) -> Capability:
        return self.replace(flag=True)

@variant(Kind.EMPTY)
class EmptyCap(Capability):
    pass

@variant(Kind.ENDPOINT)
class EndpointCap(Capability):
    badge: u64 = bits(64, 63)
    thread: Thread | None = bits(0, 39, signed=True)
    right: Right = bits(40, 2)
    def next_badge(self) -> u64:
        return self.badge + 1

@variant(Kind.FRAME)
class FrameCap(Capability):
    address: u64 = bits(4, 37, shift=2, signed=True)
    size: u8 = bits(64, 6)
    thread: Thread = bits(76, 39, signed=True)
    whole: u16 = bits(42, 16)

@packed(u64)
class Entry(Packed):
    valid: bool = bits(0, 1)
    number: u64 = bits(10, 44)

@compiled
def badge(cap: EndpointCap) -> u64:
    return cap.badge

@compiled
def thread(cap: EndpointCap) -> u64:
    return address_of(cap.thread)

@compiled
def right(cap: EndpointCap) -> Right:
    return cap.right

@compiled
def address(cap: FrameCap) -> u64:
    return cap.address

@compiled
def owner(cap: FrameCap) -> Thread:
    return cap.thread

@compiled
def flag(cap: Capability) -> bool:
    return cap.flag

@compiled
def with_badge(cap: EndpointCap, value: u64) -> EndpointCap:
    return cap.replace(badge=value)

@compiled
def with_thread(cap: EndpointCap, value: u64) -> EndpointCap:
    return cap.replace(thread=at_or_none(Thread, value))

@compiled
def with_right(cap: EndpointCap, value: Right) -> EndpointCap:
    return cap.replace(right=value)

@compiled
def with_address(cap: FrameCap, value: u64) -> FrameCap:
    return cap.replace(address=value)

@compiled
def with_size(cap: FrameCap, value: u8) -> FrameCap:
    return cap.replace(size=value)

@compiled
def with_whole(cap: FrameCap, value: u16) -> FrameCap:
    return cap.replace(whole=value)

@compiled
def with_flag(cap: Capability, value: bool) -> Capability:
    return cap.replace(flag=value)

@compiled
def build(badge_: u64, flag_: bool) -> Capability:
    return EndpointCap(flag=flag_, badge=badge_ + 1, right=Right.ALL)

@compiled
def both_break(a: u64, b: u64) -> Capability:
    """The sum is computed before the badge is checked."""
    return EndpointCap(badge=a, thread=at_or_none(Thread, a + b))

@compiled
def frame_of(raw: u128) -> FrameCap:
    return from_word(FrameCap, raw)

@compiled
def bits_of(cap: Capability) -> u128:
    return to_word(from_word(Capability, to_word(cap)))

@compiled
def kind(cap: Capability) -> u64:
    match cap:
        case EndpointCap():
            return cap.next_badge()
        case FrameCap() as frame:
            return u64(frame.size)
        case EmptyCap():
            return 1
        case _:
            return 2

@compiled
def two_kinds(cap: Capability) -> u64:
    match cap.marked():
        case EndpointCap() | EmptyCap():
            return 5
        case Capability():
            return 6

@compiled
def guarded(cap: Capability) -> u64:
    if not isinstance(cap, EndpointCap) or cap.badge == 0:
        return 0
    return cap.badge

@compiled
def in_condition(cap: Capability) -> bool:
    return isinstance(cap, FrameCap) and cap.size > 3

@compiled
def in_choice(cap: Capability) -> u64:
    return u64(cap.size) if isinstance(cap, FrameCap) else (cap.badge if isinstance(cap, EndpointCap) else 0)

@compiled
def either(cap: Capability) -> bool:
    return isinstance(cap, (EndpointCap, FrameCap))

@compiled
def asserted(cap: Capability) -> u64:
    assert isinstance(cap, EndpointCap), "an endpoint"
    return cap.badge

@compiled
def in_loop(cap: Capability) -> u64:
    turns = u64(0)
    while isinstance(cap, EndpointCap):
        turns += cap.badge & 3
        cap = EmptyCap() if cap.badge < 4 else cap.replace(badge=cap.badge // 2)
    return turns

@compiled
def assigned(choose: bool) -> bool:
    cap = EndpointCap(badge=1)
    found = cap.badge == 1
    if choose:
        cap = FrameCap(size=1)
        found = cap.size == 1
    return found and cap.is_empty

@compiled
def equal(a: Capability, b: EndpointCap) -> bool:
    return a == b

@compiled
def entry(number: u64) -> u64:
    return to_word(Entry(valid=True, number=number))
'''
ENDPOINT, FRAME, EMPTY = 2 << 59, 5 << 59, 0


@pytest.fixture(scope="module")
def readers() -> Everywhere:
    return everywhere(functions_of(module_of("tests_packed", SOURCE)))


def function(readers: Everywhere, name: str) -> Any:
    return next(one for one in readers.functions if one.__name__ == name)


def canonical(value: int) -> bool:
    return value >> 38 in (0, (1 << 26) - 1)


@pytest.mark.parametrize("background", [0, (1 << 128) - 1])
def test_fields_keep_what_fits_and_nothing_else_changes(readers: Everywhere, background: int) -> None:
    start = background & ~(31 << 59)
    for name, tag, values, fits, place in (
        ("with_badge", ENDPOINT, edges(64), lambda v: v < 1 << 63, (64, 63, 0)),
        ("with_thread", ENDPOINT, [*edges(64), *edges(39), (1 << 64) - (1 << 38)], canonical, (0, 39, 0)),
        ("with_right", ENDPOINT, [0, 1, 3], lambda v: True, (40, 2, 0)),
        (
            "with_address",
            FRAME,
            [*edges(64), *edges(39), 4, 1 << 37, (1 << 64) - (1 << 38)],
            lambda v: v % 4 == 0 and canonical(v),
            (4, 37, 2),
        ),
        ("with_size", FRAME, edges(8), lambda v: v < 64, (64, 6, 0)),
        ("with_whole", FRAME, edges(16), lambda v: True, (42, 16, 0)),
    ):
        low, width, shift = place
        mask = (1 << width) - 1
        for value in values:
            raw = start | tag
            found = readers.agree(function(readers, name), raw, value, memory=None)
            changed = raw & ~(mask << low) | (value >> shift & mask) << low
            assert found[False] == ("gives", changed), (name, value)
            assert found[True] == (("gives", changed) if fits(value) else ("breaks", "field")), (name, value)


@pytest.mark.parametrize("value", [0, 1, (1 << 38) - 1, 1 << 38, (1 << 39) - 1])
def test_reading_extends_the_sign(readers: Everywhere, value: int) -> None:
    extended = value | (-1 << 39 if value >> 38 else 0)
    expected = extended & (1 << 64) - 1
    assert readers.agree(function(readers, "thread"), ENDPOINT | value, memory=None)[True] == ("gives", expected)
    frame = FRAME | (value >> 2) << 4
    assert readers.agree(function(readers, "address"), frame, memory=None)[True] == ("gives", expected & ~3)


def test_reading_what_means_nothing(readers: Everywhere) -> None:
    found = readers.agree(function(readers, "right"), ENDPOINT | 2 << 40, memory=None)
    assert found == {True: ("breaks", "enum"), False: ("gives", 2)}
    found = readers.agree(function(readers, "owner"), FRAME, memory=None)
    assert found == {True: ("breaks", "null"), False: ("gives", 0)}


def test_kinds_are_told_apart(readers: Everywhere) -> None:
    endpoint, frame = ENDPOINT | 9 << 64, FRAME | 7 << 64
    expected: dict[str, tuple[Any, Any, Any, Any]] = {
        "kind": (10, 7, 1, 2),
        "two_kinds": (5, 6, 5, 6),
        "guarded": (9, 0, 0, 0),
        "in_condition": (0, 1, 0, 0),
        "in_choice": (9, 7, 0, 0),
        "either": (1, 1, 0, 0),
        "in_loop": (9 % 4 + 4 % 4 + 2 % 4, 0, 0, 0),
        "flag": (0, 0, 0, 0),
        "bits_of": (endpoint, frame, EMPTY, 31 << 59),
    }
    for name, results in expected.items():
        for raw, result in zip((endpoint, frame, EMPTY, 31 << 59), results, strict=True):
            found = readers.agree(function(readers, name), raw, memory=None)
            assert found[True] == ("gives", result), (name, hex(raw))


def test_broken_rules_of_kinds(readers: Everywhere) -> None:
    assert readers.agree(function(readers, "frame_of"), FRAME | 1, memory=None)[True] == ("gives", FRAME | 1)
    found = readers.agree(function(readers, "frame_of"), ENDPOINT, memory=None)
    assert found == {True: ("breaks", "variant"), False: ("gives", ENDPOINT)}
    found = readers.agree(function(readers, "asserted"), FRAME | 5 << 64, memory=None)
    assert found == {True: ("breaks", "assert"), False: ("gives", 5)}
    found = readers.agree(function(readers, "both_break"), (1 << 64) - 1, 5, memory=None)
    assert found[True] == ("breaks", "overflow")
    assert readers.agree(function(readers, "both_break"), (1 << 64) - 1, 0, memory=None)[True] == ("breaks", "field")


def test_building_and_comparing(readers: Everywhere) -> None:
    built = ENDPOINT | 3 << 40 | 8 << 64 | 1 << 127
    assert readers.agree(function(readers, "build"), 7, 1, memory=None)[True] == ("gives", built)
    assert readers.agree(function(readers, "build"), (1 << 64) - 1, 0, memory=None)[True] == ("breaks", "overflow")
    assert readers.agree(function(readers, "equal"), built, built, memory=None)[True] == ("gives", 1)
    assert readers.agree(function(readers, "equal"), FRAME, built, memory=None)[True] == ("gives", 0)
    for choose in (0, 1):
        assert readers.agree(function(readers, "assigned"), choose, memory=None)[True] == ("gives", 0)
    assert readers.agree(function(readers, "entry"), 5, memory=None)[True] == ("gives", 5 << 10 | 1)
    assert readers.agree(function(readers, "entry"), 1 << 44, memory=None)[True] == ("breaks", "field")

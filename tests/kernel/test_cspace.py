# SPDX-License-Identifier: BSD-2-Clause
"""Capability lookup, against a second description of it on bit strings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.objects import ObjectType
from tessera.kernel import cspace
from tessera.kernel.capability import CNodeCap, EndpointCap, NullCap
from tessera.kernel.request import Status, request
from tests.kernel.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as state:
        yield state


def failure_words(count: int) -> list[int]:
    return [int(request.failure_words[i]) for i in range(count)]


def test_a_flat_space_finds_its_slots(world: World) -> None:
    slot = world.make(ObjectType.ENDPOINT)
    found = cspace.lookup(world.root_cap, world.address(slot), 64)
    assert found.ok and found.slot is slot and found.bits_left == 0


def test_a_root_that_is_no_cnode(world: World) -> None:
    for cap in (NullCap(), EndpointCap()):
        found = cspace.lookup(cap, 5, 64)
        assert not found.ok and found.slot is None
        assert request.failure == LookupFailure.INVALID_ROOT


def test_a_wrong_guard(world: World) -> None:
    cap = CNodeCap(slots=world.root, radix=8, guard_size=6, guard=0b101)
    assert not cspace.lookup(cap, 0b100 << 8, 14).ok
    assert request.failure == LookupFailure.GUARD_MISMATCH
    assert failure_words(3) == [14, 0b101, 6]
    assert cspace.lookup(cap, 0b101 << 8 | 3, 14).slot is cspace.slot_at(world.root, 3)


def test_a_guard_longer_than_what_is_left(world: World) -> None:
    cap = CNodeCap(slots=world.root, radix=8, guard_size=6, guard=0)
    assert not cspace.lookup(cap, 0, 5).ok
    assert request.failure == LookupFailure.GUARD_MISMATCH
    assert failure_words(3) == [5, 0, 6]


def test_too_few_bits_for_a_level(world: World) -> None:
    cap = CNodeCap(slots=world.root, radix=8, guard_size=6, guard=0)
    assert not cspace.lookup(cap, 0, 13).ok
    assert request.failure == LookupFailure.DEPTH_MISMATCH
    assert failure_words(2) == [13, 14]


def test_two_levels_and_bits_that_are_left_over(world: World) -> None:
    inner = world.cnode(2)
    cap = inner.capability
    assert isinstance(cap, CNodeCap)
    inner.capability = cap.replace(guard_size=3, guard=0b110)
    outer = CNodeCap(slots=world.root, radix=8)
    address = (world.address(inner) << 5 | 0b110_01) << 4 | 0b1011
    found = cspace.lookup(outer, address, 17)
    assert found.ok and found.slot is world.inside(inner, 1) and found.bits_left == 4


def test_a_missing_capability_is_a_null_capability(world: World) -> None:
    tcb = world.tcb(world.thread())
    tcb.cspace_root.capability = world.root_cap
    empty = world.slot()
    found = cspace.lookup_capability(tcb, world.address(empty))
    assert found.ok and isinstance(found.capability, NullCap) and found.slot is empty
    missing = cspace.lookup_capability(tcb, 1 << 63)
    assert not missing.ok and isinstance(missing.capability, NullCap)
    assert request.failure == LookupFailure.GUARD_MISMATCH


@pytest.mark.parametrize("depth", [0, 65, 1 << 40])
def test_a_depth_out_of_range(world: World, depth: int) -> None:
    target = cspace.lookup_target_slot(world.root_cap, 0, depth, False)
    assert target.status == Status.ERROR and target.slot is None
    assert world.error() == (Error.RANGE_ERROR, 1, 64)


@pytest.mark.parametrize("is_source", [False, True])
def test_a_target_must_use_up_the_address(world: World, is_source: bool) -> None:
    cap = CNodeCap(slots=world.root, radix=8)
    assert not cspace.lookup_target_slot(cap, 5 << 3, 11, is_source).ok
    assert world.error()[:2] == (Error.FAILED_LOOKUP, int(is_source))
    assert request.failure == LookupFailure.DEPTH_MISMATCH
    assert failure_words(2) == [3, 0]
    assert cspace.lookup_target_slot(cap, 7, 8, is_source).slot is cspace.slot_at(world.root, 7)


def test_a_target_below_something_else(world: World) -> None:
    assert not cspace.lookup_target_slot(EndpointCap(), 0, 300, True).ok
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 1)
    assert request.failure == LookupFailure.INVALID_ROOT


def described(levels: list[tuple[int, str, int]], bits: str) -> tuple[str, int, int]:
    """What a lookup gives, from bit strings: how it ends, the level reached, bits left.

    ``levels`` has for each CNode its radix, its guard, and which of its slots leads on (others are empty).
    """
    for depth, (radix, guard, door) in enumerate(levels):
        if not bits.startswith(guard):
            return "guard", depth, len(bits)
        if len(bits) < len(guard) + radix:
            return "depth", depth, len(bits)
        index = int(bits[len(guard) : len(guard) + radix], 2)
        bits = bits[len(guard) + radix :]
        if not bits or index != door or depth + 1 == len(levels):
            return "found", depth, len(bits)
    raise AssertionError


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_lookups_agree_with_the_description(data: st.DataObject) -> None:
    levels = []
    for _ in range(data.draw(st.integers(1, 3))):
        radix = data.draw(st.integers(1, 3))
        guard = data.draw(st.text("01", max_size=4))
        levels.append((radix, guard, data.draw(st.integers(0, (1 << radix) - 1))))
    follow = "".join(guard + format(door, f"0{radix}b") for radix, guard, door in levels)
    bits = data.draw(st.one_of(st.text("01", max_size=20), st.integers(0, len(follow)).map(lambda n: follow[:n])))
    with World(root_bits=4) as world:
        caps, place = [], None
        for radix, guard, door in levels:
            slot = world.cnode(radix, to=place)
            cap = slot.capability
            assert isinstance(cap, CNodeCap)
            slot.capability = cap.replace(guard_size=len(guard), guard=int(guard or "0", 2))
            caps.append(slot.capability)
            place = world.inside(slot, door)
        found = cspace.lookup(caps[0], int(bits or "0", 2), len(bits))
        outcome, level, left = described(levels, bits)
        assert found.bits_left == left
        if outcome == "found":
            radix, _, _ = levels[level]
            used = bits[: len(bits) - left]
            assert found.ok
            assert found.slot is cspace.slot_at(caps[level].slots, int(used[-radix:], 2))
        else:
            kinds = {"guard": LookupFailure.GUARD_MISMATCH, "depth": LookupFailure.DEPTH_MISMATCH}
            assert not found.ok and request.failure == kinds[outcome]

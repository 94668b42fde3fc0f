# SPDX-License-Identifier: BSD-2-Clause
"""Retype: what it makes, what it refuses, and that it can be stopped at any point."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import FRAME_TYPES, MIN_USER_SIZE_BITS, ObjectType, object_size_bits
from tessera.arch import machine
from tessera.kernel import derivation, region, scheduler, untyped
from tessera.kernel.capability import (
    CapKind,
    CNodeCap,
    EndpointCap,
    FrameCap,
    FrameSize,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.invoke import untyped as invocation
from tessera.kernel.layout import Slot, Tcb
from tessera.kernel.request import Status, request
from tessera.kernel.state import kernel
from tessera.lang import Packed, address_of, size_of
from tessera.lang.memory import memory as current_memory
from tessera.lang.types import is_struct
from tests.kernel.world import World

RETYPE = InvocationLabel.UNTYPED_RETYPE


@pytest.fixture
def world() -> Iterator[World]:
    with World() as state:
        yield state


def call(
    world: World,
    memory: Slot,
    kind: int,
    user_size: int = 0,
    *,
    root: Slot | None = None,
    index: int = 0,
    depth: int = 0,
    offset: int = 0,
    count: int = 1,
    length: int = 6,
) -> Status:
    """One Retype invocation, by default into the root CNode itself."""
    world.arguments([kind, user_size, index, depth, offset, count], [root if root is not None else world.root_slot])
    cap = memory.capability
    assert isinstance(cap, UntypedCap)
    return invocation.decode(RETYPE, length, memory, cap)


def untyped_cap(slot: Slot) -> UntypedCap:
    cap = slot.capability
    assert isinstance(cap, UntypedCap)
    return cap


def stored(address: int, size: int) -> bytes:
    data = current_memory()
    return bytes(data.data[address - data.base : address - data.base + size])


@pytest.mark.parametrize("kind", list(ObjectType))
def test_sizes_are_the_interface_s(kind: ObjectType) -> None:
    for user_size in range(MIN_USER_SIZE_BITS.get(kind, 0), 39):
        assert untyped.object_bits(kind, user_size) == object_size_bits(kind, user_size)


def test_structs_fit_their_objects() -> None:
    assert size_of(Tcb) == 1 << object_size_bits(ObjectType.TCB, 0)
    assert size_of(Slot) == 1 << (object_size_bits(ObjectType.CAP_TABLE, 4) - 4)


@pytest.mark.parametrize(
    "kind, user_size, expected",
    [
        (ObjectType.UNTYPED, 6, UntypedCap(size_bits=6)),
        (ObjectType.TCB, 0, ThreadCap()),
        (ObjectType.ENDPOINT, 0, EndpointCap(can_send=True, can_receive=True, can_grant=True, can_grant_reply=True)),
        (ObjectType.NOTIFICATION, 0, NotificationCap(can_send=True, can_receive=True)),
        (ObjectType.CAP_TABLE, 3, CNodeCap(radix=3)),
        (ObjectType.SCHED_CONTEXT, 8, SchedContextCap(size_bits=8)),
        (ObjectType.REPLY, 0, ReplyCap(can_grant=True)),
        (ObjectType.PAGE, 0, FrameCap(size=FrameSize.PAGE, can_read=True, can_write=True)),
        (ObjectType.PAGE_TABLE, 0, PageTableCap()),
    ],
)
def test_what_is_made(world: World, kind: ObjectType, user_size: int, expected: Packed) -> None:
    kernel.current_domain = 3
    memory = world.untyped(15)
    first = world.next_slot
    assert call(world, memory, kind, user_size, offset=first, count=3) == Status.OK
    size = 1 << object_size_bits(kind, user_size)
    base = int(untyped_cap(memory).base)
    for i in range(3):
        slot = world.slot()
        cap = slot.capability
        place = {"base": base + i * size} if isinstance(cap, (UntypedCap, FrameCap)) else {}
        if not place:
            # The reference is the only field of the expected capability that is not given.
            name = next(n for n, f in type(cap).__packed__.fields().items() if is_struct(f.type))  # type: ignore[attr-defined]
            place = {name: getattr(cap, name)}
            assert address_of(place[name]) == base + i * size
        assert cap == expected.replace(**place)
        assert region.base_of(cap) == base + i * size
        assert 1 << int(region.size_bits_of(cap)) == size
        if isinstance(cap, ThreadCap):
            assert cap.tcb.domain == 3
            cap.tcb.domain = 0
        if kind != ObjectType.UNTYPED:
            assert stored(base + i * size, size) == bytes(size)
        assert derivation.is_parent_of(memory, slot)
        assert slot.link.revocable and slot.link.first_badged
    cap = untyped_cap(memory)
    assert cap.free_offset == 3 * size
    world.check()


@pytest.mark.parametrize(
    "kind, user_size, error",
    [
        (11, 0, (Error.INVALID_ARGUMENT, 0)),
        (1 << 63, 0, (Error.INVALID_ARGUMENT, 0)),
        (ObjectType.UNTYPED, 64, (Error.RANGE_ERROR, 0, 38)),
        (ObjectType.UNTYPED, (1 << 64) - 1, (Error.RANGE_ERROR, 0, 38)),
        (ObjectType.UNTYPED, 39, (Error.RANGE_ERROR, 0, 38)),
        (ObjectType.CAP_TABLE, 34, (Error.RANGE_ERROR, 0, 38)),
        (ObjectType.ENDPOINT, 64, (Error.RANGE_ERROR, 0, 38)),
        (ObjectType.UNTYPED, 3, (Error.INVALID_ARGUMENT, 1)),
        (ObjectType.CAP_TABLE, 0, (Error.INVALID_ARGUMENT, 1)),
        (ObjectType.SCHED_CONTEXT, 6, (Error.INVALID_ARGUMENT, 1)),
        (ObjectType.UNTYPED, 13, (Error.NOT_ENOUGH_MEMORY, 1 << 12)),
        (ObjectType.GIGA_PAGE, 0, (Error.NOT_ENOUGH_MEMORY, 1 << 12)),
    ],
)
def test_what_cannot_be_made(world: World, kind: int, user_size: int, error: tuple[int, ...]) -> None:
    memory = world.untyped(12)
    assert call(world, memory, kind, user_size, offset=100) == Status.ERROR
    assert world.error()[: len(error)] == error
    assert isinstance(world.inside(world.root_slot, 100).capability, NullCap)


def test_other_labels_and_short_messages(world: World) -> None:
    memory = world.untyped(12)
    cap = untyped_cap(memory)
    assert invocation.decode(InvocationLabel.CNODE_COPY, 6, memory, cap) == Status.ERROR
    assert request.error == Error.ILLEGAL_OPERATION
    assert call(world, memory, ObjectType.PAGE, length=5) == Status.ERROR
    assert request.error == Error.TRUNCATED_MESSAGE
    world.arguments([ObjectType.PAGE, 0, 0, 0, 100, 1])
    assert invocation.decode(RETYPE, 6, memory, cap) == Status.ERROR
    assert request.error == Error.TRUNCATED_MESSAGE


@pytest.mark.parametrize(
    "offset, count, error",
    [
        (256, 1, (Error.RANGE_ERROR, 0, 255)),
        (1 << 63, 1, (Error.RANGE_ERROR, 0, 255)),
        (0, 0, (Error.RANGE_ERROR, 1, 256)),
        (0, 257, (Error.RANGE_ERROR, 1, 256)),
        (250, 7, (Error.RANGE_ERROR, 1, 6)),
        (0, 2, (Error.DELETE_FIRST,)),
    ],
)
def test_the_window_of_slots(world: World, offset: int, count: int, error: tuple[int, ...]) -> None:
    memory = world.untyped(12)
    assert call(world, memory, ObjectType.ENDPOINT, offset=offset, count=count) == Status.ERROR
    assert world.error()[: len(error)] == error


def test_a_whole_fan_out_at_once() -> None:
    with World(root_bits=9) as world:
        memory = world.untyped(12)
        assert call(world, memory, ObjectType.ENDPOINT, offset=256, count=256) == Status.OK
        assert all(world.inside(world.root_slot, i).capability.kind == CapKind.ENDPOINT for i in range(256, 512))
        assert call(world, memory, ObjectType.ENDPOINT, offset=200) == Status.ERROR
        assert world.error()[:2] == (Error.NOT_ENOUGH_MEMORY, 0)


def test_the_destination_can_be_a_cnode_below_the_root(world: World) -> None:
    memory, node = world.untyped(12), world.cnode(3)
    index = world.address(node)
    assert call(world, memory, ObjectType.ENDPOINT, index=index, depth=64, offset=7) == Status.OK
    assert isinstance(world.inside(node, 7).capability, EndpointCap)
    assert call(world, memory, ObjectType.ENDPOINT, root=node, offset=6) == Status.OK
    assert isinstance(world.inside(node, 6).capability, EndpointCap)
    world.check()


def test_a_destination_that_is_no_cnode(world: World) -> None:
    memory = world.untyped(12)
    index = world.address(memory)
    assert call(world, memory, ObjectType.ENDPOINT, index=index, depth=64) == Status.ERROR
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 0)
    assert (request.failure, request.failure_words[0]) == (LookupFailure.MISSING_CAPABILITY, 64)
    assert call(world, memory, ObjectType.ENDPOINT, root=memory) == Status.ERROR
    assert (request.failure, request.failure_words[0]) == (LookupFailure.MISSING_CAPABILITY, 0)
    assert call(world, memory, ObjectType.ENDPOINT, root=memory, depth=8) == Status.ERROR
    assert request.failure == LookupFailure.INVALID_ROOT
    assert call(world, memory, ObjectType.ENDPOINT, index=1, depth=65) == Status.ERROR
    assert world.error() == (Error.RANGE_ERROR, 1, 64)


def test_objects_are_aligned_and_the_error_tells_what_is_left(world: World) -> None:
    memory = world.untyped(13)
    assert call(world, memory, ObjectType.ENDPOINT, offset=100) == Status.OK
    assert call(world, memory, ObjectType.PAGE, offset=101) == Status.OK
    cap = world.inside(world.root_slot, 101).capability
    assert isinstance(cap, FrameCap) and cap.base == untyped_cap(memory).base + 4096
    assert call(world, memory, ObjectType.ENDPOINT, offset=102) == Status.ERROR
    assert world.error()[:2] == (Error.NOT_ENOUGH_MEMORY, 0)
    world.check()


def test_an_untyped_without_children_is_used_anew(world: World) -> None:
    memory = world.untyped(12)
    assert call(world, memory, ObjectType.PAGE, offset=100) == Status.OK
    frame = world.inside(world.root_slot, 100)
    cap = untyped_cap(memory)
    world.memory.data[int(cap.base) - world.memory.base] = 7
    assert call(world, memory, ObjectType.ENDPOINT, offset=101) == Status.ERROR
    derivation.remove(frame)
    assert call(world, memory, ObjectType.ENDPOINT, offset=101, count=2) == Status.OK
    assert stored(int(cap.base), 32) == bytes(32)
    assert untyped_cap(memory).free_offset == 32
    world.check()


@pytest.mark.parametrize("kind", list(ObjectType))
def test_device_memory_is_never_touched(world: World, kind: ObjectType) -> None:
    # Far outside of the buffer: a single access would raise.
    memory = world.original(UntypedCap(base=1 << 38, size_bits=31, is_device=True))
    user_size = MIN_USER_SIZE_BITS.get(kind, 0)
    status = call(world, memory, kind, user_size, offset=100, count=2)
    cap = world.inside(world.root_slot, 101).capability
    if kind == ObjectType.UNTYPED:
        assert cap == UntypedCap(base=(1 << 38) + (1 << user_size), size_bits=user_size, is_device=True)
    elif kind in FRAME_TYPES:
        assert isinstance(cap, FrameCap) and cap.is_device and cap.base == (1 << 38) + (1 << object_size_bits(kind, 0))
        derivation.remove(world.inside(world.root_slot, 100))
        derivation.remove(world.inside(world.root_slot, 101))
        assert call(world, memory, kind, offset=100) == Status.OK
    else:
        assert status == Status.ERROR
        assert world.error()[:2] == (Error.INVALID_ARGUMENT, 1)


def test_clearing_stops_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 2)
    monkeypatch.setattr(machine.Model, "pending", 1)
    memory = world.untyped(14)
    assert call(world, memory, ObjectType.UNTYPED, 12, offset=100) == Status.OK
    stops = 0
    while call(world, memory, ObjectType.PAGE, offset=101, count=2) == Status.PREEMPTED:
        stops += 1
        cap = untyped_cap(memory)
        assert cap.clear_offset == 4096 + 1024 * stops
        assert isinstance(world.inside(world.root_slot, 101).capability, NullCap)
        world.check()
        assert stops < 100
    assert stops == 7
    frame = world.inside(world.root_slot, 102).capability
    assert isinstance(frame, FrameCap)
    assert stored(int(frame.base) - 4096, 8192) == bytes(8192)
    # The child was not cleared: it is untyped itself.
    assert stored(int(frame.base) - 8192, 4096) == b"\xa5" * 4096
    world.check()


@pytest.mark.parametrize("size_bits", [4, 8, 10])
def test_clearing_stays_inside(world: World, size_bits: int) -> None:
    # Two neighbours; what is cleared for the first must not reach the second, nor the other way round.
    memory = world.untyped(size_bits + 1)
    first, second = (world.make(ObjectType.UNTYPED, size_bits, memory=memory) for _ in range(2))
    base, size = int(untyped_cap(memory).base), 1 << size_bits
    world.make(ObjectType.ENDPOINT, memory=first)
    assert stored(base, 16) == bytes(16)
    assert stored(base + size, size) == b"\xa5" * size
    world.memory.data[base - world.memory.base] = 7
    world.make(ObjectType.ENDPOINT, memory=second)
    assert stored(base, 1) == b"\x07" and stored(base + size, 16) == bytes(16)
    assert stored(base + 2 * size, 16) == b"\xa5" * 16


@pytest.mark.parametrize("seed", range(8))
def test_random_use_keeps_all_invariants(seed: int) -> None:
    chance = random.Random(seed)
    with World(root_bits=5) as world:
        world.untyped(14)
        world.untyped(9)
        kinds = [ObjectType.UNTYPED, ObjectType.ENDPOINT, ObjectType.CAP_TABLE, ObjectType.TCB, ObjectType.PAGE]
        for _ in range(60):
            slots = world.slots()[:32]
            memories = [s for s in slots if isinstance(s.capability, UntypedCap)]
            others = [s for s in slots[1:] if not isinstance(s.capability, (UntypedCap, NullCap))]
            if chance.random() < 0.3 and others:
                victim = chance.choice(others)
                cap = victim.capability
                if isinstance(cap, FrameCap):
                    start = int(cap.base) - world.memory.base
                    world.memory.data[start : start + 4096] = b"\x5a" * 4096
                derivation.remove(victim)
            else:
                kind = chance.choice(kinds)
                size = {ObjectType.UNTYPED: chance.randrange(4, 13), ObjectType.CAP_TABLE: 1}.get(kind, 0)
                offset, count = chance.randrange(32), chance.randrange(1, 4)
                call(world, chance.choice(memories), kind, size, offset=offset, count=count)
            world.check()

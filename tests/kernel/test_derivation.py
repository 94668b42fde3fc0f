# SPDX-License-Identifier: BSD-2-Clause
"""The derivation tree against a model with explicit parents; rights, badges and guards."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tessera.abi.capabilities import RIGHT_GRANT, RIGHT_GRANT_REPLY, RIGHT_READ, RIGHT_WRITE
from tessera.abi.errors import Error
from tessera.abi.objects import ObjectType
from tessera.kernel import derivation, interrupt, rights, untyped
from tessera.kernel.capability import (
    AsidControlCap,
    Capability,
    CNodeCap,
    DomainCap,
    EndpointCap,
    FrameCap,
    FrameSize,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    SchedControlCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.derivation_invariants import is_descendant
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, request
from tessera.kernel.rights import mask_rights
from tessera.kernel.state import IrqState
from tessera.lang import ContractError
from tests.kernel import world as checks
from tests.kernel.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as state:
        yield state


class Model:
    """Who was derived from whom, by slot."""

    def __init__(self) -> None:
        self.parent: dict[Slot, Slot | None] = {}

    def derived(self, source: Slot, slot: Slot) -> None:
        """A copy: only a revocable capability has children; a copy of another is its sibling."""
        self.parent[slot] = source if source.link.revocable else self.parent[source]

    def move(self, source: Slot, slot: Slot) -> None:
        self.parent[slot] = self.parent.pop(source)
        for child, parent in self.parent.items():
            if parent is source:
                self.parent[child] = slot

    def swap(self, a: Slot, b: Slot) -> None:
        other = {a: b, b: a}
        self.parent = {
            other.get(slot, slot): parent if parent is None else other.get(parent, parent)
            for slot, parent in self.parent.items()
        }

    def remove(self, slot: Slot) -> None:
        above = self.parent.pop(slot)
        for child, parent in self.parent.items():
            if parent is slot:
                self.parent[child] = above

    def is_descendant(self, ancestor: Slot, slot: Slot) -> bool:
        place = self.parent[slot]
        while place is not None:
            if place is ancestor:
                return True
            place = self.parent[place]
        return False

    def check(self) -> None:
        for a in self.parent:
            for b in self.parent:
                assert is_descendant(a, b) == self.is_descendant(a, b), f"{a} {a.capability}, {b} {b.capability}"


def random_tree(seed: int, steps: int) -> None:
    """Random operations on the tree, with all invariants and the model checked after each."""
    chance = random.Random(seed)
    with World(root_bits=5) as world:
        model = Model()
        for slot in (world.root_slot, world.untyped(10), world.irq_control()):
            model.parent[slot] = None
        irqs = list(range(1, 20))
        for _ in range(steps):
            used = list(model.parent)
            source = chance.choice(used)
            empty = [s for s in world.slots()[: 1 << world.root_bits] if s not in model.parent]
            action = chance.choice(["copy", "copy", "mint", "make", "make", "irq", "move", "swap", "remove"])
            cap = source.capability
            target = chance.choice(empty) if empty else None
            if action == "swap" and len(used) > 1:
                other = chance.choice([s for s in used if s is not source])
                derivation.swap(cap, source, other.capability, other)
                model.swap(source, other)
            elif action == "remove" and len(used) > 4 and not isinstance(cap, (CNodeCap, IrqControlCap)):
                if not (isinstance(cap, UntypedCap) and model.parent[source] is None):
                    derivation.remove(source)
                    model.remove(source)
            elif target is None:
                continue
            elif action == "move":
                derivation.move(cap, source, target)
                model.move(source, target)
            elif action in ("copy", "mint"):
                data = chance.choice([0, 1, 2])
                if action == "mint":
                    cap = rights.update_data(False, data, cap)
                status, new = rights.derive(source, cap)
                if status == Status.OK and not isinstance(new, NullCap):
                    derivation.insert(new, source, target)
                    model.derived(source, target)
            elif action == "make" and isinstance(cap, UntypedCap):
                kind = chance.choice([ObjectType.ENDPOINT, ObjectType.NOTIFICATION, ObjectType.UNTYPED])
                bits = int(untyped.object_bits(kind, 7))
                if untyped.aligned_offset(cap.free_offset, bits) + (1 << bits) <= 1 << cap.size_bits:
                    untyped.retype(source, kind, 7, target, 1)
                    model.parent[target] = source
            elif action == "irq" and isinstance(cap, IrqControlCap) and irqs:
                irq = irqs.pop()
                interrupt.set_state(irq, IrqState.SIGNAL)
                derivation.insert_handler(IrqHandlerCap(irq=irq), source, target)
                model.parent[target] = source
            model.check()
            world.check()


@pytest.mark.parametrize("seed", range(12))
def test_random_trees_agree_with_the_model(seed: int) -> None:
    random_tree(seed, 60)


def test_neighbours_can_be_swapped_both_ways(world: World) -> None:
    memory = world.untyped(8)
    slots = [world.make(ObjectType.ENDPOINT, memory=memory) for _ in range(4)]
    order = [memory, *reversed(slots)]

    def listed() -> list[Slot]:
        found, place = [], memory
        while place is not None:
            found.append(place)
            place = place.link.next
        return found

    assert listed() == order
    derivation.swap(order[1].capability, order[1], order[2].capability, order[2])
    order[1], order[2] = order[2], order[1]
    assert listed() == order
    derivation.swap(order[3].capability, order[3], order[2].capability, order[2])
    order[2], order[3] = order[3], order[2]
    assert listed() == order
    world.check()


def test_copies_of_an_untyped_do_not_share_free_memory(world: World) -> None:
    memory, copy = world.untyped(8), world.slot()
    status, cap = rights.derive(memory, memory.capability)
    assert status == Status.OK
    derivation.insert(cap, memory, copy)
    left, right = memory.capability, copy.capability
    assert isinstance(left, UntypedCap) and isinstance(right, UntypedCap)
    assert left.free_offset == 256 and right.free_offset == 0
    assert is_descendant(memory, copy) and not is_descendant(copy, memory)
    world.make(ObjectType.ENDPOINT, memory=copy)
    world.check()
    for slot in (memory, copy):
        status, cap = rights.derive(slot, slot.capability)
        assert status == Status.ERROR and isinstance(cap, NullCap)
        assert request.error == Error.REVOKE_FIRST


def test_a_badge_is_given_once(world: World) -> None:
    plain = world.make(ObjectType.ENDPOINT)
    first = rights.update_data(False, 7, plain.capability)
    assert isinstance(first, EndpointCap) and first.badge == 7
    assert isinstance(rights.update_data(False, 8, first), NullCap)
    assert isinstance(rights.update_data(True, 8, plain.capability), NullCap)
    cap = world.make(ObjectType.NOTIFICATION).capability
    assert isinstance(cap, NotificationCap)
    assert rights.update_data(False, ~0 & (1 << 64) - 1, cap) == cap.replace(badge=(1 << 64) - 1)
    assert isinstance(rights.update_data(True, 0, cap), NullCap)


def test_revoking_one_badge_leaves_the_others(world: World) -> None:
    plain = world.make(ObjectType.ENDPOINT)
    minted = []
    for badge in (5, 5, 6):
        slot = world.slot()
        derivation.insert(rights.update_data(False, badge, plain.capability), plain, slot)
        minted.append(slot)
    copies = []
    for source in minted:
        slot = world.slot()
        derivation.insert(source.capability, source, slot)
        copies.append(slot)
    for source in minted:
        assert [c for c in copies if is_descendant(source, c)] == [copies[minted.index(source)]]
        assert not any(is_descendant(source, other) for other in minted)
    assert all(is_descendant(plain, slot) for slot in minted + copies)
    # Without its source, a copy belongs to the unbadged capability alone, not to an older source with its badge.
    derivation.remove(minted[1])
    assert [a for a in [plain, *minted, *copies] if is_descendant(a, copies[1])] == [plain]
    world.check()


@pytest.mark.parametrize(
    "guard_size, guard, radix, expected",
    [(4, 0b11010, 8, 0b1010), (0, 5, 8, 0), (56, (1 << 58) - 1, 8, (1 << 56) - 1), (57, 0, 8, None), (63, 1, 1, 1)],
)
def test_a_guard_can_be_changed_at_any_time(guard_size: int, guard: int, radix: int, expected: int | None) -> None:
    with World() as world:
        cap = CNodeCap(slots=world.root, radix=radix, guard_size=3, guard=5)
        new = rights.update_data(True, guard << 6 | guard_size, cap)
        assert new == rights.update_data(False, guard << 6 | guard_size, cap)
        if expected is None:
            assert isinstance(new, NullCap)
        else:
            assert isinstance(new, CNodeCap)
            assert (new.guard_size, new.guard, new.radix) == (guard_size, expected, radix)


@pytest.mark.parametrize("allowed", range(16))
def test_rights_are_only_taken_away(world: World, allowed: int) -> None:
    write, read = bool(allowed & RIGHT_WRITE), bool(allowed & RIGHT_READ)
    grant, grant_reply = bool(allowed & RIGHT_GRANT), bool(allowed & RIGHT_GRANT_REPLY)
    kinds = (ObjectType.ENDPOINT, ObjectType.NOTIFICATION, ObjectType.REPLY)
    full, signal, reply = (world.make(kind).capability for kind in kinds)
    assert isinstance(full, EndpointCap) and isinstance(signal, NotificationCap) and isinstance(reply, ReplyCap)
    expected = full.replace(can_send=write, can_receive=read, can_grant=grant, can_grant_reply=grant_reply)
    assert full.can_send and mask_rights(allowed, full) == expected
    # The rest of the word does not matter.
    assert mask_rights(allowed | 0xFF0, full) == expected
    nothing = full.replace(can_send=False, can_receive=False, can_grant=False, can_grant_reply=False)
    assert mask_rights(allowed, nothing) == nothing
    assert mask_rights(allowed, signal) == signal.replace(can_send=write, can_receive=read)
    assert mask_rights(allowed, reply) == reply.replace(can_grant=grant)
    frame = FrameCap(can_read=True, can_write=True)
    assert mask_rights(allowed, frame) == FrameCap(can_read=read, can_write=read and write)
    read_only = FrameCap(can_read=True)
    assert mask_rights(allowed, read_only) == FrameCap(can_read=read)
    assert mask_rights(allowed, FrameCap()) == FrameCap()
    assert mask_rights(allowed, DomainCap()) == DomainCap()


def test_what_copies_are(world: World) -> None:
    empty = world.slot()

    def copy_of(cap: Capability) -> Capability:
        status, new = rights.derive(empty, cap)
        assert status == Status.OK
        return new

    for cap in (ZombieCap(remaining=1), IrqControlCap()):
        assert isinstance(copy_of(cap), NullCap)
    for cap in (SchedControlCap(), DomainCap(), AsidControlCap(), ReplyCap(), IrqHandlerCap(irq=3)):
        assert copy_of(cap) == cap
    frame = FrameCap(base=4096, asid=3, mapped_address=8192, size=FrameSize.PAGE, can_read=True, is_device=True)
    assert copy_of(frame) == frame.replace(asid=0, mapped_address=0)
    table = PageTableCap(is_mapped=True, asid=1)
    assert copy_of(table) == table
    status, _ = rights.derive(empty, PageTableCap())
    assert status == Status.ERROR and request.error == Error.ILLEGAL_OPERATION


def test_a_slot_in_use_is_not_overwritten(world: World) -> None:
    source, occupied = world.make(ObjectType.ENDPOINT), world.make(ObjectType.ENDPOINT)
    with pytest.raises(ContractError):
        derivation.insert(source.capability, source, occupied)
    with pytest.raises(ContractError):
        derivation.move(source.capability, source, occupied)
    assert derivation.ensure_empty(occupied) == Status.ERROR and request.error == Error.DELETE_FIRST
    assert derivation.ensure_empty(world.slot()) == Status.OK


def planted(name: str, world: World) -> None:
    """Break one invariant of a good state."""
    memory = world.untyped(8)
    a, b = world.make(ObjectType.ENDPOINT, memory=memory), world.make(ObjectType.ENDPOINT, memory=memory)
    c = world.slot()
    derivation.insert(a.capability, a, c)
    cap = memory.capability
    assert isinstance(cap, UntypedCap)
    match name:
        case "next_points_back":
            a.previous = None
        case "previous_points_here":
            b.previous = c
        case "empty_slot_has_no_links":
            world.slot().previous = a
        case "change_of_badge_is_marked":
            held = c.capability
            assert isinstance(held, EndpointCap)
            c.capability = held.replace(badge=3)
        case "source_of_objects_is_revocable":
            memory.link = memory.link.replace(revocable=False)
        case "object_is_aligned":
            memory.capability = cap.replace(base=cap.base + 16)
        case "free_part_is_inside":
            memory.capability = cap.replace(free_offset=272)
        case "zombie_has_slots_left":
            world.original(ZombieCap(slots=world.root, radix=3, remaining=9))
        case "objects_are_apart":
            world.original(ZombieCap(slots=world.root, radix=3, remaining=8))
        case "untyped_memory_nests":
            world.original(CNodeCap(slots=world.root, radix=2))
            world.original(UntypedCap(base=int(world.root_cap.slots._address), size_bits=6))
        case "free_memory_is_unused":
            memory.capability = cap.replace(free_offset=16)
        case "object_is_derived_from_its_memory":
            derivation.remove(b)
            b.capability = a.capability
        case "neighbours_tell_the_last_capability":
            held = a.capability
            derivation.remove(c)
            world.original(held)


@pytest.mark.parametrize(
    "name",
    [
        "next_points_back",
        "previous_points_here",
        "empty_slot_has_no_links",
        "change_of_badge_is_marked",
        "source_of_objects_is_revocable",
        "object_is_aligned",
        "free_part_is_inside",
        "zombie_has_slots_left",
        "objects_are_apart",
        "untyped_memory_nests",
        "free_memory_is_unused",
        "object_is_derived_from_its_memory",
        "neighbours_tell_the_last_capability",
    ],
)
def test_a_planted_fault_is_found_by_its_invariant(world: World, name: str) -> None:
    planted(name, world)
    broken = {one.__name__ for one in checks.ONE_SLOT for slot in world.slots() if not one(slot)}
    if not broken:
        used = [slot for slot in world.slots() if not isinstance(slot.capability, NullCap)]
        broken |= {two.__name__ for two in checks.TWO_SLOTS for a in used for b in used if not two(a, b)}
    assert name in broken

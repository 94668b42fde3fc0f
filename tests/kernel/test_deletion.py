# SPDX-License-Identifier: BSD-2-Clause
"""Deleting and revoking: webs and cycles of CNodes and threads, stopped after every single step."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tessera.abi.objects import ObjectType
from tessera.arch import machine
from tessera.kernel import (
    deletion,
    derivation,
    scheduler,
)
from tessera.kernel.capability import (
    CNodeCap,
    EndpointCap,
    NullCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.derivation_invariants import is_descendant
from tessera.kernel.layout import Slot, ThreadState
from tessera.kernel.request import Status
from tests.kernel.graphs import Web
from tests.kernel.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World(root_bits=5) as state:
        yield state


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt is always pending, and every step looks for it."""
    monkeypatch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 1)
    monkeypatch.setattr(machine.Model, "pending", 1)


def copy(world: World, source: Slot, to: Slot | None = None) -> Slot:
    """A second capability to the same object."""
    slot = to if to is not None else world.slot()
    derivation.insert(source.capability, source, slot)
    return slot


def move(source: Slot, to: Slot) -> Slot:
    derivation.move(source.capability, source, to)
    return to


def delete_all(slot: Slot, world: World) -> int:
    """Delete until it is done; how many calls that took."""
    for calls in range(1, 1000):
        status = deletion.delete(slot)
        world.check()
        if status == Status.OK:
            return calls
    raise AssertionError("no progress")


def zombies(world: World) -> list[Slot]:
    return [slot for slot in world.slots() if isinstance(slot.capability, ZombieCap)]


def test_an_empty_slot(world: World) -> None:
    assert deletion.delete(world.slot()) == Status.OK
    world.check()


def test_one_of_two_capabilities_changes_nothing_else(world: World) -> None:
    node = world.cnode(1)
    inside = copy(world, world.make(ObjectType.ENDPOINT), to=world.inside(node, 0))
    again = copy(world, node)
    assert deletion.delete(node) == Status.OK
    assert isinstance(again.capability, CNodeCap) and isinstance(inside.capability, EndpointCap)
    assert isinstance(node.capability, NullCap)
    world.check()


@pytest.mark.usefixtures("impatient")
def test_a_cnode_ends_with_all_it_holds(world: World) -> None:
    node = world.cnode(2)
    endpoint = world.make(ObjectType.ENDPOINT)
    held = copy(world, endpoint, to=world.inside(node, 1))
    last = world.make(ObjectType.REPLY, to=world.inside(node, 3))
    # One step for each slot, one for each capability in them.
    assert delete_all(node, world) == 6 + 1
    for slot in (node, held, last):
        assert isinstance(slot.capability, NullCap)
    assert isinstance(endpoint.capability, EndpointCap)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("depth", [2, 3, 9])
def test_a_chain_of_cnodes_ends_as_a_whole(world: World, depth: int) -> None:
    nodes = [world.cnode(1)]
    everything = [nodes[0]]
    for level in range(1, depth):
        nodes.append(world.cnode(1, to=world.inside(nodes[-1], level % 2)))
    everything += nodes[1:]
    thread = world.thread(to=world.inside(nodes[-1], depth % 2))
    tcb = world.tcb(thread)
    tcb.state = ThreadState.RUNNING
    delete_all(nodes[0], world)
    assert all(isinstance(slot.capability, NullCap) for slot in [*everything, thread])
    assert tcb.state == ThreadState.INACTIVE
    assert not zombies(world)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("index", range(4))
def test_a_cnode_whose_last_capability_is_in_itself(world: World, index: int) -> None:
    node = world.cnode(2)
    other = world.make(ObjectType.ENDPOINT, to=world.inside(node, (index + 1) % 4))
    inside = move(node, world.inside(node, index))
    slots = [world.inside(inside, i) for i in range(4)]
    world.check()
    while deletion.delete(inside) != Status.OK or zombies(world) or not derivation.is_empty(inside):
        world.check()
        # A stopped deletion goes on where the zombie is: that is how a revocation finds it.
        left = [slot for slot in slots if isinstance(slot.capability, ZombieCap)]
        inside = left[0] if left else inside
    assert all(isinstance(slot.capability, NullCap) for slot in [*slots, other])
    world.check()


@pytest.mark.parametrize("first", range(2))
@pytest.mark.parametrize("second", range(2))
@pytest.mark.parametrize("start", range(2))
def test_two_cnodes_that_hold_each_other(world: World, first: int, second: int, start: int) -> None:
    a, b = world.cnode(1), world.cnode(1)
    slots = [world.inside(node, i) for node in (a, b) for i in range(2)]
    in_b = world.inside(b, second)
    in_a = move(b, world.inside(a, first))
    move(a, in_b)
    assert deletion.delete((in_a, in_b)[start]) == Status.OK
    assert all(isinstance(slot.capability, NullCap) for slot in slots)
    world.check()


@pytest.mark.usefixtures("impatient")
def test_a_stopped_deletion_can_be_overtaken(world: World) -> None:
    outer = world.cnode(1)
    middle = world.cnode(1, to=world.inside(outer, 1))
    inner = world.cnode(1, to=world.inside(middle, 1))
    slots = [outer, *(world.inside(node, i) for node in (outer, middle, inner) for i in range(2))]
    for _ in range(3):
        assert deletion.delete(outer) == Status.PREEMPTED
    # Others delete what the first has in hand, from wherever the zombies are by now.
    for _ in range(100):
        left = zombies(world)
        if not left:
            break
        deletion.delete(left[-1])
        world.check()
    assert deletion.delete(outer) == Status.OK
    assert all(isinstance(slot.capability, NullCap) for slot in slots)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(25))
def test_deleting_in_a_random_web(seed: int) -> None:
    chance = random.Random(seed)
    with World(root_bits=3) as world:
        web = Web(world, chance, objects=9, copies=chance.randrange(6))
        world.check()
        for _ in range(3):
            doomed = chance.choice(web.used_slots() or [world.slot()])
            expected = web.without(web.contents(), [doomed])
            inside = doomed not in [world.inside(world.root_slot, i) for i in range(8)]
            web.run(deletion.delete, doomed)
            if inside and web.zombies():
                # It deleted the ground it stood on, and was stopped: revoking the memory will find the rest.
                break
            assert web.contents() == expected
        web.run(deletion.revoke, web.memory)
        assert set(web.contents()) == {world.root_slot, web.memory}


@pytest.mark.parametrize("seed", range(25))
def test_deleting_without_a_stop_is_complete(seed: int) -> None:
    chance = random.Random(seed)
    with World(root_bits=3) as world:
        web = Web(world, chance, objects=9, copies=chance.randrange(6))
        while web.used_slots():
            doomed = chance.choice(web.used_slots())
            expected = web.without(web.contents(), [doomed])
            assert deletion.delete(doomed) == Status.OK
            assert web.contents() == expected
            world.check()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(15))
def test_two_deletions_at_once(seed: int) -> None:
    chance = random.Random(seed)
    with World(root_bits=3) as world:
        web = Web(world, chance, objects=10, copies=chance.randrange(4))
        roots = [s for s in web.used_slots() if s in [world.inside(world.root_slot, i) for i in range(8)]]
        doomed = chance.sample(roots, min(2, len(roots)))
        expected = web.without(web.contents(), doomed)
        waiting = list(doomed)
        for _ in range(2000):
            if not waiting:
                break
            slot = chance.choice(waiting)
            if deletion.delete(slot) == Status.OK:
                waiting.remove(slot)
            world.check()
        assert web.contents() == expected and not waiting


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(15))
def test_revoking_in_a_random_web(seed: int) -> None:
    chance = random.Random(seed)
    with World(root_bits=4) as world:
        web = Web(world, chance, objects=8, copies=8)
        root = [world.inside(world.root_slot, i) for i in range(16)]
        slot = chance.choice([s for s in web.used_slots() if s in root])
        before = web.contents()
        children = [other for other in before if is_descendant(slot, other)]
        expected = web.without(before, children)
        web.run(deletion.revoke, slot)
        if slot in expected:
            assert web.contents() == expected
        assert not derivation.has_children(slot)


@pytest.mark.usefixtures("impatient")
def test_revoking_a_deep_tree(world: World) -> None:
    memory = world.untyped(12)
    chain = [memory]
    for size in range(11, 4, -1):
        chain.append(world.make(ObjectType.UNTYPED, size, memory=chain[-1]))
    for source in chain[1:]:
        world.make(ObjectType.ENDPOINT, memory=source)
    middle = chain[3]
    stops = 0
    while deletion.revoke(middle) == Status.PREEMPTED:
        stops += 1
        world.check()
    # Four untypeds and five endpoints.
    assert stops == 9
    assert all(isinstance(slot.capability, NullCap) for slot in chain[4:])
    assert all(isinstance(slot.capability, UntypedCap) for slot in chain[:4])
    left = [slot for slot in world.slots() if isinstance(slot.capability, EndpointCap)]
    assert len(left) == 2
    world.check()

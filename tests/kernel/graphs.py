# SPDX-License-Identifier: BSD-2-Clause
"""Random webs of CNodes and threads that hold each other's capabilities, and what deleting in them must come to."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from tessera.abi.objects import ObjectType
from tessera.kernel import derivation
from tessera.kernel.capability import Capability, CNodeCap, NullCap, ThreadCap, UntypedCap, ZombieCap
from tessera.kernel.layout import Slot
from tessera.kernel.region import THREAD_SLOTS, base_of
from tessera.kernel.request import Status
from tests.kernel.world import World

Contents = dict[Slot, Capability]


def object_of(cap: Capability) -> int | None:
    """The object of a capability whose end matters here; ``None`` for untyped memory and the like."""
    if isinstance(cap, (UntypedCap, NullCap)):
        return None
    return int(base_of(cap)) or None


def own_slots(world: World, slot: Slot) -> list[Slot]:
    """The slots of the CNode or thread that the capability in a slot is to."""
    cap = slot.capability
    if isinstance(cap, CNodeCap):
        return [world.inside(slot, i) for i in range(1 << int(cap.radix))]
    if isinstance(cap, ThreadCap):
        return [world.inside(slot, i) for i in range(THREAD_SLOTS)]
    return []


class Web:
    """A world with random objects; ``memory`` is the untyped that all of them are made from."""

    def __init__(self, world: World, chance: random.Random, objects: int, copies: int) -> None:
        self.world = world
        self.chance = chance
        self.memory = world.untyped(16)
        self.slots_of: dict[int, list[Slot]] = {}
        for _ in range(objects):
            place = chance.choice(self.empty_slots())
            kind = chance.choice([ObjectType.CAP_TABLE, ObjectType.CAP_TABLE, ObjectType.TCB, ObjectType.ENDPOINT])
            slot = world.make(kind, chance.choice([1, 2]), memory=self.memory, to=place)
            object_ = object_of(slot.capability)
            assert object_ is not None
            self.slots_of[object_] = own_slots(world, slot)
        for _ in range(copies):
            empty = self.empty_slots()
            if not empty:
                break
            source = chance.choice([s for s in self.used_slots() if not isinstance(s.capability, UntypedCap)])
            derivation.insert(source.capability, source, chance.choice(empty))

    def all_slots(self) -> list[Slot]:
        """The slots of the root CNode, and of all objects that were made."""
        root = [self.world.inside(self.world.root_slot, i) for i in range(1 << self.world.root_bits)]
        return root + [slot for slots in self.slots_of.values() for slot in slots]

    def used_slots(self) -> list[Slot]:
        """Those with a capability, but for the root CNode's own and the memory's."""
        fixed = (self.world.root_slot, self.memory)
        return [s for s in self.all_slots() if not derivation.is_empty(s) and s not in fixed]

    def empty_slots(self) -> list[Slot]:
        """Those without; at the start there are few in the root CNode, so that much is nested."""
        return [s for s in self.all_slots() if derivation.is_empty(s)]

    def contents(self) -> Contents:
        """What every slot holds now."""
        return {slot: slot.capability for slot in self.all_slots() if not derivation.is_empty(slot)}

    def without(self, contents: Contents, doomed: Iterable[Slot]) -> Contents:
        """What is left when these slots are emptied: an object without a capability ends with all in its slots."""
        left = dict(contents)
        waiting = list(doomed)
        while waiting:
            cap = left.pop(waiting.pop(), None)
            if cap is None:
                continue
            object_ = object_of(cap)
            if object_ is not None and all(object_of(other) != object_ for other in left.values()):
                waiting.extend(self.slots_of.get(object_, []))
        return left

    def run(self, operation: Any, slot: Slot) -> int:
        """Call an operation until it is not preempted any more, with all invariants checked; how often it was."""
        for stops in range(10_000):
            status = operation(slot)
            self.world.check()
            if status == Status.OK:
                return stops
            assert status == Status.PREEMPTED
        raise AssertionError("the operation makes no progress")

    def zombies(self) -> list[Slot]:
        """Slots that hold an object in deletion."""
        return [s for s in self.all_slots() if isinstance(s.capability, ZombieCap)]

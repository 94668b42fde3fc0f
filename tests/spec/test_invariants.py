# SPDX-License-Identifier: BSD-2-Clause
"""Invariants on the state of the native kernel: they hold there, and a state in which they do not is noticed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tessera.arch import paging
from tessera.kernel.layout import Notification, PageTable, Refill, Reply, SchedContext, Slot, Tcb
from tessera.lang import MEMORY_BASE, offset_of
from tessera.lang.memory import STATICS
from tessera.llvm.shadow import UNIT_BITS
from tessera.spec.capability import TableCap
from tessera.spec.objects import Node, Table
from tessera.suites.fuzz import plans
from tessera.suites.fuzz.campaign import Campaign
from tessera.suites.fuzz.world import Native, World


@pytest.fixture
def world(native: Native) -> World:
    campaign = Campaign(native, seed=2)
    campaign.live(2, 200)
    assert not campaign.result.failures
    return campaign.world


def test_every_invariant_is_checked(native: Native) -> None:
    names = {info.name for info in plans.invariants()}
    assert len(names) > 100
    for plan in ("event", "complete", "pairs"):
        assert {name for name, _ in native.plans.plans[plan]} == names


def test_all_hold(world: World) -> None:
    assert world.watch.check("complete") == [] == world.watch.check("pairs")


def test_lists_have_all_that_lives(world: World) -> None:
    watch = world.watch
    for cls, found in watch.every.items():
        region = watch.shadow.lives(cls)
        raw = watch.shadow.view(region.address, len(world.memory.data) >> region.shift).tobytes()
        assert sum(raw) == len(found.index)
        assert all(watch.shadow.is_live(cls, address) for address in found.index)
    assert len(watch.every[Slot].index) > 400 and len(watch.every[Tcb].index) > 4


def queue_link(world: World) -> int:
    address = next(iter(world.watch.every[Tcb].index))
    return address + int(offset_of(Tcb, "wait_next"))


def object_start(world: World) -> int:
    address = next(iter(world.watch.used.index))
    world.watch.shadow.store(Slot, "object_start", address, 12345)
    return address


def rank(world: World) -> int:
    node = world.k.objects[world.root]
    assert isinstance(node, Node)
    root = next(cap.table for cap in node.slots.values() if isinstance(cap, TableCap))
    below = next(entry for entry in root.entries.values() if isinstance(entry, Table))
    address = int(paging.kernel_address(below.name))
    world.watch.shadow.store(PageTable, "rank", address, 3)
    return address


@pytest.mark.parametrize("break_", [queue_link, object_start, rank])
def test_a_change_that_breaks_one_is_noticed(world: World, break_: Callable[[World], int]) -> None:
    at = break_(world) - MEMORY_BASE
    if break_ is queue_link:
        world.words.words[at >> 3] = MEMORY_BASE + 0x1000
    changes = world.watch.sort([at >> UNIT_BITS])
    told = world.watch.look(changes, world.k, True)
    assert len(told) == 1 and told[0].startswith("invariant kernel.")


def test_an_end_of_life_is_noticed(world: World) -> None:
    world.watch.shadow.set_live(Reply, next(iter(world.watch.every[Reply].index)), False)
    told = world.watch.look(replace(world.watch.sort([]), lives=True), world.k, True)
    assert told and "capability_is_valid" in told[0]


def test_random_changes_break_many(world: World, native: Native) -> None:
    """Every kind of object, and the kernel's own state: single bits of them, one at a time."""
    chance = random.Random(3)
    watch, words = world.watch, world.words.words
    kernel = next(entry for entry in STATICS if entry.type.__name__ == "KernelState")
    seen: set[str] = set()
    for _ in range(600):
        cls = chance.choice((Slot, Slot, Tcb, Refill, SchedContext, Notification, Reply, PageTable, None))
        if cls is None:
            at = kernel.offset + chance.randrange(kernel.size)
        else:
            found = watch.used if cls is Slot else watch.every[cls]
            size = int(cls.__struct__.layout().size)  # type: ignore[attr-defined]
            # The links of threads are behind their registers.
            first = 420 if cls is Tcb else 0
            at = chance.choice(list(found.index)) - MEMORY_BASE + chance.randrange(first, min(size, 720))
        before = words[at >> 3]
        words[at >> 3] ^= 1 << chance.randrange(64)
        seen.update(told.split(":")[0].split(" (")[0] for told in watch.check("complete"))
        words[at >> 3] = before
    assert watch.check("complete") == []
    assert len(seen) > 25, sorted(seen)

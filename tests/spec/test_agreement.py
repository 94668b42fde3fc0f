# SPDX-License-Identifier: BSD-2-Clause
"""The running kernel and the abstract one agree after every event; and a difference would be seen."""

from __future__ import annotations

import contextlib
import os
import random

import pytest

from tessera.abi.errors import Error
from tessera.llvm.shadow import UNIT_BITS
from tessera.spec import derivation
from tessera.spec.capability import FrameCap
from tessera.spec.objects import Node, Thread
from tessera.suites.fuzz.agreement import differences
from tessera.suites.fuzz.campaign import Campaign
from tessera.suites.fuzz.mirror import Mirror
from tessera.suites.fuzz.world import Native, World

# All of them together; more: TESSERA_FUZZ_CALLS=2000000 pytest tests/spec/test_agreement.py
CALLS = int(os.environ.get("TESSERA_FUZZ_CALLS", "200000"))
SEEDS = (1, 2, 3, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_system_calls(native: Native, seed: int) -> None:
    result = Campaign(native, seed).run(CALLS // len(SEEDS))
    assert not result.failures, "\n".join(str(failure) for failure in result.failures)
    assert result.calls >= CALLS // len(SEEDS)
    assert result.stopped > 0
    assert result.succeeded > result.calls * 3 // 10
    assert {error for _, error in result.pairs} >= set(Error)


def test_a_difference_is_seen(native: Native) -> None:
    world = World(native)
    assert world.differences() == []
    thread = world.k.current
    assert isinstance(thread, Thread)
    thread.registers["s5"] ^= 1
    world.k.used += 1
    told = world.differences()
    assert len(told) == 2 and all("specified" in line for line in told)


def test_differences_name_the_place() -> None:
    assert differences({"a": (1, {"b": 2})}, {"a": (1, {"b": 3})}) == ["/a/1/b: specified 2, found 3"]


def test_quick_comparison_sees_what_the_full_one_sees(native: Native) -> None:
    chance = random.Random(5)
    campaign = Campaign(native, seed=2)
    campaign.live(2, 300)
    world = campaign.world
    assert world.differences() == [] == world.mirror.check()
    words, before = world.words.words, bytes(world.memory.data)
    seen = 0
    for _ in range(400):
        name = chance.choice(sorted(world.k.objects))
        at = world.words.named(name) + chance.randrange(48)
        words[at] ^= 1 << chance.randrange(64)
        world.mirror.note(world.watch.sort([at * 8 >> UNIT_BITS]))
        try:
            full = world.differences()
        except (KeyError, IndexError, ValueError):
            full = ["a reference leads nowhere"]
        if full:
            seen += 1
            with contextlib.suppress(KeyError, IndexError, ValueError):
                assert world.mirror.check(), full
        world.memory.data[:] = before
        world.mirror = Mirror(world.k, world.memory, world.watch)
        assert world.mirror.check() == []
    assert seen > 100


@pytest.mark.parametrize("what", ["slot", "tree", "memory", "queue", "refill", "mark"])
def test_quick_comparison_sees_changes_of_the_specification(native: Native, what: str) -> None:
    world = World(native)
    k = world.k
    assert world.mirror.check() == []
    node = k.objects[world.root]
    assert isinstance(node, Node) and k.current is not None and k.current.context is not None
    match what:
        case "slot":
            derivation.remove(k, (node, 9))
        case "tree":
            derivation.move(k, node.slots[9], (node, 9), (node, 200))
        case "memory":
            k.write_word(next(cap.base for cap in node.slots.values() if isinstance(cap, FrameCap)), 77)
        case "queue":
            k.postponed.append(k.current)
        case "refill":
            k.current.context.refills[0].amount += 1
        case "mark":
            k.original.remove((node, 9))
            k.touched.add((node, 9))
    assert world.mirror.check()

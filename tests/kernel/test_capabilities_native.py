# SPDX-License-Identifier: BSD-2-Clause
"""The same random invocations under CPython and in native code: equal answers, and every byte of memory equal."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.arch import machine
from tessera.ir.build import build_program
from tessera.kernel import derivation, scheduler
from tessera.kernel.capability import CNodeCap, UntypedCap
from tessera.kernel.invoke import cnode, untyped
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status
from tessera.llvm.host import HostModule
from tests.kernel.world import World, identity_window

SIZE = 1 << 19
ROOT_BITS = 4


@pytest.fixture(scope="module")
def modules() -> Iterator[list[HostModule]]:
    """Checked and release code, which look for interrupts after every step."""
    with pytest.MonkeyPatch.context() as patch, identity_window():
        patch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 1)
        program = build_program([cnode.decode, untyped.decode])
        entries = [f"tessera.kernel.invoke.{name}.decode" for name in ("cnode", "untyped")]
        yield [HostModule(program, checked=c, memory_size=SIZE, entries=entries, optimise=1) for c in (True, False)]


def outcome(call: object, *values: object) -> Status:
    result = call(*values)  # type: ignore[operator]
    assert isinstance(result, Status)
    return result


class Invoker:
    """Random invocations on one world; each is done by all readers, from the same state."""

    def __init__(self, world: World, chance: random.Random, natives: list[HostModule]) -> None:
        self.world = world
        self.chance = chance
        self.natives = natives
        self.done: dict[tuple[str, Status], int] = {}

    def slots(self) -> list[Slot]:
        return self.world.slots()[:64]

    def place(self, *, empty: bool) -> tuple[Slot, int, int]:
        """A slot with a CNode, and an address below it that mostly leads to a slot that is empty, or is not."""
        nodes = [slot for slot in self.slots() if isinstance(slot.capability, CNodeCap)]
        root = self.chance.choice(nodes)
        cap = root.capability
        assert isinstance(cap, CNodeCap)
        fitting = [i for i in range(1 << int(cap.radix)) if derivation.is_empty(self.world.inside(root, i)) == empty]
        index = self.chance.choice(fitting or [0]) | int(cap.guard) << int(cap.radix)
        depth = int(cap.guard_size + cap.radix)
        if self.chance.random() < 0.05:
            root = self.chance.choice(self.slots())
        if self.chance.random() < 0.05:
            depth = self.chance.choice([0, 1, 63, 64, 65, depth + 1])
        return root, index & (1 << 64) - 1, depth

    def both(self, function: object, name: str, label: int, length: int, *rest: object) -> None:
        before = bytes(self.world.memory.data)
        status = outcome(function, label, length, *rest)
        after = bytes(self.world.memory.data)
        for native in self.natives:
            native.memory.data[:] = before
            assert outcome(native.function(function), label, length, *rest) == status
            assert bytes(native.memory.data) == after
        self.done[name, status] = self.done.get((name, status), 0) + 1

    def retype(self) -> None:
        memories = [slot for slot in self.slots() if isinstance(slot.capability, UntypedCap)]
        if not memories:
            return
        memory = self.chance.choice(memories)
        kind = self.chance.choice([*ObjectType, ObjectType.CAP_TABLE, ObjectType.UNTYPED, ObjectType.TCB, 11])
        size = {ObjectType.UNTYPED: 9, ObjectType.CAP_TABLE: 1, ObjectType.SCHED_CONTEXT: 7}.get(kind, 0)
        size = self.chance.choice([size, size, size, size + 1, size + 2, self.chance.randrange(70)])
        root, index, depth = self.place(empty=True)
        # Mostly into the root CNode itself, where there is room.
        first = index & 15
        words = [kind, size, index, self.chance.choice([0, 0, 0, depth]), first, self.chance.choice([1, 1, 2, 17])]
        self.world.arguments(words, [root])
        self.both(untyped.decode, "RETYPE", Label.UNTYPED_RETYPE, 6, memory, memory.capability)

    def operate(self) -> None:
        label = self.chance.choice(
            [
                *(Label(value) for value in range(Label.CNODE_REVOKE, Label.CNODE_ROTATE + 1)),
                *[Label.CNODE_COPY, Label.CNODE_MINT, Label.CNODE_MOVE, Label.CNODE_DELETE, Label.CNODE_DELETE],
            ]
        )
        fills = label in (Label.CNODE_COPY, Label.CNODE_MINT, Label.CNODE_MOVE, Label.CNODE_MUTATE, Label.CNODE_ROTATE)
        invoked, index, depth = self.place(empty=fills)
        source, source_index, source_depth = self.place(empty=False)
        cap = invoked.capability
        if not isinstance(cap, CNodeCap):
            return
        if label in (Label.CNODE_DELETE, Label.CNODE_REVOKE) and index < 3 and self.chance.random() < 0.9:
            # Without the root CNode's own capability and the memory there is little left to do.
            return
        data = self.chance.choice([0, 1, 1 << 6 | 2, self.chance.getrandbits(64)])
        rights = self.chance.choice([15, 15, self.chance.randrange(16)])
        if label == Label.CNODE_ROTATE:
            pivot, pivot_index, pivot_depth = self.place(empty=False)
            words = [index, depth, data, pivot_index, pivot_depth, 0, source_index, source_depth]
            extra = [pivot, source]
        else:
            words = [index, depth, source_index, source_depth]
            words += [data] if label == Label.CNODE_MUTATE else [rights, data]
            extra = [source]
        self.world.arguments(words, extra)
        length = self.chance.choice([len(words), len(words), len(words), self.chance.randrange(9)])
        self.both(cnode.decode, label.name, label, length, cap)

    def step(self) -> None:
        """One invocation, while an interrupt is pending or not."""
        machine.Model.pending = self.chance.choice([0, 0, 1])
        self.chance.choice([self.retype, self.operate, self.operate])()

    def is_over(self) -> bool:
        """Whether the root CNode or all memory is gone."""
        return not any(isinstance(slot.capability, CNodeCap) for slot in self.slots())


@contextmanager
def invoker(seed: int, natives: list[HostModule]) -> Iterator[Invoker]:
    """A world to begin with. The root CNode has no guard, so that short addresses lead on through it."""
    with World(size=SIZE, root_bits=ROOT_BITS) as world, pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine.Model, "pending", 0)
        for size_bits in (15, 12):
            world.untyped(size_bits)
        world.irq_control()
        world.root_slot.capability = world.root_cap.replace(guard_size=0)
        yield Invoker(world, random.Random(seed), natives)


@pytest.mark.parametrize("seed", range(10))
def test_random_invocations(modules: list[HostModule], seed: int) -> None:
    with invoker(seed, modules) as both:
        for number in range(250):
            both.step()
            if both.is_over():
                break
            if number % 25 == 0:
                both.world.check()
        both.world.check()


def test_the_samples_are_not_all_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 1)
    done: dict[tuple[str, Status], int] = {}
    for seed in range(5):
        with invoker(seed, []) as one:
            for _ in range(250):
                if not one.is_over():
                    one.step()
            for key, count in one.done.items():
                done[key] = done.get(key, 0) + count
    labels = ["RETYPE", *(Label(value).name for value in range(Label.CNODE_REVOKE, Label.CNODE_ROTATE + 1))]
    for name in labels:
        assert done.get((name, Status.ERROR), 0) > 0, name
        if name != "CNODE_CANCEL_BADGED_SENDS":
            assert done.get((name, Status.OK), 0) > 0, name
    for name in ("RETYPE", "CNODE_REVOKE", "CNODE_DELETE"):
        assert done.get((name, Status.PREEMPTED), 0) >= 1, name

# SPDX-License-Identifier: BSD-2-Clause
"""The fast path and the general way leave the same state, byte for byte, in random calls and answers of threads."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import ASID_POOL_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.arch import machine
from tessera.ir.build import build_program
from tessera.kernel import entry, fastpath, notification, scheduler, untyped
from tessera.kernel.capability import NotificationCap, PageTableCap
from tessera.kernel.layout import AsidPool, Slot
from tessera.kernel.request import Request, request
from tessera.kernel.state import kernel
from tessera.lang import address_of, at, size_of, u64
from tessera.lang.memory import MEMORY_BASE
from tessera.llvm.host import HostModule
from tests.kernel.world import identity_window
from tests.kernel.world_time import US, TimeWorld

SIZE = 1 << 19
FUNCTIONS = (
    entry.handle_system_call,
    scheduler.update_time,
    entry.handle_any_call,
    fastpath.can_call,
    fastpath.can_reply_receive,
)
STORIES = 20
STEPS = 40


@pytest.fixture(scope="module")
def modules() -> Iterator[list[HostModule]]:
    """Checked and release code."""
    with identity_window():
        program = build_program(FUNCTIONS)
        names = [f"{function.__module__}.{function.__name__}" for function in FUNCTIONS]
        yield [HostModule(program, checked=c, memory_size=SIZE, entries=names, optimise=1) for c in (True, False)]


class BothWays(TimeWorld):
    """A world in which each system call is done twice from the same state; ``taken`` counts those of the fast path."""

    def __init__(self, native: HostModule) -> None:
        super().__init__(size=SIZE)
        self.native = native
        self.checking = False
        self.spaces = 0
        self.taken: Counter[tuple[Syscall, bool]] = Counter()

    def outside(self) -> tuple[int, int]:
        return machine.Model.deadline, machine.Model.address_space

    def without_request(self, data: bytes) -> bytes:
        """Memory without what is noted of the call in hand, which means nothing afterwards."""
        start = int(address_of(request)) - MEMORY_BASE
        return data[:start] + data[start + int(size_of(Request)) :]

    def system_call(self, address: int, info: int, number: int) -> None:
        native, before, outside = self.native, bytes(self.memory.data), self.outside()
        arguments = int(address), int(info), number
        native.memory.data[:] = before
        native.call(scheduler.update_time)
        question: Any = {Syscall.CALL: fastpath.can_call, Syscall.REPLY_RECV: fastpath.can_reply_receive}.get(
            Syscall(number)
        )
        if question is not None:
            self.taken[Syscall(number), native.call(question, kernel.current, *arguments[:2])] += 1
        native.call(entry.handle_any_call)
        general = bytes(native.memory.data), self.outside()
        native.memory.data[:] = before
        machine.Model.deadline, machine.Model.address_space = outside
        native.call(entry.handle_system_call, *arguments)
        fast = bytes(native.memory.data), self.outside()
        assert self.without_request(fast[0]) == self.without_request(general[0])
        assert fast[1] == general[1]
        self.memory.data[:] = fast[0]

    def give_space(self, thread: Slot) -> None:
        """An address space of its own, which most threads of these worlds do not need."""
        table = self.of(self.make(ObjectType.PAGE_TABLE), PageTableCap).table
        self.spaces += 1
        number = self.spaces
        pool = kernel.asid_table[0]
        if pool is None:
            address = u64(self.carve(ASID_POOL_BITS))
            untyped.clear(address, ASID_POOL_BITS)
            pool = at(AsidPool, address)
            kernel.asid_table[0] = pool
        pool.spaces[number] = table
        self.tcb(thread).vspace_root.capability = PageTableCap(table=table, asid=number, is_mapped=True)


class Story:
    """Clients, servers and a thread of its own, which do what chance says."""

    def __init__(self, world: BothWays, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.endpoints = [world.new_endpoint() for _ in range(2)]
        self.replies = [world.new_reply() for _ in range(4)]
        self.servers = [
            world.passive_server(endpoint, reply, self.chance.choice((90, 100, 110)))
            for endpoint, reply in zip(self.endpoints, self.replies, strict=False)
        ]
        self.signal = world.new_notification()
        notification.bind(world.of(self.signal, NotificationCap).notification, world.tcb(self.servers[0]))
        self.clients = [
            world.active(priority, self.chance.choice((500, 10_000)), 20_000) for priority in (90, 100, 110)
        ]
        for thread in self.servers + self.clients:
            world.give_space(thread)
        first = self.endpoints[0]
        self.targets = [
            *self.endpoints * 6,
            world.copy(first, badge=5),
            world.copy(first, can_grant=False),
            world.copy(first, can_grant=False, can_grant_reply=False),
            world.copy(first, can_send=False),
            self.signal,
        ]
        world.leave()

    def step(self) -> None:
        """Time passes, and the thread that runs makes a system call."""
        world, chance = self.world, self.chance
        world.pass_time(chance.choice((1, 20, 100, 100, 400)) * US)
        if kernel.current is kernel.idle or chance.random() < 0.1:
            world.pass_time(5000 * US if kernel.current is kernel.idle else 0)
            machine.Model.pending = machine.TIMER_PENDING
            world.interrupt()
            machine.Model.pending = 0
            return
        words = tuple(chance.getrandbits(64) for _ in range(chance.choice((0, 0, 1, 2, 4, 4, 5, 9))))
        caps = (chance.choice(self.targets),) if chance.random() < 0.05 else ()
        info = world.prepare(words, caps, chance.getrandbits(20))
        tcb = kernel.current
        index = next((i for i, server in enumerate(self.servers) if world.tcb(server) is tcb), None)
        kind = chance.random()
        reply = chance.choice(self.replies)
        if index is not None and kind < 0.8:
            # The reply object that it received with, mostly.
            own = self.replies[index] if chance.random() < 0.95 else reply
            target = self.endpoints[index] if chance.random() < 0.95 else chance.choice(self.targets)
            world.trap(Syscall.REPLY_RECV, world.address(target), info, own)
        elif kind < 0.9:
            world.trap(Syscall.CALL, world.address(chance.choice(self.targets)), info, reply)
        else:
            number = chance.choice((Syscall.SEND, Syscall.NB_SEND, Syscall.YIELD, Syscall.NB_RECV))
            world.trap(number, world.address(chance.choice(self.targets)), info, reply)


@pytest.mark.parametrize("which", range(2))
def test_the_fast_path_does_what_the_general_way_does(modules: list[HostModule], which: int) -> None:
    taken: Counter[tuple[Syscall, bool]] = Counter()
    # Threads that call each other at random soon wait for each other.
    for seed in range(STORIES):
        with BothWays(modules[which]) as world:
            story = Story(world, seed)
            for _ in range(STEPS):
                story.step()
            world.checking = True
            world.check_time()
            taken += world.taken
    for number in (Syscall.CALL, Syscall.REPLY_RECV):
        assert taken[number, True] >= STORIES and taken[number, False] >= STORIES, taken


def test_the_timer_follows_the_budget_of_a_running_thread() -> None:
    """The fast path looks at the timer's deadline alone, so that must never be behind the end of the budget."""
    with TimeWorld() as world:
        own = world.new_context(1000, 10_000)
        world.run(world.new_thread(210, own))
        label = int(InvocationLabel.SCHED_CONTROL_CONFIGURE_FLAGS)
        world.call(world.control, 100, 10_000, 0, 0, 0, caps=(own,), label=label)
        assert int(kernel.deadline) == machine.Model.deadline == machine.Model.time + 100 * US

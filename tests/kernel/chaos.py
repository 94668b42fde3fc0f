# SPDX-License-Identifier: BSD-2-Clause
"""Threads that make random system calls on shared objects, for as long as a test likes."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tessera.abi.configuration import configuration
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.syscalls import Syscall
from tessera.arch import machine
from tessera.kernel import derivation
from tessera.kernel.capability import CapKind
from tessera.kernel.layout import Slot, ThreadState
from tessera.kernel.state import kernel
from tests.kernel.world_time import US, TimeWorld

LEAST = configuration.min_budget_ticks
CAUSES = (2, machine.LOAD_PAGE_FAULT, machine.INSTRUCTION_PAGE_FAULT)

THREAD_LABELS = [Label(value) for value in range(Label.TCB_READ_REGISTERS, Label.TCB_SET_FLAGS + 1)]
CONTEXT_LABELS = [Label(value) for value in range(Label.SCHED_CONTEXT_BIND, Label.SCHED_CONTEXT_YIELD_TO + 1)]
# What brings stopped threads back is as frequent as what stops them.
HELPING = [Label.TCB_RESUME] * 4 + [Label.TCB_SET_SCHED_PARAMS] * 4


class Chaos:
    """Objects and threads of ``world``, and the steps that they take.

    The first thread manages the others: it has the lowest priority, and never waits.
    """

    def __init__(self, world: TimeWorld, seed: int, threads: int = 5) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        pick = self.chance.choice
        self.root = world.copy(world.root_slot)
        endpoints = [world.new_endpoint() for _ in range(2)]
        self.notifications = [world.new_notification() for _ in range(2)]
        self.replies = [world.new_reply() for _ in range(3)]
        self.endpoints = [*endpoints, *(world.copy(e, badge=10 + i) for i, e in enumerate(endpoints))]
        self.endpoints.append(world.copy(endpoints[0], badge=5, can_grant=False))
        self.notifications.append(world.copy(self.notifications[0], badge=2))
        self.manager = world.new_thread(1, world.new_context(5000))
        self.contexts = [
            world.new_context(pick([500, 1000]), pick([500, 2000, 5000]) + 500, sporadic=bool(i % 2)) for i in range(4)
        ]
        self.contexts.append(world.new_context(400))
        self.threads = []
        for i in range(threads):
            context = self.contexts[i] if i < threads - 1 else None
            self.threads.append(world.new_thread(pick([10, 20, 30]), context))
        for slot in self.threads[::2]:
            handler = self.endpoints[2].capability
            derivation.insert(handler, self.endpoints[2], world.tcb(slot).fault_handler)
        timeout = world.tcb(self.threads[0]).timeout_handler
        derivation.insert(self.endpoints[3].capability, self.endpoints[3], timeout)
        self.frames = [world.frames[self.threads[0]]]
        self.empty = world.slot()
        self.gift = world.slot()
        for slot in self.threads:
            buffer = world.buffer_of(world.tcb(slot))
            buffer.receive_cnode = world.address(self.root)
            buffer.receive_index = world.address(self.gift)
            buffer.receive_depth = 64
        world.leave()

    @property
    def everything(self) -> list[Slot]:
        """All capabilities that calls may name."""
        objects = self.endpoints + self.notifications + self.replies + self.contexts + self.threads + self.frames
        return [*objects, self.empty, self.manager, self.root]

    def words(self, most: int) -> tuple[int, ...]:
        """A message of up to so many words."""
        return tuple(self.chance.choice([0, 1, 2, 1000, 1 << 40]) for _ in range(self.chance.randrange(most + 1)))

    def caps(self) -> tuple[Slot, ...]:
        """A few capabilities to send."""
        if self.chance.random() < 0.7:
            return ()
        return tuple(self.chance.choice(self.everything) for _ in range(self.chance.randrange(1, 4)))

    def step(self) -> None:
        """Time goes on, and whoever runs does something."""
        self.pass_time()
        # A device's interrupt that nobody takes; preemption points see it.
        machine.Model.pending = self.chance.choice([0, 0, machine.EXTERNAL_PENDING])
        if kernel.current is kernel.idle:
            # The manager waits for its time.
            self.world.advance(2000 * US)
        elif kernel.current is self.world.tcb(self.manager):
            self.manage()
        else:
            self.act()
        if not derivation.is_empty(self.gift):
            self.world.take_away(self.gift)

    def pass_time(self) -> None:
        """Mostly a little; sometimes until the timer comes."""
        kind = self.chance.random()
        if kind < 0.85:
            self.world.pass_time(self.chance.randrange(20 * US))
        elif kind < 0.95:
            self.world.pass_time(self.chance.randrange(600 * US))
        else:
            self.world.advance(self.chance.randrange(1500 * US))

    def act(self) -> None:
        """An ordinary thread makes a system call, or a mistake."""
        world, pick = self.world, self.chance.choice
        name = pick(
            [
                *["call"] * 4,
                *["send", "reply", "signal", "yield", "fault", "invoke", "number", "lookup"],
                *["receive", "reply_receive"] * 3,
                *["wait", "send_receive", "send_wait"],
            ]
        )
        self.done[name] += 1
        blocking = self.chance.random() < 0.7
        endpoint, notification, reply = pick(self.endpoints), pick(self.notifications), pick(self.replies)
        info = world.prepare(self.words(8), self.caps(), self.chance.randrange(2))
        match name:
            case "call":
                world.trap(Syscall.CALL, world.address(endpoint), info)
            case "send":
                world.trap(Syscall.SEND if blocking else Syscall.NB_SEND, world.address(endpoint), info)
            case "reply":
                world.trap(Syscall.SEND, world.address(reply), info)
            case "signal":
                world.trap(Syscall.SEND, world.address(notification), info)
            case "yield":
                world.trap(Syscall.YIELD, 0, 0)
            case "fault":
                world.exception(pick(CAUSES), 0x1000)
                world.check_time()
            case "number":
                world.trap(Syscall.BENCHMARK_FLUSH_CACHES, 0, 0)
            case "lookup":
                world.trap(Syscall.CALL, 1 << 50, info)
            case "receive":
                world.trap(Syscall.RECV if blocking else Syscall.NB_RECV, world.address(endpoint), 0, reply)
            case "reply_receive":
                world.trap(Syscall.REPLY_RECV, world.address(endpoint), info, reply)
            case "wait":
                world.trap(Syscall.WAIT if blocking else Syscall.NB_WAIT, world.address(notification), 0)
            case "send_receive":
                to = world.address(pick(self.endpoints))
                world.trap(Syscall.NB_SEND_RECV, world.address(endpoint), info, reply, send_to=to)
            case "send_wait":
                world.trap(Syscall.NB_SEND_WAIT, world.address(notification), info, pick(self.endpoints))
            case _:
                self.manage()

    def arguments(self, label: Label) -> tuple[tuple[int, ...], tuple[Slot, ...]]:
        """Arguments that often make sense."""
        world, pick = self.world, self.chance.choice
        thread, context, handler = pick(self.threads), pick(self.contexts), pick([*self.endpoints, self.empty])
        match label:
            case Label.TCB_SET_PRIORITY | Label.TCB_SET_MC_PRIORITY:
                return (self.chance.choice([10, 20, 30, 31]),), (self.manager,)
            case Label.TCB_SET_SCHED_PARAMS:
                return (255, pick([10, 20, 30])), (self.manager, pick([context, context, self.empty]), handler)
            case Label.TCB_SET_TIMEOUT_ENDPOINT:
                return (), (handler,)
            case Label.TCB_SET_SPACE | Label.TCB_CONFIGURE:
                return (0, 0, 0), (handler, self.root, self.root)
            case Label.TCB_SET_IPC_BUFFER:
                return (0x10_0000,), (self.frames[0],)
            case Label.TCB_BIND_NOTIFICATION:
                return (), (pick(self.notifications),)
            case Label.TCB_WRITE_REGISTERS:
                return (pick([0, 1]), 4, 0x1000, 1, 2, 3), ()
            case Label.TCB_READ_REGISTERS:
                return (pick([0, 0, 1]), pick([3, 32])), ()
            case Label.TCB_COPY_REGISTERS:
                return (self.chance.randrange(16),), (thread,)
            case Label.SCHED_CONTEXT_BIND | Label.SCHED_CONTEXT_UNBIND_OBJECT:
                return (), (pick([thread, pick(self.notifications)]),)
            case Label.SCHED_CONTROL_CONFIGURE_FLAGS:
                amount = pick([20, 100, 500, 1000])
                return (amount, pick([amount, 2000, 5000]), pick([0, 4]), 3, pick([0, 1])), (context,)
            case Label.DOMAIN_SET_SET:
                return (pick([0, 0, 0, 1]),), (thread,)
            case Label.DOMAIN_SET_SCHEDULE_CONFIGURE:
                return (pick([1, 2]), pick([0, 1]), pick([500, 3000]) * US), ()
            case Label.DOMAIN_SET_SCHEDULE_SET_START:
                return (pick([0, 0, 1]),), ()
            case Label.CNODE_DELETE | Label.CNODE_REVOKE | Label.CNODE_CANCEL_BADGED_SENDS:
                return (world.address(pick(self.endpoints + self.replies + self.notifications)), 64), ()
            case _:
                return self.words(5), self.caps()

    def manage(self) -> None:
        """The manager, or sometimes another thread, invokes a kernel object."""
        world, pick = self.world, self.chance.choice
        kind = self.chance.random()
        if kind < 0.4:
            target, label = pick(self.threads), pick(HELPING)
        elif kind < 0.6:
            target, label = pick(self.threads), pick(THREAD_LABELS)
        elif kind < 0.75:
            target, label = pick(self.contexts), pick(CONTEXT_LABELS)
        elif kind < 0.9:
            target, label = world.control, Label.SCHED_CONTROL_CONFIGURE_FLAGS
        elif kind < 0.95:
            target, label = world.domain, Label(self.chance.randrange(30, 33))
        else:
            deletion = Label.CNODE_DELETE if self.chance.random() < 0.1 else Label.CNODE_REVOKE
            target, label = self.root, pick([Label.CNODE_CANCEL_BADGED_SENDS, deletion])
        self.done[label.name] += 1
        words, caps = self.arguments(label)
        info = world.prepare(words, caps, int(label))
        world.trap(Syscall.CALL if self.chance.random() < 0.9 else Syscall.SEND, world.address(target), info)


def waiting(world: TimeWorld) -> Counter[ThreadState]:
    """How many threads are in which state."""
    return Counter(tcb.state for tcb in world.tcbs)


def kinds(slots: list[Slot]) -> set[CapKind]:
    """The kinds of capabilities in slots."""
    return {slot.capability.kind for slot in slots}


def run(world: TimeWorld, seed: int, steps: int, **named: Any) -> Chaos:
    """So many steps."""
    chaos = Chaos(world, seed, **named)
    for _ in range(steps):
        chaos.step()
    return chaos

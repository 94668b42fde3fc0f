# SPDX-License-Identifier: BSD-2-Clause
"""More threads have budget again than one kernel entry wakes: both kernels do it in the same steps."""

from __future__ import annotations

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.spec.capability import SchedControlCap, ThreadCap, UntypedCap
from tessera.spec.objects import Node, Thread
from tessera.spec.step import Interrupt
from tessera.suites.fuzz.generator import ROOT
from tessera.suites.fuzz.world import RELEASES_PER_ENTRY, Attempt, Native
from tests.spec.test_found_bugs import Program

COUNT = 2 * RELEASES_PER_ENTRY + 1
FIRST_THREAD, FIRST_CONTEXT = 200, 220
BUDGET_US, PERIOD_US = 1000, 50_000


def waiting_threads(native: Native) -> tuple[Program, list[Thread]]:
    """Threads that gave up their budgets one after the other; no other thread runs."""
    program = Program(native)
    world = program.world
    node = world.k.objects[world.root]
    assert isinstance(node, Node)
    untypeds = ((i, cap) for i, cap in node.slots.items() if isinstance(cap, UntypedCap) and not cap.is_device)
    memory = max(untypeds, key=lambda one: one[1].size_bits)[0]
    control = next(i for i, cap in node.slots.items() if isinstance(cap, SchedControlCap))
    root = next(i for i, cap in node.slots.items() if isinstance(cap, ThreadCap))
    for kind, size, first in ((ObjectType.TCB, 0, FIRST_THREAD), (ObjectType.SCHED_CONTEXT, 8, FIRST_CONTEXT)):
        program.call(memory, Label.UNTYPED_RETYPE, [kind, size, 0, 0, first, COUNT], [ROOT])
    threads = []
    for index in range(COUNT):
        thread, context = FIRST_THREAD + index, FIRST_CONTEXT + index
        words = [BUDGET_US, PERIOD_US, 4, index, 0]
        program.call(control, Label.SCHED_CONTROL_CONFIGURE_FLAGS, words, [context])
        program.call(thread, Label.TCB_SET_PRIORITY, [10], [root])
        program.call(context, Label.SCHED_CONTEXT_BIND, [], [thread])
        program.call(thread, Label.TCB_RESUME, [], [])
        cap = node.slots[thread]
        assert isinstance(cap, ThreadCap)
        threads.append(cap.thread)
    program.call(root, Label.TCB_SUSPEND, [], [])
    for _ in threads:
        assert world.k.current in threads
        assert world.do(program.attempt(Syscall.YIELD, 0, 0, [], [])) == []
    assert world.k.current is None and world.k.postponed and set(map(id, world.k.postponed)) == set(map(id, threads))
    return program, threads


def test_both_kernels_wake_so_many_threads_at_each_entry(native: Native) -> None:
    program, threads = waiting_threads(native)
    world = program.world
    time = world.k.now + 10 * PERIOD_US * 10
    left = []
    while world.k.postponed:
        assert world.do(Attempt("timer", Interrupt(time, 0, True))) == []
        left.append(len(world.k.postponed))
        # The timer comes at once while there are others.
        assert (world.k.deadline <= time) == bool(world.k.postponed)
        time += 1
    assert left == [len(threads) - RELEASES_PER_ENTRY, len(threads) - 2 * RELEASES_PER_ENTRY, 0]

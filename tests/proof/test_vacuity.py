# SPDX-License-Identifier: BSD-2-Clause
"""No proof starts from nothing: what proofs assume holds in states of a kernel that runs, and says something of them.

Every invariant is true at each of these moments, each has its premises met by some object at some moment, and what
functions under proof require holds where the running kernel calls them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.arch import machine
from tessera.kernel import deletion, derivation, entry, interrupt, schedcontext, scheduler
from tessera.kernel.capability import IrqHandlerCap, SchedContextCap
from tessera.kernel.layout import IpcBuffer, SchedContext, Slot, Tcb
from tessera.kernel.request import Status
from tessera.kernel.state import IrqState, kernel
from tessera.lang import Memory, address_of, u64
from tessera.proof.invariants import proof_invariants
from tessera.proof.kernel import kernel_world
from tessera.proof.models import Model, model_of
from tessera.proof.targets import all_targets
from tessera.proof.vacuity import Checked, Watch, check_invariants
from tessera.smt.session import World
from tessera.suites.fuzz.world import ROOT_BITS, memory_size, small_configuration
from tests.kernel.chaos import Chaos
from tests.kernel.machine_world import Machine
from tests.kernel.world import identity_window
from tests.kernel.world_time import US, TimeWorld

# Invariants of which no state here meets the premises, with the reason.
NEVER_MET: dict[str, str] = {}


def read_kernel() -> World:
    return kernel_world(proof_invariants(), set())


@contextmanager
def booted(seed: int) -> Iterator[Machine]:
    with Memory(memory_size()) as memory:
        yield Machine(memory, seed)


def others(world: TimeWorld) -> tuple[tuple[Any, int], ...]:
    """What the test made without capabilities: the first thread and its IPC buffer."""
    return (Tcb, int(address_of(world.caller))), (IpcBuffer, int(address_of(world.buffer)))


def state_of(world: TimeWorld) -> Model:
    return model_of(world.root, world.root_bits, others(world))


def after_boot() -> Iterator[tuple[str, Model]]:
    """The root task has made some objects, then it does this and that."""
    with booted(1) as system:
        yield "boot", model_of(system.root_slots, ROOT_BITS)
        for _ in range(60):
            if not system.revive():
                break
            _, function, arguments = system.event()
            getattr(entry, function)(*arguments)
        yield "system calls", model_of(system.root_slots, ROOT_BITS)


def calls_and_queues(world: TimeWorld) -> None:
    """A call that was passed on, threads that wait at an endpoint and a notification, and for their next period."""
    endpoints, replies = [world.new_endpoint() for _ in range(2)], [world.new_reply() for _ in range(2)]
    servers = [world.passive_server(endpoints[i], replies[i], 120 + i) for i in range(2)]
    busy = world.new_endpoint()
    for _ in range(3):
        world.run(world.active(10))
        world.send(world.copy(busy, badge=4), 1)
    signal = world.new_notification()
    for priority in (80, 81):
        world.run(world.active(priority))
        world.receive(signal)
    for _ in range(8):
        spender = world.active(70, 100, 100_000)
        world.run(spender)
        world.advance(150 * US)
    bound = world.new_notification()
    context = world.of(world.new_context(500), SchedContextCap).context
    schedcontext.bind_notification(context, world.notifications[-1])
    holder = world.active(60)
    world.run(holder)
    world.call(holder, label=int(Label.TCB_BIND_NOTIFICATION), caps=(bound,))
    for _ in range(3):
        scheduler.append(world.tcb(world.active(50)))
    client = world.active(100)
    world.run(client)
    world.call(endpoints[0], 1)
    world.call(endpoints[1], 2)
    assert kernel.current is world.tcb(servers[1])


def tree(world: TimeWorld) -> None:
    """Untyped memory in untyped memory, objects of it, badges, and the right to interrupts."""
    memory = world.untyped(14)
    inner = world.make(ObjectType.UNTYPED, 12, memory=memory)
    endpoint = world.make(ObjectType.ENDPOINT, memory=inner)
    for badge in (1, 1, 2):
        world.copy(endpoint, badge=badge)
    world.make(ObjectType.ENDPOINT, memory=memory)
    control = world.irq_control()
    interrupt.set_state(u64(1), IrqState.SIGNAL)
    derivation.insert_handler(IrqHandlerCap(irq=1), control, world.slot())


def half_deleted(world: TimeWorld) -> None:
    """A CNode whose deletion was preempted, and a cancellation of sends."""
    world.run(world.active(10))
    outer = world.cnode(3)
    endpoint = world.new_endpoint()
    for index in range(6):
        slot = world.inside(outer, index)
        world.make(ObjectType.ENDPOINT, to=slot)
    machine.Model.pending = machine.EXTERNAL_PENDING
    kernel.work_units = 97
    assert deletion.delete(outer) == Status.PREEMPTED
    machine.Model.pending = 0
    threads = [world.active(100) for _ in range(6)]
    badged = world.copy(endpoint, badge=2)
    for thread in threads:
        world.run(thread)
        world.send(badged, 1)
    manager = world.active(90)
    world.run(manager)
    machine.Model.pending = machine.EXTERNAL_PENDING
    kernel.work_units = 97
    world.call(world.root_slot, world.address(badged), 64, label=int(Label.CNODE_CANCEL_BADGED_SENDS))
    machine.Model.pending = 0
    assert kernel.cancel_next is not None


def yielding(world: TimeWorld) -> None:
    """A thread that gives its turn to another."""
    context = world.new_context(1000)
    caller, _ = world.active(50), world.new_thread(50, context)
    world.run(caller)
    world.call(context, label=int(Label.SCHED_CONTEXT_YIELD_TO))
    assert world.tcb(caller).yield_to is not None


def made_by_hand() -> Iterator[tuple[str, Model]]:
    """States that tests make with the kernel's own functions."""
    for story in (calls_and_queues, tree, half_deleted, yielding):
        with TimeWorld(root_bits=8) as world:
            story(world)
            yield story.__name__, state_of(world)
    with TimeWorld(root_bits=8) as world:
        chaos = Chaos(world, 3)
        for _ in range(80):
            chaos.step()
        yield "chaos", state_of(world)


@pytest.fixture(scope="module")
def checked() -> dict[str, Checked]:
    """All invariants at all moments."""
    found = {}
    with small_configuration():
        read = read_kernel()
        for name, model in after_boot():
            found[name] = check_invariants(read, model)
    with identity_window():
        read = read_kernel()
        for name, model in made_by_hand():
            found[name] = check_invariants(read, model)
    return found


MOMENTS = ("boot", "system calls", "calls_and_queues", "tree", "half_deleted", "yielding", "chaos")


@pytest.mark.parametrize("moment", MOMENTS)
def test_all_invariants_hold(checked: dict[str, Checked], moment: str) -> None:
    assert checked[moment].broken == []
    assert sum(checked[moment].tried.values()) > 1000


def test_every_invariant_speaks_of_something(checked: dict[str, Checked]) -> None:
    assert tuple(checked) == MOMENTS
    met: Counter[str] = Counter()
    tried: set[str] = set()
    for one in checked.values():
        met.update(one.met)
        tried |= set(one.tried)
    assert {info.name for info in proof_invariants()} <= tried
    never = {name for name in tried - {"live"} if not met[name]}
    assert never == set(NEVER_MET)


def test_what_is_required_holds_at_real_calls() -> None:
    seen: Counter[str] = Counter()
    with identity_window():
        read = read_kernel()
        targets = [read.program.functions[name] for name in all_targets() if name in read.program.functions]
        with TimeWorld(root_bits=8) as world:
            world.checking = False
            watch = Watch(read, targets, world.root, world.root_bits, others(world))
            with watch.watching():
                calls_and_queues(world)
                tree(world)
            seen.update(watch.seen)
            assert watch.broken == []
    assert sum(seen.values()) >= 3


TREE_GHOSTS = ("low", "high", "chain", "object_start", "object_size")


def test_the_running_kernel_keeps_the_ghosts_of_the_derivation_tree() -> None:
    tree_of = [info for info in proof_invariants() if info.function.__module__.endswith(".derivation_tree")]
    moved = 0
    with small_configuration(), booted(1) as system:
        read = kernel_world(tree_of, set())
        for _ in range(2):
            for _ in range(75):
                if system.revive():
                    _, function, arguments = system.event()
                    getattr(entry, function)(*arguments)
            model = model_of(system.root_slots, ROOT_BITS)
            memory = Memory.current
            assert memory is not None
            for slot in model.slots:
                for name in TREE_GHOSTS:
                    key = Slot, name, int(address_of(slot))
                    own = memory.ghosts.get(key, 0)
                    moved += model.ghosts.get(key, 0) != own
                    model.ghosts[key] = own
            assert check_invariants(read, model).broken == []
    # These are not the ghosts that are made from the tree's links: intervals are cut as capabilities come.
    assert moved > 0


# The check itself


def broken_after(change: Any) -> set[str]:
    """The invariants that are broken after a change of a good state."""
    with identity_window():
        read = read_kernel()
        with TimeWorld(root_bits=5) as world:
            world.active(70)
            tree(world)
            model = state_of(world)
            change(world, model)
            return {one.what.rpartition(".")[2] for one in check_invariants(read, model).broken}


def test_a_broken_state_is_noticed() -> None:
    def cut(world: TimeWorld, model: Model) -> None:
        slot = next(slot for slot in model.slots if slot.link.next is not None)
        slot.link = slot.link.replace(next=None)

    assert {"previous_is_linked", "list_skips_nothing"} <= broken_after(cut)

    def misplace(world: TimeWorld, model: Model) -> None:
        slot = next(slot for slot in model.slots if slot.link.next is not None)
        model.ghosts[Slot, "low", int(address_of(slot))] = Fraction(1000)

    assert {"list_is_in_order", "interval_is_not_empty"} <= broken_after(misplace)

    def forget(world: TimeWorld, model: Model) -> None:
        model.live.single[SchedContext.__name__].clear()

    assert {"capability_is_valid", "threads_in_charge_are_live"} <= broken_after(forget)

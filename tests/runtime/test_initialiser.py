# SPDX-License-Identifier: BSD-2-Clause
"""The initialiser under CPython, against a model of the kernel: what it makes is the distribution, and nothing is left.

The distribution goes through its binary form, so that this is the round trip of that form too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import InitialSlot
from tessera.abi.faults import USER_CONTEXT
from tessera.abi.layout import Untyped
from tessera.abi.messages import IpcBuffer
from tessera.build import spec as binary
from tessera.lang import Memory, at
from tessera.lang.memory import MEMORY_BASE, static_size
from tessera.runtime import initialiser, monitor, spec
from tessera.runtime.initialiser_frames import scratch
from tessera.runtime.initialiser_memory import pools
from tessera.runtime.machine import Host, HostError
from tessera.system.allocate import allocate, creation_order
from tessera.system.capdl import (
    Cap,
    CNode,
    Distribution,
    Frame,
    IrqHandler,
    SchedContext,
    Tcb,
)
from tessera.system.distribute import distribute
from tessera.system.model import System, Trigger
from tessera.system.sdf import parse
from tests.runtime.model_kernel import HandedOver, Held, ModelKernel, Thing
from tests.system import systems

ROOT_BITS = 17
IMAGE_FRAMES = 100
UNTYPED = 200
EMPTY = 300

# One component that has everything the greeter has not: an interrupt, a child, no FPU, a passive domain.
OTHER = """
<memory_region name="uart" size="0x1000" phys_addr="0x10000000" />
<memory_region name="low" size="0x1000" phys_addr="0x100000" />
<memory_region name="chosen" size="0x3000" phys_addr="0x90001000" />
<protection_domain name="parent" priority="100" fpu="false">
  <program_image path="parent.elf" />
  <map mr="uart" vaddr="0x4000000" perms="rw" cached="false" />
  <map mr="chosen" vaddr="0x5000000" perms="r" />
  <irq irq="10" id="5" trigger="edge" />
  <protection_domain name="child" id="3" priority="90">
    <program_image path="child.elf" />
    <map mr="chosen" vaddr="0x6000000" perms="rw" />
    <map mr="low" vaddr="0x7000000" perms="rw" />
  </protection_domain>
</protection_domain>
<protection_domain name="server" priority="200" passive="true"><program_image path="server.elf" /></protection_domain>
<channel><end pd="parent" id="1" pp="true" /><end pd="server" id="2" /></channel>
"""

# Threads in domains of a schedule, and capabilities of one component for another.
SHARED = """
<domains>
  <domain name="high" />
  <domain name="low" id="5" />
  <domain_schedule start_index="1" index_shift="3">
    <schedule_entry domain="high" duration="3 us" />
    <schedule_entry domain="low" duration="70 ticks" />
    <schedule_end_marker />
  </domain_schedule>
</domains>
<protection_domain name="manager" priority="3" domain="low">
  <program_image path="manager.elf" />
  <cspace><cap_tcb slot="1" pd="worker" /><cap_sc slot="63" pd="worker" /><cap_vspace slot="7" pd="manager" /></cspace>
</protection_domain>
<protection_domain name="worker" domain="high"><program_image path="worker.elf" /></protection_domain>
<channel><end pd="manager" id="1" /><end pd="worker" id="2" /></channel>
"""
SYSTEMS = {"other": OTHER, "shared": SHARED}


@dataclass
class Run:
    """An initialiser that has come to its end, and what there is then."""

    system: System
    kernel: ModelKernel
    objects: dict[str, Thing]
    untypeds: list[Thing]
    own: Thing


def untyped_list() -> list[Untyped]:
    return list(systems.boot_plan().untypeds)


@pytest.fixture(params=["greeter", *SYSTEMS])
def system(request: pytest.FixtureRequest) -> System:
    return parse(systems.GREETER) if request.param == "greeter" else systems.described(SYSTEMS[request.param])


@pytest.fixture
def distribution(system: System) -> Distribution:
    return distribute(system, systems.images(system))


@pytest.fixture
def run(system: System, distribution: Distribution) -> Iterator[Run]:
    """The initialiser runs until it asks to be removed."""
    complete = binary.with_kept_cnode(distribution)
    content = binary.encode(complete)
    start = -(-static_size() // 4096) * 4096
    with Memory(start + 0x4000 + len(content)) as memory:
        buffer = at(IpcBuffer, MEMORY_BASE + start)
        info = at(BootInfo, MEMORY_BASE + start + 0x1000)
        memory.data[start + 0x4000 :] = content
        kernel, untypeds, own = boot(info, buffer)
        Host.kernel = kernel
        with pytest.raises(HandedOver):
            initialiser.main(MEMORY_BASE + start + 0x1000, MEMORY_BASE + start + 0x4000)
        yield Run(system, kernel, named_objects(complete, kernel), untypeds, own)
    Host.kernel = None


def boot(info: BootInfo, buffer: IpcBuffer) -> tuple[ModelKernel, list[Thing], Thing]:
    """The root task's CNode and BootInfo as the kernel leaves them."""
    root = Thing("cnode", ROOT_BITS)
    own = Thing("tcb", facts={"own": True})
    fixed = {
        InitialSlot.TCB: own,
        InitialSlot.CNODE: root,
        InitialSlot.VSPACE: Thing("page_table", facts={"own": True, "asid": True}),
        InitialSlot.IRQ_CONTROL: Thing("irq_control"),
        InitialSlot.ASID_CONTROL: Thing("asid_control"),
        InitialSlot.ASID_POOL: Thing("asid_pool"),
        InitialSlot.BOOT_INFO_FRAME: Thing("frame", 12),
        InitialSlot.IPC_BUFFER: Thing("frame", 12),
        InitialSlot.DOMAIN: Thing("domain"),
        InitialSlot.SCHED_CONTEXT: Thing("sched_context"),
    }
    root.slots = {int(slot): Held(thing) for slot, thing in fixed.items()}
    root.slots[20] = Held(Thing("sched_control"))
    # The page of the image that gives way, wherever the test's memory has it.
    page = (int(scratch._address) - spec.INITIALISER_BASE) >> 12  # type: ignore[attr-defined]
    root.slots[IMAGE_FRAMES + page] = Held(Thing("frame", 12))
    untypeds = []
    for index, piece in enumerate(untyped_list()):
        untypeds.append(Thing("untyped", piece.bits, piece.paddr, piece.paddr, piece.device))
        root.slots[UNTYPED + index] = Held(untypeds[-1])
        entry = info.untyped_list[index]
        entry.paddr, entry.size_bits, entry.is_device = piece.paddr, piece.bits, int(piece.device)
    info.ipc_buffer = int(buffer._address)  # type: ignore[attr-defined]
    info.sched_control.start, info.sched_control.end = 20, 21
    info.user_image_frames.start = IMAGE_FRAMES
    info.untyped.start, info.untyped.end = UNTYPED, UNTYPED + len(untypeds)
    assert UNTYPED + len(untypeds) < EMPTY
    info.empty.start, info.empty.end = EMPTY, 1 << ROOT_BITS
    return ModelKernel(root, buffer), untypeds, own


def kept(kernel: ModelKernel) -> Thing:
    """The CNode that keeps objects alive: the one that holds itself."""
    (found,) = {h.thing.slots[0].thing for h in kernel.root.slots.values() if h.thing.kind == "cnode" and is_kept(h)}
    return found


def is_kept(held: Held) -> bool:
    return 0 in held.thing.slots and held.thing.slots[0].thing is held.thing


def named_objects(complete: Distribution, kernel: ModelKernel) -> dict[str, Thing]:
    """The objects by name: they lie in the kept CNode in the order of the table, behind the copies."""
    names = [each.name for each in creation_order(complete)]
    names += [each.name for each in complete.objects if each.memory_bits is None]
    vault = kept(kernel)
    last = {"monitor.cnode", "monitor.endpoint", binary.KEPT_NAME}
    moved = [name for name in names if name not in last]
    slots = sorted(vault.slots)[-(len(moved) + 2) :]
    found = {name: vault.slots[slot].thing for name, slot in zip(moved, slots, strict=False)}
    found["monitor.cnode"] = vault.slots[slots[-2]].thing
    found["monitor.endpoint"] = vault.slots[slots[-1]].thing
    found[binary.KEPT_NAME] = vault
    return found


WORDS = {"page_table": "page_table", "vspace": "page_table"}


def test_every_object_is_made_as_described(run: Run, distribution: Distribution) -> None:
    for each in distribution.objects:
        thing = run.objects[each.name]
        assert thing.kind == WORDS.get(each.word, each.word), each.name
        if isinstance(each, (CNode, SchedContext)):
            assert thing.bits == each.retype_bits
        if each.paddr is not None:
            assert thing.address == each.paddr, each.name
        if isinstance(each, IrqHandler):
            assert thing.facts["irq"] == each.irq
            assert thing.facts["trigger"] == (each.trigger is Trigger.EDGE)
            check_cap(run, thing.facts["notification"], each.notification)
        if isinstance(each, SchedContext):
            wanted = (each.budget, each.period, each.extra_refills, each.badge)
            assert tuple(thing.facts[key] for key in ("budget", "period", "extra_refills", "badge")) == wanted


def check_cap(run: Run, held: Held, cap: Cap) -> None:
    assert held.thing is run.objects[cap.object]
    assert (held.rights, held.data) == (cap.rights, cap.badge or binary.guard_word(cap)), cap


def test_the_cnodes_hold_what_the_distribution_says_and_nothing_else(run: Run, distribution: Distribution) -> None:
    for cnode in distribution.of(CNode):
        slots = dict(run.objects[cnode.name].slots)
        if cnode.name == "monitor.cnode":
            assert slots.pop(spec.MONITOR_SLOT_INITIALISER_TCB).thing is run.own
            assert slots.pop(spec.MONITOR_SLOT_INITIALISER_CNODE).thing is run.kernel.root
            assert slots.pop(spec.MONITOR_SLOT_OWN_CNODE).thing is run.objects["monitor.cnode"]
            if distribution.schedule is not None:
                assert slots.pop(spec.MONITOR_SLOT_DOMAIN).thing.kind == "domain"
        assert set(slots) == set(cnode.slots), cnode.name
        for slot, cap in cnode.slots.items():
            check_cap(run, slots[slot], cap)


def test_memory_is_mapped_and_filled_as_described(run: Run, distribution: Distribution) -> None:
    caps = list(kept(run.kernel).slots.values())
    mapped = {(id(h.mapped[0]), h.mapped[1]): h for h in caps if h.mapped is not None and h.thing.kind == "frame"}
    assert len(mapped) == len(distribution.mappings)
    for mapping in distribution.mappings:
        held = mapped[id(run.objects[mapping.vspace]), mapping.vaddr]
        assert held.thing is run.objects[mapping.frame]
        assert held.mapped is not None
        assert held.mapped[2:] == (mapping.rights, 0 if mapping.executable else 1)
    tables = {(id(h.mapped[0]), h.mapped[1], id(h.thing)) for h in caps if h.mapped and h.thing.kind == "page_table"}
    assert tables == {(id(run.objects[t.vspace]), t.vaddr, id(run.objects[t.table])) for t in distribution.tables}
    for frame in distribution.of(Frame):
        wanted = bytearray(1 << frame.size_bits)
        for fill in frame.fills:
            wanted[fill.offset : fill.offset + len(fill.data)] = fill.data
        found = run.objects[frame.name].content
        assert bytes(found).ljust(len(wanted), b"\0") == wanted, frame.name


def test_threads_are_set_up_and_started_by_priority(run: Run, distribution: Distribution) -> None:
    for thread in distribution.of(Tcb):
        facts = run.objects[thread.name].facts
        assert facts["cspace"] == (run.objects[thread.cspace.object], binary.guard_word(thread.cspace))
        assert facts["vspace"] is run.objects[thread.vspace.object]
        assert facts["ipc_buffer"] == (run.objects[thread.ipc_buffer.object], thread.ipc_buffer_address)
        assert (facts["priority"], facts["max_priority"]) == (thread.priority, thread.max_priority)
        assert facts["sched_context"] is run.objects[thread.sched_context.object]
        assert facts["thread_name"] == thread.thread_name
        assert facts.get("domain", 0) == thread.domain
        assert facts.get("flags", 0) == (0 if thread.fpu else 1)
        registers = dict(zip(USER_CONTEXT, facts["registers"], strict=True))
        assert (registers["pc"], registers["sp"]) == (thread.entry, thread.stack_pointer)
        if thread.fault_endpoint is None:
            assert facts["fault_endpoint"] is None
        else:
            check_cap(run, facts["fault_endpoint"], thread.fault_endpoint)
        bound = thread.bound_notification
        assert facts.get("bound_notification") is (run.objects[bound.object] if bound else None)
    by_priority = sorted(distribution.of(Tcb), key=lambda thread: -thread.priority)
    assert run.kernel.resumed == [run.objects[thread.name] for thread in by_priority]


def reachable(things: list[Thing]) -> set[Thing]:
    """Everything that threads can get at: through their CNodes, and the CNodes in these."""
    found: set[Thing] = set()
    waiting = list(things)
    while waiting:
        thing = waiting.pop()
        if thing in found:
            continue
        found.add(thing)
        waiting += [held.thing for held in thing.slots.values()]
        if thing.kind == "tcb" and "cspace" in thing.facts:
            waiting.append(thing.facts["cspace"][0])
    return found


def test_no_authority_is_left_when_the_monitor_has_removed_the_initialiser(
    run: Run, distribution: Distribution
) -> None:
    own_cnode = run.objects["monitor.cnode"]
    asked = run.kernel.handover
    assert asked is not None
    assert asked[1].label == spec.HANDOVER_LABEL
    assert asked[0] == 0
    # Before: the monitor could reach everything, through the initialiser's CNode.
    assert run.own in reachable([own_cnode])
    as_monitor = ModelKernel(own_cnode, run.kernel.buffer)
    Host.kernel = as_monitor
    domains = own_cnode.slots.get(spec.MONITOR_SLOT_DOMAIN)
    monitor.remove_initialiser(*run.kernel.handed)
    schedule = distribution.schedule
    if schedule is None:
        assert run.kernel.handed[0] == 0 and domains is None
    else:
        assert domains is not None
        assert domains.thing.facts["schedule"] == [(each.index, each.domain, each.ticks) for each in schedule.entries]
        assert domains.thing.facts["start"] == schedule.start
    threads = [run.objects[thread.name] for thread in distribution.of(Tcb)]
    left = reachable(threads)
    assert run.own not in left
    assert run.kernel.root not in left
    assert kept(run.kernel) not in left
    powers = {"untyped", "irq_control", "asid_control", "asid_pool", "domain", "sched_control"}
    assert not powers & {thing.kind for thing in left}
    # And what goes with the initialiser's CNode holds no object of the distribution alive that must live on.
    names = {id(thing): name for name, thing in run.objects.items()}
    alive = {names[id(held.thing)] for held in kept(run.kernel).slots.values() if id(held.thing) in names}
    assert alive == set(run.objects)


def test_the_root_of_a_capability_space_has_what_is_shared() -> None:
    found = distribute(systems.described(SHARED), systems.images(systems.described(SHARED)))
    root = found.by_name["manager.cspace"]
    assert isinstance(root, CNode)
    assert root.size_bits == 6
    assert {slot: cap.object for slot, cap in root.slots.items()} == {
        0: "manager.cnode",
        1: "worker.tcb",
        7: "manager.vspace",
        63: "worker.sched_context",
    }
    # 6 bits choose a slot of the root, 9 one of the component's own; zeros between: the same addresses as without.
    assert (root.slots[0].guard, root.slots[0].guard_bits) == (0, 64 - 6 - 9)
    manager, worker = found.by_name["manager.tcb"], found.by_name["worker.tcb"]
    assert isinstance(manager, Tcb) and isinstance(worker, Tcb)
    assert (manager.cspace.object, manager.cspace.guard_bits) == ("manager.cspace", 0)
    assert (worker.cspace.object, worker.cspace.guard_bits) == ("worker.cnode", 64 - 9)
    assert (manager.domain, worker.domain) == (5, 0)
    assert found.schedule is not None and found.schedule.start == 4
    assert [(each.index, each.domain, each.ticks) for each in found.schedule.entries] == [
        (3, 0, 30),
        (4, 5, 70),
        (5, 0, 0),
    ]


def test_untyped_memory_is_given_up(run: Run) -> None:
    left = {held.thing.kind for held in run.kernel.root.slots.values()}
    assert not {"untyped", "irq_control", "asid_control", "domain", "sched_control"} & left


def test_memory_is_used_as_the_tools_have_computed(run: Run, distribution: Distribution) -> None:
    complete = binary.with_kept_cnode(distribution)
    allocation = allocate(complete, run.system, untyped_list(), slots=1 << ROOT_BITS, board=systems.BOARD)
    used = [pools.pool[i] for i in range(int(pools.count)) if not pools.pool[i].is_device]
    assert sum(int(p.address) + (1 << int(p.size_bits)) - int(p.used_to) for p in used) == allocation.left
    made = [each for each in complete.objects if each.memory_bits is not None]
    spans = sorted((run.objects[each.name].address, 1 << (each.memory_bits or 0)) for each in made)
    assert all(start + size <= following for (start, size), (following, _) in itertools.pairwise(spans))


def test_a_failure_names_the_step_and_the_object() -> None:
    system = systems.described(systems.domain("only"))
    complete = binary.with_kept_cnode(distribute(system, systems.images(system)))
    content = binary.encode(complete)
    start = -(-static_size() // 4096) * 4096
    with Memory(start + 0x4000 + len(content)) as memory:
        buffer = at(IpcBuffer, MEMORY_BASE + start)
        info = at(BootInfo, MEMORY_BASE + start + 0x1000)
        memory.data[start + 0x4000 :] = content
        kernel, untypeds, _ = boot(info, buffer)
        Host.kernel = kernel
        # All memory but the devices' is taken.
        for index, thing in enumerate(untypeds):
            if not thing.device:
                info.untyped_list[index].is_device = 1
        with pytest.raises(HostError):
            initialiser.main(MEMORY_BASE + start + 0x1000, MEMORY_BASE + start + 0x4000)
    Host.kernel = None
    largest = max((each for each in complete.objects if each.paddr is None), key=lambda e: e.memory_bits or 0)
    said = kernel.printed.decode()
    assert said.startswith(f'INITIALISER|ERROR: cannot create "{largest.name}": not enough memory')

# SPDX-License-Identifier: BSD-2-Clause
"""From a system and its programs to a capability distribution.

What each protection domain is given is the environment of the Core Platform (Microkit 2), see ``environment``. Where
upstream gives a capability more rights than the library uses, ours has only those that are used: a notification of
another domain can be signalled and not waited for, an endpoint of another domain can be called and not received from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.configuration import configuration
from tessera.abi.layout import round_down
from tessera.abi.profiles import MICROKIT, Profile
from tessera.lang.diagnostics import Location
from tessera.system import environment as env
from tessera.system.capacity import check_capacity
from tessera.system.capdl import (
    Cap,
    CNode,
    Distribution,
    Endpoint,
    IrqHandler,
    Notification,
    Reply,
    Rights,
    SchedContext,
    Schedule,
    ScheduleSlot,
    Tcb,
)
from tessera.system.collect import Collector
from tessera.system.elf import ProgramImage
from tessera.system.model import CapKind, ProtectionDomain, System, Variable
from tessera.system.patch import patched
from tessera.system.space import Builder, check_image

CALL = Rights.WRITE | Rights.GRANT_REPLY
READ_WRITE = Rights.READ | Rights.WRITE

# The objects of a domain of which another may get a capability.
SHARED = {CapKind.TCB: "{}.tcb", CapKind.SCHED_CONTEXT: "{}.sched_context", CapKind.VSPACE: "{}.vspace"}

# Regions whose physical address somebody asks for are placed from here down: above are the root task's own objects.
RESERVED_AT_TOP = 64 << 20


def distribute(
    system: System,
    images: Mapping[str, ProgramImage],
    *,
    board: Board = QEMU_VIRT_RISCV64,
    profile: Profile = MICROKIT,
    benchmark: bool = False,
) -> Distribution:
    """The capability distribution of ``system``.

    ``images``: the program of every domain by the domain's name, and that of the monitor by ``"monitor"``. Variables of
    the domains' programs are set here. ``benchmark``: give each domain the capability to its own thread, which the
    benchmark calls need. Raises :class:`Diagnostic` or :class:`Diagnostics`.
    """
    space = env.USER_SPACE
    errors = Collector()
    regions = {region.name: region for region in system.memory_regions}
    for pd in system.domains():
        check_image(pd, images[pd.name], regions, space, errors)
    errors.stop_if_any()
    check_capacity(system, images, space, board, profile)

    addresses = place_regions(system, board, profile)
    builder = Builder(board.architecture, space)
    _monitor(builder, system, images[env.MONITOR_NAME])
    for region in system.memory_regions:
        builder.add_region(region, addresses.get(region.name))
    for index, pd in enumerate(system.domains()):
        image = patched(pd, images[pd.name], system, addresses)
        _domain(builder, system, pd, index, image, benchmark)
    return replace(builder.finish(), schedule=schedule_of(system))


def schedule_of(system: System) -> Schedule | None:
    """The domain schedule in the kernel's terms."""
    said = system.schedule
    if said is None:
        return None
    entries = tuple(
        ScheduleSlot(
            said.shift + index,
            0 if entry.domain is None else said.id_of(entry.domain),
            entry.ticks(configuration.ticks_per_us),
        )
        for index, entry in enumerate(said.entries)
    )
    return Schedule(entries, said.shift + said.start)


def place_regions(system: System, board: Board, profile: Profile) -> dict[str, int]:
    """Physical addresses of memory regions: as described, or chosen where a program asks for one that is left open."""
    addresses = {r.name: r.phys_addr for r in system.memory_regions if r.phys_addr is not None}
    asked = {v.region for pd in system.domains() for v in pd.setvars if v.kind is Variable.REGION_PADDR}
    sizes = {region.name: region.size for region in system.memory_regions}
    top = board.memory(profile.memory_size).end - RESERVED_AT_TOP
    for region in system.memory_regions:
        if region.name in asked and region.name not in addresses:
            bits = region.page_size.bit_length() - 1
            start = round_down(top - region.size, bits)
            while clash := [a for n, a in addresses.items() if a < start + region.size and start < a + sizes[n]]:
                start = round_down(min(clash) - region.size, bits)
            addresses[region.name] = start
    return addresses


def _monitor(builder: Builder, system: System, image: ProgramImage) -> None:
    """The component that receives the faults of all domains without a parent."""
    name, where = env.MONITOR_NAME, system.location
    slots = {
        env.SLOT_INPUT: Cap(builder.add(Endpoint(f"{name}.endpoint"), where), Rights.READ),
        env.SLOT_REPLY: Cap(builder.add(Reply(f"{name}.reply"), where)),
        env.SLOT_VSPACE: Cap(builder.add_space(name, where)),
    }
    for index, pd in enumerate(system.domains()):
        slots[env.monitor_slot(index, env.MONITOR_TCB)] = Cap(f"{pd.name}.tcb")
        if pd.passive:
            slots[env.monitor_slot(index, env.MONITOR_SCHED_CONTEXT)] = Cap(f"{pd.name}.sched_context")
            slots[env.monitor_slot(index, env.MONITOR_NOTIFICATION)] = Cap(f"{pd.name}.notification", READ_WRITE)
    time = SchedContext(
        f"{name}.sched_context", env.SCHED_CONTEXT_BITS, env.BUDGET_DEFAULT, env.BUDGET_DEFAULT, badge=0
    )
    builder.add_program(name, image, where)
    builder.add_stack(name, env.MONITOR_STACK, where)
    _thread(
        builder,
        name,
        image,
        slots=slots,
        sched_context=builder.add(time, where),
        ipc_buffer=builder.add_ipc_buffer(name, where),
        bound_notification=None,
        fault_endpoint=None,
        priority=env.MONITOR_PRIORITY,
        fpu=True,
        domain=env.MONITOR_DOMAIN,
        extra={},
        cnode_bits=env.monitor_cnode_bits(len(system.domains())),
        where=where,
    )


def _domain(
    builder: Builder, system: System, pd: ProtectionDomain, index: int, image: ProgramImage, benchmark: bool
) -> None:
    name, where = pd.name, pd.location
    notification = builder.add(Notification(f"{name}.notification"), where)
    takes_calls = system.receives_calls(pd)
    waits_on = builder.add(Endpoint(f"{name}.endpoint"), where) if takes_calls else notification
    faults_to = _fault_endpoint(pd, index)
    slots = {
        env.SLOT_INPUT: Cap(waits_on, Rights.READ),
        env.SLOT_FAULT_ENDPOINT: faults_to,
        env.SLOT_VSPACE: Cap(builder.add_space(name, where)),
        env.SLOT_REPLY: Cap(builder.add(Reply(f"{name}.reply"), where)),
    }
    if pd.passive:
        slots[env.SLOT_MONITOR_ENDPOINT] = Cap(f"{env.MONITOR_NAME}.endpoint", Rights.WRITE, badge=index + 1)
    if benchmark:
        slots[env.SLOT_TCB] = Cap(f"{name}.tcb")
    slots |= _channel_slots(system, pd)
    for irq in pd.irqs:
        signal = Cap(notification, Rights.WRITE, badge=1 << irq.id)
        handler = builder.add(IrqHandler(f"{name}.irq.{irq.irq}", irq.irq, irq.trigger, signal), irq.location)
        slots[env.SLOT_IRQ + irq.id] = Cap(handler)
    for child in pd.children:
        assert child.id is not None
        slots[env.SLOT_CHILD_TCB + child.id] = Cap(f"{child.name}.tcb")

    badge = env.SCHED_CONTEXT_BADGE + index
    time = SchedContext(f"{name}.sched_context", env.SCHED_CONTEXT_BITS, pd.budget, pd.period, badge)
    builder.add_program(name, image, where)
    for m in pd.maps:
        builder.map_region(name, m, system.region(m.mr))
    builder.add_stack(name, pd.stack_size, where)
    _thread(
        builder,
        name,
        image,
        slots=slots,
        sched_context=builder.add(time, where),
        ipc_buffer=builder.add_ipc_buffer(name, where),
        bound_notification=Cap(notification, READ_WRITE),
        fault_endpoint=faults_to,
        priority=pd.priority,
        fpu=pd.fpu,
        domain=system.domain_id(pd),
        extra={cap.slot: Cap(SHARED[cap.kind].format(cap.pd)) for cap in pd.caps},
        where=where,
    )


def _fault_endpoint(pd: ProtectionDomain, index: int) -> Cap:
    """Where the faults of a domain go: to its parent, or to the monitor, for which badge 0 would mean no badge."""
    if pd.parent is not None:
        assert pd.id is not None
        return Cap(f"{pd.parent}.endpoint", CALL, badge=env.BADGE_FAULT | pd.id)
    return Cap(f"{env.MONITOR_NAME}.endpoint", CALL, badge=index + 1)


def _channel_slots(system: System, pd: ProtectionDomain) -> dict[int, Cap]:
    """The capabilities with which a domain reaches the other ends of its channels."""
    slots = {}
    for channel in system.channels:
        for end, other in channel.directions():
            if end.pd != pd.name:
                continue
            if end.notify:
                cap = Cap(f"{other.pd}.notification", Rights.WRITE, badge=1 << other.id)
                slots[env.SLOT_OUTPUT_NOTIFICATION + end.id] = cap
            if end.pp:
                cap = Cap(f"{other.pd}.endpoint", CALL, badge=env.BADGE_CALL | other.id)
                slots[env.SLOT_OUTPUT_ENDPOINT + end.id] = cap
    return slots


def _thread(
    builder: Builder,
    name: str,
    image: ProgramImage,
    *,
    slots: dict[int, Cap],
    sched_context: str,
    ipc_buffer: str,
    bound_notification: Cap | None,
    fault_endpoint: Cap | None,
    priority: int,
    fpu: bool,
    domain: int,
    extra: Mapping[int, Cap],
    where: Location,
    cnode_bits: int = env.CNODE_BITS,
) -> None:
    """A component's capability space and thread. A capability address is looked up through a guard of zeros, then the
    slot. Where a component has capabilities of others, the root of its space has these, and its own CNode at slot 0:
    an address with zeros in front still means a slot of its own.
    """
    space = builder.space
    cnode = builder.add(CNode(f"{name}.cnode", cnode_bits, dict(sorted(slots.items()))), where)
    root = Cap(cnode, guard_bits=space.word_bits - cnode_bits)
    if extra:
        own = replace(root, guard_bits=root.guard_bits - env.ROOT_BITS)
        root = Cap(builder.add(CNode(f"{name}.cspace", env.ROOT_BITS, dict(sorted({0: own, **extra}.items()))), where))
    builder.add(
        Tcb(
            f"{name}.tcb",
            cspace=root,
            vspace=Cap(f"{name}.vspace"),
            ipc_buffer=Cap(ipc_buffer, READ_WRITE),
            ipc_buffer_address=space.ipc_buffer,
            sched_context=Cap(sched_context),
            bound_notification=bound_notification,
            fault_endpoint=fault_endpoint,
            priority=priority,
            max_priority=priority,
            entry=image.entry,
            stack_pointer=space.stack_top,
            arguments=(),
            fpu=fpu,
            resume=True,
            thread_name=name,
            domain=domain,
        ),
        where,
    )

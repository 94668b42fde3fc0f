# SPDX-License-Identifier: BSD-2-Clause
"""Checks across the elements of a description: names, channels, address ranges.

Every function looks at the whole system and reports all that it finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system import environment
from tessera.system.check_schedule import check_scheduling_domains, schedule_warnings
from tessera.system.collect import Collector, did_you_mean
from tessera.system.environment import AddressSpace
from tessera.system.model import Map, MemoryRegion, ProtectionDomain, System, Variable


def check(system: System, space: AddressSpace) -> System:
    """The same system with its page sizes and warnings. Raises :class:`Diagnostic` or :class:`Diagnostics`."""
    errors = Collector()
    check_domain_names(system, errors)
    check_region_names(system, errors)
    check_children(system, errors)
    check_channels(system, errors)
    check_irqs(system, errors)
    check_maps(system, space, errors)
    check_variables(system, errors)
    check_physical(system, errors)
    check_extra_caps(system, errors)
    check_scheduling_domains(system, errors)
    errors.stop_if_any()
    system = replace(system, memory_regions=tuple(with_largest_pages(r, system, space) for r in system.memory_regions))
    found = (*system.warnings, *find_warnings(system, space), *schedule_warnings(system))
    return replace(system, warnings=found)


def _duplicates(named: Iterable[tuple[str, Location]], kind: str, rule: str, errors: Collector) -> None:
    first: dict[str, Location] = {}
    for name, location in named:
        if name in first:
            errors.error(
                rule,
                location,
                f"there are two {kind}s called '{name}'",
                why=f"the first is at {first[name]}",
                fix="give one of them another name",
            )
        first.setdefault(name, location)


def check_domain_names(system: System, errors: Collector) -> None:
    domains = system.domains()
    if not domains:
        errors.error(
            "no-domains",
            system.location,
            "the system has no protection domain",
            why="nothing would run",
            fix='add <protection_domain name="..."> with a program_image',
        )
    if len(domains) > environment.DOMAINS:
        last = domains[environment.DOMAINS]
        errors.error(
            "too-many-domains",
            last.location,
            f"the system has {len(domains)} protection domains, and can have {environment.DOMAINS}",
            why="each has an address space, and the pool of identifiers that the kernel hands out at boot has 512, of "
            "which the first is nobody's and the initialiser and the monitor take two",
            fix="put what belongs together into one domain",
        )
    _duplicates(((pd.name, pd.location) for pd in domains), "protection domain", "duplicate-domain", errors)
    for pd in domains:
        length = len(pd.name.encode())
        if length >= environment.NAME_BYTES:
            errors.error(
                "name-length",
                pd.location,
                f"the name has {length} bytes, and can have {environment.NAME_BYTES - 1}",
                why="the program finds its name in a variable of 64 bytes that ends with a zero",
                fix="choose a shorter name",
            )
        if pd.name == environment.MONITOR_NAME:
            errors.error(
                "reserved-name",
                pd.location,
                f"the name '{pd.name}' is taken",
                why="it is that of the component that receives the faults of all others",
                fix="choose another name",
            )


def check_region_names(system: System, errors: Collector) -> None:
    regions = [(region.name, region.location) for region in system.memory_regions]
    _duplicates(regions, "memory region", "duplicate-region", errors)
    known = [name for name, _ in regions]
    for pd in system.domains():
        uses = [(m.mr, m.location) for m in pd.maps]
        uses += [(v.region, v.location) for v in pd.setvars if v.kind is Variable.REGION_PADDR and v.region is not None]
        for name, location in uses:
            if name not in known:
                errors.error(
                    "unknown-region",
                    location,
                    f"there is no memory region '{name}'",
                    why=f"'{pd.name}' wants to use it",
                    fix=did_you_mean(name, known) or f'add <memory_region name="{name}" size="0x1000" />',
                )


def check_children(system: System, errors: Collector) -> None:
    for parent in system.domains():
        first: dict[int, ProtectionDomain] = {}
        for child in parent.children:
            if child.id is not None and first.setdefault(child.id, child) is not child:
                errors.error(
                    "duplicate-child",
                    child.location,
                    f"'{first[child.id].name}' and '{child.name}', children of '{parent.name}', share id {child.id}",
                    why="a parent tells its children apart by this number",
                    fix="give one of them another id",
                )


def check_channels(system: System, errors: Collector) -> None:
    """Ends name domains that exist, numbers are used once in each domain, and calls go upwards in priority."""
    domains = {pd.name: pd for pd in system.domains()}
    taken: dict[tuple[str, int], Location] = {}
    for pd in domains.values():
        for irq in pd.irqs:
            _take_channel(taken, pd.name, irq.id, irq.location, errors)
    for channel in system.channels:
        for end, other in channel.directions():
            if end.pd in domains:
                _take_channel(taken, end.pd, end.id, end.location, errors)
                if end.pp and not other.pp and other.pd in domains:
                    _check_call(domains[end.pd], domains[other.pd], end.location, errors)
            else:
                errors.error(
                    "unknown-domain",
                    end.location,
                    f"there is no protection domain '{end.pd}'",
                    why="a channel connects two domains of the system",
                    fix=did_you_mean(end.pd, domains) or "write the name of a protection domain of this system",
                )
        if channel.a.pp and channel.b.pp:
            errors.error(
                "call-both-ways",
                channel.location,
                "both ends of the channel may call the other",
                why="two domains that call each other would wait for each other for ever",
                fix='leave pp="true" at the end that asks, and remove it from the one that answers',
            )


def _take_channel(
    taken: dict[tuple[str, int], Location], pd: str, number: int, location: Location, errors: Collector
) -> None:
    if (pd, number) in taken:
        errors.error(
            "duplicate-channel",
            location,
            f"channel {number} of '{pd}' is used twice",
            why=f"it is also used at {taken[pd, number]}",
            fix="use another id: interrupts and channels of a domain are numbered together",
        )
    taken.setdefault((pd, number), location)


def _check_call(caller: ProtectionDomain, callee: ProtectionDomain, location: Location, errors: Collector) -> None:
    if callee.priority > caller.priority:
        return
    errors.error(
        "call-priority",
        location,
        f"'{caller.name}' (priority {caller.priority}) may not call '{callee.name}' (priority {callee.priority})",
        why="a protected procedure runs in a domain of strictly higher priority, so that a caller never waits for "
        "something less urgent than itself",
        fix=f"raise the priority of '{callee.name}' above {caller.priority}, or let '{callee.name}' be the caller",
    )


def check_irqs(system: System, errors: Collector) -> None:
    first: dict[int, str] = {}
    for pd in system.domains():
        for irq in pd.irqs:
            if irq.irq in first:
                errors.error(
                    "duplicate-irq",
                    irq.location,
                    f"interrupt {irq.irq} is given to '{pd.name}', and to '{first[irq.irq]}' before",
                    why="an interrupt is delivered to one domain",
                    fix="let one domain have the device and tell the other by a channel",
                )
            first.setdefault(irq.irq, pd.name)


def check_maps(system: System, space: AddressSpace, errors: Collector) -> None:
    """Alignment, the end of the address space, and overlaps inside each domain."""
    regions = {region.name: region for region in system.memory_regions}
    for pd in system.domains():
        bottom = space.stack_bottom(pd.stack_size)
        placed: list[tuple[Map, MemoryRegion]] = []
        for m in pd.maps:
            region = regions.get(m.mr)
            if region is None:
                continue  # reported by check_region_names
            if m.vaddr % region.page_size:
                errors.error(
                    "map-alignment",
                    m.location,
                    f"'{m.mr}' is mapped at {m.vaddr:#x}, which is not aligned to its page size {region.page_size:#x}",
                    why="a page can only be mapped at a multiple of its size",
                    fix=f'write vaddr="{m.vaddr - m.vaddr % region.page_size:#x}"',
                )
            if m.vaddr + region.size > bottom:
                errors.error(
                    "map-too-high",
                    m.location,
                    f"'{m.mr}' would occupy {_extent(m, region)} of '{pd.name}', beyond {bottom:#x}",
                    why=f"from {bottom:#x} on there are the stack, a guard page and the IPC buffer of the domain",
                    fix=f"map it at or below {(bottom - region.size) // region.page_size * region.page_size:#x}"
                    if region.size <= bottom
                    else f"make '{m.mr}' smaller: it is larger than an address space",
                )
            for other, other_region in placed:
                if m.vaddr < other.vaddr + other_region.size and other.vaddr < m.vaddr + region.size:
                    errors.error(
                        "map-overlap",
                        m.location,
                        f"'{m.mr}' at {_extent(m, region)} overlaps '{other.mr}' at {_extent(other, other_region)} "
                        f"in '{pd.name}'",
                        why=f"'{other.mr}' is mapped at {other.location}",
                        fix=f'write vaddr="{_next_free(other.vaddr + other_region.size, region.page_size):#x}", '
                        "or any other free address",
                    )
            placed.append((m, region))


def _extent(m: Map, region: MemoryRegion) -> str:
    return f"[{m.vaddr:#x}, {m.vaddr + region.size:#x})"


def _next_free(address: int, alignment: int) -> int:
    return -(-address // alignment) * alignment


def check_variables(system: System, errors: Collector) -> None:
    """A symbol is given a value once; the size of contents needs contents."""
    regions = {region.name: region for region in system.memory_regions}
    for pd in system.domains():
        first: dict[str, Location] = {}
        for variable in system.variables(pd):
            if variable.symbol in first:
                errors.error(
                    "duplicate-setvar",
                    variable.location,
                    f"the variable '{variable.symbol}' of '{pd.name}' is set twice",
                    why=f"it is also set at {first[variable.symbol]}",
                    fix="use another symbol for one of them",
                )
            first.setdefault(variable.symbol, variable.location)
            region = regions.get(variable.region or "")
            if variable.kind is Variable.PREFILL_SIZE and region is not None and not region.prefill:
                errors.error(
                    "prefill-none",
                    variable.location,
                    f"'setvar_prefill_size' asks for the size of the contents of '{region.name}', which has none",
                    why="only a region with prefill_path has contents",
                    fix="add prefill_path to the memory region, or use setvar_size",
                )


def check_physical(system: System, errors: Collector) -> None:
    """Memory regions with fixed addresses do not share memory."""
    placed: list[tuple[MemoryRegion, int]] = []
    for region in system.memory_regions:
        if region.phys_addr is None:
            continue
        for other, start in placed:
            if region.phys_addr < start + other.size and start < region.phys_addr + region.size:
                errors.error(
                    "phys-overlap",
                    region.location,
                    f"'{region.name}' overlaps '{other.name}' in physical memory: "
                    f"[{region.phys_addr:#x}, {region.phys_addr + region.size:#x}) and "
                    f"[{start:#x}, {start + other.size:#x})",
                    why=f"'{other.name}' is at {other.location}",
                    fix=f"use one memory region in both places: map '{other.name}' where '{region.name}' is mapped",
                )
        placed.append((region, region.phys_addr))


def check_extra_caps(system: System, errors: Collector) -> None:
    """Capabilities that are shared name domains that exist, each in a slot of its own."""
    domains = {pd.name for pd in system.domains()}
    for pd in system.domains():
        taken: dict[int, Location] = {}
        for cap in pd.caps:
            if cap.pd not in domains:
                errors.error(
                    "unknown-domain",
                    cap.location,
                    f"there is no protection domain '{cap.pd}'",
                    why=f"'{pd.name}' is to get a capability of it",
                    fix=did_you_mean(cap.pd, domains) or "write the name of a protection domain of this system",
                )
            if cap.slot in taken:
                errors.error(
                    "duplicate-slot",
                    cap.location,
                    f"slot {cap.slot} of '{pd.name}' is used twice",
                    why=f"it is also used at {taken[cap.slot]}, and a slot holds one capability",
                    fix="use another slot",
                )
            taken.setdefault(cap.slot, cap.location)


def with_largest_pages(region: MemoryRegion, system: System, space: AddressSpace) -> MemoryRegion:
    """A region whose description leaves the page size open gets the largest that its size and places allow."""
    if not region.page_size_open:
        return region
    places = [m.vaddr for pd in system.domains() for m in pd.maps if m.mr == region.name]
    places += [region.size] + ([] if region.phys_addr is None else [region.phys_addr])
    fitting = [size for size in space.page_sizes if all(place % size == 0 for place in places)]
    return replace(region, page_size=max(fitting))


def find_warnings(system: System, space: AddressSpace) -> Iterable[Diagnostic]:
    mapped = {m.mr for pd in system.domains() for m in pd.maps}
    # A device may use memory that no program maps: a program that asks for its address tells the device.
    asked = {v.region for pd in system.domains() for v in pd.setvars if v.kind is Variable.REGION_PADDR}
    for region in system.memory_regions:
        if region.bootinfo is not None:
            yield Diagnostic(
                "bootinfo-absent",
                region.location,
                f"'{region.name}' stays empty: this board hands over no boot information '{region.bootinfo}'",
                why="the loader of this board gives the kernel none, so that the region is all zeros",
                fix="let its readers check for zeros, or fill it with prefill_path",
            )
        if region.name not in mapped | asked:
            yield Diagnostic(
                "unused-region",
                region.location,
                f"the memory region '{region.name}' is not mapped by any domain",
                why="it takes memory that nobody can use",
                fix="map it, or remove it",
            )
    for pd in system.domains():
        for m in pd.maps:
            if m.vaddr + system.region(m.mr).size == space.stack_bottom(pd.stack_size):
                yield Diagnostic(
                    "no-stack-guard",
                    m.location,
                    f"'{m.mr}' ends where the stack of '{pd.name}' begins",
                    why="a stack that overflows would write into it without a fault",
                    fix=f"map it at least {space.page:#x} bytes lower",
                )

# SPDX-License-Identifier: BSD-2-Clause
"""What the monitor must know to tell a fault in the user's names: who it was, what is there, and which line it was.

This is the data and its meaning; the build gives the same data to the monitor in a binary form.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from tessera.system import environment as env
from tessera.system.elf import LineRow, ProgramImage
from tessera.system.environment import AddressSpace
from tessera.system.model import Permissions, ProtectionDomain, System
from tessera.system.space import READ_WRITE, segment_kind


class AreaKind(enum.Enum):
    """What a part of an address space is for. A guard is a page in which nothing is mapped, next to a stack."""

    REGION = "memory region"
    PROGRAM = "program"
    STACK = "stack"
    IPC_BUFFER = "IPC buffer"
    GUARD = "guard"


@dataclass(frozen=True)
class Area:
    """Addresses ``start`` up to, but not including, ``end`` of one address space. ``perms`` is empty for a guard."""

    start: int
    end: int
    kind: AreaKind
    name: str
    perms: Permissions

    def __str__(self) -> str:
        return f"the memory region '{self.name}'" if self.kind is AreaKind.REGION else f"the {self.name}"


@dataclass(frozen=True)
class ComponentMap:
    """One domain. ``index`` is its place in the system, ``badge`` is what its faults reach the monitor with, or None
    where they go to ``parent``. ``areas`` and ``lines`` are in ascending order of addresses.
    """

    name: str
    index: int
    badge: int | None
    parent: str | None
    passive: bool
    areas: tuple[Area, ...]
    lines: tuple[LineRow, ...] = field(repr=False)

    def area_at(self, address: int) -> Area | None:
        index = bisect_right(self.areas, address, key=lambda area: area.start) - 1
        return self.areas[index] if index >= 0 and address < self.areas[index].end else None

    def line_at(self, pc: int) -> LineRow | None:
        index = bisect_right(self.lines, pc, key=lambda row: row.pc) - 1
        return self.lines[index] if index >= 0 and self.lines[index].line else None


@dataclass(frozen=True)
class RegionUse:
    """The memory region ``region`` is at [start, end) in the address space of ``component``."""

    component: str
    start: int
    end: int
    region: str
    perms: Permissions


@dataclass(frozen=True)
class FaultMap:
    """All components, in the order of the system, and every mapping of a memory region, by address."""

    components: tuple[ComponentMap, ...]
    uses: tuple[RegionUse, ...]

    def component(self, name: str) -> ComponentMap:
        return next(each for each in self.components if each.name == name)

    def others_at(self, component: str, address: int) -> tuple[RegionUse, ...]:
        """Mappings at this address in the address spaces of other components."""
        return tuple(use for use in self.uses if use.start <= address < use.end and use.component != component)

    def explain(self, component: str, address: int) -> str:
        """What is at an address that ``component`` was not allowed to use, as a phrase."""
        area = self.component(component).area_at(address)
        if area is not None:
            allowed = "" if area.kind is AreaKind.GUARD else f", which it may use as '{area.perms}' only"
            return f"in {area} of '{component}'{allowed}"
        others = self.others_at(component, address)
        if not others:
            return "where nothing is mapped"
        regions = sorted({use.region for use in others})
        owners = sorted({use.component for use in others})
        named = " or ".join(f"'{region}'" for region in regions)
        holders = " and ".join(f"'{owner}'" for owner in owners)
        return f"in the memory region {named}, which is mapped by {holders} only"


STACK_GUARD = "guard page below the stack"


def fault_map(system: System, images: Mapping[str, ProgramImage]) -> FaultMap:
    """The fault map of a system with these programs, by the name of the domain."""
    space = env.USER_SPACE
    components: list[ComponentMap] = []
    uses: list[RegionUse] = []
    for index, pd in enumerate(system.domains()):
        image = images[pd.name]
        uses += [RegionUse(pd.name, a.start, a.end, a.name, a.perms) for a in _region_areas(pd, system)]
        areas = [*_region_areas(pd, system), *_program_areas(image, space), *_stack_areas(pd, space)]
        guard = Area(areas[-1].start - space.page, areas[-1].start, AreaKind.GUARD, STACK_GUARD, Permissions.NONE)
        if all(area.end <= guard.start or guard.end <= area.start for area in areas):
            areas.append(guard)
        components.append(
            ComponentMap(
                name=pd.name,
                index=index,
                badge=index + 1 if pd.parent is None else None,
                parent=pd.parent,
                passive=pd.passive,
                areas=tuple(sorted(areas, key=lambda area: area.start)),
                lines=image.lines,
            )
        )
    return FaultMap(tuple(components), tuple(sorted(uses, key=lambda use: (use.start, use.component))))


def _region_areas(pd: ProtectionDomain, system: System) -> list[Area]:
    return [Area(m.vaddr, m.vaddr + system.region(m.mr).size, AreaKind.REGION, m.mr, m.perms) for m in pd.maps]


def _program_areas(image: ProgramImage, space: AddressSpace) -> list[Area]:
    return [
        Area(space.page_down(s.vaddr), space.page_up(s.end), AreaKind.PROGRAM, segment_kind(s), s.perms)
        for s in image.segments
    ]


def _stack_areas(pd: ProtectionDomain, space: AddressSpace) -> list[Area]:
    """The IPC buffer, the page between it and the stack, and the stack; the stack is the last."""
    return [
        Area(space.ipc_buffer, space.user_top, AreaKind.IPC_BUFFER, "IPC buffer", READ_WRITE),
        Area(space.stack_top, space.ipc_buffer, AreaKind.GUARD, "guard page above the stack", Permissions.NONE),
        Area(space.stack_bottom(pd.stack_size), space.stack_top, AreaKind.STACK, "stack", READ_WRITE),
    ]

# SPDX-License-Identifier: BSD-2-Clause
"""Building address spaces: frames with their contents, page tables level by level, and what is mapped where."""

from __future__ import annotations

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.capdl import (
    Distribution,
    Fill,
    Frame,
    FrameMapping,
    KernelObject,
    PageTable,
    TableMapping,
    VSpace,
)
from tessera.system.collect import Collector
from tessera.system.elf import ProgramImage, Segment
from tessera.system.environment import AddressSpace
from tessera.system.model import Map, MemoryRegion, Permissions, ProtectionDomain

READ_WRITE = Permissions.READ | Permissions.WRITE


class Builder:
    """A distribution in the making. Names are unique; frames that are mapped bring their page tables with them."""

    def __init__(self, architecture: str, space: AddressSpace) -> None:
        self.architecture = architecture
        self.space = space
        self.objects: dict[str, KernelObject] = {}
        self.tables: dict[tuple[str, int, int], TableMapping] = {}
        self.mappings: list[FrameMapping] = []

    def add(self, each: KernelObject, location: Location) -> str:
        """Add an object and return its name. Raises :class:`Diagnostic` where the user's names make it ambiguous."""
        if each.name in self.objects:
            raise Diagnostic(
                "object-name",
                location,
                f"two objects would be called '{each.name}'",
                why="a component's own objects are named after it: 'name.stack', 'name.tcb'",
                fix="rename the memory region or the component",
            )
        self.objects[each.name] = each
        return each.name

    def add_space(self, owner: str, location: Location) -> str:
        return self.add(VSpace(f"{owner}.vspace"), location)

    def map(self, owner: str, vaddr: int, frame: str, perms: Permissions, cached: bool = True) -> None:
        """Map a frame into ``owner``'s address space, with the page tables that are still missing."""
        mapped = self.objects[frame]
        assert isinstance(mapped, Frame)
        vspace = f"{owner}.vspace"
        for level, bits in enumerate(self.space.level_bits[:-1], start=1):
            if bits <= mapped.size_bits:
                break  # the frame itself is the entry at this level
            base = vaddr >> bits << bits
            if (vspace, level, base) not in self.tables:
                name = self.add(PageTable(f"{owner}.table{level}.{base:#x}", level), Location(owner))
                self.tables[vspace, level, base] = TableMapping(vspace, base, name, level)
        self.mappings.append(FrameMapping(vspace, vaddr, frame, perms, cached))

    def add_region(self, region: MemoryRegion, address: int | None) -> None:
        """The frames of a memory region: its name if it is one frame, else numbered from zero."""
        bits = region.page_size.bit_length() - 1
        for index in range(region.pages):
            offset = index * region.page_size
            fills = _fills(0, region.prefill[offset : offset + region.page_size], f"{region.prefill_path}+{offset:#x}")
            paddr = None if address is None else address + offset
            self.add(Frame(region_frame(region, index), bits, paddr, fills), region.location)

    def map_region(self, owner: str, m: Map, region: MemoryRegion) -> None:
        for index in range(region.pages):
            self.map(owner, m.vaddr + index * region.page_size, region_frame(region, index), m.perms, m.cached)

    def add_stack(self, owner: str, size: int, location: Location) -> None:
        bottom = self.space.stack_bottom(size)
        for index in range(size // self.space.page):
            frame = self.add(Frame(f"{owner}.stack.{index}", self.space.page_bits[0]), location)
            self.map(owner, bottom + index * self.space.page, frame, READ_WRITE)

    def add_ipc_buffer(self, owner: str, location: Location) -> str:
        frame = self.add(Frame(f"{owner}.ipc_buffer", self.space.page_bits[0]), location)
        self.map(owner, self.space.ipc_buffer, frame, READ_WRITE)
        return frame

    def add_program(self, owner: str, image: ProgramImage, location: Location) -> None:
        """The pages of a program, filled with what its file has for them."""
        page = self.space.page
        counts: dict[str, int] = {}
        for segment in image.segments:
            kind = segment_kind(segment)
            for base in range(self.space.page_down(segment.vaddr), segment.end, page):
                begin = max(base, segment.vaddr)
                data = segment.data[begin - segment.vaddr : max(0, base + page - segment.vaddr)]
                fills = _fills(begin - base, data, f"{image.file}@{begin:#x}")
                index = counts.get(kind, 0)
                counts[kind] = index + 1
                frame = self.add(Frame(f"{owner}.{kind}.{index}", self.space.page_bits[0], None, fills), location)
                self.map(owner, base, frame, segment.perms)

    def finish(self) -> Distribution:
        return Distribution(
            architecture=self.architecture,
            objects=tuple(self.objects.values()),
            tables=tuple(sorted(self.tables.values(), key=lambda t: (t.vspace, t.level, t.vaddr))),
            mappings=tuple(sorted(self.mappings, key=lambda m: (m.vspace, m.vaddr))),
        )


def region_frame(region: MemoryRegion, index: int) -> str:
    """The name of a frame of a memory region."""
    return region.name if region.pages == 1 else f"{region.name}.{index}"


def segment_kind(segment: Segment) -> str:
    """How a person calls a segment: ``text``, ``data`` or ``rodata``."""
    if Permissions.EXECUTE in segment.perms:
        return "text"
    return "data" if Permissions.WRITE in segment.perms else "rodata"


def _fills(offset: int, data: bytes, origin: str) -> tuple[Fill, ...]:
    """Frames are zero when they are made, so zeros at the end need not be written."""
    data = data.rstrip(b"\0")
    return (Fill(offset, data, origin),) if data else ()


def check_image(
    pd: ProtectionDomain, image: ProgramImage, regions: dict[str, MemoryRegion], space: AddressSpace, errors: Collector
) -> None:
    """A program overlaps neither the memory regions of its domain nor its stack."""
    bottom = space.stack_bottom(pd.stack_size)
    for segment in image.segments:
        low, high = space.page_down(segment.vaddr), space.page_up(segment.end)
        if high > bottom:
            errors.error(
                "image-too-high",
                pd.image_location,
                f"'{image.file}' at [{low:#x}, {high:#x}) overlaps the stack of '{pd.name}'",
                why=f"the stack begins at {bottom:#x}",
                fix="link the program at 0x200000",
            )
        for m in pd.maps:
            end = m.vaddr + regions[m.mr].size
            if m.vaddr < high and low < end:
                errors.error(
                    "map-overlaps-image",
                    m.location,
                    f"'{m.mr}' at [{m.vaddr:#x}, {end:#x}) overlaps the program of '{pd.name}'",
                    why=f"the {segment_kind(segment)} of '{image.file}' is at [{low:#x}, {high:#x})",
                    fix="map the memory region above the program",
                )

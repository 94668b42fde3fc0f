# SPDX-License-Identifier: BSD-2-Clause
"""Address map, and the arithmetic of boot: where everything lies before the first instruction of the root task.

The functions take and give plain integers: addresses and sizes in bytes. A tool that calls :func:`plan_boot` knows
every slot and every untyped that the kernel will hand out, as the tools of the Core Platform expect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tessera.abi.boards import Board, Region
from tessera.abi.bootinfo import BOOT_INFO_FRAME_BITS, EXTRA_BOOT_INFO_OFFSET
from tessera.abi.capabilities import FIRST_DYNAMIC_SLOT
from tessera.abi.objects import (
    ASID_POOL_BITS,
    GIGA_PAGE_BITS,
    MAX_UNTYPED_BITS,
    MEGA_PAGE_BITS,
    MIN_SCHED_CONTEXT_BITS,
    MIN_UNTYPED_BITS,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    SLOT_BITS,
    TCB_BITS,
    VSPACE_BITS,
)
from tessera.abi.profiles import Profile

# Virtual addresses (Sv39).
PHYSICAL_WINDOW = 0xFFFF_FFC0_0000_0000
PHYSICAL_WINDOW_TOP = 0xFFFF_FFFF_8000_0000
KERNEL_WINDOW = 0xFFFF_FFFF_8000_0000
KERNEL_DEVICES = 0xFFFF_FFFF_C000_0000
KERNEL_DEVICE_FRAME_BITS = MEGA_PAGE_BITS
USER_TOP = 0x0000_003F_FFFF_F000

# A component of Microkit: the image is linked here; the IPC buffer is the top page, below it a guard and the stack.
COMPONENT_IMAGE = 0x20_0000
COMPONENT_IPC_BUFFER = USER_TOP - (1 << PAGE_BITS)
COMPONENT_STACK_TOP = COMPONENT_IPC_BUFFER - (1 << PAGE_BITS)
DEFAULT_STACK_SIZE = 0x2000
MIN_STACK_SIZE = 0x1000
MAX_STACK_SIZE = 0x100_0000

_GIGABYTE_MASK = (1 << GIGA_PAGE_BITS) - 1


def round_down(value: int, bits: int) -> int:
    """The greatest multiple of ``2**bits`` that is not above ``value``."""
    return value >> bits << bits


def round_up(value: int, bits: int) -> int:
    """The least multiple of ``2**bits`` that is not below ``value``."""
    return -(-value >> bits) << bits


def kernel_virtual(paddr: int) -> int:
    """Where the kernel image's byte at a physical address is linked."""
    return KERNEL_WINDOW + (paddr & _GIGABYTE_MASK)


def window_virtual(paddr: int) -> int:
    """Where the kernel sees the memory at a physical address."""
    return PHYSICAL_WINDOW + paddr


def window_physical(vaddr: int) -> int:
    """The physical address behind an address of the physical window."""
    return vaddr - PHYSICAL_WINDOW


def page_tables_needed(start: int, end: int) -> int:
    """Page tables, besides the root, that map the virtual addresses from ``start`` to ``end`` with 4 KiB pages."""
    return sum((round_up(end, bits) - round_down(start, bits)) >> bits for bits in (GIGA_PAGE_BITS, MEGA_PAGE_BITS))


def extra_boot_info_bits(device_tree_bytes: int) -> int:
    """Size of the extra boot information that carries a device tree, as a power of two; 0 for no device tree."""
    if device_tree_bytes == 0:
        return 0
    header = 16
    return max((device_tree_bytes + header - 1).bit_length(), PAGE_BITS)


@dataclass(frozen=True)
class Untyped:
    """``2**bits`` bytes of untyped memory."""

    paddr: int
    bits: int
    device: bool

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.paddr + (1 << self.bits)


def split_untyped(start: int, end: int, *, device: bool) -> list[Untyped]:
    """A region as naturally aligned untypeds in ascending order; pieces below the least size are lost."""
    pieces = []
    while start < end:
        bits = min((end - start).bit_length() - 1, MAX_UNTYPED_BITS)
        if start:
            bits = min(bits, (start & -start).bit_length() - 1)
        if bits >= MIN_UNTYPED_BITS:
            pieces.append(Untyped(start, bits, device))
        start += 1 << bits
    return pieces


@dataclass(frozen=True)
class RootObjects:
    """The objects that the kernel makes for the root task: one block, the greatest first. Offsets in bytes."""

    size: int
    alignment_bits: int
    cnode: int
    vspace: int
    extra_boot_info: int
    asid_pool: int
    ipc_buffer: int
    boot_info: int
    page_tables: int
    tcb: int
    sched_context: int


def root_objects(root_cnode_bits: int, page_tables: int, extra_bits: int = 0) -> RootObjects:
    """Sizes of the root task's objects; ``extra_bits`` as :func:`extra_boot_info_bits` gives it."""
    items = [
        ("cnode", root_cnode_bits + SLOT_BITS, 1),
        ("vspace", VSPACE_BITS, 1),
        ("extra_boot_info", extra_bits, 1 if extra_bits else 0),
        ("asid_pool", ASID_POOL_BITS, 1),
        ("ipc_buffer", PAGE_BITS, 1),
        ("boot_info", BOOT_INFO_FRAME_BITS, 1),
        ("page_tables", PAGE_TABLE_BITS, page_tables),
        ("tcb", TCB_BITS, 1),
        ("sched_context", MIN_SCHED_CONTEXT_BITS, 1),
    ]
    offset = 0
    offsets = {}
    for name, bits, count in sorted(items, key=lambda item: -item[1]):
        offsets[name] = offset
        offset += count << bits
    return RootObjects(size=offset, alignment_bits=max(root_cnode_bits + SLOT_BITS, VSPACE_BITS, extra_bits), **offsets)


def place_root_objects(free: Iterable[Region], objects: RootObjects) -> int | None:
    """The highest address at which the objects fit into free memory, or ``None``. ``free`` is in ascending order."""
    for region in reversed(list(free)):
        start = round_down(max(region.end - objects.size, 0), objects.alignment_bits)
        if region.start <= start and start + objects.size <= region.end:
            return start
    return None


def without(regions: Iterable[Region], taken: Region) -> list[Region]:
    """What is left of ``regions`` when ``taken`` is cut out."""
    left = []
    for region in regions:
        if not region.overlaps(taken):
            left.append(region)
            continue
        if region.start < taken.start:
            left.append(Region(region.start, taken.start, region.name))
        if taken.end < region.end:
            left.append(Region(taken.end, region.end, region.name))
    return left


@dataclass(frozen=True)
class Slots:
    """Slots ``start`` up to, but not including, ``end``."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class BootPlan:
    """Everything that the kernel decides at boot and user level can see."""

    objects: RootObjects
    objects_start: int
    page_tables: Slots
    extra_boot_info: Slots
    sched_control: Slots
    image_frames: Slots
    untyped: Slots
    empty: Slots
    untypeds: tuple[Untyped, ...]
    ipc_buffer: int
    boot_info: int


class BootPlanError(Exception):
    """The root task does not fit; the text says what is missing."""


def plan_boot(
    board: Board,
    profile: Profile,
    *,
    kernel: Region,
    kernel_boot_end: int,
    image: Region,
    image_virtual: int,
    device_tree: Region | None = None,
) -> BootPlan:
    """What the kernel will do at boot.

    ``kernel`` is its image in physical memory, of which the part up to ``kernel_boot_end`` is recycled; ``image`` is
    the root task's, linked at ``image_virtual``. Raises :class:`BootPlanError` when memory or slots run out.
    """
    device_tree_bytes = device_tree.size if device_tree else 0
    extra_bits = extra_boot_info_bits(device_tree_bytes)
    extra_pages = 1 << (extra_bits - PAGE_BITS) if extra_bits else 0
    ipc_buffer = round_up(image_virtual + image.size, PAGE_BITS)
    boot_info = ipc_buffer + (1 << PAGE_BITS)
    virtual_end = boot_info + EXTRA_BOOT_INFO_OFFSET + (extra_pages << PAGE_BITS)

    tables = page_tables_needed(image_virtual, virtual_end)
    objects = root_objects(profile.root_cnode_bits, tables, extra_bits)
    free = [board.memory(profile.memory_size)]
    for taken in (kernel, image, *((device_tree,) if device_tree else ())):
        free = without(free, taken)
    start = place_root_objects(free, objects)
    if start is None:
        largest = max((region.size for region in free), default=0)
        raise BootPlanError(
            f"the root task's objects take {objects.size} bytes, aligned to {1 << objects.alignment_bits}; "
            f"the largest free piece of memory has {largest} bytes"
        )
    free = without(free, Region(start, start + objects.size))

    untypeds = [piece for gap in board.device_gaps(profile.memory_size) for piece in _split(gap, device=True)]
    untypeds += split_untyped(kernel.start, kernel_boot_end, device=False)
    untypeds += [piece for region in free for piece in _split(region, device=False)]
    untypeds = untypeds[: profile.max_bootinfo_untyped_caps]

    sizes = (tables, extra_pages, 1, round_up(image.size, PAGE_BITS) >> PAGE_BITS, len(untypeds))
    bounds = [FIRST_DYNAMIC_SLOT]
    for size in sizes:
        bounds.append(bounds[-1] + size)
    slots = tuple(Slots(low, high) for low, high in pairwise(bounds))
    total = 1 << profile.root_cnode_bits
    if bounds[-1] > total:
        raise BootPlanError(f"the root task needs {bounds[-1]} slots, its CNode has {total}")
    return BootPlan(
        objects=objects,
        objects_start=start,
        page_tables=slots[0],
        extra_boot_info=slots[1],
        sched_control=slots[2],
        image_frames=slots[3],
        untyped=slots[4],
        empty=Slots(bounds[-1], total),
        untypeds=tuple(untypeds),
        ipc_buffer=ipc_buffer,
        boot_info=boot_info,
    )


def _split(region: Region, *, device: bool) -> list[Untyped]:
    return split_untyped(region.start, region.end, device=device)

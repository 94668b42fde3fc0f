# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel tells the root task about the machine and its own slots (manual: BootInfo Frame)."""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import Array, array, inline, struct, u8, u64, word

MAX_UNTYPED_CAPS = 230

BOOT_INFO_FRAME_BITS = 12

# Where the extra boot information begins, in bytes from the BootInfo structure.
EXTRA_BOOT_INFO_OFFSET = 1 << BOOT_INFO_FRAME_BITS


@word(u64)
class BootInfoChunk(IntEnum):
    """What a chunk of the extra boot information holds."""

    PADDING = 0
    X86_VBE = 1
    X86_MEMORY_MAP = 2
    X86_ACPI_RSDP = 3
    X86_FRAMEBUFFER = 4
    X86_TSC_FREQUENCY = 5
    DEVICE_TREE = 6


@struct
class SlotRegion:
    """Slots of the root CNode from ``start`` up to, but not including, ``end``."""

    start: u64
    end: u64


@struct
class UntypedDescription:
    """The untyped memory behind one slot: ``2**size_bits`` bytes at a physical address."""

    paddr: u64
    size_bits: u8
    is_device: u8
    padding: Array[u8] = array(6)


@struct(size=3864)
class BootInfo:
    """The structure at the start of the BootInfo frame. ``ipc_buffer`` is a virtual address."""

    extra_length: u64
    node_id: u64
    node_count: u64
    iopt_levels: u64
    ipc_buffer: u64
    empty: SlotRegion = inline()
    shared_frames: SlotRegion = inline()
    user_image_frames: SlotRegion = inline()
    user_image_paging: SlotRegion = inline()
    io_space_caps: SlotRegion = inline()
    extra_boot_info_pages: SlotRegion = inline()
    init_thread_cnode_size_bits: u64
    init_thread_domain: u64
    sched_control: SlotRegion = inline()
    untyped: SlotRegion = inline()
    untyped_list: Array[UntypedDescription] = array(MAX_UNTYPED_CAPS)


@struct
class BootInfoHeader:
    """The start of a chunk of extra boot information; ``length`` in bytes includes this header."""

    chunk: u64
    length: u64

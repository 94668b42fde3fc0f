# SPDX-License-Identifier: BSD-2-Clause
"""Sv39 address translation as a table: levels, entries, and the kernel's own windows.

(RISC-V privileged specification 1.12, chapter 4.4; the windows are the binary interface's kernel address map.)
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.lang import Packed, bits, compiled, packed, u64, wrapping_add, wrapping_sub

LEVELS = 3
PAGE_BITS = 12
INDEX_BITS = 9
ENTRIES = 1 << INDEX_BITS
ROOT_LEVEL = LEVELS - 1

# First address that user level cannot map; the last page below the hole stays free.
USER_TOP = 0x0000_003F_FFFF_F000

# Root table entries from here on are the kernel's and the same in every address space.
FIRST_KERNEL_ENTRY = 256
# Gigabytes of physical memory in the window that maps address 0 on.
WINDOW_ENTRIES = 254
IMAGE_ENTRY = 510
DEVICE_ENTRY = 511

# The kernel image's window: physical address + IMAGE_OFFSET.
IMAGE_OFFSET = 0xFFFF_FFFF_0000_0000
IMAGE_PHYSICAL_GIGABYTE = 0x8000_0000

# Pieces of 2 MiB that the kernel's device window maps, in order.
DEVICE_PIECES = (0x0200_0000, 0x0C00_0000, 0x0C20_0000, 0x0C40_0000)
DEVICE_WINDOW = tuple(enumerate(DEVICE_PIECES))
MEGA_PAGE_BITS = 21
GIGA_PAGE_BITS = 30

SATP_MODE_SV39 = 8 << 60
SATP_ASID_SHIFT = 44


@packed(u64)
class Entry(Packed):
    """A page table entry. Without read, write and execute it points to a table of the next level."""

    valid: bool = bits(0, 1)
    read: bool = bits(1, 1)
    write: bool = bits(2, 1)
    execute: bool = bits(3, 1)
    user: bool = bits(4, 1)
    everywhere: bool = bits(5, 1)
    accessed: bool = bits(6, 1)
    dirty: bool = bits(7, 1)
    address: u64 = bits(10, 44, shift=12)

    def is_table(self) -> bool:
        """Whether this leads to a table of the next level."""
        return self.valid and not self.read and not self.write and not self.execute


@compiled
def kernel_address(physical: u64) -> u64:
    """Where the kernel sees a physical address."""
    return wrapping_add(physical, configuration.physical_window)


@compiled
def physical_address(address: u64) -> u64:
    """The physical address of something in the kernel's window of physical memory."""
    return wrapping_sub(address, configuration.physical_window)


@compiled
def image_physical(address: u64) -> u64:
    """The physical address of something in the kernel's image."""
    return wrapping_sub(address, IMAGE_OFFSET)


@compiled
def level_bits(level: u64) -> u64:
    """The size in bits of what one entry of a table at this level covers: 12, 21, 30."""
    return PAGE_BITS + INDEX_BITS * level


@compiled
def index_at(address: u64, level: u64) -> u64:
    """Which entry of a table at this level translates an address."""
    return (address >> level_bits(level)) & (ENTRIES - 1)


@compiled
def leaf_entry(physical: u64, read: bool, write: bool, execute: bool) -> Entry:
    """An entry that maps user memory; invalid if nothing is allowed."""
    if not read and not write and not execute:
        return Entry()
    return Entry(
        valid=True,
        read=read,
        write=write,
        execute=execute,
        user=True,
        accessed=True,
        dirty=True,
        address=physical,
    )


@compiled
def kernel_leaf(physical: u64, execute: bool) -> Entry:
    """An entry that maps memory for the kernel, in all address spaces."""
    return Entry(
        valid=True, read=True, write=True, execute=execute, everywhere=True, accessed=True, dirty=True, address=physical
    )


@compiled
def table_entry(physical: u64) -> Entry:
    """An entry that leads to a table of the next level."""
    return Entry(valid=True, address=physical)


@compiled
def root_word(root_physical: u64, asid: u64) -> u64:
    """What selects an address space (satp)."""
    return SATP_MODE_SV39 | (asid << SATP_ASID_SHIFT) | (root_physical >> PAGE_BITS)

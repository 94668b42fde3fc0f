# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: physical memory while it is divided up (manual: System Bootstrapping; Physical Memory)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.objects import MAX_UNTYPED_BITS, MIN_UNTYPED_BITS
from tessera.kernel.boot_slots import next_slot, put, root_task
from tessera.kernel.capability import UntypedCap
from tessera.kernel.layout import WordView
from tessera.lang import (
    Array,
    array,
    at,
    compiled,
    count_leading_zeros,
    count_trailing_zeros,
    decreases,
    min,
    range,
    static,
    struct,
    u8,
    u64,
)

# The kernel, the device tree, the image and the root task's objects cut memory into five pieces at most.
MAX_PIECES = 8


@struct
class Piece:
    """Physical addresses from ``start`` up to, but not including, ``end``."""

    start: u64
    end: u64


@struct
class BootMemory:
    """Free memory in ascending order."""

    count: u64
    pieces: Array[Piece] = array(MAX_PIECES)


boot_memory: BootMemory = static(BootMemory)


@compiled
def add_piece(start: u64, end: u64) -> None:
    """Append a piece behind the others."""
    piece = boot_memory.pieces[boot_memory.count]
    piece.start = start
    piece.end = end
    boot_memory.count += 1


@compiled
def cut(start: u64, end: u64) -> None:
    """Take a range out of free memory; the piece it lies in may become two."""
    index = u64(0)
    # Bounded by the pieces of free memory; at boot alone.
    while index < boot_memory.count:
        decreases(boot_memory.count - index)
        piece = boot_memory.pieces[index]
        if piece.start < end and start < piece.end:
            if piece.start < start and end < piece.end:
                insert_behind(index, end, piece.end)
                piece.end = start
                index += 1
            elif piece.start < start:
                piece.end = start
            elif end < piece.end:
                piece.start = end
            else:
                piece.end = piece.start
        index += 1


@compiled
def insert_behind(index: u64, start: u64, end: u64) -> None:
    """Make room for a piece behind another."""
    last = boot_memory.count
    boot_memory.count = last + 1
    # Bounded by the pieces of free memory; at boot alone.
    for step in range(last - index - 1):
        to = boot_memory.pieces[last - step]
        source = boot_memory.pieces[last - step - 1]
        to.start = source.start
        to.end = source.end
    piece = boot_memory.pieces[index + 1]
    piece.start = start
    piece.end = end


@compiled
def place_root_objects(size: u64, alignment_bits: u64) -> u64:
    """Take the highest address at which ``size`` bytes fit, aligned; 0 if they fit nowhere."""
    # Bounded by the pieces of free memory; at boot alone.
    for step in range(boot_memory.count):
        piece = boot_memory.pieces[boot_memory.count - 1 - step]
        if piece.end >= size:
            start = ((piece.end - size) >> alignment_bits) << alignment_bits
            if piece.start <= start:
                cut(start, start + size)
                return start
    return u64(0)


@compiled
def clear(address: u64, size: u64) -> None:
    """Set whole words to zero; ``address`` is the kernel's, ``size`` in bytes."""
    # Bounded by the sizes of the objects that are made at boot; at boot alone.
    for i in range(size >> 3):
        at(WordView, address + (i << 3)).value = 0


@compiled
def hand_out(start: u64, end: u64, is_device: bool) -> None:
    """Make untyped capabilities for a range: naturally aligned pieces in ascending order. (manual: Untyped Memory.)"""
    info = root_task.info
    place = start
    # Bounded by the bits of an address, twice: pieces are as large as they can be; at boot alone.
    while place < end:
        decreases(end - place)
        size_bits = min(63 - count_leading_zeros(end - place), MAX_UNTYPED_BITS)
        if place != 0:
            size_bits = min(size_bits, count_trailing_zeros(place))
        number = root_task.next - info.untyped.start
        if size_bits >= MIN_UNTYPED_BITS and number < configuration.profile.max_bootinfo_untyped_caps:
            entry = info.untyped_list[number]
            entry.paddr = place
            entry.size_bits = u8(size_bits)
            entry.is_device = u8(is_device)
            put(next_slot(), UntypedCap(base=place, size_bits=size_bits, is_device=is_device))
        place += u64(1) << size_bits


@compiled
def hand_out_devices() -> None:
    """All addresses that are neither managed memory nor the kernel's own devices."""
    for start, end in configuration.device_gaps:
        hand_out(start, end, True)


@compiled
def hand_out_memory() -> None:
    """The memory that is still free."""
    # Bounded by the pieces of free memory; at boot alone.
    for index in range(boot_memory.count):
        piece = boot_memory.pieces[index]
        hand_out(piece.start, piece.end, False)

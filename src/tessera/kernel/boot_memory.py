# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: physical memory while it is divided up (manual: System Bootstrapping; Physical Memory)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.arch import paging
from tessera.kernel.layout import Granule
from tessera.kernel.memory_invariants import GRANULE_SIZE, is_granular
from tessera.lang import (
    Array,
    array,
    at_or_none,
    compiled,
    decreases,
    ensures,
    forall,
    ghost,
    implies,
    live,
    loop_invariant,
    modifies,
    old,
    range,
    requires,
    specification,
    static,
    struct,
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


@specification
def are_in_order() -> bool:
    """Whether the pieces are in memory, in ascending order and apart, and there is room for another one."""
    return boot_memory.count < MAX_PIECES and forall(
        u64,
        lambda i: (
            i >= boot_memory.count
            or (is_in_memory(i) and forall(u64, lambda j: j <= i or j >= boot_memory.count or is_before(i, j)))
        ),
    )


@specification
def is_in_memory(index: u64) -> bool:
    """Whether a piece is a range of memory, which may be empty."""
    piece = boot_memory.pieces[index]
    return configuration.memory_start <= piece.start <= piece.end <= configuration.memory_end


@specification
def is_before(index: u64, other: u64) -> bool:
    """Whether a piece ends before another one begins."""
    return boot_memory.pieces[index].end <= boot_memory.pieces[other].start


@specification
def has_nothing_of(index: u64, start: u64, end: u64) -> bool:
    """Whether a piece has no byte of a range."""
    piece = boot_memory.pieces[index]
    return piece.end <= start or end <= piece.start or piece.start == piece.end


@specification
def is_part_of(index: u64, start: u64, end: u64) -> bool:
    """Whether a piece lies in a range."""
    return start <= boot_memory.pieces[index].start and boot_memory.pieces[index].end <= end


@specification
def is_taken_out(start: u64, end: u64) -> bool:
    """Whether no piece has a byte of a range."""
    return forall(u64, lambda i: i >= boot_memory.count or has_nothing_of(i, start, end))


@specification
def is_taken_before(index: u64, start: u64, end: u64) -> bool:
    """Whether no piece before one has a byte of a range."""
    return forall(u64, lambda i: i >= index or i >= boot_memory.count or has_nothing_of(i, start, end))


@specification
def are_behind(index: u64, end: u64) -> bool:
    """Whether all pieces from one on are behind an address."""
    return forall(u64, lambda i: i < index or i >= boot_memory.count or end <= boot_memory.pieces[i].start)


@specification
def is_left_free(address: u64, image_start: u64, image_end: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """Whether a granule of memory is neither the kernel's nor the image's nor the device tree's."""
    after = address + GRANULE_SIZE
    return (
        address & (GRANULE_SIZE - 1) == 0
        and paging.kernel_address(kernel_end) <= address
        and after <= paging.kernel_address(configuration.memory_end)
        and (after <= paging.kernel_address(image_start) or paging.kernel_address(image_end) <= address)
        and (
            tree_bytes == 0
            or after <= paging.kernel_address(tree)
            or paging.kernel_address(tree) + tree_bytes <= address
        )
    )


@specification
def is_memory_free(image_start: u64, image_end: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """Whether no object is made of what the loader left free."""
    return forall(
        u64,
        lambda a: implies(
            is_left_free(a, image_start, image_end, tree, tree_bytes, kernel_end), live(at_or_none(Granule, a))
        ),
    )


@compiled
def add_piece(start: u64, end: u64) -> None:
    """Begin with one piece of memory."""
    requires(configuration.memory_start <= start and start <= end and end <= configuration.memory_end)
    modifies(boot_memory.count, Piece.start, Piece.end)
    ensures(lambda: boot_memory.count == 1 and are_in_order() and is_as_before(0, start, end))
    piece = boot_memory.pieces[0]
    piece.start = start
    piece.end = end
    boot_memory.count = 1


@compiled
def cut(start: u64, end: u64) -> None:
    """Take a range out of free memory; the piece it lies in may become two."""
    requires(start <= end and are_in_order() and boot_memory.count < MAX_PIECES - 1)
    modifies(boot_memory.count, Piece.start, Piece.end)
    ensures(lambda: are_in_order() and boot_memory.count <= old(boot_memory.count) + 1)
    ensures(lambda: is_taken_out(start, end))
    ensures(
        lambda: forall(
            u64,
            lambda i: (
                i >= boot_memory.count
                or (
                    i < old(boot_memory.count)
                    and is_part_of(i, old(boot_memory.pieces[i].start), old(boot_memory.pieces[i].end))
                )
                or (i > 0 and is_part_of(i, old(boot_memory.pieces[i - 1].start), old(boot_memory.pieces[i - 1].end)))
            ),
        )
    )
    index = u64(0)
    # Bounded by the pieces of free memory; at boot alone.
    while index < boot_memory.count:
        loop_invariant(are_in_order() and boot_memory.count <= old(boot_memory.count) + 1)
        loop_invariant(is_taken_before(index, start, end))
        loop_invariant(boot_memory.count == old(boot_memory.count) or are_behind(index, end))
        loop_invariant(
            forall(
                u64,
                lambda i: (
                    i >= boot_memory.count
                    or (
                        i < old(boot_memory.count)
                        and is_part_of(i, old(boot_memory.pieces[i].start), old(boot_memory.pieces[i].end))
                    )
                    or (
                        boot_memory.count != old(boot_memory.count)
                        and i > 0
                        and is_part_of(i, old(boot_memory.pieces[i - 1].start), old(boot_memory.pieces[i - 1].end))
                    )
                ),
            )
        )
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


@specification
def is_as_before(index: u64, start: u64, end: u64) -> bool:
    """Whether a piece is this range."""
    return boot_memory.pieces[index].start == start and boot_memory.pieces[index].end == end


@compiled
def insert_behind(index: u64, start: u64, end: u64) -> None:
    """Make room for a piece behind another."""
    requires(index < boot_memory.count and boot_memory.count < MAX_PIECES)
    modifies(boot_memory.count, Piece.start, Piece.end)
    ensures(lambda: boot_memory.count == old(boot_memory.count) + 1 and is_as_before(index + 1, start, end))
    ensures(
        lambda: forall(
            u64,
            lambda i: (
                i == index + 1
                or i >= boot_memory.count
                or (
                    is_as_before(i, old(boot_memory.pieces[i].start), old(boot_memory.pieces[i].end))
                    if i <= index
                    else is_as_before(i, old(boot_memory.pieces[i - 1].start), old(boot_memory.pieces[i - 1].end))
                )
            ),
        )
    )
    last = boot_memory.count
    boot_memory.count = last + 1
    # Bounded by the pieces of free memory; at boot alone.
    for step in range(last - index - 1):
        modifies(Piece.start, Piece.end)
        loop_invariant(
            forall(
                u64,
                lambda i: (
                    i > last
                    or (
                        is_as_before(i, old(boot_memory.pieces[i].start), old(boot_memory.pieces[i].end))
                        if i <= last - step  # noqa: B023
                        else is_as_before(i, old(boot_memory.pieces[i - 1].start), old(boot_memory.pieces[i - 1].end))
                    )
                ),
            )
        )
        to = boot_memory.pieces[last - step]
        source = boot_memory.pieces[last - step - 1]
        to.start = source.start
        to.end = source.end
    piece = boot_memory.pieces[index + 1]
    piece.start = start
    piece.end = end


@specification
def is_granular_piece(index: u64) -> bool:
    """Whether no object is made of a piece of memory, as far as the prover knows objects."""
    start = paging.kernel_address(boot_memory.pieces[index].start)
    size = boot_memory.pieces[index].end - boot_memory.pieces[index].start
    return forall(
        u64,
        lambda a: implies(
            start <= a and a - start + GRANULE_SIZE <= size and a & (GRANULE_SIZE - 1) == 0,
            live(at_or_none(Granule, a)),
        ),
    )


@specification
def are_granular() -> bool:
    """Whether no object is made of free memory."""
    return forall(u64, lambda i: i >= boot_memory.count or is_granular_piece(i))


@specification
def is_free_place(start: u64, size: u64) -> bool:
    """Whether a range lies in memory, and no object is made of it."""
    return (
        configuration.memory_start <= start
        and start + size <= configuration.memory_end
        and is_granular(paging.kernel_address(start), size)
    )


@specification
def has_no_place(index: u64, size: u64, alignment_bits: u64) -> bool:
    """Whether so many bytes do not fit into a piece, aligned."""
    piece = boot_memory.pieces[index]
    return piece.end < size or ((piece.end - size) >> alignment_bits) << alignment_bits < piece.start


@specification
def is_no_place(size: u64, alignment_bits: u64) -> bool:
    """Whether so many bytes fit into no piece."""
    return forall(u64, lambda i: i >= boot_memory.count or has_no_place(i, size, alignment_bits))


@compiled
def place_root_objects(size: u64, alignment_bits: u64) -> u64:
    """Take the highest address at which ``size`` bytes fit, aligned; 0 if they fit nowhere."""
    requires(size <= configuration.memory_end and size & (GRANULE_SIZE - 1) == 0)
    requires(4 <= alignment_bits and alignment_bits < 38 and are_in_order() and boot_memory.count < MAX_PIECES - 1)
    requires(are_granular())
    modifies(boot_memory.count, Piece.start, Piece.end)
    ensures(lambda: are_in_order())
    ensures(lambda: are_granular())
    ensures(lambda result: result & ((u64(1) << alignment_bits) - 1) == 0)
    ensures(lambda result: result == 0 or is_free_place(result, size))
    ensures(lambda result: is_no_place(size, alignment_bits) if result == 0 else is_taken_out(result, result + size))
    found = u64(0)
    # Bounded by the pieces of free memory; at boot alone.
    for step in range(boot_memory.count):
        loop_invariant(found & ((u64(1) << alignment_bits) - 1) == 0)
        loop_invariant(found == 0 or is_free_place(found, size))
        loop_invariant(
            found != 0
            or forall(
                u64,
                lambda i: (
                    i >= boot_memory.count
                    or i < boot_memory.count - step  # noqa: B023
                    or has_no_place(i, size, alignment_bits)
                ),
            )
        )
        piece = boot_memory.pieces[boot_memory.count - 1 - step]
        if found == 0 and piece.end >= size:
            start = ((piece.end - size) >> alignment_bits) << alignment_bits
            if piece.start <= start:
                with ghost:
                    assert is_granular_piece(boot_memory.count - 1 - step)
                    assert start & ((u64(1) << alignment_bits) - 1) == 0 and start + size <= piece.end
                    assert start & (GRANULE_SIZE - 1) == 0
                found = start
    if found != 0:
        cut(found, found + size)
        with ghost:
            assert forall(u64, lambda i: i >= boot_memory.count or is_granular_piece(i))
    return found

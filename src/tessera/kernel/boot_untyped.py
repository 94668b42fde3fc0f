# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: untyped memory for the root task (manual: System Bootstrapping; Untyped Memory)."""

from __future__ import annotations

from tessera.abi.bootinfo import UntypedDescription
from tessera.abi.configuration import configuration
from tessera.abi.objects import MAX_UNTYPED_BITS, MIN_UNTYPED_BITS
from tessera.arch import paging
from tessera.kernel.boot_memory import are_granular, are_in_order, boot_memory, is_granular_piece, is_in_memory
from tessera.kernel.boot_slots import (
    has_none_from,
    is_being_filled,
    is_list,
    is_new_slot,
    is_nobodys,
    is_same_slot,
    next_slot,
    put,
    root_slot,
    root_slots,
    root_task,
)
from tessera.kernel.capability import UntypedCap
from tessera.kernel.layout import Granule, Slot
from tessera.kernel.memory_invariants import GRANULE_SIZE
from tessera.kernel.object_invariants import PHYSICAL_SIZE, WINDOW_SIZE
from tessera.lang import (
    address_of,
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
    trigger,
    u8,
    u64,
)


@specification
def is_twice_there(start: u64, end: u64, size: u64) -> bool:
    """Whether a piece of twice a size could begin at the start of a range."""
    return start & (size + size - 1) == 0 and size + size <= end - start


@compiled
def piece_bits(start: u64, end: u64) -> u64:
    """The size of the largest untyped that begins at the start of a range, naturally aligned, and lies in it."""
    requires(start < end and end <= PHYSICAL_SIZE)
    ensures(lambda result: result <= MAX_UNTYPED_BITS and start & ((u64(1) << result) - 1) == 0)
    ensures(lambda result: u64(1) << result <= end - start)
    ensures(lambda result: result == MAX_UNTYPED_BITS or not is_twice_there(start, end, u64(1) << result))
    size_bits = u64(0)
    size = u64(1)
    # Bounded by the bits of an address; at boot alone.
    while size_bits < MAX_UNTYPED_BITS and start & (size + size - 1) == 0 and size + size <= end - start:
        loop_invariant(size_bits <= MAX_UNTYPED_BITS and size == u64(1) << size_bits)
        loop_invariant(start & (size - 1) == 0 and size <= end - start)
        decreases(MAX_UNTYPED_BITS - size_bits)
        size += size
        size_bits += 1
    return size_bits


@specification
def are_granules(start: u64, end: u64) -> bool:
    """Whether no object is made of a range of physical addresses, as far as the prover knows objects."""
    first = paging.kernel_address(start)
    return forall(
        u64,
        lambda a: implies(
            first <= a and a - first + GRANULE_SIZE <= end - start and a & (GRANULE_SIZE - 1) == 0,
            live(at_or_none(Granule, a)),
        ),
    )


@specification
def has_room_for_untypeds() -> bool:
    """Whether the root CNode and the list have room for all untyped memory that is told of."""
    info = root_task.info
    if not live(info) or not live(info.untyped) or not is_list(address_of(info.untyped_list[0])):
        return False
    first = info.untyped.start
    limit = u64(configuration.profile.max_bootinfo_untyped_caps)
    if first > root_task.next or root_task.next - first > limit or first + limit > root_slots():
        return False
    return forall(u64, lambda i: i >= root_task.next - first or is_told_of(i))


@specification
def is_told_of(number: u64) -> bool:
    """Whether a description in the list is that of the untyped memory in its slot."""
    told = root_task.info.untyped_list[number]
    cap = root_slot(root_task.info.untyped.start + number).capability
    if not isinstance(cap, UntypedCap):
        return False
    return told.paddr == cap.base and told.size_bits == u8(cap.size_bits) and told.is_device == u8(cap.is_device)


@specification
def is_new_untyped(slot: Slot, first: u64, start: u64, end: u64, is_device: bool) -> bool:
    """Whether a slot is one of the root CNode from a place on, with untyped memory of a range."""
    cap = slot.capability
    return is_new_slot(slot, first, start, end) and isinstance(cap, UntypedCap) and cap.is_device == is_device


@compiled
def hand_out(start: u64, end: u64, is_device: bool) -> None:
    """Make untyped capabilities for a range: naturally aligned pieces in ascending order. (manual: Untyped Memory.)"""
    requires(start <= end and end <= (PHYSICAL_SIZE if is_device else WINDOW_SIZE))
    requires(is_being_filled() and has_room_for_untypeds())
    requires(is_nobodys(start, end) and (is_device or are_granules(start, end)))
    modifies(Slot, root_task.next, UntypedDescription)
    ensures(lambda: is_being_filled() and has_room_for_untypeds() and old(root_task.next) <= root_task.next)
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or is_new_untyped(s, old(root_task.next), start, end, is_device)
            ),
        )
    )
    info = root_task.info
    place = start
    # Bounded by the bits of an address, twice: pieces are as large as they can be; at boot alone.
    while place < end:
        loop_invariant(start <= place and place <= end)
        loop_invariant(is_being_filled() and has_room_for_untypeds() and old(root_task.next) <= root_task.next)
        loop_invariant(is_nobodys(place, end))
        loop_invariant(
            forall(
                Slot,
                lambda s: (
                    is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                    or is_new_untyped(s, old(root_task.next), start, place, is_device)  # noqa: B023
                ),
            )
        )
        decreases(end - place)
        size_bits = piece_bits(place, end)
        number = root_task.next - info.untyped.start
        if size_bits >= MIN_UNTYPED_BITS and number < configuration.profile.max_bootinfo_untyped_caps:
            entry = info.untyped_list[number]
            entry.paddr = place
            entry.size_bits = u8(size_bits)
            entry.is_device = u8(is_device)
            put(next_slot(), UntypedCap(base=place, size_bits=size_bits, is_device=is_device))
        place += u64(1) << size_bits


@specification
def are_gaps_nobodys() -> bool:
    """Whether no capability is to any of the devices' memory."""
    for start, end in configuration.device_gaps:
        if not is_nobodys(start, end):
            return False
    return True


@compiled
def hand_out_devices() -> None:
    """All addresses that are neither managed memory nor the kernel's own devices."""
    requires(is_being_filled() and has_room_for_untypeds() and are_gaps_nobodys())
    modifies(Slot, root_task.next, UntypedDescription)
    ensures(lambda: is_being_filled() and has_room_for_untypeds() and old(root_task.next) <= root_task.next)
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or is_new_untyped(s, old(root_task.next), configuration.memory_end, PHYSICAL_SIZE, True)
                or is_new_untyped(s, old(root_task.next), 0, configuration.memory_start, True)
            ),
        )
    )
    for start, end in configuration.device_gaps:
        hand_out(start, end, True)


@specification
def are_nobodys_from(index: u64) -> bool:
    """Whether no capability is to any of the pieces of memory from one on."""
    return forall(Slot, lambda slot: is_apart_from(slot, index))


@specification
def is_apart_from(slot: Slot, index: u64) -> bool:
    """Whether a slot's object has no byte of a piece of memory from one on."""
    trigger(slot.object_start)
    return forall(u64, lambda i: i < index or i >= boot_memory.count or has_no_byte_of(slot, i))


@specification
def has_no_byte_of(slot: Slot, index: u64) -> bool:
    """Whether a slot's object has no byte of a piece of memory."""
    trigger(boot_memory.pieces[index].start)
    return has_none_from(slot, boot_memory.pieces[index].start, boot_memory.pieces[index].end)


@compiled
def hand_out_memory() -> None:
    """The memory that is still free."""
    requires(is_being_filled() and has_room_for_untypeds() and are_in_order() and are_granular())
    requires(are_nobodys_from(0))
    modifies(Slot, root_task.next, UntypedDescription)
    ensures(lambda: is_being_filled() and has_room_for_untypeds() and old(root_task.next) <= root_task.next)
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or is_new_untyped(s, old(root_task.next), configuration.memory_start, configuration.memory_end, False)
            ),
        )
    )
    # Bounded by the pieces of free memory; at boot alone.
    for index in range(boot_memory.count):
        loop_invariant(is_being_filled() and has_room_for_untypeds() and old(root_task.next) <= root_task.next)
        loop_invariant(are_nobodys_from(index))
        loop_invariant(
            forall(
                Slot,
                lambda s: (
                    is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                    or is_new_untyped(
                        s, old(root_task.next), configuration.memory_start, configuration.memory_end, False
                    )
                ),
            )
        )
        piece = boot_memory.pieces[index]
        with ghost:
            assert is_granular_piece(index) and is_in_memory(index)
        hand_out(piece.start, piece.end, False)

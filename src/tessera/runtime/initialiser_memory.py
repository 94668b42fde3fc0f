# SPDX-License-Identifier: BSD-2-Clause
"""Where objects come from: the kernel's untyped memory, used in the order that system/allocate.py declares."""

from __future__ import annotations

from tessera.abi.bootinfo import MAX_UNTYPED_CAPS, BootInfo
from tessera.abi.capabilities import InitialSlot
from tessera.abi.errors import Error
from tessera.abi.objects import MAX_UNTYPED_BITS, MIN_UNTYPED_BITS, WORD_BITS, ObjectType
from tessera.lang import (
    Array,
    array,
    compiled,
    count_leading_zeros,
    count_trailing_zeros,
    min,
    range,
    static,
    struct,
    u64,
)
from tessera.runtime.memory import untyped_retype
from tessera.runtime.spec import ABSENT, ObjectEntry

# What is left below an object at a fixed address becomes untyped memory again: at most two pieces for each bit of an
# address. A description has room for about four objects that far apart.
MAX_POOLS = MAX_UNTYPED_CAPS + 282


@struct
class Pool:
    """Untyped memory of ``2**size_bits`` bytes at a physical address; what is below ``used_to`` is taken."""

    slot: u64
    address: u64
    size_bits: u64
    used_to: u64
    is_device: bool


@struct
class Pools:
    """The kernel's untypeds first, then the pieces that were cut off."""

    pool: Array[Pool] = array(MAX_POOLS)
    count: u64
    from_kernel: u64
    # The next empty slot of the initialiser's own CNode, and the first one behind the CNode.
    next_slot: u64
    end_slot: u64


pools: Pools = static(Pools)


@compiled
def round_up(value: u64, size_bits: u64) -> u64:
    """The least multiple of ``2**size_bits`` that is not below ``value``."""
    return ((value + (u64(1) << size_bits) - 1) >> size_bits) << size_bits


@compiled
def take_over(info: BootInfo) -> None:
    """Take the untypeds and the empty slots that the kernel tells of."""
    pools.next_slot = info.empty.start
    pools.end_slot = info.empty.end
    pools.count = 0
    for i in range(info.untyped.end - info.untyped.start):
        add_pool(
            info.untyped.start + i,
            info.untyped_list[i].paddr,
            u64(info.untyped_list[i].size_bits),
            info.untyped_list[i].is_device != 0,
        )
    pools.from_kernel = pools.count


@compiled
def add_pool(slot: u64, address: u64, size_bits: u64, is_device: bool) -> bool:
    """Remember untyped memory; false if the table is full."""
    if pools.count >= MAX_POOLS:
        return False
    pool = pools.pool[pools.count]
    pool.slot = slot
    pool.address = address
    pool.size_bits = size_bits
    pool.used_to = address
    pool.is_device = is_device
    pools.count += 1
    return True


@compiled
def take_slot() -> u64:
    """An empty slot; 0 if there is none left."""
    if pools.next_slot >= pools.end_slot:
        return u64(0)
    pools.next_slot += 1
    return pools.next_slot - 1


@compiled
def has_room(pool: Pool, size_bits: u64) -> bool:
    """Whether an object of this size fits into what is left."""
    if pool.is_device or size_bits > pool.size_bits:
        return False
    end = pool.address + (u64(1) << pool.size_bits)
    start = round_up(pool.used_to, size_bits)
    return start <= end and end - start >= u64(1) << size_bits


@compiled
def find_room(size_bits: u64) -> u64:
    """The number of the untyped that an object is made from, ABSENT if none has room; pieces cut off come first."""
    for i in range(pools.from_kernel, pools.count):
        if has_room(pools.pool[i], size_bits):
            return i
    for i in range(pools.from_kernel):
        if has_room(pools.pool[i], size_bits):
            return i
    return u64(ABSENT)


@compiled
def find_address(address: u64, size_bits: u64) -> u64:
    """The number of the untyped that still has this range of physical addresses, ABSENT if none has."""
    size = u64(1) << size_bits
    for i in range(pools.count):
        pool = pools.pool[i]
        end = pool.address + (u64(1) << pool.size_bits)
        if pool.used_to <= address and address < end and end - address >= size:
            return i
    return u64(ABSENT)


@compiled
def cut_off(pool: Pool, address: u64) -> Error:
    """Make untypeds of what lies between the used part and an address, as large as alignment allows."""
    # Each piece ends at a multiple of a greater power of two, or is the half of what is left: 64 up, 64 down.
    for _piece in range(2 * WORD_BITS):
        if pool.used_to == address:
            return Error.NO_ERROR
        fitting = 63 - count_leading_zeros(address - pool.used_to)
        size_bits = min(min(count_trailing_zeros(pool.used_to), fitting), MAX_UNTYPED_BITS)
        if size_bits < MIN_UNTYPED_BITS:
            return Error.ALIGNMENT_ERROR
        slot = take_slot()
        if slot == 0:
            return Error.NOT_ENOUGH_MEMORY
        error = retype(pool.slot, ObjectType.UNTYPED, size_bits, slot)
        if error != Error.NO_ERROR:
            return error
        if not add_pool(slot, pool.used_to, size_bits, pool.is_device):
            return Error.NOT_ENOUGH_MEMORY
        pool.used_to += u64(1) << size_bits
    return Error.NO_ERROR


@compiled
def retype(untyped: u64, kind: u64, size_bits: u64, slot: u64) -> Error:
    """Make one object and put its capability into a slot of the initialiser's own CNode."""
    return untyped_retype(untyped, kind, size_bits, u64(InitialSlot.CNODE), 0, 0, slot, 1)


@compiled
def create(entry: ObjectEntry, slot: u64) -> Error:
    """Make an object that takes memory."""
    if entry.address == ABSENT:
        number = find_room(entry.memory_bits)
        if number == ABSENT:
            return Error.NOT_ENOUGH_MEMORY
        pool = pools.pool[number]
        pool.used_to = round_up(pool.used_to, entry.memory_bits)
    else:
        number = find_address(entry.address, entry.memory_bits)
        if number == ABSENT:
            return Error.NOT_ENOUGH_MEMORY
        pool = pools.pool[number]
        error = cut_off(pool, entry.address)
        if error != Error.NO_ERROR:
            return error
    error = retype(pool.slot, entry.kind, entry.retype_bits, slot)
    if error == Error.NO_ERROR:
        pool.used_to += u64(1) << entry.memory_bits
    return error

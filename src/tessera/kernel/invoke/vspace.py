# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of tables, frames and identifiers (manual: Address Spaces and Virtual Memory; RISC-V API reference)."""

from __future__ import annotations

from tessera.abi.capabilities import EXECUTE_NEVER
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import CapRights
from tessera.abi.objects import ASID_POOL_BITS, PAGE_TABLE_BITS
from tessera.arch import machine, paging
from tessera.kernel import cspace, derivation, message, untyped, vspace
from tessera.kernel.capability import AsidPoolCap, Capability, FrameCap, NullCap, PageTableCap, UntypedCap
from tessera.kernel.derivation_order import has_nothing_below, is_the_last, is_unused
from tessera.kernel.invoke.vspace_promises import (
    has_no_copy,
    has_none_free,
    is_assigned,
    is_assignment_refused,
    is_below,
    is_clear,
    is_entry_of,
    is_first_word,
    is_for_tables,
    is_frame_answer,
    is_free,
    is_led,
    is_map_refused,
    is_mapping,
    is_named,
    is_only_one,
    is_out,
    is_pool,
    is_root,
    is_space_refused,
    is_table_mapped,
    is_table_refused,
    is_table_unmapped,
    is_unmapped,
    tells_of_use,
)
from tessera.kernel.layout import ASID_POOL_INDEX_BITS, ASIDS_PER_POOL, AsidPool, Granule, IpcBuffer, PageTable, Slot
from tessera.kernel.memory_invariants import has_none_of, is_taken, memory_is_described
from tessera.kernel.request import (
    Status,
    fail,
    failed_lookup,
    invalid_argument,
    invalid_capability,
    is_illegal,
    lookup_invalid_root,
    lookup_missing_capability,
    request,
    request_is_good,
)
from tessera.kernel.state import ASID_POOLS, kernel
from tessera.kernel.vspace_invariants import is_above
from tessera.lang import (
    address_of,
    at,
    begin_lives,
    compiled,
    ensures,
    forall,
    from_word,
    ghost,
    integer,
    loop_invariant,
    modifies,
    old,
    range,
    record,
    requires,
    u64,
)

POOL_SIZE = 1 << ASID_POOL_BITS


@record
class Space:
    """The address space named by an invocation: its root, or why there is none."""

    status: Status
    cap: Capability


@compiled
def named_space() -> Space:
    """The address space that the first extra capability names. Errors say what is wrong with it."""
    requires(request_is_good())
    modifies(request.error, request.error_words, request.failure)
    ensures(lambda result: is_named(result.cap) if result.status == Status.OK else result.status == Status.ERROR)
    ensures(lambda result: result.status == Status.OK or (not is_named(result.cap) and is_space_refused()))
    slot = request.extra[0]
    if slot is None:
        return Space(fail(Error.TRUNCATED_MESSAGE), NullCap())
    cap = slot.capability
    if not isinstance(cap, PageTableCap):
        return Space(invalid_capability(1), NullCap())
    if not cap.is_mapped:
        return Space(invalid_capability(1), NullCap())
    root = vspace.space_of(cap.asid)
    if root is None:
        lookup_invalid_root()
        return Space(failed_lookup(False), NullCap())
    if root is not cap.table:
        return Space(invalid_capability(1), NullCap())
    return Space(Status.OK, cap)


@compiled
def decode_page_table(label: u64, length: u64, slot: Slot, cap: PageTableCap) -> Status:
    """PageTable Map and Unmap."""
    requires(request_is_good() and slot.capability == cap)
    ensures(lambda result: result != Status.PREEMPTED)
    ensures(lambda result: is_for_tables(label) or is_illegal(result))
    match label:
        case InvocationLabel.RISCV_PAGE_TABLE_MAP:
            return map_page_table(length, slot, cap)
        case InvocationLabel.RISCV_PAGE_TABLE_UNMAP:
            return unmap_page_table(slot, cap)
        case _:
            return fail(Error.ILLEGAL_OPERATION)


@compiled
def map_page_table(length: u64, slot: Slot, cap: PageTableCap) -> Status:
    """Put a table into the deepest table that has a free entry for the address."""
    requires(request_is_good() and slot.capability == cap)
    modifies(request.error, request.error_words, request.failure, slot.capability, PageTable)
    ensures(lambda result: result != Status.PREEMPTED)
    ensures(lambda result: is_table_mapped(slot.capability, cap) if result == Status.OK else slot.capability == cap)
    ensures(lambda result: result == Status.OK or is_table_refused(cap, length))
    ensures(lambda: forall(PageTable, lambda t: forall(u64, lambda i: is_led(old(t.entries[i]), t.entries[i], cap))))
    if length < 2 or request.extra[0] is None:
        return fail(Error.TRUNCATED_MESSAGE)
    if cap.is_mapped:
        return invalid_capability(0)
    address = message.argument(0)
    space = named_space()
    if space.status != Status.OK:
        return space.status
    if address >= paging.USER_TOP:
        return invalid_argument(0)
    root = space.cap
    if not isinstance(root, PageTableCap):
        return invalid_capability(1)
    place = vspace.walk(root.table, address)
    if place.level == 0 or vspace.read_entry(place).valid:
        return fail(Error.DELETE_FIRST)
    covered = paging.level_bits(place.level)
    start = (address >> covered) << covered
    slot.capability = cap.replace(is_mapped=True, asid=root.asid, mapped_address=start)
    with ghost:
        assert has_no_copy(slot)
        assert is_only_one(slot, cap.table)
        assert paging.physical_address(address_of(cap.table)) & (1 << PAGE_TABLE_BITS) - 1 == 0
        assert start >> covered == address >> covered
        assert is_below(place, address) and is_below(place, start)
        cap.table.rank = place.table.rank + 1
        cap.table.space = place.table.space
        cap.table.life = place.table.life
        cap.table.pool_number = place.table.pool_number
        cap.table.place = place.table.place
        cap.table.start = start
        assert forall(Slot, lambda other: tells_of_use(other))
        assert is_above(place.table, place.index, cap.table)
    vspace.write_entry(place, paging.table_entry(paging.physical_address(address_of(cap.table))))
    machine.flush_space(root.asid)
    return Status.OK


@compiled
def unmap_page_table(slot: Slot, cap: PageTableCap) -> Status:
    """Take a table out of its address space and clear it. A root in use, or a copied capability, stays."""
    requires(slot.capability == cap)
    modifies(request.error, slot.capability, PageTable)
    ensures(lambda result: is_table_unmapped(slot.capability, cap) if result == Status.OK else slot.capability == cap)
    ensures(lambda result: result == Status.OK or (result == Status.ERROR and request.error == Error.REVOKE_FIRST))
    ensures(lambda result: result == Status.OK or is_root(cap) or not old(is_the_last(slot)))
    ensures(lambda: forall(PageTable, lambda t: forall(u64, lambda i: is_out(t, old(t.entries[i]), t.entries[i], cap))))
    if not derivation.is_final(slot):
        return fail(Error.REVOKE_FIRST)
    if cap.is_mapped:
        if vspace.space_of(cap.asid) is cap.table:
            return fail(Error.REVOKE_FIRST)
        with ghost:
            assert is_only_one(slot, cap.table)
        vspace.unmap_page_table(cap)
        for index in range(paging.ENTRIES):
            modifies(cap.table.entries)
            loop_invariant(is_clear(cap.table, index))
            cap.table.entries[index] = 0
        with ghost:
            cap.table.rank = 0
    slot.capability = cap.replace(is_mapped=False, asid=0, mapped_address=0)
    return Status.OK


@compiled
def decode_frame(label: u64, length: u64, slot: Slot, cap: FrameCap) -> Status:
    """Page Map, Unmap and GetAddress."""
    requires(request_is_good() and slot.capability == cap)
    ensures(lambda result: result != Status.PREEMPTED)
    modifies(request, slot.capability, PageTable.entries, kernel.current.registers, IpcBuffer.message)
    ensures(lambda: label != InvocationLabel.RISCV_PAGE_UNMAP or cap.asid == 0 or is_unmapped(slot.capability, cap))
    ensures(lambda result: label == InvocationLabel.RISCV_PAGE_MAP or is_frame_answer(result, label))
    ensures(lambda: label != InvocationLabel.RISCV_PAGE_GET_ADDRESS or not request.is_call or is_first_word(cap.base))
    match label:
        case InvocationLabel.RISCV_PAGE_MAP:
            return map_frame(length, slot, cap)
        case InvocationLabel.RISCV_PAGE_UNMAP:
            if cap.asid != 0:
                vspace.unmap_frame(cap)
                slot.capability = cap.replace(asid=0, mapped_address=0)
            return Status.OK
        case InvocationLabel.RISCV_PAGE_GET_ADDRESS:
            if request.is_call:
                message.set_reply_word(0, cap.base)
            return Status.OK
        case _:
            return fail(Error.ILLEGAL_OPERATION)


@compiled
def map_frame(length: u64, slot: Slot, cap: FrameCap) -> Status:
    """Map a frame, or change the rights of its mapping where it is mapped already."""
    requires(request_is_good() and slot.capability == cap)
    modifies(request.error, request.error_words, request.failure, request.failure_words)
    modifies(slot.capability, PageTable.entries)
    ensures(lambda result: is_mapping(slot.capability, cap) if result == Status.OK else slot.capability == cap)
    ensures(lambda result: result == Status.OK or (result == Status.ERROR and is_map_refused(cap, length)))
    ensures(lambda result: result == Status.ERROR or cap.asid == 0 or cap.mapped_address == message.argument(0))
    ensures(
        lambda result: forall(
            PageTable,
            lambda t: forall(
                u64,
                lambda i: (
                    t.entries[i] == old(t.entries[i]) or (result == Status.OK and is_entry_of(t, i, slot.capability))
                ),
            ),
        )
    )
    if length < 3:
        return fail(Error.TRUNCATED_MESSAGE)
    if request.extra[0] is None:
        return fail(Error.TRUNCATED_MESSAGE)
    address = message.argument(0)
    rights = from_word(CapRights, message.argument(1))
    execute = (message.argument(2) & EXECUTE_NEVER) == 0
    space = named_space()
    if space.status != Status.OK:
        return space.status
    root = space.cap
    if not isinstance(root, PageTableCap):
        return invalid_capability(1)
    size_bits = vspace.frame_size_bits(cap.size)
    if cap.asid != 0:
        if cap.asid != root.asid:
            return invalid_capability(1)
        if cap.mapped_address != address:
            return invalid_argument(0)
    elif address >= paging.USER_TOP or paging.USER_TOP - address < (u64(1) << size_bits):
        return invalid_argument(0)
    if address & ((u64(1) << size_bits) - 1) != 0:
        return fail(Error.ALIGNMENT_ERROR)
    place = vspace.walk(root.table, address)
    if place.level != u64(cap.size):
        lookup_missing_capability(paging.level_bits(place.level))
        return failed_lookup(False)
    if cap.asid == 0 and vspace.read_entry(place).valid:
        return fail(Error.DELETE_FIRST)

    readable = cap.can_read and rights.read
    writable = readable and cap.can_write and rights.write
    slot.capability = cap.replace(asid=root.asid, mapped_address=address)
    vspace.write_entry(place, paging.leaf_entry(cap.base, readable, writable, execute))
    machine.flush_page(address, root.asid)
    return Status.OK


@compiled
def decode_asid_control(label: u64, length: u64) -> Status:
    """ASIDControl MakePool: an untyped page becomes a pool of identifiers."""
    requires(request_is_good())
    ensures(lambda result: result != Status.PREEMPTED)
    if label != InvocationLabel.RISCV_ASID_CONTROL_MAKE_POOL:
        return fail(Error.ILLEGAL_OPERATION)
    if length < 2:
        return fail(Error.TRUNCATED_MESSAGE)
    memory_slot = request.extra[0]
    root_slot = request.extra[1]
    if memory_slot is None or root_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    free = u64(ASID_POOLS)
    for index in range(ASID_POOLS):
        loop_invariant(free == ASID_POOLS or (free < ASID_POOLS and kernel.asid_table[free] is None))
        if free == ASID_POOLS and kernel.asid_table[index] is None:
            free = index
    if free == ASID_POOLS:
        return fail(Error.DELETE_FIRST)
    cap = memory_slot.capability
    if not isinstance(cap, UntypedCap):
        return invalid_capability(1)
    if cap.size_bits != ASID_POOL_BITS or cap.is_device:
        return invalid_capability(1)
    status = derivation.ensure_no_children(memory_slot)
    if status != Status.OK:
        return status
    found = cspace.lookup_target_slot(root_slot.capability, message.argument(0), message.argument(1), False)
    destination = found.slot
    if not found.ok or destination is None:
        return found.status
    status = derivation.ensure_empty(destination)
    if status != Status.OK:
        return status

    make_pool(memory_slot, cap, destination, free)
    return Status.OK


@compiled(inline="always")
def make_pool(slot: Slot, cap: UntypedCap, destination: Slot, number: u64) -> None:
    """All of an untyped becomes a pool of identifiers: nothing of it is left to be retyped."""
    requires(slot.capability == cap and cap.size_bits == ASID_POOL_BITS and not cap.is_device)
    requires(has_nothing_below(slot) and derivation.is_empty(destination))
    requires(number < ASID_POOLS and kernel.asid_table[number] is None)
    ensures(lambda: is_pool(destination.capability, cap, number))
    untyped.reset(slot, cap)
    address = paging.kernel_address(cap.base)
    untyped.clear(address, ASID_POOL_BITS)
    with ghost:
        # Says nothing new, but names what invariants of two slots are triggered by.
        assert slot.object_start <= slot.object_start + slot.object_size
        assert is_unused(integer(cap.base), integer(POOL_SIZE), slot)
    slot.capability = cap.replace(free_offset=POOL_SIZE)
    with ghost:
        assert forall(Slot, lambda other: memory_is_described(other))
        assert is_taken(cap.base, POOL_SIZE)
        assert forall(Slot, lambda other: has_none_of(other, cap.base, POOL_SIZE))
        assert forall(AsidPool, lambda pool: address_of(pool) != address)
        begin_lives(AsidPool, address, POOL_SIZE, Granule)
    pool = at(AsidPool, address)
    asid_base = number << ASID_POOL_INDEX_BITS
    derivation.insert_original(AsidPoolCap(pool=pool, asid_base=asid_base), slot, destination, False)
    vspace.new_pool(pool, asid_base)


@compiled
def decode_asid_pool(label: u64, cap: AsidPoolCap) -> Status:
    """ASIDPool Assign: a page table becomes the root of an address space."""
    requires(request_is_good())
    modifies(request.error, request.error_words, request.failure, Slot.capability, PageTable)
    modifies(cap.pool.spaces, kernel.lives)
    ensures(lambda result: result == Status.ERROR or (result == Status.OK and is_assigned(cap)))
    ensures(lambda result: result == Status.OK or is_assignment_refused(label, cap))
    if label != InvocationLabel.RISCV_ASID_POOL_ASSIGN:
        return fail(Error.ILLEGAL_OPERATION)
    slot = request.extra[0]
    if slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    root = slot.capability
    if not isinstance(root, PageTableCap):
        return invalid_capability(1)
    if root.is_mapped:
        return invalid_capability(1)
    if kernel.asid_table[cap.asid_base >> ASID_POOL_INDEX_BITS] is None:
        lookup_invalid_root()
        return failed_lookup(False)
    if kernel.asid_table[cap.asid_base >> ASID_POOL_INDEX_BITS] is not cap.pool:
        return invalid_capability(0)
    # Identifier 0 means none, so the first place of the first pool is never given out.
    free = u64(ASIDS_PER_POOL)
    for index in range(ASIDS_PER_POOL):
        loop_invariant(free == ASIDS_PER_POOL or is_free(cap, free))
        loop_invariant(free != ASIDS_PER_POOL or has_none_free(cap, index))
        if free == ASIDS_PER_POOL and cap.pool.spaces[index] is None and cap.asid_base + index != 0:
            free = index
    if free == ASIDS_PER_POOL:
        return fail(Error.DELETE_FIRST)

    with ghost:
        assert has_no_copy(slot)
        assert is_only_one(slot, root.table)
    slot.capability = root.replace(is_mapped=True, asid=cap.asid_base + free, mapped_address=0)
    with ghost:
        root.table.rank = 1
        root.table.pool_number = cap.asid_base >> ASID_POOL_INDEX_BITS
        root.table.place = free
        root.table.start = 0
        assert forall(Slot, lambda other: tells_of_use(other))
    vspace.map_kernel(root.table)
    with ghost:
        kernel.lives = kernel.lives + 1
        root.table.space = root.table
        root.table.life = kernel.lives
    cap.pool.spaces[free] = root.table
    return Status.OK

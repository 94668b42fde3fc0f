# SPDX-License-Identifier: BSD-2-Clause
"""Address Spaces: what mapping and unmapping a frame promises, for proofs (RISC-V API reference, seL4_RISCV_Page)."""

from __future__ import annotations

from tessera.abi.capabilities import EXECUTE_NEVER
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import CapRights
from tessera.arch import paging, registers
from tessera.kernel import message, vspace
from tessera.kernel.capability import AsidPoolCap, Capability, CapKind, FrameCap, NullCap, PageTableCap, UntypedCap
from tessera.kernel.layout import ASID_POOL_INDEX_BITS, ASIDS_PER_POOL, PageTable, Slot
from tessera.kernel.object_invariants import tells_place
from tessera.kernel.request import Status, request
from tessera.kernel.state import kernel
from tessera.kernel.vspace_invariants import entry_at, is_led_to_from_nowhere, table_at, table_below
from tessera.lang import address_of, forall, from_word, specification, trigger, u64


@specification
def is_named(cap: Capability) -> bool:
    """Whether a capability is the first extra one, and to the root of an address space in use."""
    slot = request.extra[0]
    if slot is None or slot.capability != cap or not isinstance(cap, PageTableCap):
        return False
    return cap.is_mapped and vspace.space_of(cap.asid) is cap.table


@specification
def is_space_refused() -> bool:
    """Whether the error that was told is what is wrong with the first extra capability."""
    slot = request.extra[0]
    if slot is None:
        return request.error == Error.TRUNCATED_MESSAGE
    cap = slot.capability
    if not isinstance(cap, PageTableCap) or not cap.is_mapped:
        return request.error == Error.INVALID_CAPABILITY and request.error_words[0] == 1
    root = vspace.space_of(cap.asid)
    if root is None:
        unknown = request.error == Error.FAILED_LOOKUP and request.failure == LookupFailure.INVALID_ROOT
        return unknown and request.error_words[0] == 0
    return root is not cap.table and request.error == Error.INVALID_CAPABILITY and request.error_words[0] == 1


@specification
def is_pool(new: Capability, memory: UntypedCap, number: u64) -> bool:
    """Whether a capability is to a pool of identifiers in use, which was made of an untyped."""
    if not isinstance(new, AsidPoolCap) or address_of(new.pool) != paging.kernel_address(memory.base):
        return False
    return new.asid_base == number << ASID_POOL_INDEX_BITS and kernel.asid_table[number] is new.pool


@specification
def is_unmapped(new: Capability, cap: FrameCap) -> bool:
    """Whether a capability, and with it its frame, is mapped no longer."""
    return new == cap.replace(asid=0, mapped_address=0) and not vspace.has_mapping(cap)


@specification
def is_frame_answer(result: Status, label: u64) -> bool:
    """Whether what is no request to map is done, or refused because there is no such operation."""
    if label in (InvocationLabel.RISCV_PAGE_UNMAP, InvocationLabel.RISCV_PAGE_GET_ADDRESS):
        return result == Status.OK
    return result == Status.ERROR and request.error == Error.ILLEGAL_OPERATION


@specification
def is_first_word(value: u64) -> bool:
    """Whether the answer to the request has this first word."""
    return kernel.current.registers[registers.FIRST_MESSAGE] == value


@specification
def is_entry_of(table: PageTable, index: u64, new: Capability) -> bool:
    """Whether an entry is the one that maps a frame where its capability says."""
    if not isinstance(new, FrameCap):
        return False
    root = vspace.space_of(new.asid)
    if root is None or table is not table_at(root, new.mapped_address, u64(new.size)):
        return False
    return index == paging.index_at(new.mapped_address, u64(new.size))


@specification
def is_leaf(entry: paging.Entry, cap: FrameCap) -> bool:
    """Whether an entry gives a user the frame, with the rights of both the capability and the request."""
    rights = from_word(CapRights, message.argument(1))
    execute = message.argument(2) & EXECUTE_NEVER == 0
    reads = cap.can_read and rights.read
    writes = reads and cap.can_write and rights.write
    if not reads and not execute:
        return not entry.valid
    same = entry.read == reads and entry.write == writes and entry.execute == execute
    return entry.valid and entry.user and same and entry.address == cap.base


@specification
def is_map_refused(cap: FrameCap, length: u64) -> bool:
    """Whether the error that was told is what is wrong with a request to map a frame."""
    address = message.argument(0)
    size = u64(1) << vspace.frame_size_bits(cap.size)
    slot = request.extra[0]
    match request.error:
        case Error.TRUNCATED_MESSAGE:
            return length < 3 or slot is None
        case Error.INVALID_CAPABILITY:
            return request.error_words[0] == 1 and (cap.asid != 0 or slot is None or not is_named(slot.capability))
        case Error.INVALID_ARGUMENT:
            is_outside = address >= paging.USER_TOP or paging.USER_TOP - address < size
            return request.error_words[0] == 0 and (is_outside if cap.asid == 0 else address != cap.mapped_address)
        case Error.ALIGNMENT_ERROR:
            return address & size - 1 != 0
        case Error.FAILED_LOOKUP:
            return request.error_words[0] == 0
        case Error.DELETE_FIRST:
            return cap.asid == 0
        case _:
            return False


@specification
def is_mapping(new: Capability, cap: FrameCap) -> bool:
    """Whether a frame is mapped into the space that was named, as its new capability says."""
    if not isinstance(new, FrameCap) or new != cap.replace(asid=new.asid, mapped_address=message.argument(0)):
        return False
    root = vspace.space_of(new.asid)
    slot = request.extra[0]
    if root is None or slot is None:
        return False
    named = slot.capability
    table = table_at(root, new.mapped_address, u64(new.size))
    if table is None or not isinstance(named, PageTableCap) or named.table is not root:
        return False
    return is_leaf(entry_at(table, paging.index_at(new.mapped_address, u64(new.size))), cap)


@specification
def is_other_table(other: Slot, slot: Slot) -> bool:
    """Whether a slot's capability is not to the page table of another's."""
    trigger(other.capability)
    return other is slot or other.capability.kind != CapKind.PAGE_TABLE or other.object_start != slot.object_start


@specification
def has_no_copy(slot: Slot) -> bool:
    """Whether no other capability is to a slot's page table, as the ghosts say."""
    return forall(Slot, lambda other: is_other_table(other, slot))


@specification
def is_to(other: Slot, table: PageTable) -> bool:
    """Whether a slot's capability is to a page table."""
    trigger(other.capability)
    cap = other.capability
    return isinstance(cap, PageTableCap) and cap.table is table


@specification
def is_only_one(slot: Slot, table: PageTable) -> bool:
    """Whether no capability but a slot's is to a page table."""
    return forall(Slot, lambda other: other is slot or not is_to(other, table))


@specification
def tells_of_use(slot: Slot) -> bool:
    """Whether a capability to a page table that is in use says so, and where."""
    trigger(slot.capability)
    cap = slot.capability
    return not isinstance(cap, PageTableCap) or tells_place(cap)


@specification
def is_for_tables(label: u64) -> bool:
    """Whether page tables have this operation."""
    return label in (InvocationLabel.RISCV_PAGE_TABLE_MAP, InvocationLabel.RISCV_PAGE_TABLE_UNMAP)


@specification
def is_below(place: vspace.Place, address: u64) -> bool:
    """Whether an address is among those that an entry translates, and its table."""
    upper = paging.index_at(address, paging.ROOT_LEVEL)
    if place.level != paging.ROOT_LEVEL and paging.index_at(place.table.start, paging.ROOT_LEVEL) != upper:
        return False
    return place.index == paging.index_at(address, place.level)


@specification
def is_led(before: u64, after: u64, cap: PageTableCap) -> bool:
    """Whether an entry is as it was, or was free and leads to a table now."""
    entry = from_word(paging.Entry, after)
    free = not from_word(paging.Entry, before).valid
    return after == before or (free and entry.is_table() and table_below(entry) is cap.table)


@specification
def is_table_mapped(new: Capability, cap: PageTableCap) -> bool:
    """Whether a table translates the address of the request in the space that was named, as its capability says."""
    address = message.argument(0)
    slot = request.extra[0]
    if slot is None or not isinstance(new, PageTableCap):
        return False
    root = vspace.space_of(new.asid)
    if root is None:
        return False
    level = u64(1) if table_at(root, address, 1) is cap.table else u64(0)
    start = (address >> paging.level_bits(level + 1)) << paging.level_bits(level + 1)
    if new != cap.replace(is_mapped=True, asid=new.asid, mapped_address=start):
        return False
    named = slot.capability
    return isinstance(named, PageTableCap) and named.table is root and table_at(root, address, level) is cap.table


@specification
def is_table_refused(cap: PageTableCap, length: u64) -> bool:
    """Whether the error that was told is what is wrong with a request to map a table."""
    slot = request.extra[0]
    match request.error:
        case Error.TRUNCATED_MESSAGE:
            return length < 2 or slot is None
        case Error.INVALID_CAPABILITY:
            if request.error_words[0] == 0:
                return cap.is_mapped
            return request.error_words[0] == 1 and (slot is None or not is_named(slot.capability))
        case Error.INVALID_ARGUMENT:
            return request.error_words[0] == 0 and message.argument(0) >= paging.USER_TOP
        case Error.FAILED_LOOKUP:
            return request.error_words[0] == 0 and (slot is None or not is_named(slot.capability))
        case Error.DELETE_FIRST:
            return slot is not None and is_named(slot.capability) and not cap.is_mapped
        case _:
            return False


@specification
def is_root(cap: PageTableCap) -> bool:
    """Whether a capability is to the root of an address space in use."""
    return cap.is_mapped and vspace.space_of(cap.asid) is cap.table


@specification
def is_clear(table: PageTable, end: u64) -> bool:
    """Whether the entries before one are free."""
    return forall(u64, lambda index: index >= end or table.entries[index] == 0)


@specification
def is_out(table: PageTable, before: u64, after: u64, cap: PageTableCap) -> bool:
    """Whether an entry is as it was, or led to a table, or is one of that table's."""
    return table is cap.table or vspace.is_cut(before, after, cap)


@specification
def is_table_unmapped(new: Capability, cap: PageTableCap) -> bool:
    """Whether a table is in no address space, as its capability says, and is clear if it was in one."""
    if new != cap.replace(is_mapped=False, asid=0, mapped_address=0):
        return False
    if cap.is_mapped and not is_clear(cap.table, paging.ENTRIES):
        return False
    return is_led_to_from_nowhere(cap.table)


@specification
def is_free(cap: AsidPoolCap, place: u64) -> bool:
    """Whether a place of a pool stands for no address space; identifier 0 means none."""
    return place < ASIDS_PER_POOL and cap.pool.spaces[place] is None and cap.asid_base + place != 0


@specification
def has_none_free(cap: AsidPoolCap, end: u64) -> bool:
    """Whether the places of a pool before one are all in use."""
    return forall(u64, lambda place: place >= end or not is_free(cap, place))


@specification
def is_assigned(cap: AsidPoolCap) -> bool:
    """Whether the first extra capability is to the root of an address space with an identifier of a pool."""
    slot = request.extra[0]
    if slot is None or not is_named(slot.capability):
        return False
    root = slot.capability
    return isinstance(root, PageTableCap) and root.mapped_address == 0 and root.asid - cap.asid_base < ASIDS_PER_POOL


@specification
def is_assignment_refused(label: u64, cap: AsidPoolCap) -> bool:
    """Whether the error that was told is what is wrong with a request to assign an identifier."""
    slot = request.extra[0]
    known = kernel.asid_table[cap.asid_base >> ASID_POOL_INDEX_BITS]
    match request.error:
        case Error.ILLEGAL_OPERATION:
            return label != InvocationLabel.RISCV_ASID_POOL_ASSIGN
        case Error.TRUNCATED_MESSAGE:
            return slot is None
        case Error.INVALID_CAPABILITY:
            if request.error_words[0] == 0:
                return known is not cap.pool
            root = NullCap() if slot is None else slot.capability
            return request.error_words[0] == 1 and (not isinstance(root, PageTableCap) or root.is_mapped)
        case Error.FAILED_LOOKUP:
            return request.error_words[0] == 0 and request.failure == LookupFailure.INVALID_ROOT and known is None
        case Error.DELETE_FIRST:
            return known is cap.pool and has_none_free(cap, ASIDS_PER_POOL)
        case _:
            return False

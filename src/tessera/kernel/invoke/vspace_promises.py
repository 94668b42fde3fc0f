# SPDX-License-Identifier: BSD-2-Clause
"""Address Spaces: what mapping and unmapping a frame promises, for proofs (RISC-V API reference, seL4_RISCV_Page)."""

from __future__ import annotations

from tessera.abi.capabilities import EXECUTE_NEVER
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import CapRights
from tessera.arch import paging, registers
from tessera.kernel import message, vspace
from tessera.kernel.capability import Capability, FrameCap, PageTableCap
from tessera.kernel.layout import PageTable
from tessera.kernel.request import Status, request
from tessera.kernel.state import kernel
from tessera.kernel.vspace_invariants import entry_at, table_at
from tessera.lang import from_word, specification, u64


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

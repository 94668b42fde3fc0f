# SPDX-License-Identifier: BSD-2-Clause
"""Memory Allocation Model: which objects there are, their sizes, and what making them needs (manual: Object Sizes)."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo, BootInfoHeader, UntypedDescription
from tessera.abi.objects import (
    ENDPOINT_BITS,
    GIGA_PAGE_BITS,
    MAX_UNTYPED_BITS,
    MEGA_PAGE_BITS,
    MIN_SCHED_CONTEXT_BITS,
    MIN_UNTYPED_BITS,
    NOTIFICATION_BITS,
    OBJECT_TYPE_COUNT,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    REPLY_BITS,
    SLOT_BITS,
    TCB_BITS,
    WORD_BITS,
    ObjectType,
)
from tessera.arch import paging
from tessera.kernel.capability import (
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.derivation import is_empty
from tessera.kernel.derivation_order import is_unused
from tessera.kernel.layout import (
    AsidPool,
    ByteView,
    Endpoint,
    IpcBuffer,
    Notification,
    PageTable,
    Refill,
    Reply,
    SchedContext,
    Slot,
    Tcb,
)
from tessera.kernel.memory_invariants import is_granular, is_zero
from tessera.kernel.object_invariants import LAST_ADDRESS, PHYSICAL_SIZE, SLOT_SIZE, WINDOW_SIZE
from tessera.lang import address_of, at_or_none, compiled, forall, integer, live, size_of, specification, u64


@compiled
def object_bits(kind: u64, user_size: u64) -> u64:
    """The memory that an object takes, as a power of two in bytes.

    ``kind`` is one of abi.objects.ObjectType; ``user_size``, below 64, counts for those whose size the user chooses.
    """
    match kind:
        case ObjectType.TCB:
            return u64(TCB_BITS)
        case ObjectType.ENDPOINT:
            return u64(ENDPOINT_BITS)
        case ObjectType.NOTIFICATION:
            return u64(NOTIFICATION_BITS)
        case ObjectType.REPLY:
            return u64(REPLY_BITS)
        case ObjectType.CAP_TABLE:
            return user_size + SLOT_BITS
        case ObjectType.PAGE:
            return u64(PAGE_BITS)
        case ObjectType.MEGA_PAGE:
            return u64(MEGA_PAGE_BITS)
        case ObjectType.GIGA_PAGE:
            return u64(GIGA_PAGE_BITS)
        case ObjectType.PAGE_TABLE:
            return u64(PAGE_TABLE_BITS)
        case _:
            return user_size


@specification
def bits_of(kind: u64, user_size: u64) -> u64:
    """What ``object_bits`` says, under a name that proofs need not look behind."""
    return object_bits(kind, user_size)


@specification
def place_of(base: u64, number: u64, size_bits: u64) -> integer:
    """Where the object of a number begins, of objects side by side."""
    return integer(base) + integer(number << size_bits)


OPAQUE = (bits_of, place_of)


@specification
def is_kind(kind: u64, user_size: u64) -> bool:
    """Whether objects of this kind exist, in this size."""
    if kind >= OBJECT_TYPE_COUNT or user_size >= WORD_BITS or bits_of(kind, user_size) > MAX_UNTYPED_BITS:
        return False
    match kind:
        case ObjectType.CAP_TABLE:
            return user_size != 0
        case ObjectType.UNTYPED:
            return user_size >= MIN_UNTYPED_BITS
        case ObjectType.SCHED_CONTEXT:
            return user_size >= MIN_SCHED_CONTEXT_BITS
        case _:
            return True


@compiled
def is_device_kind(kind: u64) -> bool:
    """Whether a device's memory can be handed out as this: it is not the kernel's to use."""
    return kind in (ObjectType.UNTYPED, ObjectType.PAGE, ObjectType.MEGA_PAGE, ObjectType.GIGA_PAGE)


@specification
def is_place(base: u64, size_bits: u64, is_device: bool) -> bool:
    """Whether an object can lie at a physical address: a multiple of its size, and where the kernel sees it."""
    size = u64(1) << size_bits
    return base & (size - 1) == 0 and base + size <= (PHYSICAL_SIZE if is_device else WINDOW_SIZE)


@specification
def is_cleared(kind: u64, base: u64, size: u64) -> bool:
    """Whether physical memory can become such objects: nothing is made of it, and it is zero if need be."""
    start = paging.kernel_address(base)
    return is_granular(start, size) and (kind == ObjectType.UNTYPED or is_zero(start, size))


@specification
def has_room(cap: Capability, kind: u64, user_size: u64, count: u64) -> bool:
    """Whether so many objects can be made of untyped memory."""
    if not isinstance(cap, UntypedCap) or not is_kind(kind, user_size) or (cap.is_device and not is_device_kind(kind)):
        return False
    return 0 < count and count <= ((u64(1) << cap.size_bits) - cap.free_offset) >> bits_of(kind, user_size)


@specification
def are_empty(first: Slot, start: u64, end: u64) -> bool:
    """Whether the slots from place ``start`` behind a first one to ``end``, which is not included, are empty."""
    begin = address_of(first) + (start << SLOT_BITS)
    size = (end - start) << SLOT_BITS
    return forall(Slot, lambda slot: address_of(slot) < begin or address_of(slot) - begin >= size or is_empty(slot))


@specification
def are_slots(first: Slot, count: u64) -> bool:
    """Whether so many slots lie side by side."""
    begin = address_of(first)
    size = count << SLOT_BITS
    return (
        count <= LAST_ADDRESS >> SLOT_BITS
        and size <= LAST_ADDRESS - begin
        and forall(
            u64,
            lambda a: a < begin or a - begin >= size or a & (SLOT_SIZE - 1) != 0 or live(at_or_none(Slot, a)),
        )
    )


@specification
def object_memory(kind: u64, user_size: u64, is_device: bool) -> u64:
    """How many bytes become something else when an object is made; of untyped and device memory nothing does."""
    return u64(0) if kind == ObjectType.UNTYPED or is_device else u64(1) << bits_of(kind, user_size)


@specification
def is_memory_of(cap: Capability, is_device: bool) -> bool:
    """Whether a capability is to untyped memory, a device's or not."""
    return isinstance(cap, UntypedCap) and cap.is_device == is_device


@specification
def end_of(slot: Slot) -> u64:
    """Where the free part of an untyped begins; 0 if a slot holds none."""
    cap = slot.capability
    return cap.base + cap.free_offset if isinstance(cap, UntypedCap) else u64(0)


@specification
def is_unused_from(slot: Slot, start: integer) -> bool:
    """Whether only untyped memory has any byte of an untyped's taken part from an address on."""
    return is_unused(start, integer(end_of(slot)) - start, slot)


@specification
def can_become(slot: Slot, kind: u64, user_size: u64, base: u64) -> bool:
    """Whether an untyped's memory from an address on, which was taken just now, can become objects."""
    cap = slot.capability
    if not isinstance(cap, UntypedCap) or not is_kind(kind, user_size) or cap.base > base:
        return False
    return (not cap.is_device or is_device_kind(kind)) and is_unused_from(slot, integer(base))


@specification
def holds_no_slot(start: u64, size: u64) -> bool:
    """Whether no slot lies in a range of the kernel's addresses."""
    return forall(Slot, lambda slot: address_of(slot) < start or address_of(slot) - start >= size)


@specification
def holds_no_slot_or_thread(start: u64, size: u64) -> bool:
    """Whether no slot lies in a range of the kernel's addresses, and no thread."""
    no_thread = forall(Tcb, lambda tcb: address_of(tcb) < start or address_of(tcb) - start >= size)
    return holds_no_slot(start, size) and no_thread


@specification
def holds_no_object(start: u64, size: u64) -> bool:
    """Whether nothing but free memory has a byte in a range of the kernel's addresses."""
    return (
        forall(AsidPool, lambda x: is_outside(address_of(x), u64(size_of(AsidPool)), start, size))
        and forall(BootInfo, lambda x: is_outside(address_of(x), u64(size_of(BootInfo)), start, size))
        and forall(BootInfoHeader, lambda x: is_outside(address_of(x), u64(size_of(BootInfoHeader)), start, size))
        and forall(ByteView, lambda x: is_outside(address_of(x), u64(size_of(ByteView)), start, size))
        and forall(Endpoint, lambda x: is_outside(address_of(x), u64(size_of(Endpoint)), start, size))
        and forall(IpcBuffer, lambda x: is_outside(address_of(x), u64(size_of(IpcBuffer)), start, size))
        and forall(Notification, lambda x: is_outside(address_of(x), u64(size_of(Notification)), start, size))
        and forall(PageTable, lambda x: is_outside(address_of(x), u64(size_of(PageTable)), start, size))
        and forall(Refill, lambda x: is_outside(address_of(x), u64(size_of(Refill)), start, size))
        and forall(Reply, lambda x: is_outside(address_of(x), u64(size_of(Reply)), start, size))
        and forall(SchedContext, lambda x: is_outside(address_of(x), u64(size_of(SchedContext)), start, size))
        and forall(Slot, lambda x: is_outside(address_of(x), u64(size_of(Slot)), start, size))
        and forall(Tcb, lambda x: is_outside(address_of(x), u64(size_of(Tcb)), start, size))
        and forall(
            UntypedDescription, lambda x: is_outside(address_of(x), u64(size_of(UntypedDescription)), start, size)
        )
    )


@specification
def is_outside(place: u64, length: u64, start: u64, size: u64) -> bool:
    """Whether an object has no byte of a range."""
    return (place < start and start - place >= length) or (start <= place and place - start >= size)


@specification
def is_all_free(found: Capability, cap: UntypedCap) -> bool:
    """Whether a slot holds the same untyped, with nothing taken from it."""
    return isinstance(found, UntypedCap) and found.replace(clear_offset=0) == cap.replace(free_offset=0, clear_offset=0)


@specification
def same_but_cleared(found: Capability, cap: UntypedCap) -> bool:
    """Whether a slot still holds an untyped, however far that is cleared."""
    return isinstance(found, UntypedCap) and found.replace(clear_offset=0) == cap.replace(clear_offset=0)


@specification
def is_clear(cap: UntypedCap, end: u64) -> bool:
    """Whether the free memory below an offset holds zeros."""
    return is_zero(paging.kernel_address(cap.base) + cap.free_offset, end - cap.free_offset)


@specification
def has_all_rights(cap: Capability) -> bool:
    """Whether a capability to a new object allows everything, and is mapped nowhere."""
    match cap:
        case EndpointCap():
            return cap.can_send and cap.can_receive and cap.can_grant and cap.can_grant_reply and cap.badge == 0
        case NotificationCap():
            return cap.can_send and cap.can_receive and cap.badge == 0
        case ReplyCap():
            return cap.can_grant
        case FrameCap():
            return cap.can_read and cap.can_write and cap.asid == 0
        case _:
            return True


@specification
def is_made(cap: Capability, kind: u64, user_size: u64) -> bool:
    """Whether a capability is one to a new object of a kind, with all rights."""
    if not has_all_rights(cap):
        return False
    match kind:
        case ObjectType.TCB:
            return isinstance(cap, ThreadCap)
        case ObjectType.CAP_TABLE:
            return isinstance(cap, CNodeCap) and cap.radix == user_size and cap.guard_size == 0
        case ObjectType.SCHED_CONTEXT:
            return isinstance(cap, SchedContextCap) and cap.size_bits == user_size
        case ObjectType.PAGE_TABLE:
            return isinstance(cap, PageTableCap) and not cap.is_mapped and cap.table.rank == 0
        case _:
            return isinstance(cap, UntypedCap) == (kind == ObjectType.UNTYPED)

# SPDX-License-Identifier: BSD-2-Clause
"""Memory Allocation Model: making objects from untyped memory (manual: Memory Allocation Model; Untyped Memory).

An object begins as zeros. Memory is cleared just before something is made of it, in small steps, and ``clear_offset``
remembers how far: so neither boot nor the return of memory takes time. A device's memory is never touched.
"""

from __future__ import annotations

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
from tessera.kernel import derivation, scheduler
from tessera.kernel.capability import (
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    FrameSize,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.cspace import slot_at
from tessera.kernel.derivation import is_empty
from tessera.kernel.derivation_order import size_of_object, start_of
from tessera.kernel.layout import (
    GRANULE_BITS,
    Endpoint,
    Granule,
    IpcBuffer,
    Notification,
    PageTable,
    Refill,
    Reply,
    SchedContext,
    Slot,
    Tcb,
)
from tessera.kernel.memory_invariants import GRANULE_SIZE, is_granular, is_taken, is_zero
from tessera.kernel.object_invariants import LAST_ADDRESS, PHYSICAL_SIZE, SLOT_SIZE, WINDOW_SIZE
from tessera.kernel.region import frame_bits
from tessera.kernel.request import Status
from tessera.kernel.state import kernel
from tessera.lang import (
    address_of,
    at,
    at_or_none,
    begin_lives,
    compiled,
    decreases,
    ensures,
    everything_in,
    forall,
    ghost,
    integer,
    live,
    loop_invariant,
    max,
    min,
    modifies,
    old,
    range,
    requires,
    size_of,
    specification,
    u64,
    without_invariants,
)

# How much is cleared between two looks for interrupts: the unit of UntypedCap.clear_offset.
CLEAR_CHUNK_BITS = 9


@compiled
def clear_bytes(address: u64, size: u64) -> None:
    """Set memory to zero. The address is the kernel's; it and the size, in bytes, are multiples of 16."""
    requires(address & (GRANULE_SIZE - 1) == 0 and size & (GRANULE_SIZE - 1) == 0)
    requires(0 < address and size <= LAST_ADDRESS - address and is_granular(address, size))
    modifies(Granule.value)
    ensures(lambda: is_zero(address, size) and forall(Granule, lambda g: g.value == 0 or g.value == old(g.value)))
    without_invariants()
    for i in range(size >> GRANULE_BITS):
        loop_invariant(is_zero(address, i << GRANULE_BITS))
        loop_invariant(forall(Granule, lambda g: g.value == 0 or g.value == old(g.value)))
        at(Granule, address + (i << GRANULE_BITS)).value = 0


@compiled
def clear(address: u64, size_bits: u64) -> None:
    """Set ``2**size_bits`` bytes to zero, 16 at least; the address is the kernel's."""
    clear_bytes(address, u64(1) << size_bits)


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
def is_kind(kind: u64, user_size: u64) -> bool:
    """Whether objects of this kind exist, in this size."""
    if kind >= OBJECT_TYPE_COUNT or user_size >= WORD_BITS or object_bits(kind, user_size) > MAX_UNTYPED_BITS:
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
    return kind == ObjectType.UNTYPED or (is_granular(start, size) and is_zero(start, size))


@specification
def has_room(cap: Capability, kind: u64, user_size: u64, count: u64) -> bool:
    """Whether so many objects can be made of untyped memory."""
    if not isinstance(cap, UntypedCap) or not is_kind(kind, user_size) or (cap.is_device and not is_device_kind(kind)):
        return False
    return 0 < count and count <= ((u64(1) << cap.size_bits) - cap.free_offset) >> object_bits(kind, user_size)


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
    return size <= LAST_ADDRESS - begin and forall(
        u64,
        lambda a: a < begin or a - begin >= size or a & (SLOT_SIZE - 1) != 0 or live(at_or_none(Slot, a)),
    )


@compiled
def new_frame(base: u64, size: FrameSize, is_device: bool) -> Capability:
    """The capability to a new frame, with all rights and mapped nowhere."""
    with ghost:
        if not is_device:
            begin_lives(IpcBuffer, paging.kernel_address(base), u64(1) << frame_bits(size), Granule)
    return FrameCap(base=base, size=size, is_device=is_device, can_read=True, can_write=True)


@specification
def object_memory(kind: u64, user_size: u64, is_device: bool) -> u64:
    """How many bytes become something else when an object is made; of untyped and device memory nothing does."""
    return u64(0) if kind == ObjectType.UNTYPED or is_device else u64(1) << object_bits(kind, user_size)


@compiled
def create_object(kind: u64, base: u64, user_size: u64, is_device: bool) -> Capability:
    """Make an object of memory that is zero and in nobody's use, and give its first capability. (seL4: createObject.)

    ``base`` is physical and aligned to the object's size.
    """
    requires(is_kind(kind, user_size) and is_place(base, object_bits(kind, user_size), is_device))
    requires(is_device_kind(kind) if is_device else is_cleared(kind, base, u64(1) << object_bits(kind, user_size)))
    requires(is_taken(base, u64(1) << object_bits(kind, user_size)))
    modifies(everything_in(paging.kernel_address(base), object_memory(kind, user_size, is_device)))
    ensures(lambda result: start_of(result) == integer(base))
    ensures(lambda result: size_of_object(result) == integer(u64(1) << object_bits(kind, user_size)))
    address = paging.kernel_address(base)
    match kind:
        case ObjectType.UNTYPED:
            return UntypedCap(base=base, size_bits=user_size, is_device=is_device)
        case ObjectType.TCB:
            with ghost:
                begin_lives(Tcb, address, u64(size_of(Tcb)), Granule)
            tcb = at(Tcb, address)
            tcb.domain = kernel.current_domain
            return ThreadCap(tcb=tcb)
        case ObjectType.ENDPOINT:
            with ghost:
                begin_lives(Endpoint, address, u64(size_of(Endpoint)), Granule)
            return EndpointCap(
                endpoint=at(Endpoint, address),
                can_send=True,
                can_receive=True,
                can_grant=True,
                can_grant_reply=True,
            )
        case ObjectType.NOTIFICATION:
            with ghost:
                begin_lives(Notification, address, u64(size_of(Notification)), Granule)
            return NotificationCap(notification=at(Notification, address), can_send=True, can_receive=True)
        case ObjectType.CAP_TABLE:
            with ghost:
                begin_lives(Slot, address, u64(1) << user_size + SLOT_BITS, Granule)
                at(Slot, address).node_radix = user_size
            return CNodeCap(slots=at(Slot, address), radix=user_size)
        case ObjectType.SCHED_CONTEXT:
            with ghost:
                header = u64(size_of(SchedContext))
                begin_lives(SchedContext, address, header, Granule)
                begin_lives(Refill, address + header, (u64(1) << user_size) - header, Granule)
            return SchedContextCap(context=at(SchedContext, address), size_bits=user_size)
        case ObjectType.REPLY:
            with ghost:
                begin_lives(Reply, address, u64(size_of(Reply)), Granule)
            return ReplyCap(reply=at(Reply, address), can_grant=True)
        case ObjectType.PAGE:
            return new_frame(base, FrameSize.PAGE, is_device)
        case ObjectType.MEGA_PAGE:
            return new_frame(base, FrameSize.MEGA_PAGE, is_device)
        case ObjectType.GIGA_PAGE:
            return new_frame(base, FrameSize.GIGA_PAGE, is_device)
        case ObjectType.PAGE_TABLE:
            with ghost:
                begin_lives(PageTable, address, u64(size_of(PageTable)), Granule)
            return PageTableCap(table=at(PageTable, address))
        case _:
            return NullCap()


@compiled
def reset(slot: Slot, cap: UntypedCap) -> None:
    """Make all of an untyped free again, which nothing is made of any more. (seL4: resetUntypedCap.)"""
    if cap.free_offset != 0:
        slot.capability = cap.replace(free_offset=0, clear_offset=0)


@compiled
def aligned_offset(offset: u64, size_bits: u64) -> u64:
    """The first offset from this one on where an object can begin."""
    requires(size_bits <= MAX_UNTYPED_BITS and offset <= u64(1) << MAX_UNTYPED_BITS)
    ensures(lambda result: result & ((u64(1) << size_bits) - 1) == 0)
    ensures(lambda result: offset <= result and result - offset < u64(1) << size_bits)
    return ((offset + (u64(1) << size_bits) - 1) >> size_bits) << size_bits


@specification
def same_but_cleared(found: Capability, cap: UntypedCap) -> bool:
    """Whether a slot still holds an untyped, however far that is cleared."""
    return isinstance(found, UntypedCap) and found.replace(clear_offset=0) == cap.replace(clear_offset=0)


@specification
def is_clear(cap: UntypedCap, end: u64) -> bool:
    """Whether the free memory below an offset holds zeros."""
    return is_zero(paging.kernel_address(cap.base) + cap.free_offset, end - cap.free_offset)


@compiled
def clear_up_to(slot: Slot, cap: UntypedCap, end: u64) -> Status:
    """Clear the free memory below an offset, as far as that was not done before.

    PREEMPTED: call again to go on; ``clear_offset`` keeps what was done.
    """
    requires(slot.capability == cap and not cap.is_device and end <= u64(1) << cap.size_bits)
    modifies(slot.capability, Granule.value, kernel.work_units, kernel.now, kernel.consumed, kernel.domain_time)
    ensures(lambda: same_but_cleared(slot.capability, cap))
    ensures(lambda result: result == Status.PREEMPTED or (result == Status.OK and is_clear(cap, end)))
    done = max(cap.free_offset, cap.clear_offset)
    while done < end:
        loop_invariant(same_but_cleared(slot.capability, cap))
        loop_invariant(done >= cap.free_offset and done & (GRANULE_SIZE - 1) == 0)
        loop_invariant(is_clear(cap, min(done, u64(1) << cap.size_bits)))
        decreases(max(end, done) - done)
        stop = ((done >> CLEAR_CHUNK_BITS) + 1) << CLEAR_CHUNK_BITS
        clear_bytes(paging.kernel_address(cap.base + done), min(stop, u64(1) << cap.size_bits) - done)
        slot.capability = cap.replace(clear_offset=stop)
        done = stop
        if done < end and scheduler.preemption_point():
            return Status.PREEMPTED
    return Status.OK


@compiled
def retype(slot: Slot, kind: u64, user_size: u64, first: Slot, count: u64) -> Status:
    """Make objects side by side, and put their capabilities into the empty slots from ``first`` on.

    The untyped in ``slot`` has room for them; ``count`` is at most the fan-out limit. PREEMPTED: nothing is made yet,
    call again to go on. (seL4: invokeUntyped_Retype.)
    """
    requires(has_room(slot.capability, kind, user_size, count))
    requires(are_slots(first, count) and are_empty(first, 0, count))
    cap = slot.capability
    if not isinstance(cap, UntypedCap):
        return Status.OK
    size_bits = object_bits(kind, user_size)
    start = aligned_offset(cap.free_offset, size_bits)
    end = start + (count << size_bits)
    clear_offset = cap.clear_offset
    # Untyped memory needs not be zero before something else is made of it in turn.
    if kind != ObjectType.UNTYPED and not cap.is_device:
        status = clear_up_to(slot, cap, end)
        if status != Status.OK:
            return status
        clear_offset = max(clear_offset, aligned_offset(end, CLEAR_CHUNK_BITS))
    taken = cap.replace(free_offset=end, clear_offset=clear_offset)
    slot.capability = taken
    for i in range(count):
        loop_invariant(slot.capability == taken and are_empty(first, i, count) and are_slots(first, count))
        place = cap.base + start + (i << size_bits)
        new = create_object(kind, place, user_size, cap.is_device)
        derivation.insert_original(new, slot, slot_at(first, i))
    return Status.OK

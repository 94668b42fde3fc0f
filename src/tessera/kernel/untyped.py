# SPDX-License-Identifier: BSD-2-Clause
"""Memory Allocation Model: making objects from untyped memory (manual: Memory Allocation Model; Untyped Memory).

An object begins as zeros. Memory is cleared just before something is made of it, in small steps, and ``clear_offset``
remembers how far: so neither boot nor the return of memory takes time. A device's memory is never touched.
"""

from __future__ import annotations

from tessera.abi.objects import (
    ENDPOINT_BITS,
    GIGA_PAGE_BITS,
    MEGA_PAGE_BITS,
    NOTIFICATION_BITS,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    REPLY_BITS,
    SLOT_BITS,
    TCB_BITS,
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
from tessera.kernel.layout import (
    GRANULE_BITS,
    Endpoint,
    Granule,
    Notification,
    PageTable,
    Reply,
    SchedContext,
    Slot,
    Tcb,
)
from tessera.kernel.memory_invariants import GRANULE_SIZE, is_granular, is_zero
from tessera.kernel.object_invariants import LAST_ADDRESS
from tessera.kernel.request import Status
from tessera.kernel.state import kernel
from tessera.lang import (
    at,
    compiled,
    decreases,
    ensures,
    forall,
    loop_invariant,
    max,
    min,
    modifies,
    old,
    range,
    requires,
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


@compiled
def new_frame(base: u64, size: FrameSize, is_device: bool) -> Capability:
    """The capability to a new frame, with all rights and mapped nowhere."""
    return FrameCap(base=base, size=size, is_device=is_device, can_read=True, can_write=True)


@compiled
def create_object(kind: u64, base: u64, user_size: u64, is_device: bool) -> Capability:
    """Make an object of memory that is zero and in nobody's use, and give its first capability. (seL4: createObject.)

    ``base`` is physical and aligned to the object's size.
    """
    address = paging.kernel_address(base)
    match kind:
        case ObjectType.UNTYPED:
            return UntypedCap(base=base, size_bits=user_size, is_device=is_device)
        case ObjectType.TCB:
            tcb = at(Tcb, address)
            tcb.domain = kernel.current_domain
            return ThreadCap(tcb=tcb)
        case ObjectType.ENDPOINT:
            return EndpointCap(
                endpoint=at(Endpoint, address),
                can_send=True,
                can_receive=True,
                can_grant=True,
                can_grant_reply=True,
            )
        case ObjectType.NOTIFICATION:
            return NotificationCap(notification=at(Notification, address), can_send=True, can_receive=True)
        case ObjectType.CAP_TABLE:
            return CNodeCap(slots=at(Slot, address), radix=user_size)
        case ObjectType.SCHED_CONTEXT:
            return SchedContextCap(context=at(SchedContext, address), size_bits=user_size)
        case ObjectType.REPLY:
            return ReplyCap(reply=at(Reply, address), can_grant=True)
        case ObjectType.PAGE:
            return new_frame(base, FrameSize.PAGE, is_device)
        case ObjectType.MEGA_PAGE:
            return new_frame(base, FrameSize.MEGA_PAGE, is_device)
        case ObjectType.GIGA_PAGE:
            return new_frame(base, FrameSize.GIGA_PAGE, is_device)
        case ObjectType.PAGE_TABLE:
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
    slot.capability = cap.replace(free_offset=end, clear_offset=clear_offset)
    for i in range(count):
        new = create_object(kind, cap.base + start + (i << size_bits), user_size, cap.is_device)
        derivation.insert_original(new, slot, slot_at(first, i))
    return Status.OK

# SPDX-License-Identifier: BSD-2-Clause
"""Memory Allocation Model: what memory is used for, for proofs (manual: Untyped Memory).

Memory that no object is made of consists of live granules; what is cleared of it holds zeros. Devices' memory is never
touched, so nothing is said of it.
"""

from __future__ import annotations

from tessera.arch import paging
from tessera.kernel.capability import Capability, UntypedCap
from tessera.kernel.layout import (
    GRANULE_BITS,
    AsidPool,
    Endpoint,
    Granule,
    Notification,
    PageTable,
    Refill,
    Reply,
    SchedContext,
    Slot,
    Tcb,
)
from tessera.lang import (
    address_of,
    at_or_none,
    forall,
    implies,
    integer,
    invariant,
    live,
    min,
    specification,
    trigger,
    u64,
)

GRANULE_SIZE = 1 << GRANULE_BITS


@specification
def is_granular(start: u64, size: u64) -> bool:
    """Whether a range of the kernel's addresses is memory that no object is made of."""
    return forall(
        u64,
        lambda a: implies(
            start <= a and a - start < size and a & (GRANULE_SIZE - 1) == 0, live(at_or_none(Granule, a))
        ),
    )


@specification
def is_zero(start: u64, size: u64) -> bool:
    """Whether a range of the kernel's addresses, as far as no object is made of it, holds zeros."""
    return forall(
        Granule,
        lambda granule: implies(
            start <= address_of(granule) and address_of(granule) - start < size, granule.value == 0
        ),
    )


@specification
def is_taken(base: u64, size: u64) -> bool:
    """Whether no untyped has a range of physical addresses, or a part of it, to give."""
    return forall(Slot, lambda slot: not has_free(slot, base, size))


@specification
def has_free(slot: Slot, base: u64, size: u64) -> bool:
    """Whether the free part of an untyped has a byte of a range."""
    cap = slot.capability
    if not isinstance(cap, UntypedCap) or slot.object_start != integer(cap.base):
        return False
    return cap.base + cap.free_offset < base + size and base < cap.base + (u64(1) << cap.size_bits)


@specification
def has_none_of(slot: Slot, base: u64, size: u64) -> bool:
    """The contrary of ``has_free``, for slots whose ghosts say so much."""
    trigger(slot.capability)
    cap = slot.capability
    if not isinstance(cap, UntypedCap):
        return True
    return base + size <= cap.base + cap.free_offset or cap.base + (u64(1) << cap.size_bits) <= base


@specification
def memory_is_described(slot: Slot) -> bool:
    """Whether the ghosts of an untyped say what it is."""
    trigger(slot.object_start)
    cap = slot.capability
    if not isinstance(cap, UntypedCap):
        return True
    return slot.object_start == integer(cap.base) and slot.object_size == integer(u64(1) << cap.size_bits)


@specification
def neighbours_are_live(slot: Slot) -> bool:
    """Whether a slot's links lead to slots, so not to free memory."""
    trigger(slot.link.next)
    trigger(slot.previous)
    return (slot.link.next is None or live(slot.link.next)) and (slot.previous is None or live(slot.previous))


@specification
def threads_behind_are_live(tcb: Tcb) -> bool:
    """Whether a thread's queues go on with threads, not with free memory."""
    trigger(tcb.queue_next)
    trigger(tcb.wait_next)
    # Where a thread is ready, its place among others matters.
    trigger(tcb.in_ready_queue)
    return (tcb.queue_next is None or live(tcb.queue_next)) and (tcb.wait_next is None or live(tcb.wait_next))


@specification
def is_new_memory(cap: Capability) -> bool:
    """Whether an untyped is all free, and not cleared; true of what is no untyped, or a device's."""
    if not isinstance(cap, UntypedCap) or cap.is_device:
        return True
    start = paging.kernel_address(cap.base)
    return cap.free_offset == 0 and cap.clear_offset == 0 and is_granular(start, u64(1) << cap.size_bits)


@invariant
def slots_are_no_granules(slot: Slot) -> bool:
    """Slots are made of memory that is in use for them alone."""
    trigger(live(slot))
    return not live(at_or_none(Granule, address_of(slot)))


@invariant
def threads_are_no_granules(tcb: Tcb) -> bool:
    """Threads are made of memory that is in use for them alone."""
    trigger(live(tcb))
    return not live(at_or_none(Granule, address_of(tcb)))


@invariant
def endpoints_are_no_granules(endpoint: Endpoint) -> bool:
    """Endpoints are made of memory that is in use for them alone."""
    trigger(live(endpoint))
    return not live(at_or_none(Granule, address_of(endpoint)))


@invariant
def notifications_are_no_granules(notification: Notification) -> bool:
    """Notifications are made of memory that is in use for them alone."""
    trigger(live(notification))
    return not live(at_or_none(Granule, address_of(notification)))


@invariant
def replies_are_no_granules(reply: Reply) -> bool:
    """Reply objects are made of memory that is in use for them alone."""
    trigger(live(reply))
    return not live(at_or_none(Granule, address_of(reply)))


@invariant
def contexts_are_no_granules(context: SchedContext) -> bool:
    """Scheduling contexts are made of memory that is in use for them alone."""
    trigger(live(context))
    return not live(at_or_none(Granule, address_of(context)))


@invariant
def refills_are_no_granules(refill: Refill) -> bool:
    """Refills are made of memory that is in use for them alone."""
    trigger(live(refill))
    return not live(at_or_none(Granule, address_of(refill)))


@invariant
def tables_are_no_granules(table: PageTable) -> bool:
    """Page tables are made of memory that is in use for them alone."""
    trigger(live(table))
    return not live(at_or_none(Granule, address_of(table)))


@invariant
def pools_are_no_granules(pool: AsidPool) -> bool:
    """Pools of identifiers are made of memory that is in use for them alone."""
    trigger(live(pool))
    return not live(at_or_none(Granule, address_of(pool)))


@invariant
def free_memory_is_granular(slot: Slot, address: u64) -> bool:
    """Nothing is made of the free part of an untyped."""
    trigger(slot.capability, live(at_or_none(Granule, address)))
    cap = slot.capability
    if not isinstance(cap, UntypedCap) or cap.is_device or address & (GRANULE_SIZE - 1) != 0:
        return True
    start = paging.kernel_address(cap.base)
    if address < start + cap.free_offset or address >= start + (u64(1) << cap.size_bits):
        return True
    return live(at_or_none(Granule, address))


@invariant
def cleared_memory_is_zero(slot: Slot, granule: Granule) -> bool:
    """Free memory that is said to be cleared is."""
    trigger(slot.capability, granule.value)
    cap = slot.capability
    if not isinstance(cap, UntypedCap) or cap.is_device:
        return True
    start = paging.kernel_address(cap.base)
    end = start + min(cap.clear_offset, u64(1) << cap.size_bits)
    place = address_of(granule)
    return place < start + cap.free_offset or place >= end or granule.value == 0

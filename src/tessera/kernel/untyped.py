# SPDX-License-Identifier: BSD-2-Clause
"""Memory Allocation Model: making objects from untyped memory (manual: Memory Allocation Model; Untyped Memory).

An object begins as zeros. Memory is cleared just before something is made of it, in small steps, and ``clear_offset``
remembers how far: so neither boot nor the return of memory takes time. A device's memory is never touched.
"""

from __future__ import annotations

from tessera.abi.objects import MAX_UNTYPED_BITS, SLOT_BITS, ObjectType
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
from tessera.kernel.derivation_order import has_nothing_below, is_unused, size_of_object, start_of
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
from tessera.kernel.memory_invariants import (
    GRANULE_SIZE,
    has_free,
    has_none_of,
    is_granular,
    is_new_memory,
    is_taken,
    is_zero,
    memory_is_described,
    neighbours_are_live,
    threads_behind_are_live,
)
from tessera.kernel.object_invariants import LAST_ADDRESS, PHYSICAL_SIZE
from tessera.kernel.object_kinds import (
    are_empty,
    are_slots,
    bits_of,
    can_become,
    end_of,
    has_room,
    holds_no_object,
    holds_no_slot,
    holds_no_slot_or_thread,
    is_all_free,
    is_clear,
    is_cleared,
    is_made,
    is_memory_of,
    is_place,
    is_unused_from,
    object_memory,
    place_of,
    same_but_cleared,
)
from tessera.kernel.object_kinds import (
    is_device_kind as is_device_kind,
)
from tessera.kernel.object_kinds import (
    is_kind as is_kind,
)
from tessera.kernel.object_kinds import (
    object_bits as object_bits,
)
from tessera.kernel.region import frame_bits
from tessera.kernel.request import Status
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import (
    address_of,
    at,
    at_or_none,
    begin_lives,
    compiled,
    decreases,
    end_lives,
    ensures,
    everything_in,
    forall,
    from_word,
    ghost,
    implies,
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
    # Bounded by the page of an identifier pool: 256 granules of 16 bytes.
    for i in range(size >> GRANULE_BITS):
        loop_invariant(is_zero(address, i << GRANULE_BITS))
        loop_invariant(forall(Granule, lambda g: g.value == 0 or g.value == old(g.value)))
        at(Granule, address + (i << GRANULE_BITS)).value = 0


@compiled
def clear(address: u64, size_bits: u64) -> None:
    """Set ``2**size_bits`` bytes to zero, 16 at least; the address is the kernel's."""
    clear_bytes(address, u64(1) << size_bits)


@compiled
def new_frame(base: u64, size: FrameSize, is_device: bool) -> Capability:
    """The capability to a new frame, with all rights and mapped nowhere."""
    with ghost:
        if not is_device:
            begin_lives(IpcBuffer, paging.kernel_address(base), u64(1) << frame_bits(size), Granule)
    return FrameCap(base=base, size=size, is_device=is_device, can_read=True, can_write=True)


@compiled
def create_object(kind: u64, base: u64, user_size: u64, is_device: bool) -> Capability:
    """Make an object of memory that is zero and in nobody's use, and give its first capability. (seL4: createObject.)

    ``base`` is physical and aligned to the object's size.
    """
    requires(is_kind(kind, user_size) and is_place(base, bits_of(kind, user_size), is_device))
    requires(is_device_kind(kind) if is_device else is_cleared(kind, base, u64(1) << bits_of(kind, user_size)))
    requires(is_taken(base, u64(1) << bits_of(kind, user_size)))
    modifies(everything_in(paging.kernel_address(base), object_memory(kind, user_size, is_device)))
    ensures(lambda result: start_of(result) == integer(base))
    ensures(lambda result: size_of_object(result) == integer(u64(1) << bits_of(kind, user_size)))
    ensures(lambda result: is_new_memory(result) and is_made(result, kind, user_size))
    ensures(lambda: forall(Slot, lambda slot: old(live(slot)) or (is_empty(slot) and slot.object_size == 0)))
    address = paging.kernel_address(base)
    with ghost:
        assert bits_of(kind, user_size) == object_bits(kind, user_size)
        assert forall(Slot, lambda slot: has_none_of(slot, base, u64(1) << bits_of(kind, user_size)))
        assert forall(Slot, lambda slot: neighbours_are_live(slot))
    match kind:
        case ObjectType.UNTYPED:
            return UntypedCap(base=base, size_bits=user_size, is_device=is_device)
        case ObjectType.TCB:
            with ghost:
                assert holds_no_slot(address, u64(size_of(Tcb))) and forall(Tcb, lambda tcb: address_of(tcb) != address)
                assert forall(Tcb, lambda tcb: threads_behind_are_live(tcb))
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
                assert holds_no_slot(address, u64(1) << user_size + SLOT_BITS)
                begin_lives(Slot, address, u64(1) << user_size + SLOT_BITS, Granule)
                at(Slot, address).node_radix = user_size
            return CNodeCap(slots=at(Slot, address), radix=user_size)
        case ObjectType.SCHED_CONTEXT:
            with ghost:
                header = u64(size_of(SchedContext))
                size = u64(1) << user_size
                assert header <= size and forall(SchedContext, lambda context: address_of(context) != address)
                assert forall(Refill, lambda place: address_of(place) < address or address_of(place) - address >= size)
                begin_lives(SchedContext, address, header, Granule)
                begin_lives(Refill, address + header, size - header, Granule)
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
                assert forall(PageTable, lambda table: address_of(table) != address)
                assert not from_word(paging.Entry, u64(0)).is_table()
                begin_lives(PageTable, address, u64(size_of(PageTable)), Granule)
                at(PageTable, address).rank = 0
            return PageTableCap(table=at(PageTable, address))
        case _:
            return NullCap()


@compiled(inline="always")
def nothing_is_left(slot: Slot, cap: UntypedCap) -> None:
    """An assumption of the proofs, which is not proved: memory from which no capability is derived holds no object.

    Objects end with their last capability; that deletion sees to it is not under proof.
    """
    requires(slot.capability == cap and has_nothing_below(slot))
    ensures(lambda: holds_no_object(paging.kernel_address(cap.base), u64(1) << cap.size_bits))


@compiled
def reset(slot: Slot, cap: UntypedCap) -> None:
    """Make all of an untyped free again, which nothing is made of any more. (seL4: resetUntypedCap.)"""
    requires(slot.capability == cap and has_nothing_below(slot))
    modifies(slot.capability, Granule)
    ensures(lambda: is_all_free(slot.capability, cap))
    if cap.free_offset == 0:
        return
    if not cap.is_device:
        nothing_is_left(slot, cap)
    with ghost:
        # Says nothing new, but names what invariants of two slots are triggered by.
        assert slot.object_start <= slot.object_start + slot.object_size and slot.low <= slot.high
        if not cap.is_device:
            start = paging.kernel_address(cap.base)
            size = u64(1) << cap.size_bits
            assert forall(Slot, lambda other: other is slot or not has_free(other, cap.base, size))
            assert forall(Slot, lambda other: other is slot or has_none_of(other, cap.base, size))
            end_lives(Granule, start, size)
            begin_lives(Granule, start, size)
    slot.capability = cap.replace(free_offset=0, clear_offset=0)


@compiled
def aligned_offset(offset: u64, size_bits: u64) -> u64:
    """The first offset from this one on where an object can begin."""
    requires(size_bits <= MAX_UNTYPED_BITS and offset <= PHYSICAL_SIZE)
    ensures(lambda result: result & ((u64(1) << size_bits) - 1) == 0)
    ensures(lambda result: offset <= result and result - offset < u64(1) << size_bits)
    return ((offset + (u64(1) << size_bits) - 1) >> size_bits) << size_bits


@compiled
def clear_up_to(slot: Slot, cap: UntypedCap, end: u64) -> Status:
    """Clear the free memory below an offset, as far as that was not done before.

    PREEMPTED: call again to go on; ``clear_offset`` keeps what was done.
    """
    requires(slot.capability == cap and not cap.is_device and end <= u64(1) << cap.size_bits)
    modifies(slot.capability, Granule.value, kernel.work_units, kernel.now, kernel.domain_time)
    ensures(lambda: same_but_cleared(slot.capability, cap))
    ensures(lambda result: result == Status.PREEMPTED or (result == Status.OK and is_clear(cap, end)))
    done = max(cap.free_offset, cap.clear_offset)
    # Bounded by preemption points: one after each chunk of 512 bytes.
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
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), is_undisturbed(old(kernel.current.state))))
    cap = slot.capability
    if not isinstance(cap, UntypedCap):
        return Status.OK
    size_bits = object_bits(kind, user_size)
    start = aligned_offset(cap.free_offset, size_bits)
    end = start + (count << size_bits)
    with ghost:
        assert size_bits == bits_of(kind, user_size)
        part = (u64(1) << size_bits) - 1
        limit = u64(1) << cap.size_bits
        assert 4 <= size_bits and size_bits <= cap.size_bits and limit & part == 0
        assert place_of(cap.base + start, count, size_bits) == integer(cap.base + end)
        assert end & part == 0 and end <= limit
        assert cap.base & part == 0 and (cap.base + start) & part == 0
    # Untyped memory needs not be zero before something else is made of it in turn.
    if kind != ObjectType.UNTYPED and not cap.is_device:
        status = clear_up_to(slot, cap, end)
        if status != Status.OK:
            return status
    cleared = slot.capability
    assert isinstance(cleared, UntypedCap)
    slot.capability = cleared.replace(free_offset=end)
    with ghost:
        # Says nothing new, but names what invariants of two slots are triggered by.
        assert slot.object_start <= slot.object_start + slot.object_size
        assert is_unused(integer(cap.base) + integer(cap.free_offset), integer(limit) - integer(cap.free_offset), slot)
    make_objects(slot, kind, user_size, cap.base + start, cap.is_device, first, count)
    return Status.OK


@compiled
def make_object(slot: Slot, kind: u64, user_size: u64, base: u64, is_device: bool, destination: Slot) -> None:
    """Make one object of memory that was taken from an untyped, at a physical address."""
    requires(can_become(slot, kind, user_size, base) and is_memory_of(slot.capability, is_device))
    requires(is_place(base, bits_of(kind, user_size), is_device) and is_empty(destination))
    requires(base + (u64(1) << bits_of(kind, user_size)) <= end_of(slot))
    requires(is_device or is_cleared(kind, base, u64(1) << bits_of(kind, user_size)))
    modifies(everything_in(paging.kernel_address(base), object_memory(kind, user_size, is_device)))
    modifies(destination, slot.link, Slot.previous)
    ensures(lambda: slot.capability == old(slot.capability))
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), is_undisturbed(old(kernel.current.state))))
    ensures(lambda: is_unused_from(slot, integer(base) + integer(u64(1) << bits_of(kind, user_size))))
    ensures(lambda: forall(Slot, lambda s: s is destination or is_empty(s) or old(live(s) and not is_empty(s))))
    ensures(lambda: forall(u64, lambda a: implies(old(live(at_or_none(Slot, a))), live(at_or_none(Slot, a)))))
    with ghost:
        assert forall(Slot, lambda s: memory_is_described(s))
        # Says nothing new, but names what invariants of two slots are triggered by.
        assert slot.object_start <= slot.object_start + slot.object_size
        assert is_taken(base, u64(1) << bits_of(kind, user_size))
        assert holds_no_slot_or_thread(paging.kernel_address(base), object_memory(kind, user_size, is_device))
    new = create_object(kind, base, user_size, is_device)
    with ghost:
        assert is_memory_of(slot.capability, is_device) and is_empty(destination)
        assert is_unused_from(slot, integer(base))
        assert slot.object_start <= slot.object_start + slot.object_size
    derivation.insert_original(new, slot, destination, True)


@compiled
def make_objects(slot: Slot, kind: u64, user_size: u64, base: u64, is_device: bool, first: Slot, count: u64) -> None:
    """Make objects of memory that was taken from an untyped, from a physical address on."""
    requires(count <= PHYSICAL_SIZE >> bits_of(kind, user_size))
    requires(can_become(slot, kind, user_size, base) and is_memory_of(slot.capability, is_device))
    requires(base & ((u64(1) << bits_of(kind, user_size)) - 1) == 0)
    requires(place_of(base, count, bits_of(kind, user_size)) == integer(end_of(slot)))
    requires(is_device or is_cleared(kind, base, end_of(slot) - base))
    requires(are_slots(first, count) and are_empty(first, 0, count))
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), is_undisturbed(old(kernel.current.state))))
    size_bits = object_bits(kind, user_size)
    with ghost:
        assert size_bits == bits_of(kind, user_size)
        assert place_of(base, 0, size_bits) == integer(base)
    size = u64(1) << size_bits
    place = base
    # Bounded by the fan-out limit, 256.
    for i in range(count):
        loop_invariant(integer(place) == place_of(base, i, size_bits) and place & (size - 1) == 0)
        loop_invariant(live(slot) and place_of(base, count, size_bits) == integer(end_of(slot)))
        loop_invariant(can_become(slot, kind, user_size, place) and is_memory_of(slot.capability, is_device))
        loop_invariant(are_slots(first, count))
        loop_invariant(implies(old(waits_for_nothing(kernel.current)), is_undisturbed(old(kernel.current.state))))
        loop_invariant(are_empty(first, i, count))
        loop_invariant(is_device or is_cleared(kind, place, end_of(slot) - place))
        with ghost:
            assert place_of(base, i + 1, size_bits) == integer(place) + integer(size)
            assert place_of(base, i + 1, size_bits) <= integer(end_of(slot))
            assert (place + size) & (size - 1) == 0
            assert is_place(place, size_bits, is_device)
        make_object(slot, kind, user_size, place, is_device, slot_at(first, i))
        place += size

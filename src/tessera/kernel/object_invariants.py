# SPDX-License-Identifier: BSD-2-Clause
"""Kernel Objects: what capabilities refer to is there (manual: Kernel Services and Objects).

Predicates on a capability hold for every capability that a slot holds, and that is passed between functions.
"""

from __future__ import annotations

from tessera.abi.objects import (
    GIGA_PAGE_BITS,
    IPC_BUFFER_BITS,
    MAX_UNTYPED_BITS,
    MEGA_PAGE_BITS,
    MIN_SCHED_CONTEXT_BITS,
    MIN_UNTYPED_BITS,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    SLOT_BITS,
    WORD_BITS,
)
from tessera.arch import paging
from tessera.kernel.capability import (
    AsidPoolCap,
    Capability,
    CapKind,
    CNodeCap,
    EndpointCap,
    FrameCap,
    FrameSize,
    IrqHandlerCap,
    NotificationCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.layout import ASID_POOL_INDEX_BITS, ASIDS_PER_POOL, IpcBuffer, Slot, Tcb
from tessera.kernel.region import THREAD_SLOTS, THREAD_SLOTS_OFFSET, frame_bits
from tessera.kernel.state import (
    IRQ_SLOTS,
    IrqState,
    idle_scheduling_context,
    idle_tcb,
    irq_slots,
    kernel,
    kernel_page_table,
)
from tessera.lang import address_of, at_or_none, forall, implies, integer, invariant, live, specification, trigger, u64

SLOT_SIZE = 1 << SLOT_BITS
PAGE_TABLE_SIZE = 1 << PAGE_TABLE_BITS
BUFFER_SIZE = 1 << IPC_BUFFER_BITS
# A CNode fills at most the largest untyped memory.
MAX_NODE_RADIX = MAX_UNTYPED_BITS - SLOT_BITS
LAST_ADDRESS = (1 << 64) - 1
# The kernel sees so many bytes of physical memory from address 0 on.
WINDOW_SIZE = paging.WINDOW_ENTRIES << paging.GIGA_PAGE_BITS
# Capabilities have so much room for physical addresses.
PHYSICAL_SIZE = 1 << 39


@specification
def is_in_window(address: u64) -> bool:
    """Whether an object lies where the kernel sees physical memory."""
    return paging.physical_address(address) < WINDOW_SIZE


@specification
def is_node(first: Slot, radix: u64) -> bool:
    """Whether a CNode of ``2**radix`` slots begins here."""
    return live(first) and first.node_radix == radix and 0 < radix and is_in_window(address_of(first))


@specification
def is_memory(cap: UntypedCap) -> bool:
    """Whether an untyped lies at a multiple of its size, and in the kernel's window if it is no device's."""
    size = u64(1) << cap.size_bits
    if cap.size_bits < MIN_UNTYPED_BITS or cap.size_bits > MAX_UNTYPED_BITS or cap.base & (size - 1) != 0:
        return False
    return cap.free_offset <= size and cap.base + size <= (PHYSICAL_SIZE if cap.is_device else WINDOW_SIZE)


@specification
def is_frame(cap: FrameCap) -> bool:
    """Whether a frame has one of three sizes, lies at a multiple of it, and is mapped where user level can."""
    return (cap.asid == 0 or cap.mapped_address < paging.USER_TOP) and (
        (cap.size == FrameSize.PAGE and cap.base & ((1 << PAGE_BITS) - 1) == 0)
        or (cap.size == FrameSize.MEGA_PAGE and cap.base & ((1 << MEGA_PAGE_BITS) - 1) == 0)
        or (cap.size == FrameSize.GIGA_PAGE and cap.base & ((1 << GIGA_PAGE_BITS) - 1) == 0)
    )


@specification
def has_buffers(cap: FrameCap) -> bool:
    """Whether the kernel can use a frame as IPC buffers: it sees all of it, and it is no device's."""
    start = paging.kernel_address(cap.base)
    size = u64(1) << frame_bits(cap.size)
    return cap.base + size <= WINDOW_SIZE and forall(
        u64,
        lambda a: a < start or a - start >= size or a & (BUFFER_SIZE - 1) != 0 or live(at_or_none(IpcBuffer, a)),
    )


@specification
def is_zombie(cap: ZombieCap) -> bool:
    """Whether the object in deletion is there, and at least one of its slots is left to be cleared."""
    first = address_of(cap.slots)
    if cap.remaining == 0:
        return False
    if not cap.is_thread:
        return is_node(cap.slots, cap.radix) and cap.remaining <= u64(1) << cap.radix
    if not live(cap.slots) or cap.remaining > THREAD_SLOTS or first <= THREAD_SLOTS_OFFSET:
        return False
    return live(at_or_none(Tcb, first - THREAD_SLOTS_OFFSET)) and is_in_window(first - THREAD_SLOTS_OFFSET)


@specification
def tells_place(cap: PageTableCap) -> bool:
    """Whether the capability to a table says where it is mapped; if it is not, the table is in no space."""
    table = cap.table
    if not cap.is_mapped:
        return table.rank == 0
    if cap.asid == 0 or cap.mapped_address != table.start:
        return False
    return cap.asid >> ASID_POOL_INDEX_BITS == table.pool_number and cap.asid & (ASIDS_PER_POOL - 1) == table.place


@invariant
def capability_is_valid(cap: Capability) -> bool:
    """A capability refers to a live object of its kind, and its numbers are in range."""
    match cap:
        case UntypedCap():
            return is_memory(cap)
        case EndpointCap():
            return live(cap.endpoint) and is_in_window(address_of(cap.endpoint))
        case NotificationCap():
            return live(cap.notification) and is_in_window(address_of(cap.notification))
        case ReplyCap():
            return live(cap.reply) and is_in_window(address_of(cap.reply))
        case CNodeCap():
            return is_node(cap.slots, cap.radix) and cap.guard_size + cap.radix <= WORD_BITS
        case ThreadCap():
            return live(cap.tcb) and is_in_window(address_of(cap.tcb))
        case SchedContextCap():
            return (
                live(cap.context)
                and is_in_window(address_of(cap.context))
                and MIN_SCHED_CONTEXT_BITS <= cap.size_bits
                and cap.size_bits <= MAX_UNTYPED_BITS
            )
        case PageTableCap():
            if cap.mapped_address >= paging.USER_TOP or not tells_place(cap):
                return False
            place = address_of(cap.table)
            if place & (PAGE_TABLE_SIZE - 1) != 0 or cap.table is kernel_page_table:
                return False
            return live(cap.table) and is_in_window(place)
        case AsidPoolCap():
            return live(cap.pool) and is_in_window(address_of(cap.pool)) and cap.asid_base & (ASIDS_PER_POOL - 1) == 0
        case IrqHandlerCap():
            return cap.irq < IRQ_SLOTS
        case FrameCap():
            return is_frame(cap) and (cap.is_device or has_buffers(cap))
        case ZombieCap():
            return is_zombie(cap)
        case _:
            return True


@invariant
def node_is_inside(first: Slot) -> bool:
    """A CNode ends before the address space does."""
    trigger(first.node_radix)
    radix = first.node_radix
    if radix > MAX_NODE_RADIX:
        return False
    return radix == 0 or address_of(first) <= LAST_ADDRESS - ((u64(1) << radix) << SLOT_BITS)


@invariant
def node_slots_are_live(first: Slot, address: u64) -> bool:
    """Every slot of a CNode is one."""
    trigger(first.node_radix, live(at_or_none(Slot, address)))
    radix = first.node_radix
    start = address_of(first)
    if radix == 0 or address < start or address & (SLOT_SIZE - 1) != 0:
        return True
    return (address - start) >> SLOT_BITS >= u64(1) << radix or live(at_or_none(Slot, address))


@invariant
def thread_slots_are_live(tcb: Tcb) -> bool:
    """A thread has its own slots."""
    return (
        live(tcb.cspace_root)
        and live(tcb.vspace_root)
        and live(tcb.ipc_buffer_frame)
        and live(tcb.fault_handler)
        and live(tcb.timeout_handler)
    )


@invariant
def ipc_buffer_is_aligned(tcb: Tcb) -> bool:
    """An IPC buffer lies at a multiple of its size, in any frame."""
    trigger(tcb.ipc_buffer)
    return tcb.ipc_buffer & (BUFFER_SIZE - 1) == 0


@invariant
def static_objects_are_live() -> bool:
    """What the kernel's image holds never ends."""
    return live(idle_tcb) and live(idle_scheduling_context) and live(kernel_page_table)


@invariant
def threads_in_charge_are_live() -> bool:
    """Time and processor are somebody's, if only the idle thread's."""
    return live(kernel.current) and live(kernel.idle) and live(kernel.current_context) and live(kernel.idle_context)


@invariant
def interrupt_slots_are_live(irq: u64) -> bool:
    """Each interrupt has a slot."""
    return implies(irq < IRQ_SLOTS, live(irq_slots.slots[irq]))


@invariant
def handler_is_of_an_active_interrupt(slot: Slot, irq: u64) -> bool:
    """An interrupt with a capability to it is in use."""
    trigger(slot.object_start, kernel.irq_states[irq])
    if irq >= IRQ_SLOTS or slot.capability.kind != CapKind.IRQ_HANDLER or slot.object_start != integer(irq):
        return True
    return kernel.irq_states[irq] != IrqState.INACTIVE

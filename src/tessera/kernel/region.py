# SPDX-License-Identifier: BSD-2-Clause
"""Memory Allocation Model: the memory that the object of a capability takes (manual: Object Sizes).

Addresses are physical, since untyped memory of devices has no other.
"""

from __future__ import annotations

from tessera.abi.objects import (
    ASID_POOL_BITS,
    ENDPOINT_BITS,
    GIGA_PAGE_BITS,
    MEGA_PAGE_BITS,
    NOTIFICATION_BITS,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    REPLY_BITS,
    SLOT_BITS,
    TCB_BITS,
)
from tessera.arch import paging
from tessera.kernel.capability import (
    AsidPoolCap,
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    FrameSize,
    NotificationCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.layout import Tcb
from tessera.lang import address_of, compiled, offset_of, u64

# Where a thread's own slots begin, and how many there are.
THREAD_SLOTS_OFFSET = offset_of(Tcb, "cspace_root")
THREAD_SLOTS = 5


@compiled
def frame_bits(size: FrameSize) -> u64:
    """The size of a frame as a power of two in bytes."""
    match size:
        case FrameSize.PAGE:
            return u64(PAGE_BITS)
        case FrameSize.MEGA_PAGE:
            return u64(MEGA_PAGE_BITS)
        case _:
            return u64(GIGA_PAGE_BITS)


@compiled
def size_bits_of(cap: Capability) -> u64:
    """The size of the object as a power of two in bytes; 0 where a capability is to no memory."""
    match cap:
        case UntypedCap():
            return cap.size_bits
        case EndpointCap():
            return u64(ENDPOINT_BITS)
        case NotificationCap():
            return u64(NOTIFICATION_BITS)
        case ReplyCap():
            return u64(REPLY_BITS)
        case CNodeCap():
            return cap.radix + SLOT_BITS
        case ThreadCap():
            return u64(TCB_BITS)
        case SchedContextCap():
            return cap.size_bits
        case FrameCap():
            return frame_bits(cap.size)
        case PageTableCap():
            return u64(PAGE_TABLE_BITS)
        case AsidPoolCap():
            return u64(ASID_POOL_BITS)
        case ZombieCap():
            return u64(TCB_BITS) if cap.is_thread else cap.radix + SLOT_BITS
        case _:
            return u64(0)


@compiled
def base_of(cap: Capability) -> u64:
    """Where the object begins; 0 where a capability is to no memory."""
    match cap:
        case UntypedCap():
            return cap.base
        case FrameCap():
            return cap.base
        case EndpointCap():
            return paging.physical_address(address_of(cap.endpoint))
        case NotificationCap():
            return paging.physical_address(address_of(cap.notification))
        case ReplyCap():
            return paging.physical_address(address_of(cap.reply))
        case CNodeCap():
            return paging.physical_address(address_of(cap.slots))
        case ThreadCap():
            return paging.physical_address(address_of(cap.tcb))
        case SchedContextCap():
            return paging.physical_address(address_of(cap.context))
        case PageTableCap():
            return paging.physical_address(address_of(cap.table))
        case AsidPoolCap():
            return paging.physical_address(address_of(cap.pool))
        case ZombieCap():
            first = address_of(cap.slots)
            return paging.physical_address(first - THREAD_SLOTS_OFFSET if cap.is_thread else first)
        case _:
            return u64(0)


@compiled
def contains(memory: UntypedCap, cap: Capability) -> bool:
    """Whether the object of a capability lies in untyped memory, which it may fill."""
    size_bits = size_bits_of(cap)
    if size_bits == 0:
        return False
    base = base_of(cap)
    return memory.base <= base and base + (u64(1) << size_bits) <= memory.base + (u64(1) << memory.size_bits)

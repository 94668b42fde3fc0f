# SPDX-License-Identifier: BSD-2-Clause
"""Kernel objects: types as user level names them in a retype, sizes and limits (manual: Kernel Services, Object Sizes).

A size in bits ``b`` means ``2**b`` bytes, except for a CNode, whose own size is its number of slots.
"""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import u64, word


@word(u64)
class ObjectType(IntEnum):
    """The ``type`` argument of a retype."""

    UNTYPED = 0
    TCB = 1
    ENDPOINT = 2
    NOTIFICATION = 3
    CAP_TABLE = 4
    SCHED_CONTEXT = 5
    REPLY = 6
    GIGA_PAGE = 7
    PAGE = 8
    MEGA_PAGE = 9
    PAGE_TABLE = 10


OBJECT_TYPE_COUNT = 11

WORD_BITS = 64
WORD_BYTES = 8

# Sizes of objects, as powers of two in bytes.
SLOT_BITS = 5
TCB_BITS = 11
ENDPOINT_BITS = 4
NOTIFICATION_BITS = 6
REPLY_BITS = 5
PAGE_BITS = 12
MEGA_PAGE_BITS = 21
GIGA_PAGE_BITS = 30
PAGE_TABLE_BITS = 12
VSPACE_BITS = PAGE_TABLE_BITS
ASID_POOL_BITS = 12
IPC_BUFFER_BITS = 10

# Inside a page table: 512 entries of 8 bytes, three levels.
PAGE_TABLE_ENTRY_BITS = 3
PAGE_TABLE_INDEX_BITS = 9
PAGE_TABLE_LEVELS = 3

# Address space identifiers: 128 pools of 512.
ASID_POOL_COUNT_BITS = 7
ASID_POOL_INDEX_BITS = 9

MIN_UNTYPED_BITS = 4
MAX_UNTYPED_BITS = 38

# A scheduling context is a core and two refills in the least size; each further refill takes 16 bytes.
MIN_SCHED_CONTEXT_BITS = 7
SCHED_CONTEXT_CORE_BYTES = 128
REFILL_BYTES = 16
MIN_REFILLS = 2

# A CNode of one slot cannot be made.
MIN_CNODE_SIZE_BITS = 1

# How many objects one retype may create.
RETYPE_FAN_OUT_LIMIT = 256

# How many threads one kernel entry wakes whose budget is available again; the timer comes at once for the others.
RELEASES_PER_ENTRY = 16

# Long operations look for pending interrupts after this many steps, and clear memory in chunks of this size.
PREEMPTION_WORK_UNITS = 50
RESET_CHUNK_BITS = 8

# What a retype makes of device memory: it can be handed out as frames, or divided further.
FRAME_TYPES = (ObjectType.GIGA_PAGE, ObjectType.PAGE, ObjectType.MEGA_PAGE)
DEVICE_TYPES = (ObjectType.UNTYPED, *FRAME_TYPES)

FIXED_SIZE_BITS: dict[ObjectType, int] = {
    ObjectType.TCB: TCB_BITS,
    ObjectType.ENDPOINT: ENDPOINT_BITS,
    ObjectType.NOTIFICATION: NOTIFICATION_BITS,
    ObjectType.REPLY: REPLY_BITS,
    ObjectType.GIGA_PAGE: GIGA_PAGE_BITS,
    ObjectType.PAGE: PAGE_BITS,
    ObjectType.MEGA_PAGE: MEGA_PAGE_BITS,
    ObjectType.PAGE_TABLE: PAGE_TABLE_BITS,
}

# The least ``size_bits`` argument of the types whose size the user chooses.
MIN_USER_SIZE_BITS: dict[ObjectType, int] = {
    ObjectType.UNTYPED: MIN_UNTYPED_BITS,
    ObjectType.CAP_TABLE: MIN_CNODE_SIZE_BITS,
    ObjectType.SCHED_CONTEXT: MIN_SCHED_CONTEXT_BITS,
}


def object_size_bits(kind: ObjectType, user_size: int) -> int:
    """Memory that one object takes, as a power of two in bytes.

    ``user_size`` is the ``size_bits`` argument of the retype: bytes of an untyped or a scheduling context, slots of a
    CNode, unused otherwise. It is not checked against the limits.
    """
    if kind == ObjectType.CAP_TABLE:
        return user_size + SLOT_BITS
    if kind in (ObjectType.UNTYPED, ObjectType.SCHED_CONTEXT):
        return user_size
    return FIXED_SIZE_BITS[kind]


def max_extra_refills(size_bits: int) -> int:
    """Refills beyond the two in the core that a scheduling context of ``2**size_bits`` bytes has room for."""
    return ((1 << size_bits) - SCHED_CONTEXT_CORE_BYTES) // REFILL_BYTES


def sched_context_size_bits(extra_refills: int) -> int:
    """The least ``size_bits`` of a scheduling context with room for so many refills beyond two."""
    size_bits = MIN_SCHED_CONTEXT_BITS
    while max_extra_refills(size_bits) < extra_refills:
        size_bits += 1
    return size_bits

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Kernel Services and Objects: Kernel Memory Allocation, and of seL4_Untyped_Retype."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS
from tessera.abi.configuration import configuration
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import (
    ENDPOINT_BITS,
    MIN_SCHED_CONTEXT_BITS,
    OBJECT_TYPE_COUNT,
    PAGE_BITS,
    TCB_BITS,
    ObjectType,
)
from tessera.lang import compiled, range, u64
from tessera.runtime.invoke import invoke
from tessera.runtime.memory import cnode_copy, untyped_retype
from tessera.runtime.sel4 import environment
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import (
    CNODE,
    DEPTH,
    copy,
    delete,
    guest,
    make,
    make_sized,
    occupied,
    retype,
    revoke,
    take_slot,
    take_slots,
)
from tessera.suites.guest.report import detail, done, equal, error, false, true
from tessera.suites.guest.spaces import map_page, unmap_page
from tessera.suites.guest.workers import memory_word

FAN_OUT = 256

KINDS = (
    (ObjectType.UNTYPED, 4),
    (ObjectType.TCB, 0),
    (ObjectType.ENDPOINT, 0),
    (ObjectType.NOTIFICATION, 0),
    (ObjectType.CAP_TABLE, 1),
    (ObjectType.SCHED_CONTEXT, MIN_SCHED_CONTEXT_BITS),
    (ObjectType.REPLY, 0),
    (ObjectType.PAGE, 0),
    (ObjectType.MEGA_PAGE, 0),
    (ObjectType.PAGE_TABLE, 0),
)

# Kind, the size argument, and the bytes that one object takes, as a power of two.
SIZES = (
    (ObjectType.UNTYPED, 7, 7),
    (ObjectType.TCB, 0, 11),
    (ObjectType.ENDPOINT, 0, 4),
    (ObjectType.NOTIFICATION, 0, 6),
    (ObjectType.CAP_TABLE, 3, 8),
    (ObjectType.SCHED_CONTEXT, 8, 8),
    (ObjectType.REPLY, 0, 5),
    (ObjectType.PAGE, 0, 12),
    (ObjectType.PAGE_TABLE, 0, 12),
)


@case
@compiled
def retype_every_kind() -> None:
    """Untyped memory can become an object of every kind (Kernel Services and Objects; Untyped Retype)."""
    for kind, size_bits in KINDS:
        slot = make_sized(kind, size_bits)
        true(b"the slot is filled", occupied(slot))


@case
@compiled
def retype_sizes_are_exact() -> None:
    """Objects take the sizes of the manual's table: memory for two holds two and no third (Object Sizes)."""
    for kind, argument, size_bits in SIZES:
        untyped = make_sized(ObjectType.UNTYPED, size_bits + 1)
        first = take_slots(3)
        done(b"one", retype(untyped, kind, argument, first, 1))
        done(b"two", retype(untyped, kind, argument, first + 1, 1))
        error(b"three", Error.NOT_ENOUGH_MEMORY, retype(untyped, kind, argument, first + 2, 1))
        detail(b"bytes left", 0, 0)


@case
@compiled
def retype_many() -> None:
    """One retype makes several objects, with capabilities in neighbouring slots (Untyped Retype)."""
    first = take_slots(9)
    done(b"retype", retype(guest.pool, ObjectType.ENDPOINT, 0, first, 8))
    for i in range(8):
        true(b"a slot is filled", occupied(first + i))
    false(b"the next slot is empty", occupied(first + 8))


@case
@compiled
def retype_fan_out_limit() -> None:
    """One retype makes no more than the configured number of objects, and at least one (Untyped Retype)."""
    equal(b"limit", FAN_OUT, configuration.profile.retype_fan_out_limit)
    first = take_slots(FAN_OUT + 1)
    error(b"one more", Error.RANGE_ERROR, retype(guest.pool, ObjectType.ENDPOINT, 0, first, FAN_OUT + 1))
    detail(b"least", 0, 1)
    detail(b"greatest", 1, FAN_OUT)
    false(b"nothing was made", occupied(first))
    error(b"none", Error.RANGE_ERROR, retype(guest.pool, ObjectType.ENDPOINT, 0, first, 0))
    done(b"as many as allowed", retype(guest.pool, ObjectType.ENDPOINT, 0, first, FAN_OUT))
    true(b"the last one is there", occupied(first + FAN_OUT - 1))


@case
@compiled
def retype_not_enough_memory() -> None:
    """A retype that does not fit tells how many bytes are free, and makes nothing (Untyped Retype; Errors)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    slot = take_slots(2)
    done(b"an endpoint", retype(untyped, ObjectType.ENDPOINT, 0, slot, 1))
    error(b"a page", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.PAGE, 0, slot + 1, 1))
    detail(b"bytes left", 0, (1 << PAGE_BITS) - (1 << ENDPOINT_BITS))
    false(b"nothing was made", occupied(slot + 1))
    error(b"two many", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.ENDPOINT, 0, slot + 1, 256))


@case
@compiled
def retype_watermark_aligns() -> None:
    """Objects are placed one behind the other, each aligned to its size; what is skipped is lost until all are
    deleted (Memory Allocation)."""
    untyped = make_sized(ObjectType.UNTYPED, TCB_BITS + 1)
    slot = take_slots(3)
    done(b"an endpoint", retype(untyped, ObjectType.ENDPOINT, 0, slot, 1))
    done(b"a thread behind it", retype(untyped, ObjectType.TCB, 0, slot + 1, 1))
    error(b"an endpoint in the gap", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.ENDPOINT, 0, slot + 2, 1))
    detail(b"bytes left", 0, 0)


@case
@compiled
def retype_failure_leaves_watermark() -> None:
    """A retype that fails uses no memory (Memory Allocation)."""
    untyped = make_sized(ObjectType.UNTYPED, ENDPOINT_BITS)
    slot = take_slots(2)
    done(b"occupy a slot", cnode_copy(CNODE, slot, DEPTH, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    error(b"into the occupied slot", Error.DELETE_FIRST, retype(untyped, ObjectType.ENDPOINT, 0, slot, 1))
    done(b"into a free slot", retype(untyped, ObjectType.ENDPOINT, 0, slot + 1, 1))


@case
@compiled
def retype_delete_first() -> None:
    """If one of the destination slots is occupied, nothing is made (Untyped Retype)."""
    first = take_slots(4)
    done(b"occupy a slot", cnode_copy(CNODE, first + 2, DEPTH, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    error(b"retype", Error.DELETE_FIRST, retype(guest.pool, ObjectType.ENDPOINT, 0, first, 4))
    false(b"first", occupied(first))
    false(b"second", occupied(first + 1))
    false(b"fourth", occupied(first + 3))


@case
@compiled
def retype_after_revoke() -> None:
    """After a revoke all memory of an untyped can be used again (Memory Allocation: Reusing Memory)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    slot = take_slots(2)
    done(b"a page", retype(untyped, ObjectType.PAGE, 0, slot, 1))
    error(b"full", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.ENDPOINT, 0, slot + 1, 1))
    done(b"revoke", revoke(untyped))
    false(b"the page is gone", occupied(slot))
    done(b"a page again", retype(untyped, ObjectType.PAGE, 0, slot, 1))


@case
@compiled
def retype_after_deleting_all() -> None:
    """When every object is deleted, one by one, the memory can be used again (Memory Allocation: Reusing Memory)."""
    untyped = make_sized(ObjectType.UNTYPED, TCB_BITS)
    slot = take_slots(65)
    done(b"notifications", retype(untyped, ObjectType.NOTIFICATION, 0, slot, 32))
    for i in range(31):
        done(b"delete", delete(slot + i))
    error(b"one is left", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.TCB, 0, slot + 40, 1))
    done(b"delete the last", delete(slot + 31))
    done(b"a thread", retype(untyped, ObjectType.TCB, 0, slot + 40, 1))


@case
@compiled
def retype_clears_memory() -> None:
    """Memory that is used again is zero (Memory Allocation: Reusing Memory)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    slot = take_slot()
    done(b"a page", retype(untyped, ObjectType.PAGE, 0, slot, 1))
    address = map_page(slot, ALL_RIGHTS)
    for i in range(512):
        equal(b"a new page", 0, memory_word(address + 8 * i).value)
        memory_word(address + 8 * i).value = 0x55AA_0000 + i
    unmap_page(slot)
    done(b"revoke", revoke(untyped))
    done(b"a page again", retype(untyped, ObjectType.PAGE, 0, slot, 1))
    address = map_page(slot, ALL_RIGHTS)
    for i in range(512):
        equal(b"a page again", 0, memory_word(address + 8 * i).value)


@compiled
def device_untyped() -> u64:
    """An untyped of device memory, larger than a page."""
    info = guest.boot_info
    found = u64(0)
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        if entry.is_device != 0 and entry.size_bits > PAGE_BITS:
            found = info.untyped.start + i
    return found


@case
@compiled
def retype_device_memory() -> None:
    """Device memory becomes frames and smaller untypeds only (Untyped Memory; Untyped Retype)."""
    device = device_untyped()
    slot = take_slots(2)
    for kind, size_bits in KINDS:
        if kind in (ObjectType.PAGE, ObjectType.MEGA_PAGE):
            done(b"a frame", retype(device, kind, size_bits, slot, 1))
            done(b"delete", delete(slot))
        elif kind == ObjectType.UNTYPED:
            done(b"an untyped", retype(device, kind, PAGE_BITS, slot, 1))
            error(b"a thread of it", Error.INVALID_ARGUMENT, retype(slot, ObjectType.TCB, 0, slot + 1, 1))
            done(b"delete", delete(slot))
        else:
            error(b"another object", Error.INVALID_ARGUMENT, retype(device, kind, size_bits, slot, 1))


@case
@compiled
def retype_unknown_kind() -> None:
    """A kind that does not exist is an invalid argument (Untyped Retype; Errors)."""
    slot = take_slot()
    result = untyped_retype(guest.pool, OBJECT_TYPE_COUNT, 0, CNODE, 0, 0, slot, 1)
    error(b"retype", Error.INVALID_ARGUMENT, result)
    detail(b"number of the argument", 0, 0)
    false(b"nothing was made", occupied(slot))


@case
@compiled
def retype_user_sizes() -> None:
    """A size below the least or above the greatest is refused (Untyped Retype; Object Sizes)."""
    slot = take_slot()
    error(b"untyped of 8 bytes", Error.INVALID_ARGUMENT, retype(guest.pool, ObjectType.UNTYPED, 3, slot, 1))
    error(b"CNode of one slot", Error.INVALID_ARGUMENT, retype(guest.pool, ObjectType.CAP_TABLE, 0, slot, 1))
    error(b"time of 64 bytes", Error.INVALID_ARGUMENT, retype(guest.pool, ObjectType.SCHED_CONTEXT, 6, slot, 1))
    error(b"untyped of 2**64 bytes", Error.RANGE_ERROR, retype(guest.pool, ObjectType.UNTYPED, 64, slot, 1))
    error(b"CNode of 2**60 slots", Error.RANGE_ERROR, retype(guest.pool, ObjectType.CAP_TABLE, 60, slot, 1))
    false(b"nothing was made", occupied(slot))


@case
@compiled
def retype_destination_not_found() -> None:
    """The destination must be a CNode: the root itself, or one that the address leads to (Untyped Retype)."""
    slot = take_slot()
    endpoint = make(ObjectType.ENDPOINT)
    result = untyped_retype(guest.pool, u64(ObjectType.ENDPOINT), 0, endpoint, 0, 0, 0, 1)
    error(b"an endpoint as root", Error.FAILED_LOOKUP, result)
    result = untyped_retype(guest.pool, u64(ObjectType.ENDPOINT), 0, CNODE, endpoint, DEPTH, 0, 1)
    error(b"an endpoint as destination", Error.FAILED_LOOKUP, result)
    result = untyped_retype(guest.pool, u64(ObjectType.ENDPOINT), 0, CNODE, slot, DEPTH, 0, 1)
    error(b"an empty slot as destination", Error.FAILED_LOOKUP, result)
    detail(b"failure", 1, u64(LookupFailure.MISSING_CAPABILITY))


@case
@compiled
def retype_into_another_cnode() -> None:
    """The destination may be any CNode that the root's address space reaches (Untyped Retype)."""
    node = make_sized(ObjectType.CAP_TABLE, 4)
    kind = u64(ObjectType.ENDPOINT)
    done(b"by address", untyped_retype(guest.pool, kind, 0, CNODE, node, DEPTH, 3, 2))
    error(b"again", Error.DELETE_FIRST, untyped_retype(guest.pool, kind, 0, CNODE, node, DEPTH, 4, 1))
    done(b"as root", untyped_retype(guest.pool, kind, 0, node, 0, 0, 5, 1))
    done(b"copy one out", cnode_copy(CNODE, take_slot(), DEPTH, node, 3, 4, ALL_RIGHTS))


@case
@compiled
def retype_offset_range() -> None:
    """The slots to fill must be slots of the destination (Untyped Retype; Errors)."""
    node = make_sized(ObjectType.CAP_TABLE, 4)
    kind = u64(ObjectType.ENDPOINT)
    result = untyped_retype(guest.pool, kind, 0, node, 0, 0, 16, 1)
    error(b"offset", Error.RANGE_ERROR, result)
    detail(b"least offset", 0, 0)
    detail(b"greatest offset", 1, 15)
    result = untyped_retype(guest.pool, kind, 0, node, 0, 0, 14, 3)
    error(b"number", Error.RANGE_ERROR, result)
    detail(b"least number", 0, 1)
    detail(b"greatest number", 1, 2)
    done(b"up to the end", untyped_retype(guest.pool, kind, 0, node, 0, 0, 14, 2))


@case
@compiled
def untyped_with_children_cannot_be_copied() -> None:
    """A capability to untyped memory with objects in it cannot be copied (Capability Derivation Tree)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    target = take_slots(2)
    done(b"copy while unused", cnode_copy(CNODE, target, DEPTH, CNODE, untyped, DEPTH, ALL_RIGHTS))
    done(b"delete the copy", delete(target))
    done(b"an endpoint", retype(untyped, ObjectType.ENDPOINT, 0, target + 1, 1))
    result = cnode_copy(CNODE, target, DEPTH, CNODE, untyped, DEPTH, ALL_RIGHTS)
    error(b"copy", Error.REVOKE_FIRST, result)
    false(b"nothing was copied", occupied(target))


@case
@compiled
def copied_untyped_hands_out_memory_once() -> None:
    """Of two capabilities to the same untyped memory one has all of it, so that nothing is made twice
    (Capability Derivation Tree)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    other = copy(untyped, ALL_RIGHTS)
    slot = take_slots(2)
    error(b"the source", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.ENDPOINT, 0, slot, 1))
    done(b"the copy", retype(other, ObjectType.PAGE, 0, slot, 1))
    done(b"revoke", revoke(untyped))
    false(b"the copy is gone", occupied(other))
    done(b"the source", retype(untyped, ObjectType.PAGE, 0, slot, 1))


@case
@compiled
def revoke_reaches_grandchildren() -> None:
    """Revoking untyped memory also deletes what was made from the untypeds in it (Capability Derivation Tree)."""
    outer = make_sized(ObjectType.UNTYPED, PAGE_BITS + 1)
    inner = take_slots(2)
    done(b"inner untyped", retype(outer, ObjectType.UNTYPED, PAGE_BITS, inner, 1))
    done(b"an endpoint in it", retype(inner, ObjectType.ENDPOINT, 0, inner + 1, 1))
    done(b"revoke", revoke(outer))
    false(b"inner untyped", occupied(inner))
    false(b"endpoint", occupied(inner + 1))


@case
@compiled
def truncated_message() -> None:
    """An invocation with too few words or capabilities is refused (Errors)."""
    slot = take_slot()
    buffer = environment.ipc_buffer
    label = InvocationLabel.UNTYPED_RETYPE
    kind = u64(ObjectType.ENDPOINT)
    buffer.caps[0] = CNODE
    buffer.message[4] = slot
    buffer.message[5] = 1
    error(b"five words", Error.TRUNCATED_MESSAGE, invoke(guest.pool, label, 1, 5, kind, 0, 0, 0))
    error(b"no capability", Error.TRUNCATED_MESSAGE, invoke(guest.pool, label, 0, 6, kind, 0, 0, 0))
    false(b"nothing was made", occupied(slot))
    done(b"complete", invoke(guest.pool, label, 1, 6, kind, 0, 0, 0))


@case
@compiled
def wrong_label() -> None:
    """A call that an object does not have is an illegal operation; an empty slot is an invalid capability (Errors)."""
    result = invoke(guest.pool, InvocationLabel.TCB_SUSPEND, 0, 0, 0, 0, 0, 0)
    error(b"untyped", Error.ILLEGAL_OPERATION, result)
    result = invoke(CNODE, InvocationLabel.TCB_SUSPEND, 0, 0, 0, 0, 0, 0)
    error(b"CNode", Error.ILLEGAL_OPERATION, result)
    result = invoke(take_slot(), InvocationLabel.TCB_SUSPEND, 0, 0, 0, 0, 0, 0)
    error(b"empty slot", Error.INVALID_CAPABILITY, result)
    detail(b"which capability", 0, 0)

# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of untyped memory, tables, frames and identifiers (manual: Memory Allocation Model; Address Spaces)."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from tessera.abi.capabilities import EXECUTE_NEVER
from tessera.abi.configuration import configuration
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.layout import USER_TOP
from tessera.abi.messages import CapRights
from tessera.abi.objects import (
    ASID_POOL_BITS,
    ASID_POOL_COUNT_BITS,
    ASID_POOL_INDEX_BITS,
    DEVICE_TYPES,
    MAX_UNTYPED_BITS,
    MIN_USER_SIZE_BITS,
    OBJECT_TYPE_COUNT,
    WORD_BITS,
    ObjectType,
    object_size_bits,
)
from tessera.spec import cspace, derivation, vspace
from tessera.spec.capability import (
    Capability,
    CNodeCap,
    ContextCap,
    EndpointCap,
    FrameCap,
    NotificationCap,
    PoolCap,
    ReplyCap,
    TableCap,
    ThreadCap,
    UntypedCap,
)
from tessera.spec.derivation import part
from tessera.spec.messages import frame_bits
from tessera.spec.objects import (
    AsidPool,
    Context,
    Endpoint,
    Mapping,
    Node,
    Notification,
    Object,
    Reply,
    Table,
    Thread,
)
from tessera.spec.refusal import (
    LookupFailed,
    Refused,
    failed_lookup,
    illegal_operation,
    invalid_argument,
    invalid_capability,
    out_of_range,
)
from tessera.spec.request import Request, Result
from tessera.spec.state import Kernel, held

T = TypeVar("T", bound=Object)

FRAME_LEVELS = {ObjectType.PAGE: 0, ObjectType.MEGA_PAGE: 1, ObjectType.GIGA_PAGE: 2}


def retype(k: Kernel, r: Request, cap: UntypedCap) -> Result:
    """Untyped Retype: make objects side by side, and put their capabilities into empty slots of a CNode."""
    if r.label != Label.UNTYPED_RETYPE:
        raise illegal_operation()
    r.need(6, 1)
    number, user_size, index, depth, offset, count = r.words[:6]
    kind = _kind(number, user_size)
    node = _destination(r.cap(0), index, depth)
    slots, limit = 1 << node.radix, configuration.profile.retype_fan_out_limit
    if offset >= slots:
        raise out_of_range(0, slots - 1)
    if not 1 <= count <= limit:
        raise out_of_range(1, limit)
    if count > slots - offset:
        raise out_of_range(1, slots - offset)
    for i in range(offset, offset + count):
        cspace.ensure_empty((node, i))
    # Nothing is made of it any more: all of it can be used anew.
    taken = cap.watermark if derivation.has_children(k, r.place) else 0
    size = 1 << object_size_bits(kind, user_size)
    free = (1 << cap.size_bits) - taken
    if free // size < count:
        raise Refused(Error.NOT_ENOUGH_MEMORY, free)
    if cap.is_device and kind not in DEVICE_TYPES:
        raise invalid_argument(1)

    start = -(-taken // size) * size
    k.put(r.place, replace(cap, watermark=start + count * size))
    if kind != ObjectType.UNTYPED and not cap.is_device:
        k.erase(cap.base + start, cap.base + start + count * size)
    for i in range(count):
        new = create(k, kind, cap.base + start + i * size, user_size, cap.is_device)
        derivation.create(k, new, r.place, (node, offset + i))
    return []


def _kind(number: int, user_size: int) -> ObjectType:
    """The type of object, if there is such a one in this size."""
    if number >= OBJECT_TYPE_COUNT:
        raise invalid_argument(0)
    kind = ObjectType(number)
    if user_size >= WORD_BITS or object_size_bits(kind, user_size) > MAX_UNTYPED_BITS:
        raise out_of_range(0, MAX_UNTYPED_BITS)
    if user_size < MIN_USER_SIZE_BITS.get(kind, 0):
        raise invalid_argument(1)
    return kind


def _destination(root: Capability | None, index: int, depth: int) -> Node:
    """The CNode at an address below a root; depth 0 means the root itself."""
    cap = root if depth == 0 else held(cspace.target(root, index, depth))
    if not isinstance(cap, CNodeCap):
        raise failed_lookup(False, LookupFailed(LookupFailure.MISSING_CAPABILITY, depth))
    return cap.node


def create(k: Kernel, kind: ObjectType, base: int, user_size: int, is_device: bool) -> Capability:
    """Make an object, and give its first capability, which has all rights."""
    match kind:
        case ObjectType.UNTYPED:
            return UntypedCap(base, user_size, is_device)
        case ObjectType.PAGE | ObjectType.MEGA_PAGE | ObjectType.GIGA_PAGE:
            return FrameCap(base, FRAME_LEVELS[kind], is_device)
        case ObjectType.TCB:
            return ThreadCap(_new(k, Thread(base, Node(base, 3), domain=k.domain)))
        case ObjectType.ENDPOINT:
            return EndpointCap(_new(k, Endpoint(base)))
        case ObjectType.NOTIFICATION:
            return NotificationCap(_new(k, Notification(base)))
        case ObjectType.REPLY:
            return ReplyCap(_new(k, Reply(base)))
        case ObjectType.CAP_TABLE:
            return CNodeCap(_new(k, Node(base, user_size)))
        case ObjectType.SCHED_CONTEXT:
            return ContextCap(_new(k, Context(base)), user_size)
        case ObjectType.PAGE_TABLE:
            return TableCap(_new(k, Table(base)))


def _new(k: Kernel, thing: T) -> T:
    k.objects[thing.name] = thing
    return thing


def named_space(k: Kernel, r: Request) -> TableCap:
    """The address space that the first capability passed names."""
    cap = r.cap(0)
    if not isinstance(cap, TableCap) or not cap.is_mapped:
        raise invalid_capability(1)
    root = vspace.space_of(k, cap.asid)
    if root is None:
        raise failed_lookup(False, LookupFailed(LookupFailure.INVALID_ROOT))
    if root is not cap.table:
        raise invalid_capability(1)
    return cap


def table(k: Kernel, r: Request, cap: TableCap) -> Result:
    """PageTable Map and Unmap."""
    match r.label:
        case Label.RISCV_PAGE_TABLE_MAP:
            map_table(k, r, cap)
        case Label.RISCV_PAGE_TABLE_UNMAP:
            unmap_table(k, r, cap)
        case _:
            raise illegal_operation()
    return []


def map_table(k: Kernel, r: Request, cap: TableCap) -> None:
    """Put a table into the deepest table that has a free entry for the address."""
    r.need(2, 1)
    if cap.is_mapped:
        raise invalid_capability(0)
    address = r.words[0]
    space = named_space(k, r)
    if address >= USER_TOP:
        raise invalid_argument(0)
    above, level = vspace.walk(space.table, address)
    index = vspace.index_at(address, level)
    if level == 0 or index in above.entries:
        raise Refused(Error.DELETE_FIRST)

    covered = 1 << frame_bits(level)
    k.put(r.place, replace(cap, is_mapped=True, asid=space.asid, address=address // covered * covered))
    above.entries[index] = cap.table


def unmap_table(k: Kernel, r: Request, cap: TableCap) -> None:
    """Take a table out of its address space and clear it. A root in use, or a copied capability, stays."""
    if not k.is_last(cap):
        raise Refused(Error.REVOKE_FIRST)
    if cap.is_mapped:
        if vspace.space_of(k, cap.asid) is cap.table:
            raise Refused(Error.REVOKE_FIRST)
        vspace.unmap_table(k, cap)
        cap.table.entries.clear()
    k.put(r.place, TableCap(cap.table))


def frame(k: Kernel, r: Request, cap: FrameCap) -> Result:
    """Page Map, Unmap and GetAddress."""
    match r.label:
        case Label.RISCV_PAGE_MAP:
            map_frame(k, r, cap)
        case Label.RISCV_PAGE_UNMAP:
            if cap.asid != 0:
                vspace.unmap_frame(k, cap)
                k.put(r.place, replace(cap, asid=0, address=0))
        case Label.RISCV_PAGE_GET_ADDRESS:
            return [cap.base]
        case _:
            raise illegal_operation()
    return []


def map_frame(k: Kernel, r: Request, cap: FrameCap) -> None:
    """Map a frame, or change the rights of its mapping where it is mapped already."""
    r.need(3, 1)
    address, rights, attributes = r.words[:3]
    space = named_space(k, r)
    size = 1 << frame_bits(cap.level)
    if cap.asid != 0:
        if cap.asid != space.asid:
            raise invalid_capability(1)
        if cap.address != address:
            raise invalid_argument(0)
    elif address + size > USER_TOP:
        raise invalid_argument(0)
    if address % size != 0:
        raise Refused(Error.ALIGNMENT_ERROR)
    above, level = vspace.walk(space.table, address)
    if level != cap.level:
        raise failed_lookup(False, LookupFailed(LookupFailure.MISSING_CAPABILITY, frame_bits(level)))
    index = vspace.index_at(address, level)
    if cap.asid == 0 and index in above.entries:
        raise Refused(Error.DELETE_FIRST)

    readable = cap.can_read and part(CapRights, "read", rights) == 1
    writable = readable and cap.can_write and part(CapRights, "write", rights) == 1
    executable = attributes & EXECUTE_NEVER == 0
    k.put(r.place, replace(cap, asid=space.asid, address=address))
    above.entries.pop(index, None)
    if readable or executable:
        above.entries[index] = Mapping(cap.base, readable, writable, executable)


def asid_control(k: Kernel, r: Request) -> Result:
    """ASIDControl MakePool: an untyped page becomes a pool of identifiers."""
    if r.label != Label.RISCV_ASID_CONTROL_MAKE_POOL:
        raise illegal_operation()
    r.need(2, 2)
    free = next((i for i in range(1 << ASID_POOL_COUNT_BITS) if i not in k.pools), None)
    if free is None:
        raise Refused(Error.DELETE_FIRST)
    cap = r.cap(0)
    if not isinstance(cap, UntypedCap) or cap.size_bits != ASID_POOL_BITS or cap.is_device:
        raise invalid_capability(1)
    derivation.ensure_childless(k, r.caps[0])
    place = cspace.target(r.cap(1), r.words[0], r.words[1])
    cspace.ensure_empty(place)

    pool = _new(k, AsidPool(cap.base))
    k.erase(cap.base, cap.base + (1 << ASID_POOL_BITS))
    k.put(r.caps[0], replace(cap, watermark=1 << ASID_POOL_BITS))
    derivation.insert(k, PoolCap(pool, free << ASID_POOL_INDEX_BITS), r.caps[0], place)
    k.pools[free] = pool
    return []


def asid_pool(k: Kernel, r: Request, cap: PoolCap) -> Result:
    """ASIDPool Assign: a page table becomes the root of an address space."""
    if r.label != Label.RISCV_ASID_POOL_ASSIGN:
        raise illegal_operation()
    r.need(0, 1)
    root = r.cap(0)
    if not isinstance(root, TableCap) or root.is_mapped:
        raise invalid_capability(1)
    known = k.pools.get(cap.asid_base >> ASID_POOL_INDEX_BITS)
    if known is None:
        raise failed_lookup(False, LookupFailed(LookupFailure.INVALID_ROOT))
    if known is not cap.pool:
        raise invalid_capability(0)
    # Identifier 0 means none.
    ids = range(cap.asid_base, cap.asid_base + vspace.ASIDS_PER_POOL)
    asid = next((i for i in ids if i != 0 and i - cap.asid_base not in cap.pool.spaces), None)
    if asid is None:
        raise Refused(Error.DELETE_FIRST)

    k.put(r.caps[0], replace(root, is_mapped=True, asid=asid, address=0))
    cap.pool.spaces[asid - cap.asid_base] = root.table
    return []

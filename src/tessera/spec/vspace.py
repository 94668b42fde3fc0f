# SPDX-License-Identifier: BSD-2-Clause
"""Address Spaces: tables, frames and identifiers (manual: Address Spaces and Virtual Memory).

An address space is a root table that a pool knows by an identifier. A mapping is known from both sides: by the table,
and by the capability, which may be out of date.
"""

from __future__ import annotations

from tessera.abi.objects import ASID_POOL_INDEX_BITS, PAGE_TABLE_INDEX_BITS, PAGE_TABLE_LEVELS
from tessera.spec.capability import FrameCap, PoolCap, TableCap
from tessera.spec.messages import frame_bits
from tessera.spec.objects import VSPACE, Mapping, Table, Thread
from tessera.spec.state import Kernel

ROOT_LEVEL = PAGE_TABLE_LEVELS - 1
ASIDS_PER_POOL = 1 << ASID_POOL_INDEX_BITS


def index_at(address: int, level: int) -> int:
    """Which entry of a table at this level translates an address."""
    return address >> frame_bits(level) & ((1 << PAGE_TABLE_INDEX_BITS) - 1)


def space_of(k: Kernel, asid: int) -> Table | None:
    """The root table of an address space identifier."""
    pool = k.pools.get(asid >> ASID_POOL_INDEX_BITS) if asid != 0 else None
    return None if pool is None else pool.spaces.get(asid % ASIDS_PER_POOL)


def walk(root: Table, address: int) -> tuple[Table, int]:
    """The deepest table there is for an address, and its level."""
    table, level = root, ROOT_LEVEL
    while level > 0:
        entry = table.entries.get(index_at(address, level))
        if not isinstance(entry, Table):
            break
        table, level = entry, level - 1
    return table, level


def activate(k: Kernel, thread: Thread) -> None:
    """Switch to a thread's address space; to the kernel's own if the thread has none that is valid."""
    cap = thread.own.slots.get(VSPACE)
    k.space = None
    if isinstance(cap, TableCap) and cap.is_mapped and space_of(k, cap.asid) is cap.table:
        k.space = (cap.table, cap.asid)


def unmap_frame(k: Kernel, cap: FrameCap) -> None:
    """Undo the mapping of a frame, if the tables still have it."""
    root = space_of(k, cap.asid)
    if root is None:
        return
    table, level = walk(root, cap.address)
    index = index_at(cap.address, level)
    entry = table.entries.get(index)
    if level == cap.level and isinstance(entry, Mapping) and entry.base == cap.base:
        del table.entries[index]


def unmap_table(k: Kernel, cap: TableCap) -> None:
    """Take a table out of the one above it, if it is still there."""
    table: Table | Mapping | None = space_of(k, cap.asid) if cap.is_mapped else None
    for level in range(ROOT_LEVEL, 0, -1):
        if not isinstance(table, Table):
            return
        index = index_at(cap.address, level)
        if table.entries.get(index) is cap.table:
            del table.entries[index]
            return
        table = table.entries.get(index)


def end_table(k: Kernel, cap: TableCap) -> None:
    """The last capability to a table goes away: take it out of use, as a space or as a lower table."""
    if cap.is_mapped and space_of(k, cap.asid) is cap.table:
        del k.pools[cap.asid >> ASID_POOL_INDEX_BITS].spaces[cap.asid % ASIDS_PER_POOL]
        k.space = None
    else:
        unmap_table(k, cap)


def end_pool(k: Kernel, cap: PoolCap) -> None:
    """The last capability to a pool goes away, and with it all its address spaces."""
    index = cap.asid_base >> ASID_POOL_INDEX_BITS
    if k.pools.get(index) is cap.pool:
        del k.pools[index]
        k.space = None

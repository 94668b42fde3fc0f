# SPDX-License-Identifier: BSD-2-Clause
"""Address Spaces: what the tables of address spaces in use lead to (manual: Address Spaces and Virtual Memory).

A root table is in use while its identifier leads to it. Tables of a space that is gone keep what they hold until they
are unmapped, and nothing is said of them: the hardware does not see them any more.
"""

from __future__ import annotations

from tessera.arch import paging
from tessera.kernel.capability import FrameCap
from tessera.kernel.layout import ASIDS_PER_POOL, AsidPool, PageTable
from tessera.kernel.state import ASID_POOLS, kernel, kernel_page_table
from tessera.lang import at_or_none, forall, from_word, invariant, live, specification, trigger, u64

# Tables above the last ones: a root and those below it.
LAST_RANK = paging.LEVELS


@specification
def is_space(root: PageTable) -> bool:
    """Whether a table is the root of an address space in use."""
    if root.rank != 1 or root.space is not root or root.pool_number >= ASID_POOLS or root.place >= ASIDS_PER_POOL:
        return False
    pool = kernel.asid_table[root.pool_number]
    return pool is not None and pool.spaces[root.place] is root


@specification
def is_part(table: PageTable, root: PageTable) -> bool:
    """Whether a table belongs to a space: to this life of it."""
    if table.space is not root or table.life != root.life or (table.rank == 1 and table is not root):
        return False
    return table.pool_number == root.pool_number and table.place == root.place


@specification
def is_in_use(table: PageTable) -> bool:
    """Whether a table translates addresses of a space in use."""
    root = table.space
    return root is not None and is_space(root) and is_part(table, root)


@specification
def is_of_users(table: PageTable, index: u64) -> bool:
    """Whether an entry translates addresses that user level can map: a root has the kernel's, too."""
    return index < (paging.FIRST_KERNEL_ENTRY if table.rank == 1 else paging.ENTRIES)


@specification
def entry_at(table: PageTable, index: u64) -> paging.Entry:
    """An entry of a table."""
    return from_word(paging.Entry, table.entries[index])


@specification
def table_below(entry: paging.Entry) -> PageTable | None:
    """The table that an entry leads to."""
    return at_or_none(PageTable, paging.kernel_address(entry.address))


@specification
def is_above(table: PageTable, index: u64, below: PageTable | None) -> bool:
    """Whether one table may lead to another by an entry: it is the one at the address that the other is mapped at."""
    if below is None or not live(below) or below.rank != table.rank + 1:
        return False
    if below.space is not table.space or below.life != table.life:
        return False
    if below.pool_number != table.pool_number or below.place != table.place:
        return False
    upper = paging.index_at(below.start, paging.ROOT_LEVEL)
    if table.rank == 1:
        return index == upper
    same = upper == paging.index_at(table.start, paging.ROOT_LEVEL)
    return same and index == paging.index_at(below.start, paging.ROOT_LEVEL - 1)


@specification
def table_at(root: PageTable, address: u64, level: u64) -> PageTable | None:
    """The table of a level that translates an address; none if the tables do not go so far down."""
    if level == paging.ROOT_LEVEL:
        return root
    upper = entry_at(root, paging.index_at(address, paging.ROOT_LEVEL))
    middle = table_below(upper)
    if not upper.is_table() or middle is None or level == paging.ROOT_LEVEL - 1:
        return middle if upper.is_table() else None
    lower = entry_at(middle, paging.index_at(address, paging.ROOT_LEVEL - 1))
    return table_below(lower) if lower.is_table() else None


@specification
def is_mapped(cap: FrameCap, root: PageTable) -> bool:
    """Whether an address space maps the frame of a capability where that says."""
    table = table_at(root, cap.mapped_address, u64(cap.size))
    if table is None:
        return False
    entry = entry_at(table, paging.index_at(cap.mapped_address, u64(cap.size)))
    return entry.valid and not entry.is_table() and entry.address == cap.base


@specification
def leads_to(table: PageTable, index: u64, below: PageTable) -> bool:
    """Whether an entry of a table in use leads to another table."""
    trigger(table.entries[index])
    if index >= paging.ENTRIES or not is_in_use(table) or not is_of_users(table, index):
        return False
    return entry_at(table, index).is_table() and table_below(entry_at(table, index)) is below


@specification
def is_led_to_from_nowhere(below: PageTable) -> bool:
    """Whether no table in use leads to a table."""
    return forall(PageTable, lambda table: forall(u64, lambda index: not leads_to(table, index, below)))


@invariant
def tables_lead_down(table: PageTable, index: u64) -> bool:
    """A table of a space in use leads to tables of the next level of that space; one that is in no space to none."""
    trigger(table.entries[index])
    if index >= paging.ENTRIES or not entry_at(table, index).is_table():
        return True
    if not is_in_use(table) or not is_of_users(table, index):
        return table.rank != 0
    return 0 < table.rank and table.rank < LAST_RANK and is_above(table, index, table_below(entry_at(table, index)))


@invariant
def upper_tables_are_led_to(root: PageTable, index: u64, table: PageTable) -> bool:
    """A root leads to each table of the level below it that is in use."""
    trigger(root.entries[index], table.start)
    if table.rank != 2 or table.space is not root or not is_in_use(table):
        return True
    is_led_to = entry_at(root, index).is_table() and table_below(entry_at(root, index)) is table
    return is_led_to or index != paging.index_at(table.start, paging.ROOT_LEVEL)


@invariant
def spaces_map_the_kernel(root: PageTable, index: u64) -> bool:
    """Every address space has the kernel's entries."""
    trigger(root.entries[index])
    if index < paging.FIRST_KERNEL_ENTRY or index >= paging.ENTRIES or not is_space(root):
        return True
    return root.entries[index] == kernel_page_table.entries[index]


@invariant
def spaces_are_roots(pool: AsidPool, number: u64, place: u64) -> bool:
    """An identifier in use leads to a root table, which knows it."""
    trigger(kernel.asid_table[number], pool.spaces[place])
    if number >= ASID_POOLS or place >= ASIDS_PER_POOL or kernel.asid_table[number] is not pool:
        return True
    root = pool.spaces[place]
    return root is None or (live(root) and is_space(root) and root.pool_number == number and root.place == place)


@invariant
def pools_are_live(number: u64) -> bool:
    """Identifiers come in pools, each of which is used once."""
    trigger(kernel.asid_table[number])
    if number >= ASID_POOLS:
        return True
    pool = kernel.asid_table[number]
    return pool is None or (live(pool) and pool.number == number)


@invariant
def lives_are_counted() -> bool:
    """Address spaces are counted from 0 on."""
    return kernel.lives >= 0


@invariant
def lives_are_past(table: PageTable) -> bool:
    """A table belongs to a space that was begun already."""
    trigger(table.life)
    return table.life <= kernel.lives


@invariant
def kernel_table_is_no_space() -> bool:
    """The kernel's own table belongs to no identifier."""
    return kernel_page_table.space is None

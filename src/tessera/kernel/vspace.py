# SPDX-License-Identifier: BSD-2-Clause
"""Address Spaces: tables, frames and identifiers (manual: Address Spaces and Virtual Memory).

An address space is a root table that has an address space identifier. A mapping is known from both sides: the entry in
a table, and the address and identifier in the capability. The capability may be out of date, so unmapping believes it
only where the tables agree.
"""

from __future__ import annotations

from tessera.arch import machine, paging
from tessera.kernel.capability import AsidPoolCap, FrameCap, FrameSize, PageTableCap
from tessera.kernel.layout import ASID_POOL_INDEX_BITS, ASIDS_PER_POOL, AsidPool, PageTable, Tcb
from tessera.kernel.state import ASID_POOLS, kernel, kernel_page_table
from tessera.kernel.vspace_invariants import (
    is_led_to_from_nowhere,
    is_mapped,
    is_of_users,
    is_part,
    is_space,
    leads_to,
    table_at,
    table_below,
)
from tessera.lang import (
    address_of,
    at,
    compiled,
    decreases,
    ensures,
    forall,
    from_word,
    ghost,
    loop_invariant,
    modifies,
    old,
    range,
    record,
    requires,
    specification,
    to_word,
    trigger,
    u64,
)


@record
class Place:
    """The entry that translates an address at the deepest table there is; ``level`` is the table's."""

    table: PageTable
    index: u64
    level: u64


@compiled
def read_entry(place: Place) -> paging.Entry:
    """The entry at a place."""
    return from_word(paging.Entry, place.table.entries[place.index])


@compiled
def write_entry(place: Place, entry: paging.Entry) -> None:
    """Change an entry; the caller flushes translations where an old one may be known."""
    place.table.entries[place.index] = to_word(entry)


@compiled
def frame_size_bits(size: FrameSize) -> u64:
    """The size of a frame in bits: 12, 21, 30."""
    return paging.level_bits(u64(size))


@compiled
def table_of(entry: paging.Entry) -> PageTable:
    """The table that an entry leads to."""
    return at(PageTable, paging.kernel_address(entry.address))


@specification
def is_place(place: Place, root: PageTable, address: u64) -> bool:
    """Whether a place is an entry that translates a user's address in a space in use."""
    if place.level > paging.ROOT_LEVEL or table_at(root, address, place.level) is not place.table:
        return False
    return (
        place.index == paging.index_at(address, place.level)
        and place.table.rank + place.level == paging.LEVELS
        and is_part(place.table, root)
        and is_of_users(place.table, place.index)
    )


@compiled
def walk(root: PageTable, address: u64) -> Place:
    """Follow the tables for an address as far as they go. (seL4: lookupPTSlot.)"""
    requires(is_space(root) and address < paging.USER_TOP)
    ensures(lambda result: is_place(result, root, address) and not read_entry(result).is_table())
    table = root
    level = u64(paging.ROOT_LEVEL)
    index = paging.index_at(address, level)
    entry = from_word(paging.Entry, table.entries[index])
    # Bounded by the levels of page tables, 3.
    while level > 0 and entry.is_table():
        loop_invariant(is_place(Place(table, index, level), root, address))
        loop_invariant(entry == from_word(paging.Entry, table.entries[index]))
        decreases(level)
        table = table_of(entry)
        level -= 1
        index = paging.index_at(address, level)
        entry = from_word(paging.Entry, table.entries[index])
    return Place(table, index, level)


@compiled
def space_of(asid: u64) -> PageTable | None:
    """The root table of an address space identifier; ``None`` if it has none. (seL4: findVSpaceForASID.)"""
    requires(asid < ASID_POOLS * ASIDS_PER_POOL)
    if asid == 0:
        return None
    pool = kernel.asid_table[asid >> ASID_POOL_INDEX_BITS]
    if pool is None:
        return None
    return pool.spaces[asid & (ASIDS_PER_POOL - 1)]


@specification
def has_kernel_entries(root: PageTable, end: u64) -> bool:
    """Whether the kernel's entries before ``end`` are there."""
    own = kernel_page_table
    first = u64(paging.FIRST_KERNEL_ENTRY)
    return forall(u64, lambda index: index < first or index >= end or root.entries[index] == own.entries[index])


@compiled
def map_kernel(root: PageTable) -> None:
    """Give a new address space the kernel's entries, which are the same everywhere."""
    requires(root.rank == 1)
    modifies(root.entries)
    ensures(lambda: has_kernel_entries(root, paging.ENTRIES))
    ensures(lambda: forall(u64, lambda i: i >= paging.FIRST_KERNEL_ENTRY or root.entries[i] == old(root.entries[i])))
    for index in range(paging.FIRST_KERNEL_ENTRY, paging.ENTRIES):
        loop_invariant(has_kernel_entries(root, index))
        loop_invariant(forall(u64, lambda i: i >= paging.FIRST_KERNEL_ENTRY or root.entries[i] == old(root.entries[i])))
        root.entries[index] = kernel_page_table.entries[index]


@compiled
def kernel_space_word() -> u64:
    """What selects the address space that maps the kernel only."""
    return paging.root_word(paging.image_physical(address_of(kernel_page_table)), 0)


@compiled
def activate(tcb: Tcb) -> None:
    """Switch to a thread's address space; to the kernel's own if the thread has none that is valid."""
    word = kernel_space_word()
    root = tcb.vspace_root.capability
    if isinstance(root, PageTableCap) and is_valid_root(root):
        word = space_word(root)
    enter(word)


@compiled
def is_valid_root(root: PageTableCap) -> bool:
    """Whether a table is the root of the address space that the capability names."""
    if not root.is_mapped:
        return False
    pool = kernel.asid_table[root.asid >> ASID_POOL_INDEX_BITS]
    return pool is not None and pool.spaces[root.asid & (ASIDS_PER_POOL - 1)] is root.table


@compiled
def space_word(root: PageTableCap) -> u64:
    """What selects the address space of such a table."""
    return paging.root_word(paging.physical_address(address_of(root.table)), root.asid)


@compiled
def is_in_use(tcb: Tcb) -> bool:
    """Whether a thread's address space is the one in use. It is valid then: whoever ends a space leaves it."""
    root = tcb.vspace_root.capability
    return isinstance(root, PageTableCap) and root.is_mapped and space_word(root) == kernel.space_word


@compiled
def enter(word: u64) -> None:
    """Switch to the address space that a word selects, unless it is used now."""
    if word != kernel.space_word:
        kernel.space_word = word
        machine.write_address_space(word)


@specification
def has_mapping(cap: FrameCap) -> bool:
    """Whether the tables have the mapping that a capability to a frame tells of."""
    root = space_of(cap.asid)
    return root is not None and is_mapped(cap, root)


@specification
def is_left(before: u64, after: u64, cap: FrameCap) -> bool:
    """Whether an entry is as it was, or led to the frame and does so no longer."""
    entry = from_word(paging.Entry, before)
    return after == before or (after == 0 and entry.valid and entry.address == cap.base)


@compiled
def unmap_frame(cap: FrameCap) -> None:
    """Undo the mapping of a frame, if the tables still have it."""
    modifies(PageTable.entries)
    ensures(lambda: not has_mapping(cap))
    ensures(lambda: forall(PageTable, lambda t: forall(u64, lambda i: is_left(old(t.entries[i]), t.entries[i], cap))))
    root = space_of(cap.asid)
    if root is None:
        return
    place = walk(root, cap.mapped_address)
    if place.level != u64(cap.size):
        return
    entry = read_entry(place)
    if not entry.valid or entry.address != cap.base:
        return
    write_entry(place, paging.Entry())
    machine.flush_page(cap.mapped_address, cap.asid)


@specification
def is_cut(before: u64, after: u64, cap: PageTableCap) -> bool:
    """Whether an entry is as it was, or led to a table and does so no longer."""
    entry = from_word(paging.Entry, before)
    return after == before or (after == 0 and entry.is_table() and table_below(entry) is cap.table)


@specification
def is_reached(table: PageTable, index: u64, root: PageTable, cap: PageTableCap) -> bool:
    """Whether what leads to a capability's table is found on the way to the address that it names."""
    trigger(table.entries[index])
    if not leads_to(table, index, cap.table):
        return True
    level = u64(paging.LEVELS) - table.rank
    return table_at(root, cap.mapped_address, level) is table and index == paging.index_at(cap.mapped_address, level)


@compiled
def unmap_page_table(cap: PageTableCap) -> None:
    """Take a table out of the one above it, if it is still there: no space in use has it any more."""
    requires(cap.is_mapped and space_of(cap.asid) is not cap.table)
    modifies(PageTable.entries, cap.table.space)
    ensures(lambda: cap.table.space is None and is_led_to_from_nowhere(cap.table))
    ensures(lambda: forall(PageTable, lambda t: forall(u64, lambda i: is_cut(old(t.entries[i]), t.entries[i], cap))))
    root = space_of(cap.asid)
    if root is not None:
        address = cap.mapped_address
        table: PageTable = root
        level = u64(paging.ROOT_LEVEL)
        index = paging.index_at(address, level)
        entry = from_word(paging.Entry, table.entries[index])
        # Bounded by the levels of page tables, 3.
        while level > 0 and entry.is_table() and table_of(entry) is not cap.table:
            loop_invariant(is_place(Place(table, index, level), root, address))
            loop_invariant(entry == from_word(paging.Entry, table.entries[index]) and table is not cap.table)
            loop_invariant(level == paging.ROOT_LEVEL or table_at(root, address, 1) is not cap.table)
            decreases(level)
            table = table_of(entry)
            level -= 1
            index = paging.index_at(address, level)
            entry = from_word(paging.Entry, table.entries[index])
        with ghost:
            assert forall(PageTable, lambda t: forall(u64, lambda i: is_reached(t, i, root, cap)))
            assert forall(
                PageTable,
                lambda t: forall(u64, lambda i: not leads_to(t, i, cap.table) or (t is table and i == index)),
            )
        if level > 0 and entry.is_table():
            table.entries[index] = to_word(paging.Entry())
            machine.flush_space(cap.asid)
    with ghost:
        assert is_led_to_from_nowhere(cap.table)
        cap.table.space = None


@compiled
def delete_space(asid: u64, root: PageTable) -> None:
    """Take an address space out of its pool; its identifier is free again. (seL4: deleteASID.)"""
    requires(asid < ASID_POOLS * ASIDS_PER_POOL)
    modifies(AsidPool.spaces, kernel.space_word)
    ensures(lambda: space_of(asid) is not root)
    if space_of(asid) is not root:
        return
    pool = kernel.asid_table[asid >> ASID_POOL_INDEX_BITS]
    if pool is not None:
        machine.flush_space(asid)
        pool.spaces[asid & (ASIDS_PER_POOL - 1)] = None
        leave_space()


@compiled
def delete_pool(cap: AsidPoolCap) -> None:
    """Take a pool out of use, and so all its address spaces."""
    modifies(kernel.asid_table, kernel.space_word)
    ensures(lambda: kernel.asid_table[cap.asid_base >> ASID_POOL_INDEX_BITS] is not cap.pool)
    index = cap.asid_base >> ASID_POOL_INDEX_BITS
    if kernel.asid_table[index] is cap.pool:
        kernel.asid_table[index] = None
        machine.flush_translations()
        leave_space()


@compiled
def leave_space() -> None:
    """Run on the kernel's own tables until the next thread is activated: the current ones may be going away."""
    kernel.space_word = kernel_space_word()
    machine.write_address_space(kernel.space_word)


@compiled
def finalise_page_table(cap: PageTableCap) -> None:
    """The last capability to a table goes away: take the table out of use as a space or as a lower table."""
    if not cap.is_mapped:
        return
    if space_of(cap.asid) is cap.table:
        delete_space(cap.asid, cap.table)
    else:
        unmap_page_table(cap)


@compiled
def new_pool(pool: AsidPool, asid_base: u64) -> None:
    """Bring a pool without spaces into use."""
    requires(asid_base < ASID_POOLS * ASIDS_PER_POOL and kernel.asid_table[asid_base >> ASID_POOL_INDEX_BITS] is None)
    requires(forall(u64, lambda place: place >= ASIDS_PER_POOL or pool.spaces[place] is None))
    requires(forall(u64, lambda other: other >= ASID_POOLS or kernel.asid_table[other] is not pool))
    with ghost:
        pool.number = asid_base >> ASID_POOL_INDEX_BITS
    kernel.asid_table[asid_base >> ASID_POOL_INDEX_BITS] = pool

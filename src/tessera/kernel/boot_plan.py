# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: where the root task's objects and windows will be (manual: System Bootstrapping).

``abi.layout.plan_boot`` is the same decision in plain Python, for the tools; a test compares the two on a booted
kernel.
"""

from __future__ import annotations

from tessera.abi.capabilities import FIRST_DYNAMIC_SLOT
from tessera.abi.configuration import configuration
from tessera.abi.objects import (
    ASID_POOL_BITS,
    MIN_SCHED_CONTEXT_BITS,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    SLOT_BITS,
    TCB_BITS,
)
from tessera.arch import paging
from tessera.kernel.boot_memory import (
    MAX_PIECES,
    Piece,
    add_piece,
    are_granular,
    are_in_order,
    boot_memory,
    cut,
    is_as_before,
    is_free_place,
    is_memory_free,
    is_taken_out,
    place_root_objects,
)
from tessera.kernel.layout import Granule
from tessera.kernel.memory_invariants import is_zero
from tessera.kernel.untyped import aligned_offset, clear_bytes
from tessera.lang import (
    compiled,
    decreases,
    ensures,
    ghost,
    loop_invariant,
    max,
    modifies,
    old,
    range,
    requires,
    specification,
    static,
    struct,
    u64,
    wrapping_sub,
)


@struct
class Plan:
    """Where the root task's objects and windows are: physical addresses, but ``virtual_*`` are the root task's."""

    image_start: u64
    image_end: u64
    virtual_start: u64
    virtual_ipc_buffer: u64
    virtual_boot_info: u64
    virtual_end: u64
    tables: u64
    extra_bits: u64
    extra_pages: u64
    cnode: u64
    extra: u64
    vspace: u64
    asid_pool: u64
    ipc_buffer: u64
    boot_info: u64
    page_tables: u64
    tcb: u64
    context: u64


plan: Plan = static(Plan)


PAGE_MASK = (1 << PAGE_BITS) - 1
# No address space has more tables of 4 KiB, nor a device tree more bytes.
MOST_TABLES = 1 << 18
LARGEST_EXTRA_BITS = 32
MOST_EXTRA_PAGES = 1 << (LARGEST_EXTRA_BITS - PAGE_BITS)


@compiled
def cnode_bits() -> u64:
    """The size of the root CNode."""
    return u64(configuration.profile.root_cnode_bits + SLOT_BITS)


@compiled
def cnode_size() -> u64:
    """The bytes of the root CNode."""
    return u64(1) << cnode_bits()


@compiled
def tables_at(start: u64, end: u64, level: u64) -> u64:
    """Page tables below those of a level that a range of virtual addresses needs."""
    requires(0 < level and level < paging.LEVELS and start <= end and end <= paging.USER_TOP)
    size_bits = paging.level_bits(level)
    return (aligned_offset(end, size_bits) >> size_bits) - (start >> size_bits)


@specification
def tables_between(start: u64, end: u64, level: u64) -> u64:
    """Entries of a level that translate a range of addresses."""
    size_bits = paging.level_bits(level)
    return ((end + (u64(1) << size_bits) - 1) >> size_bits) - (start >> size_bits)


@compiled
def tables_needed(start: u64, end: u64) -> u64:
    """Page tables besides the root that map a range of virtual addresses with the smallest frames."""
    requires(start <= end and end <= paging.USER_TOP)
    ensures(lambda result: result == tables_between(start, end, 1) + tables_between(start, end, 2))
    ensures(lambda result: result <= MOST_TABLES)
    total = u64(0)
    for level in range(1, paging.LEVELS):
        total += tables_at(start, end, level)
    return total


@specification
def is_extra_enough(tree_bytes: u64) -> bool:
    """Whether the extra boot information has room for a device tree and its header; there is none without one."""
    if tree_bytes == 0:
        return plan.extra_pages == 0 and plan.extra_bits == 0
    return plan.extra_pages << PAGE_BITS == u64(1) << plan.extra_bits and is_least(plan.extra_pages, tree_bytes + 16)


@specification
def is_least(pages: u64, size: u64) -> bool:
    """Whether so many pages, a power of two, are enough for so many bytes, and half of them are not."""
    return size <= pages << PAGE_BITS and (pages == 1 or pages << PAGE_BITS < size + size)


@compiled
def choose_extra(tree_bytes: u64) -> None:
    """Decide the size of the extra boot information that carries a device tree."""
    requires(tree_bytes + 16 <= u64(1) << LARGEST_EXTRA_BITS)
    modifies(plan.extra_bits, plan.extra_pages)
    ensures(lambda: is_extra_enough(tree_bytes) and plan.extra_pages <= MOST_EXTRA_PAGES)
    ensures(lambda: plan.extra_bits <= LARGEST_EXTRA_BITS)
    size_bits = u64(0)
    pages = u64(0)
    if tree_bytes != 0:
        size_bits = u64(PAGE_BITS)
        pages = u64(1)
        # Bounded by the size of a device tree, 32 bits; at boot alone.
        while (pages << PAGE_BITS) < tree_bytes + 16:
            loop_invariant(PAGE_BITS <= size_bits and size_bits <= LARGEST_EXTRA_BITS)
            loop_invariant(u64(1) << size_bits <= u64(1) << LARGEST_EXTRA_BITS)
            loop_invariant(0 < pages and pages <= MOST_EXTRA_PAGES)
            loop_invariant(pages << PAGE_BITS == u64(1) << size_bits)
            loop_invariant(pages == 1 or pages << PAGE_BITS < (tree_bytes + 16) + (tree_bytes + 16))
            decreases(LARGEST_EXTRA_BITS - size_bits)
            pages += pages
            size_bits += 1
    plan.extra_bits = size_bits
    plan.extra_pages = pages


@compiled
def is_image(start: u64, end: u64) -> bool:
    """Whether an image of the root task is whole pages of memory."""
    return (
        configuration.memory_start <= start <= end <= configuration.memory_end
        and start & PAGE_MASK == 0
        and end & PAGE_MASK == 0
    )


@specification
def are_windows_chosen() -> bool:
    """Whether the plan says where the root task sees its image, and what is behind that."""
    return (
        is_image(plan.image_start, plan.image_end)
        and plan.virtual_start & PAGE_MASK == 0
        and plan.virtual_start + (plan.image_end - plan.image_start) == plan.virtual_ipc_buffer
        and plan.virtual_ipc_buffer + (1 << PAGE_BITS) == plan.virtual_boot_info
        and plan.virtual_boot_info + ((plan.extra_pages + 1) << PAGE_BITS) == plan.virtual_end
        and plan.virtual_end <= paging.USER_TOP
        and plan.tables <= MOST_TABLES
        and plan.extra_pages <= MOST_EXTRA_PAGES
    )


@specification
def is_too_large() -> bool:
    """Whether the root task's image and what is behind it do not end below the last address of user level."""
    size = plan.image_end - plan.image_start + ((plan.extra_pages + 2) << PAGE_BITS)
    return plan.virtual_start > paging.USER_TOP or paging.USER_TOP - plan.virtual_start < size


@compiled
def choose_windows(image_start: u64, image_end: u64, offset: u64, tree_bytes: u64) -> bool:
    """Decide where the root task sees its image, and what is behind that; false if that is too much."""
    requires(is_image(image_start, image_end) and tree_bytes + 16 <= u64(1) << LARGEST_EXTRA_BITS)
    requires(offset & PAGE_MASK == 0)
    modifies(plan)
    ensures(lambda result: are_windows_chosen() if result else is_too_large())
    ensures(lambda: plan.image_start == image_start and plan.image_end == image_end)
    ensures(lambda: plan.virtual_start == wrapping_sub(image_start, offset) and is_extra_enough(tree_bytes))
    ensures(lambda result: plan.extra_bits <= LARGEST_EXTRA_BITS)
    plan.image_start = image_start
    plan.image_end = image_end
    plan.virtual_start = wrapping_sub(image_start, offset)
    choose_extra(tree_bytes)
    size = image_end - image_start + ((plan.extra_pages + 2) << PAGE_BITS)
    if plan.virtual_start > paging.USER_TOP or paging.USER_TOP - plan.virtual_start < size:
        return False
    plan.virtual_ipc_buffer = plan.virtual_start + (image_end - image_start)
    plan.virtual_boot_info = plan.virtual_ipc_buffer + (1 << PAGE_BITS)
    plan.virtual_end = plan.virtual_start + size
    plan.tables = tables_needed(plan.virtual_start, plan.virtual_end)
    return True


@compiled
def size_of_objects() -> u64:
    """The memory that the root task's objects take."""
    size = cnode_size() + ((plan.tables + plan.extra_pages + 4) << PAGE_BITS)
    return size + (1 << TCB_BITS) + (1 << MIN_SCHED_CONTEXT_BITS)


@specification
def are_objects_placed() -> bool:
    """Whether the plan has a place in memory for each object, aligned to its size, and apart from the others."""
    return (
        plan.asid_pool + (1 << ASID_POOL_BITS) == plan.ipc_buffer
        and plan.ipc_buffer + (1 << PAGE_BITS) == plan.boot_info
        and plan.boot_info + (1 << PAGE_BITS) == plan.page_tables
        and plan.page_tables + (plan.tables << PAGE_TABLE_BITS) == plan.tcb
        and plan.tcb + (1 << TCB_BITS) == plan.context
        and plan.cnode & (cnode_size() - 1) == 0
        and plan.vspace & PAGE_MASK == 0
        and plan.asid_pool & PAGE_MASK == 0
        and is_extra_placed()
    )


@specification
def is_extra_placed() -> bool:
    """Whether the extra boot information is between root CNode and root table, or one page behind that."""
    end = plan.extra + (plan.extra_pages << PAGE_BITS)
    table_end = plan.vspace + (1 << PAGE_BITS)
    if plan.extra_pages == 1:
        placed = plan.cnode + cnode_size() == plan.vspace and plan.extra == table_end and plan.asid_pool == end
    else:
        placed = plan.cnode + cnode_size() == plan.extra and plan.vspace == end and plan.asid_pool == table_end
    return placed and plan.extra & PAGE_MASK == 0


@compiled
def place_objects() -> bool:
    """Decide where the root task's objects are, and clear that memory; false if there is too little."""
    requires(are_windows_chosen() and plan.extra_bits <= LARGEST_EXTRA_BITS)
    requires(are_in_order() and boot_memory.count < MAX_PIECES - 1)
    requires(are_granular())
    modifies(plan, boot_memory.count, Piece.start, Piece.end, Granule.value)
    ensures(lambda: are_in_order())
    ensures(lambda: are_granular())
    ensures(lambda result: not result or (are_windows_chosen() and are_objects_placed()))
    ensures(lambda: plan.tables == old(plan.tables) and plan.extra_pages == old(plan.extra_pages))
    ensures(lambda: plan.image_start == old(plan.image_start) and plan.image_end == old(plan.image_end))
    ensures(lambda result: not result or is_taken_out(plan.cnode, objects_end()))
    ensures(lambda result: not result or is_cleared_place(plan.cnode, objects_end()))
    size = size_of_objects()
    if size > configuration.memory_end:
        return False
    start = place_root_objects(size, max(cnode_bits(), plan.extra_bits))
    if start == 0 or start & (cnode_size() - 1) != 0:
        return False
    clear_bytes(paging.kernel_address(start), size)
    plan.cnode = start
    # Greatest first, so that each is aligned: extra boot information of one page stands behind the root table.
    plan.extra = plan.cnode + cnode_size()
    plan.vspace = plan.extra
    if plan.extra_pages > 1:
        plan.vspace += plan.extra_pages << PAGE_BITS
    plan.asid_pool = plan.vspace + (1 << PAGE_BITS)
    if plan.extra_pages == 1:
        plan.extra = plan.asid_pool
        plan.asid_pool += 1 << PAGE_BITS
    plan.ipc_buffer = plan.asid_pool + (1 << ASID_POOL_BITS)
    plan.boot_info = plan.ipc_buffer + (1 << PAGE_BITS)
    plan.page_tables = plan.boot_info + (1 << PAGE_BITS)
    plan.tcb = plan.page_tables + (plan.tables << PAGE_TABLE_BITS)
    plan.context = plan.tcb + (1 << TCB_BITS)
    with ghost:
        assert objects_end() == start + size
    return True


@specification
def objects_end() -> u64:
    """Where the memory of the root task's objects ends."""
    return plan.context + (1 << MIN_SCHED_CONTEXT_BITS)


@specification
def is_cleared_place(start: u64, end: u64) -> bool:
    """Whether a range lies in memory that no object is made of, and that is zero."""
    return is_free_place(start, end - start) and is_zero(paging.kernel_address(start), end - start)


@compiled
def image_pages() -> u64:
    """Pages of the root task's own image."""
    return (plan.image_end - plan.image_start) >> PAGE_BITS


@compiled
def slots_needed() -> u64:
    """Slots that will be filled at most."""
    requires(are_windows_chosen())
    ensures(lambda result: (result <= u64(1) << configuration.profile.root_cnode_bits) == has_slots())
    fixed = u64(FIRST_DYNAMIC_SLOT + 1 + configuration.profile.max_bootinfo_untyped_caps)
    return plan.tables + plan.extra_pages + image_pages() + fixed


@compiled
def lay_out(image_start: u64, image_end: u64, offset: u64, tree_bytes: u64) -> bool:
    """Decide all addresses; false if memory or slots do not suffice."""
    requires(is_image(image_start, image_end) and tree_bytes + 16 <= u64(1) << LARGEST_EXTRA_BITS)
    requires(offset & PAGE_MASK == 0)
    requires(are_in_order() and boot_memory.count < MAX_PIECES - 1)
    requires(are_granular())
    ensures(lambda: are_in_order() and are_granular())
    ensures(lambda result: not result or (are_windows_chosen() and are_objects_placed()))
    ensures(lambda result: not result or is_extra_enough(tree_bytes))
    ensures(lambda result: not result or has_slots())
    ensures(lambda result: not result or is_taken_out(plan.cnode, objects_end()))
    ensures(lambda result: not result or is_cleared_place(plan.cnode, objects_end()))
    if not choose_windows(image_start, image_end, offset, tree_bytes):
        return False
    return slots_needed() <= u64(1) << configuration.profile.root_cnode_bits and place_objects()


@specification
def has_slots() -> bool:
    """Whether the root CNode has slots for all that the plan has."""
    dynamic = plan.tables + plan.extra_pages + ((plan.image_end - plan.image_start) >> PAGE_BITS)
    untypeds = u64(configuration.profile.max_bootinfo_untyped_caps)
    return FIRST_DYNAMIC_SLOT + 1 + dynamic + untypeds <= u64(1) << configuration.profile.root_cnode_bits


@compiled
def is_handed_over(image_start: u64, image_end: u64, offset: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """Whether the loader kept to the contract: kernel, device tree and image are in memory, and apart."""
    if kernel_end < configuration.memory_start or kernel_end > image_start or not is_image(image_start, image_end):
        return False
    if offset & PAGE_MASK != 0 or tree_bytes == 0:
        return offset & PAGE_MASK == 0
    if tree < kernel_end or tree > configuration.memory_end or tree_bytes > configuration.memory_end - tree:
        return False
    return tree + tree_bytes <= image_start or image_end <= tree


@compiled
def divide_memory(image_start: u64, image_end: u64, offset: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """Find out which memory is free, and place the root task's objects in it; false if there is too little."""
    requires(is_handed_over(image_start, image_end, offset, tree, tree_bytes, kernel_end))
    requires(is_memory_free(image_start, image_end, tree, tree_bytes, kernel_end))
    modifies(plan, boot_memory.count, Piece.start, Piece.end, Granule.value)
    ensures(lambda: are_in_order() and are_granular())
    ensures(lambda result: not result or (are_windows_chosen() and are_objects_placed() and has_slots()))
    ensures(lambda result: not result or is_extra_enough(tree_bytes))
    ensures(lambda result: not result or is_taken_out(plan.cnode, objects_end()))
    ensures(lambda result: not result or is_cleared_place(plan.cnode, objects_end()))
    add_piece(configuration.memory_start, configuration.memory_end)
    with ghost:
        assert is_as_before(0, configuration.memory_start, configuration.memory_end)
    cut(configuration.memory_start, kernel_end)
    if tree_bytes != 0:
        cut(tree, tree + tree_bytes)
        with ghost:
            assert is_taken_out(configuration.memory_start, kernel_end)
    cut(image_start, image_end)
    with ghost:
        assert is_taken_out(configuration.memory_start, kernel_end)
        assert tree_bytes == 0 or is_taken_out(tree, tree + tree_bytes)
    return lay_out(image_start, image_end, offset, tree_bytes)

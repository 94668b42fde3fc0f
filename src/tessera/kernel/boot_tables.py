# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: the root task's page tables, and memory that becomes its frames (manual: Initial Slots)."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo, BootInfoHeader
from tessera.abi.objects import PAGE_BITS, PAGE_TABLE_BITS
from tessera.arch import paging
from tessera.kernel.boot_frames import PAGE_SIZE, are_bytes, are_frames, is_space_there
from tessera.kernel.boot_objects import (
    are_no_untypeds,
    is_apart_from_root,
    is_behind_space,
    is_kept_or_new,
    is_unused_memory,
    make_table,
)
from tessera.kernel.boot_plan import PAGE_MASK, are_windows_chosen, plan
from tessera.kernel.boot_slots import (
    is_being_filled,
    is_info,
    is_info_there,
    is_new_slot,
    next_slot,
    root_slots,
    root_task,
)
from tessera.kernel.capability import Capability
from tessera.kernel.layout import Granule, IpcBuffer, PageTable, Slot
from tessera.lang import (
    at,
    at_or_none,
    begin_lives,
    compiled,
    ensures,
    everything_in,
    forall,
    ghost,
    integer,
    live,
    loop_invariant,
    modifies,
    old,
    range,
    requires,
    specification,
    trigger,
    u64,
)


@specification
def is_kept_or_table(
    slot: Slot, first: u64, number: u64, was_live: bool, capability: Capability, start: integer, size: integer
) -> bool:
    """Whether a slot is as it was, or new and empty, or one of those of so many page tables."""
    trigger(slot.object_start)
    trigger(slot.capability)
    if is_new_slot(slot, first, plan.page_tables, table_at(number)):
        return True
    return is_kept_or_new(slot, was_live, capability, start, size)


@specification
def table_at(number: u64) -> u64:
    """Where a page table of the root task is."""
    return plan.page_tables + (number << PAGE_TABLE_BITS)


@compiled
def make_page_tables() -> None:
    """The tables below the root that the root task's image needs, from the upper ones down, and their capabilities."""
    requires(are_windows_chosen() and is_info_there() and is_space_there() and is_being_filled() and are_no_untypeds())
    requires(root_task.next + plan.tables <= root_slots() and plan.page_tables & (PAGE_SIZE - 1) == 0)
    requires(is_apart_from_root(plan.page_tables) and is_behind_space(plan.page_tables))
    requires(is_unused_memory(plan.page_tables, plan.tables << PAGE_TABLE_BITS))
    modifies(everything_in(paging.kernel_address(plan.page_tables), plan.tables << PAGE_TABLE_BITS), PageTable.entries)
    modifies(Slot, root_task.next, root_task.info.user_image_paging.start, root_task.info.user_image_paging.end)
    ensures(lambda: is_being_filled() and are_no_untypeds() and is_space_there())
    ensures(lambda: root_task.next == old(root_task.next) + plan.tables)
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_kept_or_table(
                s,
                old(root_task.next),
                plan.tables,
                old(live(s)),
                old(s.capability),
                old(s.object_start),
                old(s.object_size),
            ),
        )
    )
    root_task.info.user_image_paging.start = root_task.next
    # A table of the upper level is for each gigabyte, one of the lower level for each piece of 2 MiB.
    piece = u64(1 << paging.GIGA_PAGE_BITS)
    address = (plan.virtual_start >> paging.GIGA_PAGE_BITS) << paging.GIGA_PAGE_BITS
    # Bounded by the size of the root task's image; at boot alone.
    for number in range(plan.tables):
        loop_invariant(piece == 1 << paging.GIGA_PAGE_BITS or piece == 1 << paging.MEGA_PAGE_BITS)
        loop_invariant(address < paging.USER_TOP and root_task.next == old(root_task.next) + number)
        loop_invariant(is_being_filled() and are_no_untypeds() and is_space_there() and is_info_there())
        loop_invariant(is_unused_memory(table_at(number), table_at(plan.tables) - table_at(number)))
        loop_invariant(
            forall(
                Slot,
                lambda s: is_kept_or_table(
                    s,
                    old(root_task.next),
                    number,  # noqa: B023
                    old(live(s)),
                    old(s.capability),
                    old(s.object_start),
                    old(s.object_size),
                ),
            )
        )
        make_table(next_slot(), plan.page_tables + (number << PAGE_TABLE_BITS), address)
        address += piece
        if address >= plan.virtual_end:
            piece = u64(1 << paging.MEGA_PAGE_BITS)
            address = (plan.virtual_start >> paging.MEGA_PAGE_BITS) << paging.MEGA_PAGE_BITS
    root_task.info.user_image_paging.end = root_task.next


@compiled
def begin_frames(start: u64, end: u64) -> None:
    """Memory that was placed for frames becomes them."""
    requires(start & PAGE_MASK == 0 and end & PAGE_MASK == 0 and start <= end)
    requires(is_unused_memory(start, end - start) and are_no_untypeds())
    modifies(everything_in(paging.kernel_address(start), end - start))
    ensures(lambda: are_frames(start, end))
    with ghost:
        begin_lives(IpcBuffer, paging.kernel_address(start), end - start, Granule)


@compiled(inline="always")
def can_be_written() -> None:
    """An assumption of the proofs: boot writes to frames, BootInfo and the device tree, as user level will do later.

    No object of the kernel lies there, and nothing is known of what a frame holds.
    """
    requires(are_frames(plan.boot_info, plan.boot_info + PAGE_SIZE))
    requires(are_frames(plan.extra, plan.extra + (plan.extra_pages << PAGE_BITS)))
    ensures(lambda: is_info(at(BootInfo, paging.kernel_address(plan.boot_info))))
    ensures(lambda: are_bytes(plan.extra, plan.extra + (plan.extra_pages << PAGE_BITS)))
    ensures(lambda: plan.extra_pages == 0 or live(at_or_none(BootInfoHeader, paging.kernel_address(plan.extra))))

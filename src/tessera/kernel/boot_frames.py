# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: the frames that the root task gets mapped (manual: System Bootstrapping, Initial Slots)."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfoChunk, BootInfoHeader
from tessera.abi.objects import PAGE_BITS
from tessera.arch import paging
from tessera.kernel.boot_plan import (
    MOST_EXTRA_PAGES,
    PAGE_MASK,
    are_windows_chosen,
    image_pages,
    is_extra_enough,
    plan,
)
from tessera.kernel.boot_slots import (
    are_alone,
    frame_cap,
    is_being_filled,
    is_info_there,
    is_new_slot,
    is_nobodys,
    is_region,
    is_root_node,
    is_same_slot,
    next_slot,
    put,
    root_slot,
    root_slots,
    root_task,
)
from tessera.kernel.derivation import is_empty
from tessera.kernel.layout import ByteView, IpcBuffer, PageTable, Slot
from tessera.kernel.object_invariants import BUFFER_SIZE, WINDOW_SIZE
from tessera.kernel.vspace import read_entry, walk, write_entry
from tessera.kernel.vspace_invariants import is_space
from tessera.lang import (
    at,
    at_or_none,
    compiled,
    ensures,
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
    u64,
)

# The root task's address space identifier; 0 means none.
ROOT_ASID = 1
PAGE_SIZE = 1 << PAGE_BITS


@specification
def are_frames(start: u64, end: u64) -> bool:
    """Whether a range of physical addresses is whole pages that the kernel sees, and holds nothing of its own."""
    first = paging.kernel_address(start)
    return (
        start & PAGE_MASK == 0
        and start <= end
        and end <= WINDOW_SIZE
        and forall(
            u64,
            lambda a: (
                a < first or a - first >= end - start or a & (BUFFER_SIZE - 1) != 0 or live(at_or_none(IpcBuffer, a))
            ),
        )
    )


@specification
def is_space_there() -> bool:
    """Whether the root task has an address space, with its identifier."""
    if root_task.space.pool_number != 0 or root_task.space.place != ROOT_ASID:
        return False
    return live(root_task.space) and is_space(root_task.space)


@specification
def are_bytes(start: u64, end: u64) -> bool:
    """Whether a range of physical addresses can be read and written as bytes."""
    first = paging.kernel_address(start)
    return (
        start <= end
        and end <= WINDOW_SIZE
        and forall(u64, lambda a: a < first or a - first >= end - start or live(at_or_none(ByteView, a)))
    )


@specification
def has_frame(index: u64, physical: u64, address: u64) -> bool:
    """Whether a slot of the root CNode has the frame that is mapped at an address."""
    return root_slot(index).capability == frame_cap(physical, ROOT_ASID, address)


@specification
def have_frames(first: u64, count: u64, physical: u64, address: u64) -> bool:
    """Whether so many slots have frames that lie side by side, and are mapped side by side."""
    return forall(
        u64,
        lambda i: i >= count or has_frame(first + i, physical + (i << PAGE_BITS), address + (i << PAGE_BITS)),
    )


@compiled
def map_frame(slot: u64, physical: u64, address: u64) -> None:
    """Map a page for the root task, and put its capability into a slot."""
    requires(is_space_there() and address < paging.USER_TOP)
    requires(is_root_node() and are_alone() and slot < root_slots() and is_empty(root_slot(slot)))
    requires(physical < WINDOW_SIZE and are_frames(physical, physical + PAGE_SIZE))
    requires(is_nobodys(physical, physical + PAGE_SIZE))
    modifies(root_slot(slot), PageTable.entries)
    ensures(lambda: is_root_node() and are_alone())
    ensures(lambda: has_frame(slot, physical, address))
    ensures(lambda: root_slot(slot).object_start == integer(physical) and root_slot(slot).object_size == PAGE_SIZE)
    place = walk(root_task.space, address)
    write_entry(place, paging.leaf_entry(physical, True, True, True))
    with ghost:
        assert read_entry(place) == paging.leaf_entry(physical, True, True, True)
    put(slot, frame_cap(physical, ROOT_ASID, address))


@compiled
def map_frames(physical: u64, count: u64, address: u64) -> None:
    """Map pages side by side for the root task, and put their capabilities into the next slots."""
    requires(is_space_there() and is_being_filled() and root_task.next + count <= root_slots())
    requires(count <= WINDOW_SIZE >> PAGE_BITS and address <= paging.USER_TOP)
    requires(address + (count << PAGE_BITS) <= paging.USER_TOP and physical <= WINDOW_SIZE)
    requires(are_frames(physical, physical + (count << PAGE_BITS)))
    requires(is_nobodys(physical, physical + (count << PAGE_BITS)))
    modifies(Slot, root_task.next, PageTable.entries)
    ensures(lambda: is_being_filled() and root_task.next == old(root_task.next) + count)
    ensures(lambda: have_frames(old(root_task.next), count, physical, address))
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or is_new_slot(s, old(root_task.next), physical, physical + (count << PAGE_BITS))
            ),
        )
    )
    # Bounded by the size of the root task's image or of the device tree; at boot alone.
    for page in range(count):
        loop_invariant(is_being_filled() and root_task.next == old(root_task.next) + page)
        loop_invariant(is_nobodys(physical + (page << PAGE_BITS), physical + (count << PAGE_BITS)))
        loop_invariant(have_frames(old(root_task.next), page, physical, address))
        loop_invariant(
            forall(
                Slot,
                lambda s: (
                    is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                    or is_new_slot(s, old(root_task.next), physical, physical + (page << PAGE_BITS))  # noqa: B023
                ),
            )
        )
        offset = page << PAGE_BITS
        map_frame(next_slot(), physical + offset, address + offset)


@compiled
def make_image_frames() -> None:
    """The frames of the root task's own image."""
    requires(are_windows_chosen() and is_info_there() and is_space_there() and is_being_filled())
    requires(are_frames(plan.image_start, plan.image_end) and is_nobodys(plan.image_start, plan.image_end))
    requires(root_task.next + image_pages() <= root_slots())
    modifies(Slot, root_task.next, PageTable.entries)
    modifies(root_task.info.user_image_frames.start, root_task.info.user_image_frames.end)
    ensures(lambda: is_being_filled() and root_task.next == old(root_task.next) + image_pages())
    ensures(lambda: is_region(root_task.info.user_image_frames, old(root_task.next), root_task.next))
    ensures(lambda: have_frames(old(root_task.next), image_pages(), plan.image_start, plan.virtual_start))
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or is_new_slot(s, old(root_task.next), plan.image_start, plan.image_end)
            ),
        )
    )
    root_task.info.user_image_frames.start = root_task.next
    map_frames(plan.image_start, image_pages(), plan.virtual_start)
    root_task.info.user_image_frames.end = root_task.next


@specification
def is_chunk_there(tree: u64, tree_bytes: u64) -> bool:
    """Whether a device tree can be copied to the extra boot information, and that can be mapped."""
    end = plan.extra + (plan.extra_pages << PAGE_BITS)
    return (
        is_extra_enough(tree_bytes)
        and plan.extra_pages <= MOST_EXTRA_PAGES
        and are_frames(plan.extra, end)
        and are_bytes(plan.extra, end)
        and are_bytes(tree, tree + tree_bytes)
        and live(at_or_none(BootInfoHeader, paging.kernel_address(plan.extra)))
    )


@specification
def is_chunk(length: u64) -> bool:
    """Whether the extra boot information says that it is a device tree of so many bytes with its header."""
    header = at(BootInfoHeader, paging.kernel_address(plan.extra))
    return (
        header.chunk == BootInfoChunk.DEVICE_TREE and header.length == length and root_task.info.extra_length == length
    )


@compiled
def copy_device_tree(tree: u64, tree_bytes: u64) -> None:
    """Hand the device tree to the root task as a chunk behind the BootInfo frame."""
    requires(are_windows_chosen() and is_info_there() and is_space_there() and is_being_filled())
    requires(tree <= WINDOW_SIZE and tree_bytes <= WINDOW_SIZE and plan.extra <= WINDOW_SIZE)
    requires(plan.extra_pages == 0 or is_chunk_there(tree, tree_bytes))
    requires(is_nobodys(plan.extra, plan.extra + (plan.extra_pages << PAGE_BITS)))
    requires(root_task.next + plan.extra_pages <= root_slots())
    modifies(Slot, root_task.next, PageTable.entries, ByteView, BootInfoHeader, root_task.info.extra_length)
    modifies(root_task.info.extra_boot_info_pages.start, root_task.info.extra_boot_info_pages.end)
    ensures(lambda: is_being_filled() and root_task.next == old(root_task.next) + plan.extra_pages)
    ensures(lambda: is_region(root_task.info.extra_boot_info_pages, old(root_task.next), root_task.next))
    ensures(lambda: plan.extra_pages == 0 or is_chunk(tree_bytes + 16))
    ensures(lambda: have_frames(old(root_task.next), plan.extra_pages, plan.extra, plan.virtual_boot_info + PAGE_SIZE))
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or is_new_slot(s, old(root_task.next), plan.extra, plan.extra + (plan.extra_pages << PAGE_BITS))
            ),
        )
    )
    info = root_task.info
    info.extra_boot_info_pages.start = root_task.next
    if plan.extra_pages != 0:
        target = paging.kernel_address(plan.extra)
        header = at(BootInfoHeader, target)
        header.chunk = BootInfoChunk.DEVICE_TREE
        header.length = tree_bytes + 16
        source = paging.kernel_address(tree)
        # Bounded by the size of the device tree; at boot alone.
        for i in range(tree_bytes):
            at(ByteView, target + 16 + i).value = at(ByteView, source + i).value
            with ghost:
                assert at(ByteView, target + 16 + i).value == at(ByteView, source + i).value
        info.extra_length = tree_bytes + 16
        map_frames(plan.extra, plan.extra_pages, plan.virtual_boot_info + PAGE_SIZE)
    info.extra_boot_info_pages.end = root_task.next

# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: from the load contract to the root task (manual: System Bootstrapping).

``abi.layout.plan_boot`` is the same decision in plain Python, for the tools; a test compares the two on a booted
kernel. Every loop is bounded by a size that the profile or the board fixes.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo, BootInfoChunk, BootInfoHeader
from tessera.abi.capabilities import FIRST_DYNAMIC_SLOT, InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.objects import (
    ASID_POOL_BITS,
    MIN_SCHED_CONTEXT_BITS,
    PAGE_BITS,
    PAGE_TABLE_BITS,
    SLOT_BITS,
    TCB_BITS,
)
from tessera.arch import paging, registers
from tessera.kernel import budget, derivation, schedcontext, scheduler
from tessera.kernel.boot_memory import (
    add_piece,
    boot_memory,
    clear,
    cut,
    hand_out_devices,
    hand_out_memory,
    place_root_objects,
)
from tessera.kernel.boot_slots import (
    frame_cap,
    next_slot,
    put,
    root_slot,
    root_task,
)
from tessera.kernel.capability import (
    AsidControlCap,
    AsidPoolCap,
    CNodeCap,
    DomainCap,
    IrqControlCap,
    PageTableCap,
    SchedContextCap,
    SchedControlCap,
    ThreadCap,
)
from tessera.kernel.layout import (
    FAULT_PC,
    MIN_REFILLS,
    NEXT_PC,
    AsidPool,
    ByteView,
    PageTable,
    SchedContext,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.vspace import map_kernel, new_pool, walk, write_entry
from tessera.lang import at, compiled, ghost, max, range, static, struct, u64, wrapping_sub

# The root task's address space identifier; 0 means none.
ROOT_ASID = 1


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


@compiled
def round_up(value: u64, size_bits: u64) -> u64:
    """The least multiple of ``2**size_bits`` that is not below ``value``."""
    return ((value + (u64(1) << size_bits) - 1) >> size_bits) << size_bits


@compiled
def tables_needed(start: u64, end: u64) -> u64:
    """Page tables besides the root that map a range of virtual addresses with the smallest frames."""
    total = u64(0)
    for level in range(1, paging.LEVELS):
        size = paging.level_bits(level)
        total += (round_up(end, size) >> size) - (start >> size)
    return total


@compiled
def extra_size_bits(tree_bytes: u64) -> u64:
    """The size of the extra boot information that carries a device tree; 0 without one."""
    if tree_bytes == 0:
        return u64(0)
    size = u64(PAGE_BITS)
    for _step in range(PAGE_BITS, 32):
        if (u64(1) << size) < tree_bytes + 16:
            size += 1
    return size


@compiled
def lay_out(image_start: u64, image_end: u64, offset: u64, tree_bytes: u64) -> bool:
    """Decide all addresses; false if memory does not suffice."""
    plan.image_start = image_start
    plan.image_end = image_end
    plan.virtual_start = wrapping_sub(image_start, offset)
    plan.virtual_ipc_buffer = round_up(wrapping_sub(image_end, offset), PAGE_BITS)
    plan.virtual_boot_info = plan.virtual_ipc_buffer + (1 << PAGE_BITS)
    plan.extra_bits = extra_size_bits(tree_bytes)
    plan.virtual_end = plan.virtual_boot_info + (1 << PAGE_BITS)
    if plan.extra_bits != 0:
        plan.virtual_end += u64(1) << plan.extra_bits
    if plan.virtual_end > paging.USER_TOP:
        return False
    plan.tables = tables_needed(plan.virtual_start, plan.virtual_end)

    cnode_bits = u64(configuration.profile.root_cnode_bits + SLOT_BITS)
    size = (u64(1) << cnode_bits) + (4 << PAGE_BITS) + (plan.tables << PAGE_TABLE_BITS)
    size += (1 << TCB_BITS) + (1 << MIN_SCHED_CONTEXT_BITS)
    if plan.extra_bits != 0:
        size += u64(1) << plan.extra_bits
    start = place_root_objects(size, max(cnode_bits, plan.extra_bits))
    if start == 0:
        return False
    clear(paging.kernel_address(start), size)
    plan.cnode = start
    # Greatest first, so that each is aligned: extra boot information of one page stands behind the root table.
    plan.extra = plan.cnode + (u64(1) << cnode_bits)
    plan.vspace = plan.extra
    if plan.extra_bits > PAGE_BITS:
        plan.vspace += u64(1) << plan.extra_bits
    plan.asid_pool = plan.vspace + (1 << PAGE_BITS)
    if plan.extra_bits == PAGE_BITS:
        plan.extra = plan.asid_pool
        plan.asid_pool += 1 << PAGE_BITS
    plan.ipc_buffer = plan.asid_pool + (1 << ASID_POOL_BITS)
    plan.boot_info = plan.ipc_buffer + (1 << PAGE_BITS)
    plan.page_tables = plan.boot_info + (1 << PAGE_BITS)
    plan.tcb = plan.page_tables + (plan.tables << PAGE_TABLE_BITS)
    plan.context = plan.tcb + (1 << TCB_BITS)
    return True


@compiled
def image_pages() -> u64:
    """Pages of the root task's own image."""
    return (plan.image_end - plan.image_start + (1 << PAGE_BITS) - 1) >> PAGE_BITS


@compiled
def slots_needed() -> u64:
    """Slots that will be filled at most."""
    extra_pages = u64(0)
    if plan.extra_bits != 0:
        extra_pages = u64(1) << (plan.extra_bits - PAGE_BITS)
    fixed = u64(FIRST_DYNAMIC_SLOT + 1 + configuration.profile.max_bootinfo_untyped_caps)
    return plan.tables + extra_pages + image_pages() + fixed


@compiled
def make_root_slots() -> None:
    """The fixed slots of the root CNode that need nothing else."""
    root_task.slots = at(Slot, paging.kernel_address(plan.cnode))
    root_task.next = FIRST_DYNAMIC_SLOT
    radix = u64(configuration.profile.root_cnode_bits)
    put(
        InitialSlot.CNODE,
        CNodeCap(slots=root_task.slots, radix=radix, guard_size=64 - radix, guard=0),
    )
    put(InitialSlot.TCB, ThreadCap(tcb=at(Tcb, paging.kernel_address(plan.tcb))))
    put(InitialSlot.IRQ_CONTROL, IrqControlCap())
    put(InitialSlot.ASID_CONTROL, AsidControlCap())
    put(InitialSlot.DOMAIN, DomainCap())
    context = at(SchedContext, paging.kernel_address(plan.context))
    put(InitialSlot.SCHED_CONTEXT, SchedContextCap(context=context, size_bits=MIN_SCHED_CONTEXT_BITS))


@compiled
def make_page_tables() -> None:
    """The root task's address space, down to the last tables, and their capabilities."""
    root = at(PageTable, paging.kernel_address(plan.vspace))
    with ghost:
        root.rank = 1
    map_kernel(root)
    put(InitialSlot.VSPACE, PageTableCap(table=root, asid=ROOT_ASID, is_mapped=True, mapped_address=0))
    pool = at(AsidPool, paging.kernel_address(plan.asid_pool))
    new_pool(pool, 0)
    pool.spaces[ROOT_ASID] = root
    with ghost:
        root.space = root
        root.place = ROOT_ASID
    put(InitialSlot.ASID_POOL, AsidPoolCap(pool=pool, asid_base=0))

    root_task.info.user_image_paging.start = root_task.next
    table = plan.page_tables
    for step in range(1, paging.LEVELS):
        level = paging.LEVELS - step
        size = paging.level_bits(level)
        address = (plan.virtual_start >> size) << size
        # Bounded by the size of the root task's image; at boot alone.
        for _piece in range((round_up(plan.virtual_end, size) >> size) - (plan.virtual_start >> size)):
            write_entry(walk(root, address), paging.table_entry(table))
            with ghost:
                at(PageTable, paging.kernel_address(table)).rank = step + 1
                at(PageTable, paging.kernel_address(table)).space = root
                at(PageTable, paging.kernel_address(table)).life = root.life
            put(
                next_slot(),
                PageTableCap(
                    table=at(PageTable, paging.kernel_address(table)),
                    asid=ROOT_ASID,
                    is_mapped=True,
                    mapped_address=address,
                ),
            )
            table += 1 << PAGE_TABLE_BITS
            address += u64(1) << size
    root_task.info.user_image_paging.end = root_task.next


@compiled
def map_frame(slot: u64, physical: u64, address: u64) -> None:
    """Map a page for the root task, and put its capability into a slot."""
    root = at(PageTable, paging.kernel_address(plan.vspace))
    write_entry(walk(root, address), paging.leaf_entry(physical, True, True, True))
    put(slot, frame_cap(physical, ROOT_ASID, address))


@compiled
def copy_device_tree(tree: u64, tree_bytes: u64) -> None:
    """Hand the device tree to the root task as a chunk behind the BootInfo frame."""
    info = root_task.info
    info.extra_boot_info_pages.start = root_task.next
    if plan.extra_bits != 0:
        target = paging.kernel_address(plan.extra)
        header = at(BootInfoHeader, target)
        header.chunk = BootInfoChunk.DEVICE_TREE
        header.length = tree_bytes + 16
        source = paging.kernel_address(tree)
        # Bounded by the size of the device tree; at boot alone.
        for i in range(tree_bytes):
            at(ByteView, target + 16 + i).value = at(ByteView, source + i).value
        info.extra_length = tree_bytes + 16
        # Bounded by the size of the device tree; at boot alone.
        for page in range(u64(1) << (plan.extra_bits - PAGE_BITS)):
            address = plan.virtual_boot_info + ((page + 1) << PAGE_BITS)
            map_frame(next_slot(), plan.extra + (page << PAGE_BITS), address)
    info.extra_boot_info_pages.end = root_task.next


@compiled
def make_image_frames() -> None:
    """The frames of the root task's own image."""
    root_task.info.user_image_frames.start = root_task.next
    # Bounded by the size of the root task's image; at boot alone.
    for page in range(image_pages()):
        offset = page << PAGE_BITS
        map_frame(next_slot(), plan.image_start + offset, plan.virtual_start + offset)
    root_task.info.user_image_frames.end = root_task.next


@compiled
def make_sched_control() -> None:
    """The right to give out time, one capability for each core."""
    root_task.info.sched_control.start = root_task.next
    put(next_slot(), SchedControlCap(core=0))
    root_task.info.sched_control.end = root_task.next


@compiled
def fill_boot_info() -> None:
    """What the root task is told besides slots."""
    info = root_task.info
    info.node_count = 1
    info.ipc_buffer = plan.virtual_ipc_buffer
    info.init_thread_cnode_size_bits = configuration.profile.root_cnode_bits
    info.empty.start = root_task.next
    info.empty.end = 1 << configuration.profile.root_cnode_bits


@compiled
def make_root_task(image_start: u64, image_end: u64, offset: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """All objects and capabilities of the root task; false if memory or slots do not suffice."""
    boot_memory.count = 0
    add_piece(configuration.memory_start, configuration.memory_end)
    cut(configuration.memory_start, kernel_end)
    if tree_bytes != 0:
        cut(tree, tree + tree_bytes)
    cut(image_start, image_end)
    if not lay_out(image_start, image_end, offset, tree_bytes):
        return False
    if slots_needed() > 1 << configuration.profile.root_cnode_bits:
        return False
    root_task.info = at(BootInfo, paging.kernel_address(plan.boot_info))
    make_root_slots()
    make_page_tables()
    map_frame(InitialSlot.BOOT_INFO_FRAME, plan.boot_info, plan.virtual_boot_info)
    map_frame(InitialSlot.IPC_BUFFER, plan.ipc_buffer, plan.virtual_ipc_buffer)
    copy_device_tree(tree, tree_bytes)
    make_sched_control()
    make_image_frames()
    root_task.info.untyped.start = root_task.next
    hand_out_devices()
    hand_out_memory()
    root_task.info.untyped.end = root_task.next
    fill_boot_info()
    return True


@compiled
def start_root_task(entry: u64) -> None:
    """The first thread: all rights, highest priority, runs at once."""
    tcb = at(Tcb, paging.kernel_address(plan.tcb))
    context = at(SchedContext, paging.kernel_address(plan.context))
    derivation.insert(root_slot(InitialSlot.CNODE).capability, root_slot(InitialSlot.CNODE), tcb.cspace_root)
    derivation.insert(root_slot(InitialSlot.VSPACE).capability, root_slot(InitialSlot.VSPACE), tcb.vspace_root)
    derivation.insert(
        root_slot(InitialSlot.IPC_BUFFER).capability, root_slot(InitialSlot.IPC_BUFFER), tcb.ipc_buffer_frame
    )
    tcb.ipc_buffer = plan.virtual_ipc_buffer
    tcb.registers[NEXT_PC] = entry
    tcb.registers[FAULT_PC] = entry
    tcb.registers[registers.FIRST_ARGUMENT] = plan.virtual_boot_info
    tcb.priority = configuration.profile.priorities - 1
    tcb.maximum_priority = configuration.profile.priorities - 1
    slice_ticks = u64(configuration.profile.boot_time_slice_us * configuration.ticks_per_us)
    budget.configure(context, MIN_REFILLS, slice_ticks, slice_ticks, False, 0)
    schedcontext.bind_tcb(context, tcb)
    scheduler.set_thread_state(tcb, ThreadState.RUNNING)
    scheduler.possible_switch_to(tcb)

# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: from the load contract to the root task (manual: System Bootstrapping).

``abi.layout.plan_boot`` is the same decision in plain Python, for the tools; a test compares the two on a booted
kernel. Every loop is bounded by a size that the profile or the board fixes.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import FIRST_DYNAMIC_SLOT, InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.objects import (
    MIN_SCHED_CONTEXT_BITS,
    PAGE_TABLE_BITS,
)
from tessera.arch import paging, registers
from tessera.kernel import budget, derivation, schedcontext, scheduler
from tessera.kernel.boot_frames import ROOT_ASID, copy_device_tree, make_image_frames, map_frame
from tessera.kernel.boot_plan import divide_memory, is_handed_over, is_memory_free, plan, tables_at
from tessera.kernel.boot_slots import (
    is_being_filled,
    is_first_right,
    is_in_root,
    is_info_there,
    is_same_slot,
    next_slot,
    put,
    put_right,
    root_slot,
    root_slots,
    root_task,
)
from tessera.kernel.boot_untyped import hand_out_devices, hand_out_memory
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
    PageTable,
    SchedContext,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.vspace import map_kernel, new_pool, walk, write_entry
from tessera.lang import (
    at,
    compiled,
    ensures,
    forall,
    ghost,
    modifies,
    old,
    range,
    requires,
    u64,
)


@compiled
def make_root_slots() -> None:
    """The fixed slots of the root CNode that need nothing else."""
    root_task.slots = at(Slot, paging.kernel_address(plan.cnode))
    root_task.next = FIRST_DYNAMIC_SLOT
    radix = u64(configuration.profile.root_cnode_bits)
    with ghost:
        root_task.slots.node_radix = radix
    put(
        InitialSlot.CNODE,
        CNodeCap(slots=root_task.slots, radix=radix, guard_size=64 - radix, guard=0),
    )
    put(InitialSlot.TCB, ThreadCap(tcb=at(Tcb, paging.kernel_address(plan.tcb))))
    put_right(InitialSlot.IRQ_CONTROL, IrqControlCap())
    put_right(InitialSlot.ASID_CONTROL, AsidControlCap())
    put_right(InitialSlot.DOMAIN, DomainCap())
    context = at(SchedContext, paging.kernel_address(plan.context))
    put(InitialSlot.SCHED_CONTEXT, SchedContextCap(context=context, size_bits=MIN_SCHED_CONTEXT_BITS))


@compiled
def make_page_tables() -> None:
    """The root task's address space, down to the last tables, and their capabilities."""
    root = at(PageTable, paging.kernel_address(plan.vspace))
    with ghost:
        root.rank = 1
    root_task.space = root
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
        for _piece in range(tables_at(plan.virtual_start, plan.virtual_end, level)):
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
def make_sched_control() -> None:
    """The right to give out time, one capability for each core."""
    requires(is_info_there() and is_being_filled() and root_task.next < root_slots())
    requires(is_first_right(SchedControlCap(core=0)))
    modifies(Slot, root_task.next, root_task.info.sched_control.start, root_task.info.sched_control.end)
    ensures(lambda: is_being_filled() and root_task.next == old(root_task.next) + 1)
    ensures(
        lambda: forall(
            Slot,
            lambda s: (
                is_same_slot(s, old(s.capability), old(s.object_start), old(s.object_size))
                or (is_in_root(s, old(root_task.next), root_task.next) and s.object_size == 0)
            ),
        )
    )
    root_task.info.sched_control.start = root_task.next
    put_right(next_slot(), SchedControlCap(core=0))
    root_task.info.sched_control.end = root_task.next


@compiled
def fill_boot_info() -> None:
    """What the root task is told besides slots."""
    requires(is_info_there())
    modifies(root_task.info.node_count, root_task.info.ipc_buffer, root_task.info.init_thread_cnode_size_bits)
    modifies(root_task.info.empty.start, root_task.info.empty.end)
    ensures(lambda: root_task.info.empty.start == root_task.next and root_task.info.empty.end == root_slots())
    ensures(lambda: root_task.info.ipc_buffer == plan.virtual_ipc_buffer)
    info = root_task.info
    info.node_count = 1
    info.ipc_buffer = plan.virtual_ipc_buffer
    info.init_thread_cnode_size_bits = configuration.profile.root_cnode_bits
    info.empty.start = root_task.next
    info.empty.end = 1 << configuration.profile.root_cnode_bits


@compiled
def make_root_task(image_start: u64, image_end: u64, offset: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """All objects and capabilities of the root task; false if memory or slots do not suffice."""
    requires(is_handed_over(image_start, image_end, offset, tree, tree_bytes, kernel_end))
    requires(is_memory_free(image_start, image_end, tree, tree_bytes, kernel_end))
    if not divide_memory(image_start, image_end, offset, tree, tree_bytes, kernel_end):
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

# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: from the load contract to the root task (manual: System Bootstrapping).

``abi.layout.plan_boot`` is the same decision in plain Python, for the tools; a test compares the two on a booted
kernel. Every loop is bounded by a size that the profile or the board fixes.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.objects import PAGE_BITS
from tessera.arch import paging, registers
from tessera.kernel import budget, derivation, schedcontext, scheduler
from tessera.kernel.boot_frames import are_bytes, are_frames, copy_device_tree, make_image_frames, map_frame
from tessera.kernel.boot_memory import is_memory_free
from tessera.kernel.boot_objects import is_new_empty, make_root_slots, make_space, make_thread
from tessera.kernel.boot_plan import divide_memory, is_handed_over, plan
from tessera.kernel.boot_slots import (
    is_being_filled,
    is_first_right,
    is_in_root,
    is_info_there,
    is_region,
    is_same_slot,
    next_slot,
    put_right,
    root_slot,
    root_slots,
    root_task,
)
from tessera.kernel.boot_tables import begin_frames, can_be_written, make_page_tables
from tessera.kernel.boot_untyped import hand_out_devices, hand_out_memory
from tessera.kernel.capability import (
    SchedControlCap,
)
from tessera.kernel.layout import (
    FAULT_PC,
    MIN_REFILLS,
    NEXT_PC,
    Granule,
    SchedContext,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.state import ASID_POOLS, kernel
from tessera.lang import (
    at,
    at_or_none,
    compiled,
    ensures,
    forall,
    live,
    modifies,
    old,
    requires,
    specification,
    u64,
)


@compiled
def make_sched_control() -> None:
    """The right to give out time, one capability for each core."""
    requires(is_info_there() and is_being_filled() and root_task.next < root_slots())
    requires(is_first_right(SchedControlCap(core=0)))
    modifies(Slot, root_task.next, root_task.info.sched_control.start, root_task.info.sched_control.end)
    ensures(lambda: is_being_filled() and root_task.next == old(root_task.next) + 1)
    ensures(lambda: root_slot(old(root_task.next)).capability == SchedControlCap(core=0))
    ensures(lambda: is_region(root_task.info.sched_control, old(root_task.next), root_task.next))
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
    ensures(lambda: is_region(root_task.info.empty, root_task.next, root_slots()) and root_task.info.node_count == 1)
    ensures(lambda: u64(1) << root_task.info.init_thread_cnode_size_bits == root_slots())
    ensures(lambda: root_task.info.ipc_buffer == plan.virtual_ipc_buffer)
    info = root_task.info
    info.node_count = 1
    info.ipc_buffer = plan.virtual_ipc_buffer
    info.init_thread_cnode_size_bits = configuration.profile.root_cnode_bits
    info.empty.start = root_task.next
    info.empty.end = 1 << configuration.profile.root_cnode_bits


@specification
def is_no_granule(start: u64, end: u64) -> bool:
    """Whether none of a range of physical addresses is memory that objects can be made of."""
    first = paging.kernel_address(start)
    return forall(u64, lambda a: a < first or a - first >= end - start or not live(at_or_none(Granule, a)))


@compiled
def make_root_task(image_start: u64, image_end: u64, offset: u64, tree: u64, tree_bytes: u64, kernel_end: u64) -> bool:
    """All objects and capabilities of the root task; false if memory or slots do not suffice."""
    requires(is_handed_over(image_start, image_end, offset, tree, tree_bytes, kernel_end))
    requires(is_memory_free(image_start, image_end, tree, tree_bytes, kernel_end))
    requires(are_frames(image_start, image_end) and is_no_granule(image_start, image_end))
    requires(tree_bytes == 0 or are_bytes(tree, tree + tree_bytes))
    requires(forall(Slot, lambda slot: is_new_empty(slot)))
    requires(forall(u64, lambda number: number >= ASID_POOLS or kernel.asid_table[number] is None))
    if not divide_memory(image_start, image_end, offset, tree, tree_bytes, kernel_end):
        return False
    end_of_extra = plan.extra + (plan.extra_pages << PAGE_BITS)
    begin_frames(plan.ipc_buffer, plan.page_tables)
    begin_frames(plan.extra, end_of_extra)
    can_be_written()
    root_task.info = at(BootInfo, paging.kernel_address(plan.boot_info))
    make_root_slots()
    make_thread()
    make_space()
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

# SPDX-License-Identifier: BSD-2-Clause
"""Threads and Execution: the five ways into the kernel. Only here does the kernel decide to leave (manual: Threads).

Each gives the thread to run next; ``None`` waits for an interrupt.
"""

from __future__ import annotations

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.configuration import configuration
from tessera.abi.syscalls import Syscall
from tessera.arch import machine, paging, registers
from tessera.kernel import (
    boot,
    boot_plan,
    budget,
    console,
    fastpath,
    fault,
    interrupt,
    scheduler,
    syscall,
    thread,
    timeslice,
    vspace,
)
from tessera.kernel.layout import ByteView, Granule, IpcBuffer, Tcb, ThreadState
from tessera.kernel.memory_invariants import GRANULE_SIZE
from tessera.kernel.state import SchedulerAction, device_page_table, kernel, kernel_page_table
from tessera.kernel.waiting import is_at_work
from tessera.lang import (
    address_of,
    begin_lives,
    compiled,
    end_lives,
    ensures,
    extern,
    ghost,
    live,
    modifies,
    offset_of,
    range,
    requires,
    specification,
    to_word,
    u64,
    without_invariants,
    wrapping_add,
)

# Entries of page tables have so much room for physical addresses.
LAST_PHYSICAL = 1 << 56
FPU_OFFSET = offset_of(Tcb, "fpu")


@specification
def is_left() -> bool:
    """What holds when the kernel is left, so when it is entered: nothing is to be decided, and who runs has time."""
    current = kernel.current
    if kernel.action != SchedulerAction.RESUME_CURRENT or kernel.is_choosing:
        return False
    if current.scheduling_context is not kernel.current_context or not budget.is_active(kernel.current_context):
        return False
    return current is kernel.idle or (current.state == ThreadState.RUNNING and current.yield_to is None)


@specification
def is_set_up(tcb: Tcb | None) -> bool:
    """Whether the hardware is ready for the thread that runs now; None if none does."""
    if tcb is None:
        return kernel.current is kernel.idle
    has_space = vspace.is_in_use(tcb) or kernel.space_word == vspace.kernel_space_word()
    return tcb is kernel.current and has_space and not needs_fpu_switch(tcb)


@compiled(inline="calls")
def leave() -> Tcb | None:
    """Choose who runs, and make the hardware ready for it; often there is nothing to do."""
    requires(not kernel.is_choosing)
    ensures(lambda result: is_left() and is_set_up(result))
    current = kernel.current
    if timeslice.is_settled() and vspace.is_in_use(current) and not needs_fpu_switch(current):
        return current
    return choose()


@compiled(inline="never")
def choose() -> Tcb | None:
    """Choose who runs, and make the hardware ready for it."""
    requires(not kernel.is_choosing)
    ensures(lambda result: is_left() and is_set_up(result))
    scheduler.schedule()
    thread.activate()
    current = kernel.current
    if current is kernel.idle:
        return None
    vspace.activate(current)
    return switch_fpu(current)


@compiled
def switch_fpu(tcb: Tcb) -> Tcb:
    """Give the FPU to a thread that may use it; others find it switched off. Gives the thread."""
    if tcb.flags & TCB_FLAG_FPU_DISABLED != 0:
        if kernel.fpu_on:
            kernel.fpu_on = False
            machine.clear_status(machine.STATUS_FPU)
        return tcb
    if not kernel.fpu_on:
        kernel.fpu_on = True
        machine.set_status(machine.STATUS_FPU)
    return tcb if kernel.fpu_owner is tcb else exchange_fpu(tcb)


@compiled(inline="never")
def exchange_fpu(tcb: Tcb) -> Tcb:
    """The FPU has a thread's registers now; those of the one before are saved, unless it has not changed any."""
    owner = kernel.fpu_owner
    if owner is not None and machine.read_status() & machine.STATUS_FPU == machine.STATUS_FPU:
        machine.save_fpu(wrapping_add(address_of(owner), FPU_OFFSET))
    machine.load_fpu(wrapping_add(address_of(tcb), FPU_OFFSET))
    kernel.fpu_owner = tcb
    # The FPU is on, and says from here on whether an instruction has changed it.
    machine.clear_status(machine.STATUS_FPU_CHANGED)
    return tcb


@compiled(symbol="handle_system_call")
def handle_system_call(address: u64, info: u64, number: u64) -> Tcb | None:
    """A thread made a system call; the arguments are its registers a0, a1 and a7."""
    requires(is_left() and kernel.current is not kernel.idle)
    ensures(lambda result: is_left() and is_set_up(result))
    scheduler.update_time()
    current = kernel.current
    if number == Syscall.CALL:
        if not fastpath.can_call(current, address, info):
            return handle_any_call()
        return go_on(fastpath.call(current, address, info))
    if number == Syscall.REPLY_RECV:
        if not fastpath.can_reply_receive(current, address, info):
            return handle_any_call()
        return go_on(fastpath.reply_receive(current, address, info))
    return handle_any_call()


@compiled(inline="always")
def go_on(tcb: Tcb) -> Tcb:
    """The thread that the fast path switched to, with the FPU as it needs it."""
    if needs_fpu_switch(tcb):
        return go_on_with_fpu()
    return tcb


@compiled(inline="always")
def needs_fpu_switch(tcb: Tcb) -> bool:
    """Whether :func:`switch_fpu` would do something."""
    if tcb.flags & TCB_FLAG_FPU_DISABLED != 0:
        return kernel.fpu_on
    return not kernel.fpu_on or kernel.fpu_owner is not tcb


@compiled(inline="never")
def go_on_with_fpu() -> Tcb:
    """Give the current thread the FPU, or switch it off, before it runs."""
    return switch_fpu(kernel.current)


@compiled(inline="never")
def handle_any_call() -> Tcb | None:
    """Any system call, in the general way. The time is counted, and the registers are saved already."""
    requires(is_at_work() and not kernel.is_choosing)
    ensures(lambda result: is_left() and is_set_up(result))
    if timeslice.has_time() or timeslice.check_budget_restart():
        tcb = kernel.current
        address = tcb.registers[registers.CAPABILITY]
        syscall.dispatch(tcb, address, tcb.registers[registers.MESSAGE_INFO], tcb.registers[registers.SYSCALL])
    return leave()


@compiled(symbol="handle_exception")
def handle_exception(cause: u64, value: u64) -> Tcb | None:
    """A thread's instruction cannot be executed: that is a fault."""
    requires(is_left() and kernel.current is not kernel.idle)
    ensures(lambda result: is_left() and is_set_up(result))
    scheduler.update_time()
    if timeslice.check_budget_restart():
        current = kernel.current
        match cause:
            # Handlers are told of page faults as of access faults.
            case machine.INSTRUCTION_ACCESS_FAULT | machine.INSTRUCTION_PAGE_FAULT:
                fault.vm_fault(current, value, True, machine.INSTRUCTION_ACCESS_FAULT)
            case machine.LOAD_ACCESS_FAULT | machine.LOAD_PAGE_FAULT:
                fault.vm_fault(current, value, False, machine.LOAD_ACCESS_FAULT)
            case machine.STORE_ACCESS_FAULT | machine.STORE_PAGE_FAULT:
                fault.vm_fault(current, value, False, machine.STORE_ACCESS_FAULT)
            case _:
                fault.user_exception(current, cause, 0)
    return leave()


@compiled(symbol="handle_interrupt")
def handle_interrupt() -> Tcb | None:
    """A device or the timer wants attention."""
    requires(is_left())
    ensures(lambda result: is_left() and is_set_up(result))
    scheduler.update_time()
    timeslice.check_budget()
    pending = machine.read_pending()
    if pending & machine.EXTERNAL_PENDING != 0:
        interrupt.deliver_pending()
    if pending & machine.TIMER_PENDING != 0:
        kernel.reprogram = True
    return leave()


@compiled(symbol="handle_kernel_trap")
def handle_kernel_trap(cause: u64, address: u64, value: u64) -> None:
    """The kernel itself trapped: it has a bug, or the hardware has."""
    console.write(b"\nKERNEL|TRAP: the kernel trapped: cause ")
    console.write_hex(cause)
    console.write(b" at ")
    console.write_hex(address)
    console.write(b" value ")
    console.write_hex(value)
    console.write(b"\n")
    console.stop_failed()


@extern(symbol="kernel_end")
def kernel_end() -> u64:
    """The first address behind the kernel's image."""
    return u64(0)


@compiled
def make_kernel_space() -> None:
    """The kernel's own entries: physical memory, its image, and the interrupt controller."""
    without_invariants()
    requires(live(kernel_page_table) and live(device_page_table))
    requires(paging.image_physical(address_of(device_page_table)) < LAST_PHYSICAL)
    requires(address_of(device_page_table) & ((1 << paging.PAGE_BITS) - 1) == 0)
    modifies(kernel_page_table.entries, kernel_page_table.rank, device_page_table.entries, device_page_table.rank)
    modifies(kernel.space_word)
    ensures(lambda: kernel_page_table.rank == 1 and device_page_table.rank == 1)
    root = kernel_page_table
    with ghost:
        # They are in no address space that user level has: nothing is said of where they lead.
        root.rank = 1
        device_page_table.rank = 1
    for index in range(paging.WINDOW_ENTRIES):
        root.entries[paging.FIRST_KERNEL_ENTRY + index] = to_word(paging.kernel_leaf(index << 30, False))
    root.entries[paging.IMAGE_ENTRY] = to_word(paging.kernel_leaf(paging.IMAGE_PHYSICAL_GIGABYTE, True))
    devices = device_page_table
    for index, piece in paging.DEVICE_WINDOW:
        devices.entries[index] = to_word(paging.kernel_leaf(piece, False))
    root.entries[paging.DEVICE_ENTRY] = to_word(paging.table_entry(paging.image_physical(address_of(devices))))
    vspace.leave_space()
    machine.flush_translations()


@compiled(symbol="boot")
def start(image_start: u64, image_end: u64, offset: u64, entry: u64, tree: u64, tree_bytes: u64) -> Tcb | None:
    """From the load contract to the root task's first instruction."""
    make_kernel_space()
    scheduler.initialise()
    machine.initialise()
    machine.initialise_interrupts(configuration.board.last_device_interrupt)
    end = paging.image_physical(kernel_end())
    if not boot_plan.is_handed_over(image_start, image_end, offset, tree, tree_bytes, end):
        console.write(b"KERNEL|BOOT: the loader did not put the kernel, the device tree and the image in order\n")
        console.stop_failed()
        return None
    with ghost:
        # What memory is before there are objects: free, the image's pages, or bytes that the kernel reads.
        memory = paging.kernel_address(configuration.memory_start)
        image = paging.kernel_address(image_start)
        begin_lives(Granule, memory, u64(configuration.memory_end - configuration.memory_start))
        end_lives(Granule, memory, end - configuration.memory_start)
        end_lives(Granule, image, image_end - image_start)
        if tree_bytes != 0:
            part = tree & (GRANULE_SIZE - 1)
            end_lives(Granule, paging.kernel_address(tree - part), tree_bytes + part)
            begin_lives(ByteView, paging.kernel_address(tree), tree_bytes)
        begin_lives(IpcBuffer, image, image_end - image_start)
    if not boot.make_root_task(image_start, image_end, offset, tree, tree_bytes, end):
        console.write(b"KERNEL|BOOT: memory or slots do not suffice for the root task\n")
        console.stop_failed()
        return None
    boot.start_root_task(entry)
    console.write(b"KERNEL|BOOT: Tessera, profile ")
    console.write(configuration.profile_name)
    console.write(b"\n")
    return leave()


ROOTS = (handle_system_call, handle_exception, handle_interrupt, handle_kernel_trap, start, console.stop_failed)

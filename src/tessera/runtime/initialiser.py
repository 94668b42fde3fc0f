# SPDX-License-Identifier: BSD-2-Clause
"""The root task: makes the objects of a capability distribution, starts its threads, and gives up its own authority.

It creates exactly what the distribution names, through the same calls that every thread has. Then it deletes its
capabilities to untyped memory, interrupts, time and the rest, moves the capabilities of the objects it made into a
CNode that no thread can reach (their mappings live as long as they do), starts the threads, and hands its own thread
and CNode to the monitor, which deletes them. Nobody is left who could make or change anything.

Read it from ``main`` at the end; every step names the object it fails on.
"""

from __future__ import annotations

from typing import NoReturn

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import ALL_RIGHTS, InitialSlot
from tessera.abi.errors import Error
from tessera.abi.messages import IpcBuffer, UserContext
from tessera.lang import at, compiled, range, size_of, static, u64
from tessera.runtime.console import put, put_decimal, put_line
from tessera.runtime.initialiser_base import (
    CNODE,
    DEPTH,
    check,
    fail,
    header,
    need_slot,
    object_entry,
    progress,
    slot_of,
    slot_or_null,
    start,
    thread_entry,
)
from tessera.runtime.initialiser_end import give_up_authority, hand_over, keep_objects
from tessera.runtime.initialiser_frames import fill, open_window
from tessera.runtime.initialiser_memory import create, pools, take_over
from tessera.runtime.machine import instruction_fence, stop
from tessera.runtime.memory import asid_pool_assign, cnode_copy, cnode_delete, cnode_mint, page_map, page_table_map
from tessera.runtime.sel4 import debug_name_thread, environment
from tessera.runtime.spec import (
    ABSENT,
    INTERRUPT_HANDLER,
    MAGIC,
    VERSION,
    ContextEntry,
    FillEntry,
    InterruptEntry,
    MappingEntry,
    ScheduleEntry,
    SlotEntry,
    TableEntry,
    ThreadEntry,
)
from tessera.runtime.threads import (
    domain_set_schedule_configure,
    domain_set_set,
    irq_control_get_trigger,
    irq_handler_set_notification,
    sched_control_configure_flags,
    tcb_bind_notification,
    tcb_configure,
    tcb_resume,
    tcb_set_flags,
    tcb_set_sched_params,
    tcb_write_registers,
)

registers: UserContext = static(UserContext)

# The objects


@compiled
def create_objects() -> None:
    """Make all objects, in the order of the table."""
    count = header().objects.count
    progress.first = pools.next_slot
    for _number in range(count):
        need_slot()
    for number in range(count):
        entry = object_entry(number)
        if entry.kind != INTERRUPT_HANDLER:
            check(create(entry, slot_of(number)), b"create", number)


@compiled
def create_interrupts() -> None:
    """Make the interrupt handlers, and tell each which notification it signals."""
    table = header().interrupts
    for i in range(table.count):
        entry = at(InterruptEntry, start.spec + table.offset + i * size_of(InterruptEntry))
        handler = slot_of(entry.handler)
        error = irq_control_get_trigger(u64(InitialSlot.IRQ_CONTROL), entry.irq, entry.trigger, CNODE, handler, DEPTH)
        check(error, b"take the interrupt of", entry.handler)
        derive(entry.notification, entry.rights, entry.badge)
        error = irq_handler_set_notification(handler, progress.temporary)
        check(error, b"connect a notification to", entry.handler)
        forget()


@compiled
def derive(number: u64, rights: u64, data: u64) -> None:
    """Put a capability with fewer rights and a badge into the temporary slot."""
    error = cnode_mint(CNODE, progress.temporary, DEPTH, CNODE, slot_of(number), DEPTH, rights, data)
    check(error, b"derive a capability of", number)


@compiled
def forget() -> None:
    """Empty the temporary slot."""
    error = cnode_delete(CNODE, progress.temporary, DEPTH)
    if error != Error.NO_ERROR:
        fail(error, b"empty a slot", ABSENT)


@compiled
def configure_contexts(sched_control: u64) -> None:
    """Give scheduling contexts their budgets and periods."""
    table = header().contexts
    for i in range(table.count):
        entry = at(ContextEntry, start.spec + table.offset + i * size_of(ContextEntry))
        error = sched_control_configure_flags(
            sched_control,
            slot_of(entry.context),
            entry.budget,
            entry.period,
            entry.extra_refills,
            entry.badge,
            entry.flags,
        )
        check(error, b"set budget and period of", entry.context)


# Memory


@compiled
def fill_frames() -> None:
    """Write the contents of frames. Nothing is mapped for anybody else yet."""
    table = header().fills
    for i in range(table.count):
        entry = at(FillEntry, start.spec + table.offset + i * size_of(FillEntry))
        size_bits = object_entry(entry.frame).memory_bits
        error = fill(slot_of(entry.frame), size_bits, entry.offset, start.spec + entry.source, entry.length)
        check(error, b"write the contents of", entry.frame)
    instruction_fence()


@compiled
def build_spaces() -> None:
    """Give every address space an identifier and its page tables, and map its frames."""
    tables = header().tables
    last = u64(ABSENT)
    for i in range(tables.count):
        entry = at(TableEntry, start.spec + tables.offset + i * size_of(TableEntry))
        if entry.vspace != last:
            # The tables of one address space stand side by side.
            error = asid_pool_assign(u64(InitialSlot.ASID_POOL), slot_of(entry.vspace))
            check(error, b"give an identifier to", entry.vspace)
            last = entry.vspace
        error = page_table_map(slot_of(entry.table), slot_of(entry.vspace), entry.address, 0)
        check(error, b"map the page table", entry.table)

    mappings = header().mappings
    progress.copies = pools.next_slot
    for i in range(mappings.count):
        mapping = at(MappingEntry, start.spec + mappings.offset + i * size_of(MappingEntry))
        frame = slot_of(mapping.frame)
        if mapping.copy != 0:
            frame = need_slot()
            error = cnode_copy(CNODE, frame, DEPTH, CNODE, slot_of(mapping.frame), DEPTH, ALL_RIGHTS)
            check(error, b"copy the capability of", mapping.frame)
        error = page_map(frame, slot_of(mapping.vspace), mapping.address, mapping.rights, mapping.attributes)
        check(error, b"map", mapping.frame)
    progress.copies_end = pools.next_slot


# Capabilities and threads


@compiled
def fill_cnodes() -> None:
    """Give every component the capabilities that it is to have, and no others."""
    table = header().slots
    for i in range(table.count):
        entry = at(SlotEntry, start.spec + table.offset + i * size_of(SlotEntry))
        depth = object_entry(entry.cnode).retype_bits
        source = slot_of(entry.object)
        if entry.data == 0:
            error = cnode_copy(slot_of(entry.cnode), entry.slot, depth, CNODE, source, DEPTH, entry.rights)
        else:
            error = cnode_mint(slot_of(entry.cnode), entry.slot, depth, CNODE, source, DEPTH, entry.rights, entry.data)
        check(error, b"give away a capability of", entry.object)


@compiled
def configure_threads() -> None:
    """Give every thread its spaces, its time, its fault handler and its first registers."""
    for i in range(header().threads.count):
        entry = thread_entry(i)
        thread = slot_of(entry.thread)
        error = tcb_configure(
            thread,
            slot_of(entry.cspace),
            entry.cspace_data,
            slot_of(entry.vspace),
            0,
            entry.buffer_address,
            slot_of(entry.buffer_frame),
        )
        check(error, b"set the spaces of", entry.thread)
        handler = u64(InitialSlot.NULL)
        if entry.fault_endpoint != ABSENT:
            derive(entry.fault_endpoint, entry.fault_rights, entry.fault_badge)
            handler = progress.temporary
        error = tcb_set_sched_params(
            thread,
            u64(InitialSlot.TCB),
            entry.max_priority,
            entry.priority,
            slot_or_null(entry.context),
            handler,
        )
        check(error, b"set the priority of", entry.thread)
        if handler != 0:
            forget()
        if entry.notification != ABSENT:
            check(tcb_bind_notification(thread, slot_of(entry.notification)), b"bind a notification to", entry.thread)
        if entry.flags != 0:
            check(tcb_set_flags(thread, 0, entry.flags).error, b"set the flags of", entry.thread)
        if entry.domain != 0:
            check(domain_set_set(u64(InitialSlot.DOMAIN), entry.domain, thread), b"set the domain of", entry.thread)
        set_registers(entry)
        debug_name_thread(thread, start.spec + entry.name)


@compiled
def configure_schedule() -> None:
    """Write down the domain schedule. It starts when the initialiser is gone: until then only its own domain runs."""
    table = header().schedule
    for i in range(table.count):
        entry = at(ScheduleEntry, start.spec + table.offset + i * size_of(ScheduleEntry))
        domains = u64(InitialSlot.DOMAIN)
        error = domain_set_schedule_configure(domains, entry.index, entry.domain, entry.ticks)
        if error != Error.NO_ERROR:
            fail(error, b"set an entry of the domain schedule", ABSENT)


@compiled
def set_registers(entry: ThreadEntry) -> None:
    """Set the first registers of a thread: where it starts, its stack, its arguments."""
    registers.pc = entry.entry
    registers.sp = entry.stack_pointer
    registers.a0 = entry.arguments[0]
    registers.a1 = entry.arguments[1]
    registers.a2 = entry.arguments[2]
    registers.a3 = entry.arguments[3]
    registers.a4 = entry.arguments[4]
    registers.a5 = entry.arguments[5]
    registers.a6 = entry.arguments[6]
    registers.a7 = entry.arguments[7]
    count = size_of(UserContext) // 8
    check(tcb_write_registers(slot_of(entry.thread), False, 0, count, registers), b"set registers of", entry.thread)


@compiled
def start_threads() -> None:
    """Let the threads run, the one with the highest priority first. None of them outranks the initialiser."""
    for i in range(header().threads.count):
        entry = thread_entry(i)
        if entry.resume != 0:
            check(tcb_resume(slot_of(entry.thread)), b"start", entry.thread)


@compiled
def check_spec() -> None:
    """The build and this program belong together."""
    if header().magic != MAGIC or header().version != VERSION:
        put_line(b"INITIALISER|ERROR: there is no capability distribution behind the initialiser's image")
        while True:
            stop()


@compiled(symbol="main")
def main(boot_info: u64, spec: u64) -> NoReturn:
    """Everything, in order. ``spec`` is the address of the distribution."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    start.spec = spec
    check_spec()
    take_over(info)
    create_objects()
    progress.temporary = need_slot()
    create_interrupts()
    configure_contexts(info.sched_control.start)
    error = open_window(info)
    if error != Error.NO_ERROR:
        fail(error, b"make room for a frame", ABSENT)
    fill_frames()
    build_spaces()
    fill_cnodes()
    configure_threads()
    configure_schedule()
    put(b"INITIALISER|INFO: ")
    put_decimal(header().objects.count)
    put(b" objects made, ")
    put_decimal(header().threads.count)
    put_line(b" threads start; giving up all authority")
    give_up_authority(info)
    start_threads()
    keep_objects()
    hand_over()

# SPDX-License-Identifier: BSD-2-Clause
"""Operations that let the kernel run for as long as a user can make it, and the root task that has them measured."""

from __future__ import annotations

from collections.abc import Callable

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import ALL_RIGHTS
from tessera.abi.messages import MAX_MESSAGE_LENGTH, IpcBuffer
from tessera.abi.objects import MEGA_PAGE_BITS, PAGE_BITS, RETYPE_FAN_OUT_LIMIT, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import at, compiled, intrinsic, range, u64
from tessera.runtime.memory import cnode_copy, page_map, page_table_map, page_table_unmap
from tessera.runtime.sel4 import environment, signal
from tessera.runtime.threads import sched_control_configure_flags
from tessera.suites.conformance.catalogue import selection
from tessera.suites.conformance.scheduling_contexts import pass_time
from tessera.suites.guest.console import power_off, put
from tessera.suites.guest.devices import open_devices
from tessera.suites.guest.objects import (
    CNODE,
    DEPTH,
    VSPACE,
    clean_up,
    guest,
    make,
    make_pool,
    make_sized,
    retype,
    set_up,
    take_slot,
    take_slots,
)
from tessera.suites.guest.report import begin, done, end, true, verdict
from tessera.suites.guest.spaces import PAGE_BYTES, close_window, map_page, window_address
from tessera.suites.guest.threads import (
    LOWEST_PRIORITY,
    PLENTY,
    make_time,
    prepare,
    prepare_here,
    set_running,
    spawn,
    start,
    start_one_call,
    start_resting,
)
from tessera.suites.guest.workers import add_call, add_receive, set_message_caps, settle, workers

LEVELS = 64
QUEUE_PRIORITIES = 250
REFILLS = 200
REFILL_PERIOD = 20_000  # microseconds
MANY = RETYPE_FAN_OUT_LIMIT
# One page table maps these addresses, and nothing else.
OWN_TABLE = 0x5000_0000
TABLE_PAGES = 1 << (MEGA_PAGE_BITS - PAGE_BITS)


@intrinsic(assembly="addi x0, x0, 1", constraints="")
def mark() -> None:
    """Tell the counter that the next part begins."""


@compiled
def make_many(kind: ObjectType) -> u64:
    """As many objects as one retype may make; the first slot."""
    first = take_slots(MANY)
    done(b"make many objects", retype(guest.pool, kind, 0, first, MANY))
    return first


@compiled
def threads_at_once() -> None:
    """`Untyped_Retype` of 256 threads"""
    make_many(ObjectType.TCB)


@compiled
def frames_at_once() -> None:
    """`Untyped_Retype` of 256 frames, which clears 1 MiB"""
    make_many(ObjectType.PAGE)


@compiled
def large_frame() -> None:
    """`Untyped_Retype` of a frame of 2 MiB, which clears it"""
    make(ObjectType.MEGA_PAGE)


@compiled
def mapped_frames() -> None:
    """`RISCV_Page_Map`, 256 times"""
    first = make_many(ObjectType.PAGE)
    for i in range(MANY):
        map_page(first + i, ALL_RIGHTS)


@compiled
def full_table() -> None:
    """`RISCV_PageTable_Unmap` of a table that is in use"""
    window_address()
    table = make(ObjectType.PAGE_TABLE)
    done(b"map a page table", page_table_map(table, VSPACE, OWN_TABLE, 0))
    first = make_many(ObjectType.PAGE)
    for i in range(MANY):
        done(b"map a page", page_map(first + i, VSPACE, OWN_TABLE + i * PAGE_BYTES, ALL_RIGHTS, 0))
    done(b"unmap the page table", page_table_unmap(table))


@compiled
def longest_message() -> None:
    """`Send` of 120 words and three capabilities, each looked up through 64 levels of CNodes"""
    endpoint = make(ObjectType.ENDPOINT)
    nodes = take_slots(LEVELS)
    for _node in range(u64(LEVELS)):
        done(b"make a CNode", retype(guest.pool, ObjectType.CAP_TABLE, 1, nodes + _node, 1))
    for level in range(u64(LEVELS - 1)):
        done(b"link", cnode_copy(nodes + level, 0, 1, CNODE, nodes + level + 1, DEPTH, ALL_RIGHTS))
    last = nodes + LEVELS - 1
    done(b"endpoint", cnode_copy(last, 1, 1, CNODE, endpoint, DEPTH, ALL_RIGHTS))
    done(b"other", cnode_copy(last, 0, 1, CNODE, make(ObjectType.NOTIFICATION), DEPTH, ALL_RIGHTS))
    receiver = spawn(0, 100)
    receiver.buffer.receive_cnode = CNODE
    receiver.buffer.receive_index = take_slot()
    receiver.buffer.receive_depth = DEPTH
    add_receive(receiver, Syscall.RECV, endpoint, make(ObjectType.REPLY))
    start(receiver)
    settle()
    sender = workers.entries[1]
    prepare(sender, nodes, VSPACE)
    set_running(sender, 100, make_time(PLENTY, PLENTY, 0), 0)
    step = add_call(sender, Syscall.SEND, 1, MAX_MESSAGE_LENGTH)
    set_message_caps(step, 3)
    # Two are capabilities to the endpoint itself, of which only the badge arrives; the third is copied.
    sender.buffer.caps[0] = 1
    sender.buffer.caps[1] = 1
    sender.buffer.caps[2] = 0
    done(b"thread", cnode_copy(nodes + LEVELS - 2, 1, 1, CNODE, sender.tcb, DEPTH, ALL_RIGHTS))
    start(sender)
    # How it calls itself at its end.
    sender.tcb = 2
    settle()
    true(b"the message has arrived", step.done and receiver.steps[0].done)


@compiled
def long_queue() -> None:
    """`Wait` for a notification that threads of 250 lower priorities wait for"""
    notification = make(ObjectType.NOTIFICATION)
    for i in range(u64(2 * QUEUE_PRIORITIES)):
        start_one_call(Syscall.WAIT, notification, LOWEST_PRIORITY + 1 + i % QUEUE_PRIORITIES, 0)
    settle()
    start_one_call(Syscall.WAIT, notification, LOWEST_PRIORITY + 1 + QUEUE_PRIORITIES, 0)
    settle()


@compiled
def large_node() -> None:
    """A CNode of 8192 slots"""
    node = make_sized(ObjectType.CAP_TABLE, 13)
    for i in range(u64(300)):
        done(b"copy", cnode_copy(node, i, 13, CNODE, VSPACE, DEPTH, ALL_RIGHTS))


@compiled
def many_refills() -> None:
    """A thread that wakes when its budget has come back in 200 pieces"""
    context = make_sized(ObjectType.SCHED_CONTEXT, PAGE_BITS)
    done(
        b"give a budget",
        sched_control_configure_flags(guest.sched_control, context, 10_000, REFILL_PERIOD, REFILLS, 0, 0),
    )
    notification = make(ObjectType.NOTIFICATION)
    worker = prepare_here(0)
    set_running(worker, 100, context, 0)
    worker.endless = True
    add_call(worker, Syscall.WAIT, notification, 0)
    start(worker)
    settle()
    for _piece in range(u64(REFILLS)):
        signal(notification)
        settle()
    pass_time(2 * REFILL_PERIOD)
    signal(notification)
    settle()


OPERATIONS: tuple[Callable[[], None], ...] = (
    threads_at_once,
    frames_at_once,
    large_frame,
    mapped_frames,
    full_table,
    longest_message,
    long_queue,
    large_node,
    many_refills,
)


@compiled(symbol="main")
def main(boot_info: u64) -> None:
    """Do all operations, and delete what each has made; both are marked. The exit code is 0 if all could be done."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    set_up(info)
    open_devices()
    put(b"\n")
    start_resting()
    make_pool()
    for name, function in selection.cases:
        begin(name)
        mark()
        close_window()
        function()
        mark()
        true(b"everything can be deleted", clean_up())
        end(name)
    power_off(verdict.failed == 0)

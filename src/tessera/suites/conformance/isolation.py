# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Address Spaces: several spaces, what they share and what they do not, and identifiers."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, InitialSlot
from tessera.abi.errors import Error
from tessera.abi.faults import Fault
from tessera.abi.objects import PAGE_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import address_of, compiled, u64
from tessera.runtime.memory import asid_control_make_pool, asid_pool_assign, cnode_copy, page_map, page_unmap
from tessera.runtime.sel4 import nb_recv, nb_wait
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import (
    CNODE,
    DEPTH,
    copy,
    delete,
    make,
    make_sized,
    mint,
    occupied,
    take_slot,
)
from tessera.suites.guest.report import done, equal, error, false, true
from tessera.suites.guest.spaces import WINDOW, make_space, make_worker_space, map_page, map_tables
from tessera.suites.guest.threads import PLENTY, make_time, prepare, set_running, start
from tessera.suites.guest.workers import (
    Worker,
    add_call,
    add_load,
    add_store,
    memory_word,
    order,
    settle,
    workers,
)


@compiled
def spawn_isolated(number: u64, priority: u64, space: u64, fault_endpoint: u64) -> Worker:
    """A worker in an address space of its own (of ``make_worker_space``). Not started."""
    worker = workers.entries[number]
    prepare(worker, CNODE, space)
    worker.trace = None
    set_running(worker, priority, make_time(PLENTY, PLENTY, 0), fault_endpoint)
    return worker


@compiled
def put_notification(node: u64, slot: u64) -> Error:
    """Make a notification, and copy its capability into a CNode of 16 slots."""
    from_slot = make(ObjectType.NOTIFICATION)
    return cnode_copy(node, slot, 4, CNODE, from_slot, DEPTH, ALL_RIGHTS)


@case
@compiled
def other_space_is_not_visible() -> None:
    """A thread sees nothing that is not mapped in its own address space (Address Spaces)."""
    endpoint = make(ObjectType.ENDPOINT)
    secret = address_of(order)
    space = make_worker_space(workers.entries[0])
    worker = spawn_isolated(0, 100, space, endpoint)
    step = add_load(worker, secret)
    start(worker)
    settle()
    fault = nb_recv(endpoint, make(ObjectType.REPLY))
    equal(b"label", u64(Fault.VM_FAULT), fault.info.label)
    equal(b"address", secret, fault.word1)
    false(b"nothing was read", step.done)


@case
@compiled
def other_space_is_not_writable() -> None:
    """A thread changes nothing that is not mapped in its own address space (Address Spaces)."""
    endpoint = make(ObjectType.ENDPOINT)
    before = order.finished
    space = make_worker_space(workers.entries[0])
    worker = spawn_isolated(0, 100, space, endpoint)
    step = add_store(worker, address_of(order), 0xBAD)
    start(worker)
    settle()
    equal(b"label", u64(Fault.VM_FAULT), nb_recv(endpoint, make(ObjectType.REPLY)).info.label)
    false(b"nothing was written", step.done)
    equal(b"the value", before, order.finished)


@case
@compiled
def same_address_other_memory() -> None:
    """The same address means different memory in different address spaces (Address Spaces)."""
    mine = map_page(make(ObjectType.PAGE), ALL_RIGHTS)
    memory_word(mine).value = 1
    frame = make(ObjectType.PAGE)
    worker_space = make_worker_space(workers.entries[0])
    map_tables(worker_space, WINDOW)
    done(b"map", page_map(copy(frame, ALL_RIGHTS), worker_space, mine, ALL_RIGHTS, 0))
    worker = spawn_isolated(0, 100, worker_space, 0)
    step = add_store(worker, mine, 2)
    start(worker)
    settle()
    true(b"written", step.done)
    equal(b"here", 1, memory_word(mine).value)
    equal(b"there", 2, memory_word(map_page(frame, ALL_RIGHTS)).value)


@case
@compiled
def shared_frame() -> None:
    """A frame that is mapped in two address spaces is shared memory (Address Spaces: Sharing)."""
    frame = make(ObjectType.PAGE)
    mine = map_page(frame, ALL_RIGHTS)
    memory_word(mine).value = 0x31
    space = make_worker_space(workers.entries[0])
    map_tables(space, WINDOW)
    other = u64(WINDOW + 0x1_0000)
    done(b"map", page_map(copy(frame, ALL_RIGHTS), space, other, ALL_RIGHTS, 0))
    worker = spawn_isolated(0, 100, space, 0)
    read = add_load(worker, other)
    add_store(worker, other + 8, 0x32)
    start(worker)
    settle()
    equal(b"read there", 0x31, read.result)
    equal(b"written there", 0x32, memory_word(mine + 8).value)


@case
@compiled
def shared_frame_with_other_rights() -> None:
    """A frame can be shared read-only (Address Spaces: Sharing; Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    frame = make(ObjectType.PAGE)
    mine = map_page(frame, ALL_RIGHTS)
    space = make_worker_space(workers.entries[0])
    map_tables(space, WINDOW)
    done(b"map", page_map(copy(frame, RIGHT_READ), space, WINDOW, ALL_RIGHTS, 0))
    worker = spawn_isolated(0, 100, space, endpoint)
    read = add_load(worker, WINDOW)
    add_store(worker, WINDOW, 5)
    start(worker)
    settle()
    true(b"read", read.done)
    equal(b"label", u64(Fault.VM_FAULT), nb_recv(endpoint, make(ObjectType.REPLY)).info.label)
    equal(b"unchanged", 0, memory_word(mine).value)


@case
@compiled
def message_between_spaces() -> None:
    """Messages go from one address space to another, long ones too (IPC; Address Spaces)."""
    endpoint = make(ObjectType.ENDPOINT)
    first_space = make_worker_space(workers.entries[0])
    sender = spawn_isolated(0, 100, first_space, 0)
    sender.buffer.message[100] = 0x1EE7
    add_call(sender, Syscall.SEND, mint(endpoint, ALL_RIGHTS, 3), 101)
    second_space = make_worker_space(workers.entries[1])
    receiver = spawn_isolated(1, 90, second_space, 0)
    step = add_call(receiver, Syscall.WAIT, endpoint, 0)
    start(sender)
    start(receiver)
    settle()
    true(b"received", step.done)
    equal(b"badge", 3, step.result)
    equal(b"length", 101, step.result_info.length)
    equal(b"word", 0x1EE7, receiver.buffer.message[100])


@case
@compiled
def own_capability_space() -> None:
    """A thread can use only the capabilities of its own capability space (Capability Spaces)."""
    fault_endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    node = make_sized(ObjectType.CAP_TABLE, 4)
    own = mint(node, ALL_RIGHTS, 60)
    done(b"one capability", put_notification(node, 3))
    worker = workers.entries[0]
    prepare(worker, own, InitialSlot.VSPACE)
    set_running(worker, 100, make_time(PLENTY, PLENTY, 0), fault_endpoint)
    inside = add_call(worker, Syscall.SEND, 3, 0)
    outside = add_call(worker, Syscall.SEND, notification, 0)
    start(worker)
    settle()
    true(b"its own", inside.done)
    false(b"not its own", outside.done)
    equal(b"label", u64(Fault.CAP_FAULT), nb_recv(fault_endpoint, make(ObjectType.REPLY)).info.label)
    equal(b"not signalled", 0, nb_wait(notification).badge)


@case
@compiled
def space_needs_an_identifier() -> None:
    """A page table becomes an address space by an identifier, once (ASIDPool Assign)."""
    table = make(ObjectType.PAGE_TABLE)
    done(b"assign", asid_pool_assign(InitialSlot.ASID_POOL, table))
    error(b"again", Error.INVALID_CAPABILITY, asid_pool_assign(InitialSlot.ASID_POOL, table))
    error(b"a CNode", Error.INVALID_CAPABILITY, asid_pool_assign(InitialSlot.ASID_POOL, CNODE))


@case
@compiled
def new_identifier_pool() -> None:
    """A page of untyped memory becomes a pool of identifiers (ASIDControl MakePool)."""
    small = make_sized(ObjectType.UNTYPED, PAGE_BITS - 1)
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    slot = take_slot()
    control = u64(InitialSlot.ASID_CONTROL)
    error(b"wrong size", Error.INVALID_CAPABILITY, asid_control_make_pool(control, small, CNODE, slot, DEPTH))
    error(b"no slot", Error.DELETE_FIRST, asid_control_make_pool(control, untyped, CNODE, CNODE, DEPTH))
    done(b"make", asid_control_make_pool(control, untyped, CNODE, slot, DEPTH))
    true(b"the slot is filled", occupied(slot))
    error(b"memory is used", Error.REVOKE_FIRST, asid_control_make_pool(control, untyped, CNODE, take_slot(), DEPTH))
    table = make(ObjectType.PAGE_TABLE)
    done(b"assign from it", asid_pool_assign(slot, table))
    map_tables(table, WINDOW)
    done(b"map", page_map(make(ObjectType.PAGE), table, WINDOW, ALL_RIGHTS, 0))


@case
@compiled
def deleted_space_frees_its_frames() -> None:
    """After an address space is deleted its frames can be mapped in another one (Address Spaces: Deletion)."""
    space = make_space()
    map_tables(space, WINDOW)
    frame = make(ObjectType.PAGE)
    done(b"map", page_map(frame, space, WINDOW, ALL_RIGHTS, 0))
    done(b"delete", delete(space))
    done(b"unmap", page_unmap(frame))
    memory_word(map_page(frame, ALL_RIGHTS)).value = 3

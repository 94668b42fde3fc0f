# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Address Spaces and Virtual Memory: frames, page tables, and their errors."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, EXECUTE_NEVER, RIGHT_READ, RIGHT_WRITE
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.faults import Fault
from tessera.abi.objects import MEGA_PAGE_BITS, PAGE_BITS, ObjectType
from tessera.lang import compiled, range, u64
from tessera.runtime.machine import Received, instruction_fence
from tessera.runtime.memory import page_get_address, page_map, page_table_map, page_table_unmap, page_unmap
from tessera.runtime.sel4 import nb_recv
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import CNODE, VSPACE, copy, delete, guest, make, retype, take_slots
from tessera.suites.guest.report import detail, done, equal, error, true
from tessera.suites.guest.spaces import WINDOW, make_space, map_page, map_tables, unmap_page, window_address
from tessera.suites.guest.threads import spawn_with_handler, start
from tessera.suites.guest.workers import add_function, add_load, add_store, memory_word, settle

USER_TOP = 0x3F_FFFF_F000
# Another gigabyte of the root task's address space.
ELSEWHERE = 0x8000_0000
RETURN = 0x8067  # jalr x0, 0(x1)
LOAD, STORE, EXECUTE = 0, 1, 2


@compiled
def fault_of_access(kind: u64, address: u64) -> Received:
    """The fault that an access by a worker ends in; its label is 0 if there was none."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    if kind == LOAD:
        add_load(worker, address)
    elif kind == STORE:
        add_store(worker, address, 0x1234)
    else:
        add_function(worker, address, 0, 0)
    start(worker)
    settle()
    return nb_recv(endpoint, make(ObjectType.REPLY))


@compiled
def allowed(what: bytes, kind: u64, address: u64) -> None:
    """Require that an access is possible: nothing faults. The label of no message is that of no fault."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_function(worker, address, 0, 0)
    if kind == LOAD:
        worker.count = 0
        step = add_load(worker, address)
    elif kind == STORE:
        worker.count = 0
        step = add_store(worker, address, 0x1234)
    start(worker)
    settle()
    true(what, step.done)


@compiled
def forbidden(what: bytes, kind: u64, address: u64) -> None:
    """Require that an access faults."""
    fault = fault_of_access(kind, address)
    equal(what, u64(Fault.VM_FAULT), fault.info.label)
    equal(what, address, fault.word1)


@case
@compiled
def mapped_page_is_memory() -> None:
    """A mapped page can be written and read (Address Spaces: Page)."""
    address = map_page(make(ObjectType.PAGE), ALL_RIGHTS)
    for i in range(512):
        memory_word(address + 8 * i).value = i * 0x0101_0101
    for i in range(512):
        equal(b"word", i * 0x0101_0101, memory_word(address + 8 * i).value)


@case
@compiled
def unmapped_page_is_gone() -> None:
    """After unmapping an access faults; the contents stay in the frame (Page Unmap)."""
    frame = make(ObjectType.PAGE)
    address = map_page(frame, ALL_RIGHTS)
    memory_word(address).value = 0x77
    allowed(b"while mapped", LOAD, address)
    unmap_page(frame)
    forbidden(b"unmapped", LOAD, address)
    done(b"unmap again", page_unmap(frame))
    equal(b"contents", 0x77, memory_word(map_page(frame, ALL_RIGHTS)).value)


@case
@compiled
def deleted_page_is_gone() -> None:
    """Deleting a frame capability undoes its mapping (Address Spaces: Page)."""
    first = take_slots(1)
    done(b"a page", retype(guest.pool, ObjectType.PAGE, 0, first, 1))
    second = copy(first, ALL_RIGHTS)
    address = map_page(second, ALL_RIGHTS)
    allowed(b"while mapped", LOAD, address)
    done(b"delete", delete(second))
    forbidden(b"deleted", LOAD, address)


@case
@compiled
def frame_at_two_addresses() -> None:
    """A frame can be mapped once for each of its capabilities, and all show the same memory (Page Map)."""
    frame = make(ObjectType.PAGE)
    first = map_page(frame, ALL_RIGHTS)
    second = map_page(copy(frame, ALL_RIGHTS), ALL_RIGHTS)
    memory_word(first + 16).value = 0x1122_3344
    equal(b"at the other address", 0x1122_3344, memory_word(second + 16).value)


@case
@compiled
def read_only_mapping() -> None:
    """A page that is mapped without the write right can be read, and writing faults (Page Map)."""
    address = map_page(make(ObjectType.PAGE), RIGHT_READ)
    allowed(b"read", LOAD, address)
    fault = fault_of_access(STORE, address)
    equal(b"label", u64(Fault.VM_FAULT), fault.info.label)
    equal(b"cause", 7, fault.word3)


@case
@compiled
def rights_of_the_capability() -> None:
    """A mapping has no more rights than the frame capability (Page Map; Capability Rights)."""
    address = map_page(copy(make(ObjectType.PAGE), RIGHT_READ), ALL_RIGHTS)
    allowed(b"read", LOAD, address)
    forbidden(b"write", STORE, address)


@case
@compiled
def remapping_changes_rights() -> None:
    """Mapping a mapped page again at its address changes its rights (Page Map)."""
    frame = make(ObjectType.PAGE)
    address = map_page(frame, ALL_RIGHTS)
    allowed(b"write", STORE, address)
    done(b"less rights", page_map(frame, VSPACE, address, RIGHT_READ, 0))
    forbidden(b"write without the right", STORE, address)
    equal(b"what was written", 0x1234, memory_word(address).value)
    done(b"all rights", page_map(frame, VSPACE, address, RIGHT_READ | RIGHT_WRITE, 0))
    allowed(b"write again", STORE, address)


@case
@compiled
def execute_never() -> None:
    """A page that is mapped with the attribute is not executed (Page Map: ExecuteNever)."""
    frame = make(ObjectType.PAGE)
    address = map_page(frame, ALL_RIGHTS)
    memory_word(address).value = RETURN
    instruction_fence()
    allowed(b"execute", EXECUTE, address)
    done(b"map again", page_map(frame, VSPACE, address, ALL_RIGHTS, EXECUTE_NEVER))
    fault = fault_of_access(EXECUTE, address)
    equal(b"label", u64(Fault.VM_FAULT), fault.info.label)
    equal(b"prefetch", 1, fault.word2)
    allowed(b"read", LOAD, address)


@case
@compiled
def page_map_address_errors() -> None:
    """An address must be aligned and one of user level (Page Map: AlignmentError, InvalidArgument)."""
    frame = make(ObjectType.PAGE)
    address = window_address()
    error(b"unaligned", Error.ALIGNMENT_ERROR, page_map(frame, VSPACE, address + 8, ALL_RIGHTS, 0))
    error(b"top", Error.INVALID_ARGUMENT, page_map(frame, VSPACE, USER_TOP, ALL_RIGHTS, 0))
    result = page_map(frame, VSPACE, 0xFFFF_FFFF_8020_0000, ALL_RIGHTS, 0)
    error(b"kernel", Error.INVALID_ARGUMENT, result)
    mega = make(ObjectType.MEGA_PAGE)
    result = page_map(mega, VSPACE, WINDOW + (1 << PAGE_BITS), ALL_RIGHTS, 0)
    error(b"unaligned for its size", Error.ALIGNMENT_ERROR, result)


@case
@compiled
def page_map_needs_tables() -> None:
    """Without a page table the error tells how many bits of the address are left to translate (Page Map:
    FailedLookup)."""
    frame = make(ObjectType.PAGE)
    error(b"no tables", Error.FAILED_LOOKUP, page_map(frame, VSPACE, ELSEWHERE, ALL_RIGHTS, 0))
    detail(b"failure", 1, u64(LookupFailure.MISSING_CAPABILITY))
    detail(b"bits left", 2, 30)
    done(b"first table", page_table_map(make(ObjectType.PAGE_TABLE), VSPACE, ELSEWHERE, 0))
    error(b"one table", Error.FAILED_LOOKUP, page_map(frame, VSPACE, ELSEWHERE, ALL_RIGHTS, 0))
    detail(b"bits left", 2, 21)
    done(b"second table", page_table_map(make(ObjectType.PAGE_TABLE), VSPACE, ELSEWHERE, 0))
    done(b"two tables", page_map(frame, VSPACE, ELSEWHERE, ALL_RIGHTS, 0))


@case
@compiled
def page_map_occupied() -> None:
    """At an address that has a page no other one can be mapped, nor a larger one where a page table is (Page Map)."""
    address = map_page(make(ObjectType.PAGE), ALL_RIGHTS)
    other = make(ObjectType.PAGE)
    error(b"another page", Error.DELETE_FIRST, page_map(other, VSPACE, address, ALL_RIGHTS, 0))
    mega = make(ObjectType.MEGA_PAGE)
    error(b"over a page table", Error.FAILED_LOOKUP, page_map(mega, VSPACE, WINDOW, ALL_RIGHTS, 0))
    detail(b"bits left behind the table", 2, PAGE_BITS)


@case
@compiled
def page_map_elsewhere() -> None:
    """A capability whose frame is mapped cannot map it at another address, or in another address space (Page Map)."""
    frame = make(ObjectType.PAGE)
    address = map_page(frame, ALL_RIGHTS)
    error(b"another address", Error.INVALID_ARGUMENT, page_map(frame, VSPACE, window_address(), ALL_RIGHTS, 0))
    space = make_space()
    map_tables(space, WINDOW)
    error(b"another space", Error.INVALID_CAPABILITY, page_map(frame, space, address, ALL_RIGHTS, 0))
    unmap_page(frame)
    done(b"after unmapping", page_map(frame, space, address, ALL_RIGHTS, 0))


@case
@compiled
def page_map_needs_a_space() -> None:
    """The address space is the root page table, assigned to an identifier (Page Map: InvalidCapability)."""
    frame = make(ObjectType.PAGE)
    address = window_address()
    error(b"a CNode", Error.INVALID_CAPABILITY, page_map(frame, CNODE, address, ALL_RIGHTS, 0))
    table = make(ObjectType.PAGE_TABLE)
    error(b"no identifier", Error.INVALID_CAPABILITY, page_map(frame, table, address, ALL_RIGHTS, 0))


@case
@compiled
def mega_page() -> None:
    """A frame of 2 MiB is mapped one level higher (Address Spaces: Page Sizes)."""
    window_address()
    address = u64(WINDOW + (1 << MEGA_PAGE_BITS))
    done(b"map", page_map(make(ObjectType.MEGA_PAGE), VSPACE, address, ALL_RIGHTS, 0))
    memory_word(address).value = 1
    memory_word(address + (1 << MEGA_PAGE_BITS) - 8).value = 2
    equal(b"first word", 1, memory_word(address).value)
    equal(b"last word", 2, memory_word(address + (1 << MEGA_PAGE_BITS) - 8).value)
    equal(b"new memory is zero", 0, memory_word(address + 8 * 1000).value)


@case
@compiled
def page_table_errors() -> None:
    """A page table is mapped once, and only where one is missing (PageTable Map: InvalidCapability, DeleteFirst)."""
    first = make(ObjectType.PAGE_TABLE)
    done(b"map", page_table_map(first, VSPACE, ELSEWHERE, 0))
    error(b"again", Error.INVALID_CAPABILITY, page_table_map(first, VSPACE, ELSEWHERE, 0))
    done(b"the next level", page_table_map(make(ObjectType.PAGE_TABLE), VSPACE, ELSEWHERE, 0))
    third = make(ObjectType.PAGE_TABLE)
    error(b"all are there", Error.DELETE_FIRST, page_table_map(third, VSPACE, ELSEWHERE, 0))
    error(b"kernel address", Error.INVALID_ARGUMENT, page_table_map(third, VSPACE, 0xFFFF_FFFF_8020_0000, 0))
    error(b"no space", Error.INVALID_CAPABILITY, page_table_map(third, CNODE, ELSEWHERE, 0))
    error(b"unmap a root", Error.REVOKE_FIRST, page_table_unmap(make_space()))
    twin = copy(first, ALL_RIGHTS)
    error(b"unmap one of two", Error.REVOKE_FIRST, page_table_unmap(twin))
    done(b"delete it", delete(twin))
    done(b"unmap the only one", page_table_unmap(first))


@case
@compiled
def unmapped_table_hides_its_pages() -> None:
    """Without its page table a page is not reachable; the same table cannot bring it back (PageTable Unmap)."""
    map_tables(VSPACE, ELSEWHERE)
    lower = make(ObjectType.PAGE_TABLE)
    address = u64(ELSEWHERE + (1 << MEGA_PAGE_BITS))
    done(b"another table", page_table_map(lower, VSPACE, address, 0))
    frame = make(ObjectType.PAGE)
    done(b"map", page_map(frame, VSPACE, address, ALL_RIGHTS, 0))
    allowed(b"mapped", LOAD, address)
    done(b"unmap the table", page_table_unmap(lower))
    forbidden(b"without table", LOAD, address)
    done(b"map the table again", page_table_map(lower, VSPACE, address, 0))
    forbidden(b"an empty table", LOAD, address)
    done(b"map the page again", page_map(frame, VSPACE, address, ALL_RIGHTS, 0))
    allowed(b"mapped again", LOAD, address)


@case
@compiled
def frame_addresses() -> None:
    """Frames made in one step lie one behind the other in physical memory (Page GetAddress)."""
    first = take_slots(4)
    done(b"four pages", retype(guest.pool, ObjectType.PAGE, 0, first, 4))
    start_address = page_get_address(first)
    done(b"address", start_address.error)
    for i in range(4):
        equal(b"address", start_address.value + (i << PAGE_BITS), page_get_address(first + i).value)

# SPDX-License-Identifier: BSD-2-Clause
"""Faults of memory in the user's words: what is at the address, and why the component may not use it so."""

from __future__ import annotations

from tessera.abi.faults import VmFaultMessage
from tessera.abi.layout import MAX_STACK_SIZE, USER_TOP
from tessera.abi.objects import PAGE_BITS
from tessera.lang import compiled, range, u32, u64
from tessera.runtime.console import put, put_decimal, put_hexadecimal, put_line
from tessera.runtime.fault_message import (
    begin_hint,
    begin_line,
    fault,
    put_description_line,
    put_place,
    put_quoted,
    put_string,
    registers,
    sender,
)
from tessera.runtime.fault_tables import (
    AREA_GUARD,
    AREA_REGION,
    PERM_EXECUTE,
    PERM_READ,
    PERM_WRITE,
    AreaEntry,
    ComponentEntry,
    UseEntry,
    area_at,
    area_entry,
    area_up_to,
    component,
    tables,
    use_entry,
)

PAGE = 1 << PAGE_BITS

# Exception codes as the kernel tells them; those of instruction fetches come with a word of their own.
LOAD_ACCESS_FAULT = 5
STORE_ACCESS_FAULT = 7


@compiled
def tell_memory_fault() -> None:
    """A component accessed memory that it may not access so."""
    address = fault.word[VmFaultMessage.ADDRESS]
    needed = needed_permission()
    entry = sender()
    begin_line()
    if needed == PERM_READ:
        put(b"read of ")
    elif needed == PERM_WRITE:
        put(b"write to ")
    elif needed == PERM_EXECUTE:
        put(b"execution of ")
    else:
        put(b"access (exception code ")
        put_decimal(fault.word[VmFaultMessage.FSR])
        put(b") to ")
    put_hexadecimal(address)
    area = area_at(entry, address)
    overflow = has_overflowed(entry, address)
    if area is not None:
        put_area(area, needed, overflow)
    elif address < PAGE:
        put(b", a null pointer")
        if address != 0:
            put(b" plus ")
            put_decimal(address)
    elif overflow:
        put(b", which is below its stack: the stack has overflowed")
    elif address >= USER_TOP:
        put(b", which is no address of a component")
    elif use_at(address, 0) < tables().uses.count:
        put_regions_of_others(address)
    else:
        put(b", where nothing is mapped")
        put_area_before(entry, address)
    put_place(fault.word[VmFaultMessage.IP])
    put_advice(entry, area, address, needed, overflow)


@compiled
def needed_permission() -> u32:
    """What the access needed; 0 if that is not known."""
    if fault.word[VmFaultMessage.PREFETCH_FAULT] != 0:
        return u32(PERM_EXECUTE)
    code = fault.word[VmFaultMessage.FSR]
    if code == LOAD_ACCESS_FAULT:
        return u32(PERM_READ)
    if code == STORE_ACCESS_FAULT:
        return u32(PERM_WRITE)
    return u32(0)


@compiled
def has_overflowed(entry: ComponentEntry, address: u64) -> bool:
    """Whether the address is below the stack because the stack is too small. A function with much local data jumps
    over the guard page; then the stack pointer, which is below the stack too, shows what it was.
    """
    if address >= entry.stack:
        return False
    if address + PAGE >= entry.stack:
        return True
    if not fault.registers_known:
        return False
    pointer = registers.sp
    return pointer <= address and pointer < entry.stack and pointer + MAX_STACK_SIZE >= entry.stack


# What is at the address


@compiled
def put_area(area: AreaEntry, needed: u32, overflow: bool) -> None:
    """A part of the component's own address space."""
    if area.kind == AREA_GUARD:
        put(b", which is in the ")
        put_string(area.name)
        if overflow:
            put(b": the stack has overflowed")
        return
    if area.kind == AREA_REGION:
        put(b", which is region ")
        put_quoted(area.name)
    else:
        put(b", which is in its ")
        put_string(area.name)
    put(b', mapped with perms="')
    put_permissions(area.perms)
    put(b'"')
    if needed & ~area.perms == 0:
        put(b", which allows it: the hardware refused (exception code ")
        put_decimal(fault.word[VmFaultMessage.FSR])
        put(b")")


@compiled
def put_permissions(perms: u32) -> None:
    """Permissions as a system description writes them."""
    if perms & PERM_READ != 0:
        put(b"r")
    if perms & PERM_WRITE != 0:
        put(b"w")
    if perms & PERM_EXECUTE != 0:
        put(b"x")


@compiled
def put_area_before(entry: ComponentEntry, address: u64) -> None:
    """A memory region or other part that ends just before the address: something ran over its end."""
    area = area_up_to(entry, address)
    if area is None:
        return
    if area.kind == AREA_GUARD or address - area.end >= PAGE:
        return
    put(b", ")
    if address == area.end:
        put(b"directly")
    else:
        put_decimal(address - area.end)
        put(b" bytes")
    put(b" behind the end of ")
    if area.kind == AREA_REGION:
        put(b"region ")
        put_quoted(area.name)
    else:
        put(b"its ")
        put_string(area.name)


# Regions of others


@compiled
def use_at(address: u64, first: u64) -> u64:
    """The first mapping from index ``first`` on that has the address in another component; their number if none."""
    count = tables().uses.count
    for i in range(first, count):
        use = use_entry(i)
        if use.start <= address and address < use.end and use.component != fault.sender:
            return i
    return count


@compiled
def put_regions_of_others(address: u64) -> None:
    """All memory regions that other components have at the address, each once."""
    count = tables().uses.count
    put(b", which is ")
    is_first = True
    for i in range(count):
        if use_at(address, i) == i and not was_told(address, i):
            if not is_first:
                put(b", or ")
            is_first = False
            put_region(use_entry(i))


@compiled
def was_told(address: u64, index: u64) -> bool:
    """Whether an earlier mapping at the address is of the same memory region."""
    for i in range(index):
        if use_at(address, i) == i and use_entry(i).region == use_entry(index).region:
            return True
    return False


@compiled
def put_region(use: UseEntry) -> None:
    """A memory region, and who has it."""
    put(b"region ")
    put_quoted(use.region)
    own = own_use(use.region)
    if own is not None:
        put(b" in ")
        put_quoted(component(use.component).name)
        put(b" (")
        put_quoted(sender().name)
        put(b" has it at ")
        put_hexadecimal(own.start)
        put(b")")
        return
    put(b", mapped by ")
    is_first = True
    for i in range(tables().uses.count):
        other = use_entry(i)
        if other.region == use.region and is_first_of(i):
            if not is_first:
                put(b" and ")
            is_first = False
            put_quoted(component(other.component).name)
    put(b" only")


@compiled
def is_first_of(index: u64) -> bool:
    """Whether no earlier mapping is of the same memory region in the same component."""
    use = use_entry(index)
    for i in range(index):
        other = use_entry(i)
        if other.region == use.region and other.component == use.component:
            return False
    return True


@compiled
def own_use(region: u64) -> UseEntry | None:
    """The first mapping of a memory region by the component itself."""
    for i in range(tables().uses.count):
        use = use_entry(i)
        if use.region == region and use.component == fault.sender:
            return use
    return None


# What to do


@compiled
def distance(area: AreaEntry, address: u64) -> u64:
    """How far an address outside of an area is from its nearest byte."""
    return area.start - address if address < area.start else address - area.end + 1


@compiled
def put_nearest(entry: ComponentEntry, address: u64) -> None:
    """The component's own memory region that is nearest to an address where nothing is."""
    nearest = u64(0)
    found = False
    for i in range(entry.areas.count):
        area = area_entry(entry, i)
        if area.kind == AREA_REGION:
            if not found or distance(area, address) < distance(area_entry(entry, nearest), address):
                nearest = u64(i)
            found = True
    if found:
        area = area_entry(entry, nearest)
        begin_hint()
        put(b"its nearest region is ")
        put_quoted(area.name)
        put(b", ")
        put_hexadecimal(area.start)
        put(b" to ")
        put_hexadecimal(area.end - 1)
        put(b", mapped at ")
        put_description_line(area.line)
        put_line(b"")


@compiled
def put_advice(entry: ComponentEntry, area: AreaEntry | None, address: u64, needed: u32, overflow: bool) -> None:
    """A second line where the system description has what to change."""
    if overflow:
        begin_hint()
        put(b"its stack has ")
        put_decimal(entry.stack_size)
        put(b" bytes; a larger stack_size= at ")
        put_description_line(entry.line)
        put_line(b" gives it more")
    elif area is not None:
        if area.kind == AREA_REGION and needed & ~area.perms != 0:
            begin_hint()
            put(b"the permissions are those of its <map> at ")
            put_description_line(area.line)
            put_line(b"")
    elif PAGE <= address and address < USER_TOP:
        found = use_at(address, 0)
        if found < tables().uses.count:
            region = use_entry(found).region
            if own_use(region) is None:
                begin_hint()
                put(b"only a <map mr=")
                put_quoted(region)
                put(b"> in it, at ")
                put_description_line(entry.line)
                put_line(b", would give it access")
        else:
            put_nearest(entry, address)

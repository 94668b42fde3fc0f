# SPDX-License-Identifier: BSD-2-Clause
"""What the monitor knows of a system, in the form in which the build gives it (build/monitor.py).

Tables and texts are at an offset, in bytes, from the start of the header; a text ends with a zero byte. Entries of a
table that is searched by address are in ascending order of their first word.
"""

from __future__ import annotations

from tessera.lang import at, at_or_none, compiled, decreases, inline, size_of, static, struct, u32, u64
from tessera.runtime.spec import Table

# What a part of an address space is for: system.faultmap.AreaKind in the same order.
AREA_REGION = 0
AREA_PROGRAM = 1
AREA_STACK = 2
AREA_IPC_BUFFER = 3
AREA_GUARD = 4

# What one may do with memory.
PERM_READ = 1
PERM_WRITE = 2
PERM_EXECUTE = 4

# What a component may do with its end of a channel.
CHANNEL_NOTIFY = 1
CHANNEL_CALL = 2
CHANNEL_INTERRUPT = 4


@struct
class FaultTables:
    """The start. ``file`` is the name of the system description; ``uses`` are all mappings of memory regions."""

    file: u64
    components: Table = inline()
    uses: Table = inline()


@struct
class ComponentEntry:
    """A component. ``line`` is its place in the system description; ``passive`` and ``floating_point`` are 1 or 0;
    ``stack`` is the lowest address of its stack, which has ``stack_size`` bytes. Budget and period in microseconds.
    """

    name: u64
    line: u64
    passive: u64
    floating_point: u64
    stack: u64
    stack_size: u64
    budget: u64
    period: u64
    areas: Table = inline()
    channels: Table = inline()
    lines: Table = inline()
    functions: Table = inline()


@struct
class AreaEntry:
    """Addresses ``start`` up to, but not including, ``end`` of one address space. ``line`` is where a memory region is
    mapped in the system description.
    """

    start: u64
    end: u64
    name: u64
    line: u64
    kind: u32
    perms: u32


@struct
class ChannelEntry:
    """A channel or interrupt of one component. ``peer`` is the name of the other end; that of an interrupt is empty."""

    number: u64
    flags: u64
    peer: u64


@struct
class LineEntry:
    """From ``pc`` up to the next entry, the code is from ``line`` of ``file``; line 0 ends a stretch of code.

    ``function`` is named where it is another than the one that the symbols have there, or else is 0.
    """

    pc: u64
    file: u32
    line: u32
    function: u32


@struct
class FunctionEntry:
    """A function and its name."""

    start: u64
    end: u64
    name: u64


@struct
class UseEntry:
    """A memory region in the address space of a component, which is given by its index."""

    start: u64
    end: u64
    component: u64
    region: u64


@struct
class Key:
    """One word: the first of an entry that is searched by address."""

    value: u64


# Where the build lays the tables in the monitor's address space, and the variable by which the monitor finds them.
TABLES_ADDRESS = 0x1000_0000
TABLES_VARIABLE = "monitor_tables"

place: Key = static(Key, name=TABLES_VARIABLE)


@compiled
def tables() -> FaultTables:
    """The start of the tables."""
    return at(FaultTables, place.value)


@compiled
def component(index: u64) -> ComponentEntry:
    """A component by its place in the system; the index is below their number."""
    return at(ComponentEntry, place.value + tables().components.offset + index * size_of(ComponentEntry))


@compiled
def last_up_to(table: Table, size: u64, address: u64) -> u64:
    """Where the last entry begins whose first word is not above an address; 0 if there is none."""
    first = place.value + table.offset
    low = u64(0)
    high = table.count
    while low < high:
        decreases(high - low)
        middle = low + (high - low) // 2
        if at(Key, first + middle * size).value <= address:
            low = middle + 1
        else:
            high = middle
    return u64(0) if low == 0 else first + (low - 1) * size


@compiled
def area_up_to(entry: ComponentEntry, address: u64) -> AreaEntry | None:
    """The last part of an address space that begins at or below an address."""
    return at_or_none(AreaEntry, last_up_to(entry.areas, size_of(AreaEntry), address))


@compiled
def area_at(entry: ComponentEntry, address: u64) -> AreaEntry | None:
    """The part of an address space in which an address is."""
    area = area_up_to(entry, address)
    if area is not None and address < area.end:
        return area
    return None


@compiled
def line_at(entry: ComponentEntry, pc: u64) -> LineEntry | None:
    """The source line of an address of code, if it is known."""
    line = at_or_none(LineEntry, last_up_to(entry.lines, size_of(LineEntry), pc))
    if line is not None and line.line != 0:
        return line
    return None


@compiled
def function_at(entry: ComponentEntry, pc: u64) -> FunctionEntry | None:
    """The function of an address of code, if it is known."""
    function = at_or_none(FunctionEntry, last_up_to(entry.functions, size_of(FunctionEntry), pc))
    if function is not None and pc < function.end:
        return function
    return None


@compiled
def channel_entry(entry: ComponentEntry, index: u64) -> ChannelEntry:
    """A channel by its place in the table; the index is below their number."""
    return at(ChannelEntry, place.value + entry.channels.offset + index * size_of(ChannelEntry))


@compiled
def area_entry(entry: ComponentEntry, index: u64) -> AreaEntry:
    """A part of an address space by its place in the table; the index is below their number."""
    return at(AreaEntry, place.value + entry.areas.offset + index * size_of(AreaEntry))


@compiled
def use_entry(index: u64) -> UseEntry:
    """A mapping of a memory region by its place in the table; the index is below their number."""
    return at(UseEntry, place.value + tables().uses.offset + index * size_of(UseEntry))

# SPDX-License-Identifier: BSD-2-Clause
"""What the monitor knows of the system: names, address spaces, source lines.

The build lays these tables into the monitor's memory (build/monitor.py). Texts are offsets, from the start of the
tables, of bytes that end with a zero byte.
"""

from __future__ import annotations

from enum import IntEnum

from tessera.abi.capabilities import BASE_CHILD_TCB, BASE_VCPU, BASE_VM_TCB, COMPONENT_CNODE_BITS
from tessera.lang import at, compiled, inline, range, size_of, static, struct, u32, u64, word
from tessera.runtime.console import put_text_at
from tessera.runtime.microkit import Variable
from tessera.runtime.spec import ABSENT, Table

# Where the tables are in the monitor's address space.
TABLES_ADDRESS = 0x1000_0000

# Slots of the monitor's CNode (system/environment.py), to each of which the index of a component is added.
SLOT_TCB = BASE_CHILD_TCB
SLOT_SCHED_CONTEXT = BASE_VM_TCB
SLOT_NOTIFICATION = BASE_VCPU
CNODE_DEPTH = COMPONENT_CNODE_BITS

# Permissions of an area.
READ = 1
WRITE = 2
EXECUTE = 4


@word(u64)
class Area(IntEnum):
    """What a part of an address space is for."""

    REGION = 0
    PROGRAM = 1
    STACK = 2
    IPC_BUFFER = 3
    GUARD_BELOW_STACK = 4
    GUARD = 5


@struct
class MonitorTables:
    """The start. ``system`` is the name of the system description."""

    system: u64
    components: Table = inline()
    uses: Table = inline()


@struct
class ComponentEntry:
    """A component. Areas, lines and functions are in ascending order of addresses."""

    name: u64
    stack_size: u64
    areas: Table = inline()
    lines: Table = inline()
    functions: Table = inline()


@struct
class AreaEntry:
    """Addresses ``start`` up to, but not including, ``end``."""

    start: u64
    end: u64
    kind: Area
    name: u64
    permissions: u64


@struct
class UseEntry:
    """A memory region in the address space of a component."""

    component: u64
    start: u64
    end: u64
    region: u64


@struct
class LineEntry:
    """From ``pc`` up to the next entry the code is from this line; line 0: from no line that is known."""

    pc: u64
    file: u32
    line: u32


@struct
class FunctionEntry:
    """A function, from ``start`` up to, but not including, ``end``."""

    start: u64
    end: u64
    name: u64


tables: Variable = static(Variable, name="monitor_tables")


@compiled
def head() -> MonitorTables:
    """The start of the tables."""
    return at(MonitorTables, tables.value)


@compiled
def put_name(text: u64) -> None:
    """Print a text of the tables."""
    put_text_at(tables.value + text)


@compiled
def component_count() -> u64:
    """How many components there are."""
    return head().components.count


@compiled
def component(index: u64) -> ComponentEntry:
    """A component by its place in the system."""
    return at(ComponentEntry, tables.value + head().components.offset + index * size_of(ComponentEntry))


@compiled
def area_at(owner: ComponentEntry, address: u64) -> AreaEntry | None:
    """The part of a component's address space that an address is in."""
    for i in range(owner.areas.count):
        entry = at(AreaEntry, tables.value + owner.areas.offset + i * size_of(AreaEntry))
        if entry.start <= address and address < entry.end:
            return entry
    return None


@compiled
def use(number: u64) -> UseEntry:
    """A mapping of a memory region."""
    return at(UseEntry, tables.value + head().uses.offset + number * size_of(UseEntry))


@compiled
def find_use(first: u64, other_than: u64, address: u64) -> u64:
    """The next mapping, from number ``first`` on, of this address in another component; ABSENT if there is none."""
    for number in range(first, head().uses.count):
        entry = use(number)
        if entry.component != other_than and entry.start <= address and address < entry.end:
            return number
    return u64(ABSENT)


@compiled
def line_at(owner: ComponentEntry, pc: u64) -> LineEntry | None:
    """The source line of an instruction."""
    count = owner.lines.count
    for i in range(count):
        # From the last to the first: the first that does not begin behind the instruction.
        entry = at(LineEntry, tables.value + owner.lines.offset + (count - 1 - i) * size_of(LineEntry))
        if entry.pc <= pc:
            if entry.line == 0:
                return None
            return entry
    return None


@compiled
def function_at(owner: ComponentEntry, pc: u64) -> FunctionEntry | None:
    """The function that an instruction is in."""
    for i in range(owner.functions.count):
        entry = at(FunctionEntry, tables.value + owner.functions.offset + i * size_of(FunctionEntry))
        if entry.start <= pc and pc < entry.end:
            return entry
    return None

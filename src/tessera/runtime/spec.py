# SPDX-License-Identifier: BSD-2-Clause
"""The capability distribution in the form that the initialiser reads.

The build writes these structures (build/spec.py) and the initialiser reads them, so they are declared once. Everything
is at an offset, in bytes, from the start of the header. Objects are named by their index in the table of objects, which
is in the order of creation: system/allocate.py says what that order is.
"""

from __future__ import annotations

from tessera.lang import Array, array, inline, struct, u64

MAGIC = 0x2E43_4550_5341_5254
VERSION = 3

# No object, or no address.
ABSENT = (1 << 64) - 1

# The kind of an interrupt handler, which is not made from untyped memory; other kinds are those of a retype.
INTERRUPT_HANDLER = 1 << 32

# The initialiser is linked here, and the distribution lies behind it, on the next page.
INITIALISER_BASE = 0x4000_0000

# The monitor's CNode: its own slots, what the initialiser hands over, and from MONITOR_SLOT_COMPONENTS on three slots
# for each component, by its index: thread, and of a passive one scheduling context and notification.
#
# When everything runs, the monitor removes the initialiser. For that it is handed the capabilities to the initialiser's
# thread, to the initialiser's CNode, and to the CNode that it has itself.
MONITOR_SLOT_INITIALISER_TCB = 8
MONITOR_SLOT_INITIALISER_CNODE = 9
MONITOR_SLOT_OWN_CNODE = 10
# Where there is a domain schedule, the monitor starts it, for which it is handed the capability to it too.
MONITOR_SLOT_DOMAIN = 11
MONITOR_SLOT_COMPONENTS = 16
MONITOR_SLOTS_EACH = 3
MONITOR_TCB = 0
MONITOR_SCHED_CONTEXT = 1
MONITOR_NOTIFICATION = 2

# The label of the message that asks the monitor to do so. Fault messages have lower ones. Its words: the index at which
# the domain schedule is to start, plus one, or 0; and the number of bits of a slot of the monitor's CNode.
HANDOVER_LABEL = 0x1000

MAX_ARGUMENTS = 8


@struct
class Table:
    """``count`` entries side by side from ``offset`` on."""

    offset: u64
    count: u64


@struct
class Header:
    """The start. ``kept`` is the CNode that holds the capabilities of all objects and mappings in the end.

    No thread has a capability to that CNode but one of its own slots has: it lives on, and nobody reaches it.
    """

    magic: u64
    version: u64
    # Of everything, this header included; in bytes.
    size: u64
    objects: Table = inline()
    tables: Table = inline()
    mappings: Table = inline()
    fills: Table = inline()
    slots: Table = inline()
    interrupts: Table = inline()
    contexts: Table = inline()
    threads: Table = inline()
    schedule: Table = inline()
    # The index at which the domain schedule is to start.
    schedule_start: u64
    kept: u64
    monitor_cnode: u64
    monitor_endpoint: u64


@struct
class ObjectEntry:
    """An object. ``name`` is the offset of a text that ends with a zero byte."""

    name: u64
    kind: u64
    # The size argument of the retype, and the memory that the object takes: 2**memory_bits bytes.
    retype_bits: u64
    memory_bits: u64
    # The physical address at which it must be, or ABSENT.
    address: u64


@struct
class TableEntry:
    """A page table in an address space. A table comes after the one that holds it."""

    vspace: u64
    table: u64
    address: u64


@struct
class MappingEntry:
    """A frame in an address space. ``copy``: 1 if it is mapped elsewhere already and needs another capability."""

    vspace: u64
    frame: u64
    address: u64
    rights: u64
    attributes: u64
    copy: u64


@struct
class FillEntry:
    """``length`` bytes from offset ``source`` go to ``offset`` in a frame. Both agree modulo 8."""

    frame: u64
    offset: u64
    source: u64
    length: u64


@struct
class SlotEntry:
    """A capability in a slot of a CNode. ``data`` is a badge, or a guard as Mint takes it; 0 for none."""

    cnode: u64
    slot: u64
    object: u64
    rights: u64
    data: u64


@struct
class InterruptEntry:
    """The interrupt of a handler, and the notification that it signals with a badge. ``trigger``: 1 for edges."""

    handler: u64
    irq: u64
    trigger: u64
    notification: u64
    rights: u64
    badge: u64


@struct
class ContextEntry:
    """The time of a scheduling context, in microseconds."""

    context: u64
    budget: u64
    period: u64
    extra_refills: u64
    badge: u64
    flags: u64


@struct
class ScheduleEntry:
    """An entry of the domain schedule, in ticks of the timer. Domain 0 for no ticks ends the schedule."""

    index: u64
    domain: u64
    ticks: u64


@struct
class ThreadEntry:
    """A thread; that with the highest priority comes first. ``flags``: TCB flags to set; ``resume``: 1 to start it."""

    thread: u64
    name: u64
    cspace: u64
    cspace_data: u64
    vspace: u64
    buffer_frame: u64
    buffer_address: u64
    context: u64
    notification: u64
    fault_endpoint: u64
    fault_rights: u64
    fault_badge: u64
    priority: u64
    max_priority: u64
    flags: u64
    resume: u64
    entry: u64
    stack_pointer: u64
    domain: u64
    arguments: Array[u64] = array(MAX_ARGUMENTS)

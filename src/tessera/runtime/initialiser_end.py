# SPDX-License-Identifier: BSD-2-Clause
"""How the initialiser ends: it gives up its authority, puts what must live on out of reach, and has itself deleted."""

from __future__ import annotations

from typing import NoReturn

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import ALL_RIGHTS, InitialSlot
from tessera.abi.errors import Error
from tessera.abi.messages import MessageInfo
from tessera.lang import compiled, range, u64
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
)
from tessera.runtime.initialiser_memory import pools
from tessera.runtime.machine import stop
from tessera.runtime.memory import cnode_copy, cnode_delete, cnode_move
from tessera.runtime.sel4 import call
from tessera.runtime.spec import (
    ABSENT,
    HANDOVER_LABEL,
    MONITOR_SLOT_DOMAIN,
    MONITOR_SLOT_INITIALISER_CNODE,
    MONITOR_SLOT_INITIALISER_TCB,
    MONITOR_SLOT_OWN_CNODE,
)


@compiled
def delete(slot: u64) -> None:
    """Give up one capability; nothing happens for an empty slot."""
    error = cnode_delete(CNODE, slot, DEPTH)
    if error != Error.NO_ERROR:
        fail(error, b"give up a capability", ABSENT)


@compiled
def give_up_authority(info: BootInfo) -> None:
    """Delete every capability with which something could be made: memory, interrupts, time, identifiers, domains.

    A domain schedule is started last, by the monitor, which then deletes the capability to it.
    """
    for slot in range(u64(InitialSlot.IRQ_CONTROL), u64(InitialSlot.ASID_POOL)):
        delete(slot)
    if header().schedule.count == 0:
        delete(u64(InitialSlot.DOMAIN))
    for slot in range(info.sched_control.start, info.sched_control.end):
        delete(slot)
    for i in range(pools.count):
        delete(pools.pool[i].slot)


@compiled
def keep(slot: u64) -> None:
    """Move a capability into the CNode that keeps objects and mappings alive."""
    size = object_entry(header().kept).retype_bits
    error = cnode_move(slot_of(header().kept), progress.moved, size, CNODE, slot, DEPTH)
    if error != Error.NO_ERROR:
        fail(error, b"put away a capability", ABSENT)
    progress.moved += 1


@compiled
def keep_objects() -> None:
    """Move what must live on out of reach. What hands over the initialiser itself stays until then."""
    kept = header().kept
    size = object_entry(kept).retype_bits
    # A CNode lives while there is a capability to it: one that lies in itself.
    check(cnode_copy(slot_of(kept), 0, size, CNODE, slot_of(kept), DEPTH, ALL_RIGHTS), b"keep", kept)
    progress.moved = 1
    keep(u64(InitialSlot.ASID_POOL))
    for slot in range(progress.copies, progress.copies_end):
        keep(slot)
    monitor = header().monitor_cnode
    endpoint = header().monitor_endpoint
    for number in range(header().objects.count):
        if number not in (kept, monitor, endpoint):
            keep(slot_of(number))


@compiled
def hand_over() -> NoReturn:
    """Give the monitor this thread and its CNode, and ask it to delete them, and to start the domain schedule."""
    monitor = header().monitor_cnode
    endpoint = header().monitor_endpoint
    # The kept CNode gets its own capabilities to these two; the ones that are used here go with the initialiser.
    keep_copy(monitor)
    keep_copy(endpoint)
    size = object_entry(monitor).retype_bits
    target = slot_of(monitor)
    error = cnode_copy(target, MONITOR_SLOT_OWN_CNODE, size, CNODE, target, DEPTH, ALL_RIGHTS)
    check(error, b"hand over to", monitor)
    error = cnode_move(target, MONITOR_SLOT_INITIALISER_TCB, size, CNODE, u64(InitialSlot.TCB), DEPTH)
    check(error, b"hand over to", monitor)
    begin = u64(0)
    if header().schedule.count != 0:
        begin = header().schedule_start + 1
        error = cnode_move(target, MONITOR_SLOT_DOMAIN, size, CNODE, u64(InitialSlot.DOMAIN), DEPTH)
        check(error, b"hand over to", monitor)
    # The capability to the CNode goes last: all others are found through it.
    error = cnode_move(target, MONITOR_SLOT_INITIALISER_CNODE, size, CNODE, CNODE, DEPTH)
    check(error, b"hand over to", monitor)
    call(slot_of(endpoint), MessageInfo(label=HANDOVER_LABEL, length=2), begin, size, 0, 0)
    # The monitor does not answer: this thread is gone.
    while True:
        stop()


@compiled
def keep_copy(number: u64) -> None:
    """Keep an object by a further capability."""
    slot = need_slot()
    check(cnode_copy(CNODE, slot, DEPTH, CNODE, slot_of(number), DEPTH, ALL_RIGHTS), b"keep", number)
    keep(slot)

# SPDX-License-Identifier: BSD-2-Clause
"""Slots and objects of a suite: a pool of untyped memory that is revoked after each case (manual: Capability Spaces).

Everything is in the root task's own CNode, whose capability pointers are slot numbers.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import InitialSlot
from tessera.abi.errors import Error
from tessera.abi.objects import WORD_BITS, ObjectType
from tessera.lang import compiled, range, static, struct, u64
from tessera.runtime.memory import cnode_copy, cnode_delete, cnode_mint, cnode_revoke, untyped_retype
from tessera.suites.guest.report import done, true

CNODE = u64(InitialSlot.CNODE)
VSPACE = u64(InitialSlot.VSPACE)
ROOT_TCB = u64(InitialSlot.TCB)
DEPTH = u64(WORD_BITS)

# Memory for the objects of one case: several large frames fit.
POOL_BITS = 24


@struct
class Guest:
    """What the root task knows of itself. ``memory`` is all its RAM, ``pool`` the part for one case; both slots."""

    boot_info: BootInfo
    memory: u64
    pool: u64
    sched_control: u64
    first_slot: u64
    next_slot: u64


guest: Guest = static(Guest)


@compiled
def take_slots(count: u64) -> u64:
    """The first of ``count`` neighbouring slots that nobody has used in this case."""
    first = guest.next_slot
    true(b"the root CNode has slots left", first + count <= guest.boot_info.empty.end)
    guest.next_slot = first + count
    return first


@compiled
def take_slot() -> u64:
    """A slot that nobody has used in this case."""
    return take_slots(1)


@compiled
def retype(untyped: u64, kind: ObjectType, size_bits: u64, slot: u64, count: u64) -> Error:
    """Make objects in neighbouring slots of the root CNode."""
    return untyped_retype(untyped, u64(kind), size_bits, CNODE, 0, 0, slot, count)


@compiled
def make_sized(kind: ObjectType, size_bits: u64) -> u64:
    """An object of a size that the user chooses, from the pool; its slot."""
    slot = take_slot()
    done(b"make an object", retype(guest.pool, kind, size_bits, slot, 1))
    return slot


@compiled
def make(kind: ObjectType) -> u64:
    """An object of fixed size, from the pool; its slot."""
    return make_sized(kind, 0)


@compiled
def copy(slot: u64, rights: u64) -> u64:
    """A copy of a capability in a new slot."""
    target = take_slot()
    done(b"copy", cnode_copy(CNODE, target, DEPTH, CNODE, slot, DEPTH, rights))
    return target


@compiled
def mint(slot: u64, rights: u64, badge: u64) -> u64:
    """A badged (or guarded) copy of a capability in a new slot."""
    target = take_slot()
    done(b"mint", cnode_mint(CNODE, target, DEPTH, CNODE, slot, DEPTH, rights, badge))
    return target


@compiled
def delete(slot: u64) -> Error:
    """Empty a slot of the root CNode."""
    return cnode_delete(CNODE, slot, DEPTH)


@compiled
def revoke(slot: u64) -> Error:
    """Delete everything that was derived from a capability of the root CNode."""
    return cnode_revoke(CNODE, slot, DEPTH)


@compiled
def occupied(slot: u64) -> bool:
    """Whether a slot of the root CNode holds a capability: nothing can be copied into it then."""
    return cnode_copy(CNODE, slot, DEPTH, CNODE, slot, DEPTH, 0) == Error.DELETE_FIRST


@compiled
def largest_memory(info: BootInfo) -> u64:
    """The slot of the largest piece of RAM."""
    best = u64(0)
    size = u64(0)
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        if entry.is_device == 0 and u64(entry.size_bits) > size:
            best = info.untyped.start + i
            size = u64(entry.size_bits)
    return best


@compiled
def set_up(info: BootInfo) -> None:
    """Learn from the BootInfo which slots and memory there are. All memory is the pool until :func:`make_pool`."""
    guest.boot_info = info
    guest.memory = largest_memory(info)
    guest.pool = guest.memory
    guest.sched_control = info.sched_control.start
    guest.next_slot = info.empty.start


@compiled
def make_pool() -> None:
    """From here on objects come from the pool, and :func:`clean_up` deletes them."""
    guest.pool = take_slot()
    done(b"make the pool", retype(guest.memory, ObjectType.UNTYPED, POOL_BITS, guest.pool, 1))
    guest.first_slot = guest.next_slot


@compiled
def clean_up() -> bool:
    """Delete every object and capability of a case; false if the kernel refuses."""
    clean = revoke(guest.pool) == Error.NO_ERROR
    for slot in range(guest.first_slot, guest.next_slot):
        clean = clean and delete(slot) == Error.NO_ERROR
    guest.next_slot = guest.first_slot
    return clean

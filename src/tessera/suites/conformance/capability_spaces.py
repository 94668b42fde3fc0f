# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Capability Spaces: copying, minting, moving, and what rights and badges are left."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_GRANT, RIGHT_READ, RIGHT_WRITE, InitialSlot
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.memory import cnode_copy, cnode_mint, cnode_move, cnode_mutate, cnode_rotate
from tessera.runtime.sel4 import call, nb_send
from tessera.runtime.threads import tcb_suspend
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import (
    CNODE,
    DEPTH,
    copy,
    make,
    make_sized,
    mint,
    occupied,
    take_slot,
    take_slots,
)
from tessera.suites.guest.report import detail, done, equal, error, false, true
from tessera.suites.guest.threads import spawn, start
from tessera.suites.guest.workers import add_call, settle

NOT_DELIVERED = 0xFFFF_FFFF_FFFF_FFFF


@compiled
def delivered_badge(sender: u64, receiver: u64) -> u64:
    """Send through one capability while a worker waits at the other; the badge that arrives, if anything does."""
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.WAIT, receiver, 0)
    start(worker)
    settle()
    nb_send(sender, MessageInfo(length=1), 0x77, 0, 0, 0)
    settle()
    result = u64(NOT_DELIVERED)
    if step.done:
        equal(b"word", 0x77, step.results[0])
        result = step.result
    done(b"suspend", tcb_suspend(worker.tcb))
    return result


@compiled
def send_error(endpoint: u64) -> Error:
    """The error of calling an endpoint without the right to send."""
    received = call(endpoint, MessageInfo(), 0, 0, 0, 0)
    equal(b"the capability that is wrong is the invoked one", 0, received.word0)
    return Error(received.info.label)


@case
@compiled
def copy_reaches_the_same_object() -> None:
    """A copied capability refers to the same object as its source (Capability Spaces: CNode Copy)."""
    endpoint = make(ObjectType.ENDPOINT)
    other = make(ObjectType.ENDPOINT)
    equal(b"badge through the copy", 0, delivered_badge(copy(endpoint, ALL_RIGHTS), endpoint))
    equal(b"not through another object", NOT_DELIVERED, delivered_badge(other, endpoint))


@case
@compiled
def copy_masks_rights() -> None:
    """A copy has the intersection of the source's rights and the rights given (Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    error(b"send without write", Error.INVALID_CAPABILITY, send_error(copy(endpoint, RIGHT_READ)))
    equal(b"send with write", 0, delivered_badge(copy(endpoint, RIGHT_WRITE), copy(endpoint, RIGHT_READ)))


@case
@compiled
def copy_never_adds_rights() -> None:
    """Rights that a capability has lost do not come back in its copies (Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    again = copy(copy(endpoint, RIGHT_READ | RIGHT_GRANT), ALL_RIGHTS)
    error(b"send", Error.INVALID_CAPABILITY, send_error(again))


@case
@compiled
def copy_to_occupied_slot() -> None:
    """A destination slot must be empty (CNode Copy: DeleteFirst)."""
    first = make(ObjectType.ENDPOINT)
    second = make(ObjectType.ENDPOINT)
    result = cnode_copy(CNODE, second, DEPTH, CNODE, first, DEPTH, ALL_RIGHTS)
    error(b"copy", Error.DELETE_FIRST, result)
    equal(b"the old capability is still there", NOT_DELIVERED, delivered_badge(second, first))


@case
@compiled
def copy_from_empty_slot() -> None:
    """The source slot must hold a capability (CNode Copy: FailedLookup of the source)."""
    slots = take_slots(2)
    result = cnode_copy(CNODE, slots, DEPTH, CNODE, slots + 1, DEPTH, ALL_RIGHTS)
    error(b"copy", Error.FAILED_LOOKUP, result)
    detail(b"was the source", 0, 1)
    detail(b"failure", 1, u64(LookupFailure.MISSING_CAPABILITY))
    false(b"nothing was copied", occupied(slots))


@case
@compiled
def copy_of_a_single_capability() -> None:
    """Some capabilities have only one owner: a copy of the interrupt control is refused (CNode Copy)."""
    slot = take_slot()
    result = cnode_copy(CNODE, slot, DEPTH, CNODE, InitialSlot.IRQ_CONTROL, DEPTH, ALL_RIGHTS)
    error(b"copy", Error.ILLEGAL_OPERATION, result)
    false(b"nothing was copied", occupied(slot))


@case
@compiled
def mint_badge() -> None:
    """A minted endpoint capability delivers its badge with each message (Capability Minting; Endpoint Badges)."""
    endpoint = make(ObjectType.ENDPOINT)
    equal(b"badge", 0x1234_5678_9ABC_DEF0, delivered_badge(mint(endpoint, ALL_RIGHTS, 0x1234_5678_9ABC_DEF0), endpoint))


@case
@compiled
def mint_masks_rights() -> None:
    """Minting masks rights as copying does (Capability Minting)."""
    endpoint = make(ObjectType.ENDPOINT)
    error(b"send", Error.INVALID_CAPABILITY, send_error(mint(endpoint, RIGHT_READ, 5)))


@case
@compiled
def badge_cannot_be_changed() -> None:
    """A capability that has a badge cannot be given another one (Capability Minting)."""
    endpoint = make(ObjectType.ENDPOINT)
    badged = mint(endpoint, ALL_RIGHTS, 5)
    slot = take_slot()
    result = cnode_mint(CNODE, slot, DEPTH, CNODE, badged, DEPTH, ALL_RIGHTS, 6)
    error(b"mint", Error.ILLEGAL_OPERATION, result)
    false(b"nothing was made", occupied(slot))
    equal(b"a copy keeps the badge", 5, delivered_badge(copy(badged, ALL_RIGHTS), endpoint))


@case
@compiled
def move_leaves_nothing() -> None:
    """A moved capability keeps its badge and leaves an empty slot (CNode Move)."""
    endpoint = make(ObjectType.ENDPOINT)
    badged = mint(endpoint, ALL_RIGHTS, 9)
    target = take_slot()
    done(b"move", cnode_move(CNODE, target, DEPTH, CNODE, badged, DEPTH))
    false(b"the source is empty", occupied(badged))
    equal(b"badge", 9, delivered_badge(target, endpoint))


@case
@compiled
def move_errors() -> None:
    """A capability moves from a filled slot to an empty one only (CNode Move: DeleteFirst, FailedLookup)."""
    endpoint = make(ObjectType.ENDPOINT)
    other = make(ObjectType.ENDPOINT)
    slots = take_slots(2)
    error(b"to a filled slot", Error.DELETE_FIRST, cnode_move(CNODE, other, DEPTH, CNODE, endpoint, DEPTH))
    true(b"the source is still there", occupied(endpoint))
    error(b"from an empty slot", Error.FAILED_LOOKUP, cnode_move(CNODE, slots, DEPTH, CNODE, slots + 1, DEPTH))
    detail(b"was the source", 0, 1)


@case
@compiled
def mutate_sets_a_guard() -> None:
    """Mutating moves a CNode capability and gives it a guard (CNode Mutate; Capability Addressing)."""
    node = make_sized(ObjectType.CAP_TABLE, 4)
    done(b"fill a slot", cnode_copy(node, 3, 4, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    target = take_slots(2)
    # A guard of 6 bits with the value 0b101010.
    done(b"mutate", cnode_mutate(CNODE, target, DEPTH, CNODE, node, DEPTH, 0b101010 << 6 | 6))
    false(b"the source is empty", occupied(node))
    result = cnode_copy(CNODE, target + 1, DEPTH, target, 0b101010 << 4 | 3, 10, ALL_RIGHTS)
    done(b"copy out of it by its new address", result)


@case
@compiled
def mutate_badge_of_badged() -> None:
    """Mutating cannot replace a badge either (CNode Mutate: IllegalOperation)."""
    endpoint = make(ObjectType.ENDPOINT)
    badged = mint(endpoint, ALL_RIGHTS, 5)
    target = take_slot()
    error(b"mutate", Error.ILLEGAL_OPERATION, cnode_mutate(CNODE, target, DEPTH, CNODE, badged, DEPTH, 6))
    true(b"the source is still there", occupied(badged))


@case
@compiled
def rotate_cannot_set_badges() -> None:
    """Rotating cannot replace badges, and then moves nothing (CNode Rotate: IllegalOperation)."""
    endpoint = make(ObjectType.ENDPOINT)
    source = mint(endpoint, ALL_RIGHTS, 1)
    pivot = mint(endpoint, ALL_RIGHTS, 2)
    target = take_slot()
    result = cnode_rotate(CNODE, target, DEPTH, 0, CNODE, pivot, DEPTH, 0, CNODE, source, DEPTH)
    error(b"with badges", Error.ILLEGAL_OPERATION, result)
    true(b"the source is still there", occupied(source))
    false(b"nothing has moved", occupied(target))


@case
@compiled
def rotate_moves_two() -> None:
    """Rotating moves the pivot to the destination and the source to the pivot, in one step (CNode Rotate)."""
    first = make(ObjectType.TCB)
    second = make(ObjectType.TCB)
    target = take_slot()
    result = cnode_rotate(CNODE, target, DEPTH, 0, CNODE, second, DEPTH, 0, CNODE, first, DEPTH)
    done(b"rotate", result)
    false(b"the source is empty", occupied(first))
    true(b"the pivot is filled", occupied(second))
    true(b"the destination is filled", occupied(target))


@case
@compiled
def rotate_swaps() -> None:
    """If source and destination are the same slot, it is exchanged with the pivot (CNode Rotate)."""
    space = make_sized(ObjectType.CAP_TABLE, 2)
    thread = make(ObjectType.TCB)
    result = cnode_rotate(CNODE, space, DEPTH, 0, CNODE, thread, DEPTH, 0, CNODE, space, DEPTH)
    done(b"swap", result)
    done(b"suspend what was the CNode's slot", tcb_suspend(space))
    done(b"use what was the thread's slot", cnode_copy(thread, 1, 2, CNODE, CNODE, DEPTH, ALL_RIGHTS))


@case
@compiled
def rotate_errors() -> None:
    """The pivot must be another slot than source and destination, and both must be filled (CNode Rotate)."""
    first = make(ObjectType.TCB)
    second = make(ObjectType.TCB)
    third = make(ObjectType.TCB)
    empty = take_slots(2)
    result = cnode_rotate(CNODE, empty, DEPTH, 0, CNODE, first, DEPTH, 0, CNODE, first, DEPTH)
    error(b"pivot and source", Error.ILLEGAL_OPERATION, result)
    result = cnode_rotate(CNODE, first, DEPTH, 0, CNODE, first, DEPTH, 0, CNODE, second, DEPTH)
    error(b"pivot and destination", Error.ILLEGAL_OPERATION, result)
    result = cnode_rotate(CNODE, third, DEPTH, 0, CNODE, second, DEPTH, 0, CNODE, first, DEPTH)
    error(b"occupied destination", Error.DELETE_FIRST, result)
    result = cnode_rotate(CNODE, empty, DEPTH, 0, CNODE, second, DEPTH, 0, CNODE, empty + 1, DEPTH)
    error(b"empty source", Error.FAILED_LOOKUP, result)
    result = cnode_rotate(CNODE, empty, DEPTH, 0, CNODE, empty + 1, DEPTH, 0, CNODE, first, DEPTH)
    error(b"empty pivot", Error.FAILED_LOOKUP, result)

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Capability Spaces: Deletion, Revocation and the Capability Derivation Tree."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, RIGHT_WRITE
from tessera.abi.errors import Error
from tessera.abi.objects import PAGE_BITS, SLOT_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, range
from tessera.runtime.memory import cnode_cancel_badged_sends, cnode_copy, cnode_delete, cnode_move
from tessera.runtime.sel4 import nb_wait
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
    retype,
    revoke,
    take_slot,
    take_slots,
)
from tessera.suites.guest.report import done, equal, error, false, true
from tessera.suites.guest.threads import spawn, start
from tessera.suites.guest.workers import add_call, settle

CHILDREN = 64


@case
@compiled
def delete_empties_the_slot() -> None:
    """Deleting removes one capability and no other; an empty slot may be deleted too (CNode Delete)."""
    endpoint = make(ObjectType.ENDPOINT)
    twin = copy(endpoint, ALL_RIGHTS)
    done(b"delete", delete(twin))
    false(b"the slot is empty", occupied(twin))
    true(b"the other one is there", occupied(endpoint))
    done(b"delete nothing", delete(twin))


@case
@compiled
def delete_keeps_children() -> None:
    """Deleting a capability leaves those that were derived from it (CNode Delete)."""
    endpoint = make(ObjectType.ENDPOINT)
    badged = mint(endpoint, ALL_RIGHTS, 3)
    done(b"delete", delete(endpoint))
    true(b"the badged one is there", occupied(badged))


@case
@compiled
def revoke_deletes_descendants() -> None:
    """Revoking deletes all that was derived, through all generations, and keeps the capability itself (Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    first = copy(endpoint, ALL_RIGHTS)
    second = copy(first, ALL_RIGHTS)
    badged = mint(second, ALL_RIGHTS, 3)
    badged_copy = copy(badged, ALL_RIGHTS)
    other = make(ObjectType.ENDPOINT)
    done(b"revoke", revoke(endpoint))
    true(b"itself", occupied(endpoint))
    false(b"copy", occupied(first))
    false(b"copy of the copy", occupied(second))
    false(b"badged", occupied(badged))
    false(b"copy of the badged", occupied(badged_copy))
    true(b"another object", occupied(other))


@case
@compiled
def revoke_badged() -> None:
    """Revoking a badged capability deletes its copies, and no other badge (Capability Derivation Tree)."""
    endpoint = make(ObjectType.ENDPOINT)
    one = mint(endpoint, ALL_RIGHTS, 1)
    one_copy = copy(one, ALL_RIGHTS)
    two = mint(endpoint, ALL_RIGHTS, 2)
    two_copy = copy(two, ALL_RIGHTS)
    done(b"revoke", revoke(one))
    true(b"itself", occupied(one))
    false(b"its copy", occupied(one_copy))
    true(b"the other badge", occupied(two))
    true(b"copy of the other badge", occupied(two_copy))
    true(b"the original", occupied(endpoint))


@case
@compiled
def same_badge_minted_twice() -> None:
    """Two capabilities that were minted with the same badge are no relatives, nor are their copies, even after the
    one in between is gone (Capability Derivation Tree)."""
    endpoint = make(ObjectType.ENDPOINT)
    first = mint(endpoint, ALL_RIGHTS, 1)
    first_copy = copy(first, ALL_RIGHTS)
    second = mint(endpoint, ALL_RIGHTS, 1)
    done(b"revoke the second", revoke(second))
    true(b"the first", occupied(first))
    done(b"delete the first", delete(first))
    done(b"revoke the second", revoke(second))
    true(b"the copy of the first", occupied(first_copy))
    done(b"revoke the original", revoke(endpoint))
    false(b"the copy of the first", occupied(first_copy))
    false(b"the second", occupied(second))


@case
@compiled
def revoke_copy_leaves_siblings() -> None:
    """A copy is a leaf: what is copied from it is its sibling, and revoking it deletes nothing
    (Capability Derivation Tree)."""
    endpoint = make(ObjectType.ENDPOINT)
    first = copy(endpoint, ALL_RIGHTS)
    second = copy(first, ALL_RIGHTS)
    done(b"revoke", revoke(first))
    true(b"itself", occupied(first))
    true(b"copied from it", occupied(second))
    true(b"the original", occupied(endpoint))


@case
@compiled
def move_keeps_the_place_in_the_tree() -> None:
    """A moved capability still has the same children (CNode Move; Capability Derivation Tree)."""
    endpoint = make(ObjectType.ENDPOINT)
    child = copy(endpoint, ALL_RIGHTS)
    target = take_slot()
    done(b"move", cnode_move(CNODE, target, DEPTH, CNODE, endpoint, DEPTH))
    done(b"revoke", revoke(target))
    false(b"child", occupied(child))
    true(b"itself", occupied(target))


@case
@compiled
def last_capability_ends_the_object() -> None:
    """An object ends with its last capability, and its memory can be used again (CNode Delete; Reusing Memory)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    page = take_slots(3)
    done(b"a page", retype(untyped, ObjectType.PAGE, 0, page, 1))
    done(b"a copy", cnode_copy(CNODE, page + 1, DEPTH, CNODE, page, DEPTH, ALL_RIGHTS))
    done(b"delete the original", delete(page))
    error(b"still in use", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.PAGE, 0, page + 2, 1))
    done(b"delete the copy", delete(page + 1))
    done(b"free again", retype(untyped, ObjectType.PAGE, 0, page + 2, 1))


@case
@compiled
def deleted_cnode_deletes_contents() -> None:
    """With a CNode's last capability all capabilities in it are deleted (CNode Delete)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    node = make_sized(ObjectType.CAP_TABLE, 4)
    page = take_slots(2)
    done(b"a page", retype(untyped, ObjectType.PAGE, 0, page, 1))
    done(b"into the CNode", cnode_move(node, 9, 4, CNODE, page, DEPTH))
    error(b"in use", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.PAGE, 0, page, 1))
    done(b"delete the CNode", delete(node))
    done(b"free again", retype(untyped, ObjectType.PAGE, 0, page, 1))


@case
@compiled
def deleted_cnode_deletes_nested_cnodes() -> None:
    """Deletion goes through CNodes that have their last capability in a deleted CNode (CNode Delete)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    page = take_slots(2)
    done(b"a page", retype(untyped, ObjectType.PAGE, 0, page, 1))
    innermost = make_sized(ObjectType.CAP_TABLE, 3)
    done(b"page into the innermost", cnode_move(innermost, 5, 3, CNODE, page, DEPTH))
    previous = innermost
    for i in range(6):
        outer = make_sized(ObjectType.CAP_TABLE, 3)
        done(b"nest", cnode_move(outer, i, 3, CNODE, previous, DEPTH))
        previous = outer
    done(b"delete the outermost", delete(previous))
    done(b"free again", retype(untyped, ObjectType.PAGE, 0, page, 1))


@case
@compiled
def cnode_that_holds_itself() -> None:
    """A CNode with a capability to itself is deleted by revoking its memory (CNode Delete; Revocation)."""
    untyped = make_sized(ObjectType.UNTYPED, 4 + SLOT_BITS)
    node = take_slots(2)
    done(b"a CNode", retype(untyped, ObjectType.CAP_TABLE, 4, node, 1))
    done(b"into itself", cnode_copy(node, 3, 4, CNODE, node, DEPTH, ALL_RIGHTS))
    done(b"delete the outside capability", delete(node))
    error(b"in use", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.ENDPOINT, 0, node + 1, 1))
    done(b"revoke", revoke(untyped))
    done(b"free again", retype(untyped, ObjectType.CAP_TABLE, 4, node, 1))


@case
@compiled
def cnodes_that_hold_each_other() -> None:
    """Two CNodes with capabilities to each other are deleted by revoking their memory (CNode Delete; Revocation)."""
    untyped = make_sized(ObjectType.UNTYPED, 5 + SLOT_BITS)
    first = take_slots(3)
    second = first + 1
    done(b"two CNodes", retype(untyped, ObjectType.CAP_TABLE, 4, first, 2))
    done(b"second into first", cnode_copy(first, 1, 4, CNODE, second, DEPTH, ALL_RIGHTS))
    done(b"first into second", cnode_move(second, 2, 4, CNODE, first, DEPTH))
    done(b"delete the way in", delete(second))
    error(b"in use", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.ENDPOINT, 0, first, 1))
    done(b"revoke", revoke(untyped))
    done(b"free again", retype(untyped, ObjectType.CAP_TABLE, 5, first, 1))


@case
@compiled
def revoke_own_memory_in_cnode() -> None:
    """Revoking memory deletes the objects even if their capabilities lie in a CNode of that memory (Revocation)."""
    untyped = make_sized(ObjectType.UNTYPED, PAGE_BITS)
    node = take_slots(2)
    done(b"a CNode", retype(untyped, ObjectType.CAP_TABLE, 4, node, 1))
    done(b"an endpoint", retype(untyped, ObjectType.ENDPOINT, 0, node + 1, 1))
    done(b"into the CNode", cnode_move(node, 0, 4, CNODE, node + 1, DEPTH))
    done(b"revoke", revoke(untyped))
    false(b"the CNode is gone", occupied(node))
    done(b"free again", retype(untyped, ObjectType.PAGE, 0, node, 1))


@case
@compiled
def many_children_are_revoked() -> None:
    """However many copies there are, a revoke deletes them all (Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    first = take_slots(CHILDREN)
    for i in range(CHILDREN):
        done(b"copy", cnode_copy(CNODE, first + i, DEPTH, CNODE, endpoint, DEPTH, ALL_RIGHTS))
    done(b"revoke", revoke(endpoint))
    for i in range(CHILDREN):
        false(b"a copy", occupied(first + i))


@case
@compiled
def cancel_badged_sends() -> None:
    """Cancelling badged sends ends those that wait with the badge of the capability, and no others
    (CNode CancelBadgedSends)."""
    endpoint = make(ObjectType.ENDPOINT)
    one = mint(endpoint, ALL_RIGHTS, 1)
    one_for_sending = copy(one, ALL_RIGHTS)
    two = mint(endpoint, ALL_RIGHTS, 2)
    first = spawn(0, 100)
    step = add_call(first, Syscall.SEND, one_for_sending, 0)
    start(first)
    second = spawn(1, 100)
    other = add_call(second, Syscall.SEND, two, 0)
    start(second)
    settle()
    false(b"the first one waits", step.done)
    # A cancelled send is tried again: without its capability nothing comes of it.
    done(b"delete the capability in use", delete(one_for_sending))
    false(b"deleting it ends nothing", step.done)
    done(b"cancel", cnode_cancel_badged_sends(CNODE, one, DEPTH))
    settle()
    true(b"the first send ended", step.done)
    false(b"the second waits", other.done)
    equal(b"badge of what arrives", 2, nb_wait(endpoint).badge)
    settle()
    true(b"the second was taken", other.done)
    equal(b"nothing else arrives", 0, nb_wait(endpoint).badge)


@case
@compiled
def cancel_needs_all_rights() -> None:
    """Badged sends are cancelled through an endpoint capability with all rights only (CNode CancelBadgedSends)."""
    endpoint = make(ObjectType.ENDPOINT)
    weak = copy(endpoint, RIGHT_READ | RIGHT_WRITE)
    thread = make(ObjectType.TCB)
    error(b"fewer rights", Error.ILLEGAL_OPERATION, cnode_cancel_badged_sends(CNODE, weak, DEPTH))
    error(b"a thread", Error.ILLEGAL_OPERATION, cnode_cancel_badged_sends(CNODE, thread, DEPTH))


@case
@compiled
def deleted_in_other_cnode() -> None:
    """The slot to empty may be in any CNode (CNode Delete)."""
    node = make_sized(ObjectType.CAP_TABLE, 4)
    done(b"fill", cnode_copy(node, 15, 4, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    done(b"delete", cnode_delete(node, 15, 4))
    done(b"fill again", cnode_copy(node, 15, 4, CNODE, CNODE, DEPTH, ALL_RIGHTS))

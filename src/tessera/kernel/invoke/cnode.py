# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of CNodes: copying, moving and deleting capabilities (manual: Capability Spaces; seL4_CNode_*)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.kernel import cspace, deletion, derivation, ipc, message, rights
from tessera.kernel.capability import Capability, CNodeCap, EndpointCap, NullCap
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, fail, failed_lookup, lookup_missing_capability, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import waits_for_nothing
from tessera.lang import compiled, ensures, old, record, requires, u64


@record
class Source:
    """An occupied slot and what it holds, or with ``status`` the error to be told."""

    status: Status
    slot: Slot | None
    capability: Capability


@compiled
def find_source(root: Slot, index: u64, depth: u64) -> Source:
    """The slot that a capability is to be taken from. FAILED_LOOKUP if it is empty."""
    found = cspace.lookup_target_slot(root.capability, index, depth, True)
    slot = found.slot
    if slot is None:
        return Source(found.status, None, NullCap())
    if derivation.is_empty(slot):
        lookup_missing_capability(depth)
        return Source(failed_lookup(True), None, NullCap())
    return Source(Status.OK, slot, slot.capability)


@compiled
def decode(label: u64, length: u64, cap: CNodeCap) -> Status:
    """Find the slot that every operation names first, and go on by operation. (seL4: decodeCNodeInvocation.)"""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    if label < InvocationLabel.CNODE_REVOKE or label > InvocationLabel.CNODE_ROTATE:
        return fail(Error.ILLEGAL_OPERATION)
    if length < 2:
        return fail(Error.TRUNCATED_MESSAGE)
    found = cspace.lookup_target_slot(cap, message.argument(0), message.argument(1), False)
    slot = found.slot
    if slot is None:
        return found.status
    match label:
        case InvocationLabel.CNODE_REVOKE:
            return deletion.revoke(slot)
        case InvocationLabel.CNODE_DELETE:
            return deletion.delete(slot)
        case InvocationLabel.CNODE_CANCEL_BADGED_SENDS:
            return cancel_badged_sends(slot.capability)
        case InvocationLabel.CNODE_ROTATE:
            return rotate(length, slot)
        case _:
            return transfer(label, length, slot)


@compiled
def cancel_badged_sends(cap: Capability) -> Status:
    """Cancel the sends that carry the badge of this capability, which needs all rights."""
    if not isinstance(cap, EndpointCap):
        return fail(Error.ILLEGAL_OPERATION)
    if not (cap.can_send and cap.can_receive and cap.can_grant and cap.can_grant_reply):
        return fail(Error.ILLEGAL_OPERATION)
    if cap.badge == 0:
        return Status.OK
    return ipc.cancel_badged(cap.endpoint, cap.badge)


@compiled
def words_needed(label: u64) -> u64:
    """How long the message of a Copy, Mint, Move or Mutate is."""
    match label:
        case InvocationLabel.CNODE_MINT:
            return u64(6)
        case InvocationLabel.CNODE_MOVE:
            return u64(4)
        case _:
            return u64(5)


@compiled
def transfer(label: u64, length: u64, destination: Slot) -> Status:
    """Copy, Mint, Move and Mutate: a capability comes into an empty slot."""
    requires(request_is_good())
    ensures(lambda result: result != Status.OK or not derivation.is_empty(destination))
    ensures(lambda result: result == Status.OK or destination.capability == old(destination.capability))
    root = request.extra[0]
    if length < 4 or root is None:
        return fail(Error.TRUNCATED_MESSAGE)
    status = derivation.ensure_empty(destination)
    if status != Status.OK:
        return status
    source = find_source(root, message.argument(2), message.argument(3))
    source_slot = source.slot
    if source_slot is None:
        return source.status
    if length < words_needed(label):
        return fail(Error.TRUNCATED_MESSAGE)

    new = source.capability
    match label:
        case InvocationLabel.CNODE_COPY:
            status, new = rights.derive(source_slot, rights.mask_rights(message.argument(4), new))
        case InvocationLabel.CNODE_MINT:
            masked = rights.mask_rights(message.argument(4), new)
            status, new = rights.derive(source_slot, rights.update_data(False, message.argument(5), masked))
        case InvocationLabel.CNODE_MUTATE:
            new = rights.update_data(True, message.argument(4), new)
        case _:
            pass
    if status != Status.OK:
        return status
    if isinstance(new, NullCap):
        return fail(Error.ILLEGAL_OPERATION)

    if label in (InvocationLabel.CNODE_COPY, InvocationLabel.CNODE_MINT):
        derivation.insert(new, source_slot, destination)
    else:
        derivation.move(new, source_slot, destination)
    return Status.OK


@compiled
def rotate(length: u64, destination: Slot) -> Status:
    """The source's capability moves to the pivot, the pivot's to the destination; destination may be the source."""
    pivot_root = request.extra[0]
    source_root = request.extra[1]
    if length < 8 or pivot_root is None or source_root is None:
        return fail(Error.TRUNCATED_MESSAGE)
    source_found = cspace.lookup_target_slot(source_root.capability, message.argument(6), message.argument(7), True)
    source = source_found.slot
    if source is None:
        return source_found.status
    pivot_found = cspace.lookup_target_slot(pivot_root.capability, message.argument(3), message.argument(4), True)
    pivot = pivot_found.slot
    if pivot is None:
        return pivot_found.status
    if pivot is source or pivot is destination:
        return fail(Error.ILLEGAL_OPERATION)
    if source is not destination:
        status = derivation.ensure_empty(destination)
        if status != Status.OK:
            return status
    if derivation.is_empty(source):
        lookup_missing_capability(message.argument(7))
        return failed_lookup(True)
    if derivation.is_empty(pivot):
        lookup_missing_capability(message.argument(4))
        return failed_lookup(False)
    new_source = rights.update_data(True, message.argument(5), source.capability)
    new_pivot = rights.update_data(True, message.argument(2), pivot.capability)
    if isinstance(new_source, NullCap) or isinstance(new_pivot, NullCap):
        return fail(Error.ILLEGAL_OPERATION)

    if source is destination:
        derivation.swap(new_source, source, new_pivot, pivot)
    else:
        derivation.move(new_pivot, pivot, destination)
        derivation.move(new_source, source, pivot)
    return Status.OK

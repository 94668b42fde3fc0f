# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of CNodes: copying, moving and deleting capabilities (manual: Capability Spaces; seL4_CNode_*)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import WORD_BITS
from tessera.kernel import cspace, deletion, derivation, ipc, message, rights
from tessera.kernel.capability import Capability, CNodeCap, EndpointCap, NullCap
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, fail, failed_lookup, lookup_missing_capability, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, modifies, old, record, requires, specification, u64


@record
class Source:
    """An occupied slot and what it holds, or with ``status`` the error to be told."""

    status: Status
    slot: Slot | None
    capability: Capability


@specification
def is_source(found: Source, root: Slot, index: u64, depth: u64) -> bool:
    """Whether what was found lies in the slot that was named."""
    slot = found.slot
    if slot is None or derivation.is_empty(slot) or found.capability != slot.capability:
        return False
    return cspace.begins_with(root.capability, index, depth, slot, 0)


@compiled
def find_source(root: Slot, index: u64, depth: u64) -> Source:
    """The slot that a capability is to be taken from. FAILED_LOOKUP if it is empty."""
    modifies(request.failure, request.failure_words, request.error, request.error_words)
    ensures(lambda result: result.status == (Status.ERROR if result.slot is None else Status.OK))
    ensures(lambda result: result.slot is not None or cspace.is_refused(root.capability, depth, True))
    ensures(lambda result: result.slot is None or is_source(result, root, index, depth))
    found = cspace.lookup_target_slot(root.capability, index, depth, True)
    slot = found.slot
    if slot is None:
        return Source(found.status, None, NullCap())
    if derivation.is_empty(slot):
        lookup_missing_capability(depth)
        return Source(failed_lookup(True), None, NullCap())
    return Source(Status.OK, slot, slot.capability)


@specification
def has_no_target(cap: CNodeCap) -> bool:
    """Whether the first words of a request are an index and a depth that no slot is at, for another guard is there."""
    depth = message.argument(1)
    return 1 <= depth and depth <= WORD_BITS and not cspace.has_guard(cap, message.argument(0), depth)


@specification
def refusal(label: u64, length: u64, cap: CNodeCap) -> Error:
    """What a request is refused for that names no operation or no slot."""
    if label < InvocationLabel.CNODE_REVOKE or label > InvocationLabel.CNODE_ROTATE:
        return Error.ILLEGAL_OPERATION
    if length < 2:
        return Error.TRUNCATED_MESSAGE
    return Error.FAILED_LOOKUP if has_no_target(cap) else Error.NO_ERROR


@specification
def is_refused(result: Status, reason: Error) -> bool:
    """Whether a request was refused for a reason; with a failed lookup, for that of the destination."""
    words = reason != Error.FAILED_LOOKUP or request.error_words[0] == 0
    return result == Status.ERROR and request.error == reason and words


@compiled
def decode(label: u64, length: u64, cap: CNodeCap) -> Status:
    """Find the slot that every operation names first, and go on by operation. (seL4: decodeCNodeInvocation.)"""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: waits_for_nothing(kernel.current))
    ensures(lambda result: result != Status.PREEMPTED or is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: old(refusal(label, length, cap)) in (Error.NO_ERROR, request.error))
    ensures(lambda result: is_refused(result, request.error) or old(refusal(label, length, cap)) == Error.NO_ERROR)
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


@specification
def has_all_rights(cap: Capability) -> bool:
    """Whether a capability is to an endpoint, with all rights."""
    if not isinstance(cap, EndpointCap):
        return False
    return cap.can_send and cap.can_receive and cap.can_grant and cap.can_grant_reply


@compiled
def cancel_badged_sends(cap: Capability) -> Status:
    """Cancel the sends that carry the badge of this capability, which needs all rights."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: (result == Status.ERROR) == (not has_all_rights(cap)))
    ensures(lambda result: result != Status.ERROR or request.error == Error.ILLEGAL_OPERATION)
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


@specification
def least_length(label: u64) -> u64:
    """How many words a Copy, Mint, Move or Mutate needs."""
    optional = u64(1 if label == InvocationLabel.CNODE_MOVE else 0)
    return u64(6 if label == InvocationLabel.CNODE_MINT else 5) - optional


@specification
def is_reason(label: u64, length: u64, was_empty: bool) -> bool:
    """Whether the error that was told is what a Copy, Mint, Move or Mutate got wrong."""
    depth = message.argument(3)
    match request.error:
        case Error.TRUNCATED_MESSAGE:
            return length < least_length(label) or request.extra[0] is None
        case Error.DELETE_FIRST:
            return not was_empty
        case Error.RANGE_ERROR:
            return depth < 1 or depth > WORD_BITS
        case Error.FAILED_LOOKUP:
            return request.error_words[0] == 1
        case Error.REVOKE_FIRST:
            return label in (InvocationLabel.CNODE_COPY, InvocationLabel.CNODE_MINT)
        case Error.ILLEGAL_OPERATION:
            return label != InvocationLabel.CNODE_MOVE
        case _:
            return False


@compiled
def transfer(label: u64, length: u64, destination: Slot) -> Status:
    """Copy, Mint, Move and Mutate: a capability comes into an empty slot."""
    requires(request_is_good())
    ensures(lambda result: result != Status.OK or not derivation.is_empty(destination))
    ensures(lambda result: result != Status.OK or length >= least_length(label))
    ensures(lambda result: result == Status.OK or destination.capability == old(destination.capability))
    ensures(lambda result: result != Status.ERROR or is_reason(label, length, old(derivation.is_empty(destination))))
    ensures(lambda result: result in (Status.OK, Status.ERROR))
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

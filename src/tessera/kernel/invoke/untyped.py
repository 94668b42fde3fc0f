# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of untyped memory: Retype (manual: Untyped Memory; seL4_Untyped_Retype)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import (
    MAX_UNTYPED_BITS,
    MIN_SCHED_CONTEXT_BITS,
    MIN_UNTYPED_BITS,
    OBJECT_TYPE_COUNT,
    WORD_BITS,
    ObjectType,
)
from tessera.kernel import cspace, derivation, message, untyped
from tessera.kernel.capability import Capability, CNodeCap, NullCap, UntypedCap
from tessera.kernel.layout import Slot
from tessera.kernel.object_invariants import MAX_NODE_RADIX
from tessera.kernel.object_kinds import are_empty, are_slots
from tessera.kernel.request import (
    Status,
    fail,
    failed_lookup,
    invalid_argument,
    lookup_missing_capability,
    not_enough_memory,
    range_error,
    request,
    request_is_good,
)
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import (
    compiled,
    ensures,
    ghost,
    live,
    loop_invariant,
    modifies,
    old,
    range,
    record,
    requires,
    specification,
    u64,
)


@record
class Destination:
    """The CNode that new capabilities go to, or with ``status`` the error to be told."""

    status: Status
    capability: Capability


@specification
def is_kind_refused(kind: u64, user_size: u64) -> bool:
    """Whether the error that was told is what is wrong with a type of object and a size."""
    first = request.error_words[0]
    if kind >= OBJECT_TYPE_COUNT:
        return request.error == Error.INVALID_ARGUMENT and first == 0
    if user_size < WORD_BITS and untyped.object_bits(kind, user_size) <= MAX_UNTYPED_BITS:
        return request.error == Error.INVALID_ARGUMENT and first == 1
    return request.error == Error.RANGE_ERROR and first == 0 and request.error_words[1] == MAX_UNTYPED_BITS


@compiled
def check_kind(kind: u64, user_size: u64) -> Status:
    """Whether such objects exist. INVALID_ARGUMENT 0: the type, 1: it is too small; RANGE_ERROR: it is too large."""
    modifies(request)
    ensures(lambda result: result == (Status.OK if untyped.is_kind(kind, user_size) else Status.ERROR))
    ensures(lambda result: result == Status.OK or is_kind_refused(kind, user_size))
    if kind >= OBJECT_TYPE_COUNT:
        return invalid_argument(0)
    if user_size >= WORD_BITS or untyped.object_bits(kind, user_size) > MAX_UNTYPED_BITS:
        return range_error(0, MAX_UNTYPED_BITS)
    match kind:
        case ObjectType.CAP_TABLE:
            return Status.OK if user_size != 0 else invalid_argument(1)
        case ObjectType.UNTYPED:
            return Status.OK if user_size >= MIN_UNTYPED_BITS else invalid_argument(1)
        case ObjectType.SCHED_CONTEXT:
            return Status.OK if user_size >= MIN_SCHED_CONTEXT_BITS else invalid_argument(1)
        case _:
            return Status.OK


@specification
def is_destination(found: Destination, root: Capability, index: u64, depth: u64) -> bool:
    """Whether a CNode is the one that was named, or its absence was told."""
    if not isinstance(found.capability, CNodeCap):
        told = request.error_words[0] == 0 and request.error == Error.FAILED_LOOKUP
        return found.status == Status.ERROR and (told or request.error == Error.RANGE_ERROR)
    return depth != 0 or found.capability == root


@compiled
def find_destination(root: Capability, index: u64, depth: u64) -> Destination:
    """The CNode at an address below a root; depth 0 means the root itself. Errors as any target lookup."""
    modifies(request.failure, request.failure_words, request.error, request.error_words)
    ensures(lambda result: is_destination(result, root, index, depth))
    node = root
    if depth != 0:
        found = cspace.lookup_target_slot(root, index, depth, False)
        slot = found.slot
        if slot is None:
            return Destination(found.status, NullCap())
        node = slot.capability
    if not isinstance(node, CNodeCap):
        lookup_missing_capability(depth)
        return Destination(failed_lookup(False), NullCap())
    return Destination(Status.OK, node)


@specification
def is_window(radix: u64, offset: u64, count: u64) -> bool:
    """Whether slots of a CNode can get the capabilities of one Retype."""
    slots = u64(1) << radix
    most = u64(configuration.profile.retype_fan_out_limit)
    return offset < slots and 0 < count and count <= slots - offset and count <= most


@specification
def is_window_refused(radix: u64, offset: u64, count: u64) -> bool:
    """Whether the limits that were told are those of the number that is off."""
    slots = u64(1) << radix
    least = u64(1)
    most = u64(configuration.profile.retype_fan_out_limit)
    if offset >= slots:
        least = u64(0)
        most = slots - 1
    elif 0 < count and count <= most:
        most = slots - offset
    is_range = request.error == Error.RANGE_ERROR
    return is_range and request.error_words[0] == least and request.error_words[1] == most


@compiled
def check_window(radix: u64, offset: u64, count: u64) -> Status:
    """Whether a CNode has ``count`` slots from ``offset`` on. RANGE_ERROR tells the limits of the first that is off."""
    requires(radix <= MAX_NODE_RADIX)
    modifies(request)
    ensures(lambda result: result == (Status.OK if is_window(radix, offset, count) else Status.ERROR))
    ensures(lambda result: result == Status.OK or is_window_refused(radix, offset, count))
    slots = u64(1) << radix
    if offset >= slots:
        return range_error(0, slots - 1)
    if count < 1 or count > configuration.profile.retype_fan_out_limit:
        return range_error(1, configuration.profile.retype_fan_out_limit)
    if count > slots - offset:
        return range_error(1, slots - offset)
    return Status.OK


@specification
def is_illegal() -> bool:
    """Whether there is no such operation, as was told."""
    return request.error == Error.ILLEGAL_OPERATION


@specification
def is_reason(length: u64, cap: UntypedCap) -> bool:
    """Whether the error that was told is what is wrong with a Retype."""
    first = request.error_words[0]
    kind = message.argument(0)
    match request.error:
        case Error.TRUNCATED_MESSAGE:
            return length < 6 or request.extra[0] is None
        case Error.INVALID_ARGUMENT:
            is_device = cap.is_device and not untyped.is_device_kind(kind)
            return (is_device and first == 1) or is_kind_refused(kind, message.argument(1))
        case Error.NOT_ENOUGH_MEMORY:
            return first == u64(1) << cap.size_bits or first == (u64(1) << cap.size_bits) - cap.free_offset
        case Error.FAILED_LOOKUP:
            return first == 0
        case Error.RANGE_ERROR | Error.DELETE_FIRST:
            return True
        case _:
            return False


@compiled
def decode(label: u64, length: u64, slot: Slot, cap: UntypedCap) -> Status:
    """Check a Retype and do it. (seL4: decodeUntypedInvocation.)"""
    requires(slot.capability == cap and request_is_good())
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result != Status.ERROR or label == InvocationLabel.UNTYPED_RETYPE or is_illegal())
    ensures(lambda result: result != Status.ERROR or label != InvocationLabel.UNTYPED_RETYPE or is_reason(length, cap))
    ensures(lambda result: result == Status.ERROR or label == InvocationLabel.UNTYPED_RETYPE)
    if label != InvocationLabel.UNTYPED_RETYPE:
        return fail(Error.ILLEGAL_OPERATION)
    root_slot = request.extra[0]
    if length < 6 or root_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    kind = message.argument(0)
    user_size = message.argument(1)
    offset = message.argument(4)
    count = message.argument(5)

    status = check_kind(kind, user_size)
    if status != Status.OK:
        return status
    destination = find_destination(root_slot.capability, message.argument(2), message.argument(3))
    node = destination.capability
    if not isinstance(node, CNodeCap):
        return destination.status
    status = check_window(node.radix, offset, count)
    if status != Status.OK:
        return status
    first = cspace.slot_at(node.slots, offset)
    with ghost:
        assert are_slots(first, count)
        assert live(first)
    # Bounded by the fan-out limit, 256: check_window.
    for i in range(count):
        loop_invariant(are_empty(first, 0, i))
        status = derivation.ensure_empty(cspace.slot_at(first, i))
        if status != Status.OK:
            return status

    # Nothing is made of it any more: all of it can be used anew.
    is_unused = not derivation.has_children(slot)
    free = u64(1) << cap.size_bits
    if not is_unused:
        free -= cap.free_offset
    # What alignment would waste is never counted: the end is aligned, and objects of one size fill it up backwards.
    if (free >> untyped.object_bits(kind, user_size)) < count:
        return not_enough_memory(free)
    if cap.is_device and not untyped.is_device_kind(kind):
        return invalid_argument(1)

    if is_unused:
        untyped.reset(slot, cap)
    return untyped.retype(slot, kind, user_size, first, count)

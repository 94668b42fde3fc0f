# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: from an address to a slot (manual: Capability Spaces, Capability Addressing).

An address is read from its most significant bits on. Each CNode on the way compares its guard, then takes ``radix``
bits as the index of a slot, until no bits are left or the slot holds something that is not a CNode.
"""

from __future__ import annotations

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.objects import SLOT_BITS, WORD_BITS
from tessera.kernel.capability import Capability, CNodeCap, NullCap
from tessera.kernel.layout import Slot, Tcb
from tessera.kernel.request import (
    Status,
    failed_lookup,
    lookup_depth_mismatch,
    lookup_guard_mismatch,
    lookup_invalid_root,
    range_error,
    request,
)
from tessera.lang import (
    address_of,
    at,
    compiled,
    decreases,
    ensures,
    loop_invariant,
    min,
    modifies,
    record,
    requires,
    specification,
    u64,
)


@record
class Found:
    """The slot that an address leads to, and how many of its bits were not used.

    ``slot`` is there exactly if ``ok``; otherwise ``request.failure`` says why not.
    """

    ok: bool
    slot: Slot | None
    bits_left: u64


@record
class FoundCapability:
    """What the slot that an address leads to holds; an empty slot gives a null capability."""

    ok: bool
    capability: Capability
    slot: Slot | None


@record
class Target:
    """The slot that an operation works on, or with ``status`` the error to be told."""

    ok: bool
    status: Status
    slot: Slot | None


@compiled
def slot_at(first: Slot, index: u64) -> Slot:
    """The slot ``index`` places behind the first one of a CNode or thread."""
    return at(Slot, address_of(first) + (index << SLOT_BITS))


@compiled
def address_part(address: u64, low: u64, width: u64) -> u64:
    """``width`` bits of an address from bit ``low`` on; 0 if there are none."""
    if width == 0:
        return u64(0)
    return (address >> low) & ((u64(1) << width) - 1)


@specification
def part_of(address: u64, low: u64, width: u64) -> u64:
    """What an address has in so many bits from bit ``low`` on. Contracts say it apart from the code that does it."""
    return u64(0) if width == 0 else (address >> low) & ((u64(1) << width) - 1)


@specification
def slot_of(node: CNodeCap, index: u64) -> Slot:
    """The slot of a CNode with an index."""
    return at(Slot, address_of(node.slots) + (index << SLOT_BITS))


@specification
def has_guard(node: CNodeCap, address: u64, left: u64) -> bool:
    """Whether the first of the ``left`` bits of an address are a CNode's guard."""
    size = node.guard_size
    return size <= left and node.guard == part_of(address, left - size, size)


@specification
def begins_with(root: Capability, address: u64, depth: u64, slot: Slot | None, left: u64) -> bool:
    """What the first level says of a lookup: it fails, or ends in a slot with so many bits left, or goes on."""
    if not isinstance(root, CNodeCap) or not has_guard(root, address, depth):
        return slot is None
    taken = root.guard_size + root.radix
    if taken > depth:
        return slot is None
    first = slot_of(root, part_of(address, depth - taken, root.radix))
    return (slot is first and left == depth - taken) or (taken < depth and isinstance(first.capability, CNodeCap))


@specification
def has_failure(failure: LookupFailure, first: u64, second: u64) -> bool:
    """Whether a lookup failed for this reason, with these first words."""
    words = request.failure_words[0] == first and request.failure_words[1] == second
    return request.failure == failure and words


@specification
def is_told(root: Capability, address: u64, depth: u64) -> bool:
    """Whether the lookup failure is that of the first level, or of one behind it."""
    if not isinstance(root, CNodeCap):
        return request.failure == LookupFailure.INVALID_ROOT
    size = root.guard_size
    if not has_guard(root, address, depth):
        return has_failure(LookupFailure.GUARD_MISMATCH, depth, root.guard) and request.failure_words[2] == size
    if size + root.radix > depth:
        return has_failure(LookupFailure.DEPTH_MISMATCH, depth, size + root.radix)
    return request.failure in (LookupFailure.GUARD_MISMATCH, LookupFailure.DEPTH_MISMATCH)


@compiled
def lookup(root: Capability, address: u64, depth: u64) -> Found:
    """Follow the low ``depth`` bits of an address, 64 at most, from a root. (seL4: resolveAddressBits.)"""
    requires(depth <= WORD_BITS)
    modifies(request.failure, request.failure_words)
    ensures(lambda result: result.ok == (result.slot is not None) and result.bits_left <= depth)
    ensures(lambda result: begins_with(root, address, depth, result.slot, result.bits_left))
    ensures(lambda result: result.ok or is_told(root, address, depth))
    left = depth
    slot: Slot | None = None
    node = root
    # Bounded by the bits of the address, 64: each level uses up one at least.
    while isinstance(node, CNodeCap):
        # A CNode has two slots at least, so each level uses up a bit.
        loop_invariant(node == (root if slot is None else slot.capability) and (slot is None) == (left == depth))
        loop_invariant(left <= depth and (slot is None or (left > 0 and begins_with(root, address, depth, slot, left))))
        decreases(left)
        guard_size = node.guard_size
        if guard_size > left or address_part(address, left - guard_size, guard_size) != node.guard:
            lookup_guard_mismatch(left, node.guard, guard_size)
            return Found(False, None, left)
        level_bits = guard_size + node.radix
        if level_bits > left:
            lookup_depth_mismatch(left, level_bits)
            return Found(False, None, left)
        left -= level_bits
        slot = slot_at(node.slots, address_part(address, left, node.radix))
        if left == 0:
            return Found(True, slot, left)
        node = slot.capability
    if slot is None:
        lookup_invalid_root()
        return Found(False, None, left)
    return Found(True, slot, left)


@compiled
def reaches(root: CNodeCap, address: u64) -> bool:
    """Whether an address goes through one CNode only, whose guard and index have all its bits."""
    guard = (address >> root.radix) & ((u64(1) << root.guard_size) - 1)
    return root.guard_size + root.radix == WORD_BITS and guard == root.guard


@compiled
def lookup_slot(tcb: Tcb, address: u64) -> Found:
    """The slot that a thread means by a capability pointer. Bits that are left over do not matter."""
    modifies(request.failure, request.failure_words)
    ensures(lambda result: result.ok == (result.slot is not None))
    ensures(lambda result: is_found_at(tcb, address, result))
    root = tcb.cspace_root.capability
    if isinstance(root, CNodeCap) and reaches(root, address):
        # Most CSpaces have one level.
        return Found(True, slot_at(root.slots, address & ((u64(1) << root.radix) - 1)), 0)
    return lookup(root, address, WORD_BITS)


@specification
def is_found_at(tcb: Tcb, address: u64, found: Found) -> bool:
    """Whether this was found where a thread means an address, with the bits left, as far as its root says so."""
    return begins_with(tcb.cspace_root.capability, address, WORD_BITS, found.slot, found.bits_left)


@specification
def means(tcb: Tcb, address: u64, slot: Slot | None) -> bool:
    """Whether a thread means a slot, as far as the root of its CSpace says so."""
    root = tcb.cspace_root.capability
    taken = u64(0) if not isinstance(root, CNodeCap) else root.guard_size + root.radix
    return begins_with(root, address, WORD_BITS, slot, WORD_BITS - min(taken, WORD_BITS))


@compiled
def lookup_capability(tcb: Tcb, address: u64) -> FoundCapability:
    """The capability that a thread means by a capability pointer."""
    modifies(request.failure, request.failure_words)
    ensures(lambda result: result.ok == (result.slot is not None))
    ensures(lambda result: result.capability == (NullCap() if result.slot is None else result.slot.capability))
    ensures(lambda result: means(tcb, address, result.slot))
    found = lookup_slot(tcb, address)
    slot = found.slot
    if slot is None:
        return FoundCapability(False, NullCap(), None)
    return FoundCapability(True, slot.capability, slot)


@specification
def is_refused(root: Capability, depth: u64, is_source: bool) -> bool:
    """Whether the request was told why there is no target."""
    if isinstance(root, CNodeCap) and (depth < 1 or depth > WORD_BITS):
        return request.error == Error.RANGE_ERROR and request.error_words[0] == 1 and request.error_words[1] == 64
    reason = isinstance(root, CNodeCap) == (request.failure != LookupFailure.INVALID_ROOT)
    return reason and request.error == Error.FAILED_LOOKUP and request.error_words[0] == u64(is_source)


@specification
def is_told_of_rest(root: Capability, index: u64, depth: u64) -> bool:
    """Whether the lookup failure says so where the first level leads to a slot, and leaves bits of the index."""
    if not isinstance(root, CNodeCap) or depth > WORD_BITS or not has_guard(root, index, depth):
        return True
    taken = root.guard_size + root.radix
    if taken >= depth:
        return True
    first = slot_of(root, part_of(index, depth - taken, root.radix))
    return isinstance(first.capability, CNodeCap) or has_failure(LookupFailure.DEPTH_MISMATCH, depth - taken, 0)


@compiled
def lookup_target_slot(root: Capability, index: u64, depth: u64, is_source: bool) -> Target:
    """The slot that a CNode operation names: the address must be used up. (seL4: lookupSlotForCNodeOp.)

    Errors: FAILED_LOOKUP with the reason, ``is_source`` telling which of two slots; RANGE_ERROR for ``depth``.
    """
    modifies(request.failure, request.failure_words, request.error, request.error_words)
    ensures(lambda result: result.ok == (result.slot is not None) and result.ok == (result.status == Status.OK))
    ensures(lambda result: result.ok or (result.status == Status.ERROR and is_refused(root, depth, is_source)))
    ensures(lambda result: result.slot is None or (0 < depth and begins_with(root, index, depth, result.slot, 0)))
    ensures(lambda result: depth <= WORD_BITS if result.ok else is_told_of_rest(root, index, depth))
    if not isinstance(root, CNodeCap):
        lookup_invalid_root()
        return Target(False, failed_lookup(is_source), None)
    if depth < 1 or depth > WORD_BITS:
        return Target(False, range_error(1, WORD_BITS), None)
    found = lookup(root, index, depth)
    if not found.ok:
        return Target(False, failed_lookup(is_source), None)
    if found.bits_left != 0:
        lookup_depth_mismatch(found.bits_left, 0)
        return Target(False, failed_lookup(is_source), None)
    return Target(True, Status.OK, found.slot)

# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: from an address to a slot (manual: Capability Spaces, Capability Addressing).

An address is read from its most significant bits on. Each CNode on the way compares its guard, then takes ``radix``
bits as the index of a slot, until no bits are left or the slot holds something that is not a CNode.
"""

from __future__ import annotations

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
)
from tessera.lang import address_of, at, compiled, decreases, ensures, loop_invariant, record, requires, u64


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


@compiled
def lookup(root: Capability, address: u64, depth: u64) -> Found:
    """Follow the low ``depth`` bits of an address, 64 at most, from a root. (seL4: resolveAddressBits.)"""
    requires(depth <= WORD_BITS)
    ensures(lambda result: result.ok == (result.slot is not None))
    left = depth
    slot: Slot | None = None
    node = root
    while isinstance(node, CNodeCap):
        # A CNode has two slots at least, so each level uses up a bit.
        loop_invariant(left <= depth)
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
def lookup_slot(tcb: Tcb, address: u64) -> Found:
    """The slot that a thread means by a capability pointer. Bits that are left over do not matter."""
    return lookup(tcb.cspace_root.capability, address, WORD_BITS)


@compiled
def lookup_capability(tcb: Tcb, address: u64) -> FoundCapability:
    """The capability that a thread means by a capability pointer."""
    found = lookup_slot(tcb, address)
    slot = found.slot
    if slot is None:
        return FoundCapability(False, NullCap(), None)
    return FoundCapability(True, slot.capability, slot)


@compiled
def lookup_target_slot(root: Capability, index: u64, depth: u64, is_source: bool) -> Target:
    """The slot that a CNode operation names: the address must be used up. (seL4: lookupSlotForCNodeOp.)

    Errors: FAILED_LOOKUP with the reason, ``is_source`` telling which of two slots; RANGE_ERROR for ``depth``.
    """
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

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Capability Spaces: Capability Addressing and Lookup Failure Description."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.objects import ObjectType
from tessera.lang import compiled, u64
from tessera.runtime.memory import cnode_copy, cnode_delete, cnode_mint, cnode_revoke
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import CNODE, DEPTH, make, make_sized, mint, take_slot, take_slots
from tessera.suites.guest.report import detail, done, error

# A CNode of 16 slots whose capability has a guard of 4 bits.
RADIX = 4
GUARD_BITS = 4
GUARD = 0b1001
GUARDED_DATA = GUARD << 6 | GUARD_BITS


@case
@compiled
def depth_range() -> None:
    """A depth is between 1 and the number of bits of a word (CNode methods: RangeError)."""
    slots = take_slots(2)
    error(b"0", Error.RANGE_ERROR, cnode_delete(CNODE, slots, 0))
    detail(b"least", 0, 1)
    detail(b"greatest", 1, 64)
    error(b"65", Error.RANGE_ERROR, cnode_revoke(CNODE, slots, 65))
    detail(b"greatest", 1, 64)
    error(b"source 0", Error.RANGE_ERROR, cnode_copy(CNODE, slots, DEPTH, CNODE, 2, 0, ALL_RIGHTS))
    error(b"destination 65", Error.RANGE_ERROR, cnode_copy(CNODE, slots, 65, CNODE, 2, DEPTH, ALL_RIGHTS))


@case
@compiled
def guard_resolves() -> None:
    """The guard of a CNode capability takes bits of the address in front of its index (Capability Addressing)."""
    node = make_sized(ObjectType.CAP_TABLE, RADIX)
    guarded = mint(node, ALL_RIGHTS, GUARDED_DATA)
    done(b"by guard", cnode_copy(guarded, GUARD << RADIX | 5, 8, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    done(b"without guard, the same slot", cnode_delete(node, 5, RADIX))
    done(b"again by guard", cnode_copy(guarded, GUARD << RADIX | 5, 8, CNODE, CNODE, DEPTH, ALL_RIGHTS))


@case
@compiled
def guard_mismatch() -> None:
    """An address that does not match the guard fails with the guard and the bits left (Lookup Failure Description)."""
    node = make_sized(ObjectType.CAP_TABLE, RADIX)
    guarded = mint(node, ALL_RIGHTS, GUARDED_DATA)
    error(b"wrong guard", Error.FAILED_LOOKUP, cnode_delete(guarded, 0b0110 << RADIX | 5, 8))
    detail(b"was not the source", 0, 0)
    detail(b"failure", 1, u64(LookupFailure.GUARD_MISMATCH))
    detail(b"bits left", 2, 8)
    detail(b"guard", 3, GUARD)
    error(b"too few bits for the guard", Error.FAILED_LOOKUP, cnode_delete(guarded, 1, 3))
    detail(b"failure", 1, u64(LookupFailure.GUARD_MISMATCH))
    detail(b"bits left", 2, 3)


@case
@compiled
def depth_mismatch() -> None:
    """Too few bits for a CNode's index, and bits that are left over, fail (Lookup Failure Description)."""
    node = make_sized(ObjectType.CAP_TABLE, RADIX)
    error(b"too few", Error.FAILED_LOOKUP, cnode_delete(node, 1, 3))
    detail(b"failure", 1, u64(LookupFailure.DEPTH_MISMATCH))
    detail(b"bits left", 2, 3)
    detail(b"bits of the CNode", 3, RADIX)
    done(b"fill a slot", cnode_copy(node, 2, RADIX, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    endpoint = make(ObjectType.ENDPOINT)
    done(b"fill a slot", cnode_copy(node, 3, RADIX, CNODE, endpoint, DEPTH, ALL_RIGHTS))
    error(b"too many", Error.FAILED_LOOKUP, cnode_delete(node, 3 << 6, RADIX + 6))
    detail(b"failure", 1, u64(LookupFailure.DEPTH_MISMATCH))
    detail(b"bits left", 2, 6)


@case
@compiled
def two_levels() -> None:
    """An address is resolved through CNodes in CNodes (Capability Addressing)."""
    outer = make_sized(ObjectType.CAP_TABLE, RADIX)
    inner = make_sized(ObjectType.CAP_TABLE, RADIX)
    done(b"inner into outer", cnode_mint(outer, 7, RADIX, CNODE, inner, DEPTH, ALL_RIGHTS, GUARDED_DATA))
    address = u64(7 << 8 | GUARD << RADIX | 11)
    done(b"copy into the inner CNode", cnode_copy(outer, address, 12, CNODE, CNODE, DEPTH, ALL_RIGHTS))
    done(b"it is there", cnode_delete(inner, 11, RADIX))
    error(b"wrong inner guard", Error.FAILED_LOOKUP, cnode_delete(outer, 7 << 8 | 11, 12))
    detail(b"failure", 1, u64(LookupFailure.GUARD_MISMATCH))
    detail(b"bits left", 2, 8)


@case
@compiled
def lookup_stops_at_depth() -> None:
    """An operation works on the slot at the depth given, even if that holds a CNode (Capability Addressing)."""
    outer = make_sized(ObjectType.CAP_TABLE, RADIX)
    inner = make_sized(ObjectType.CAP_TABLE, RADIX)
    done(b"inner into outer", cnode_copy(outer, 7, RADIX, CNODE, inner, DEPTH, ALL_RIGHTS))
    done(b"delete the inner CNode's capability", cnode_delete(outer, 7, RADIX))
    done(b"the slot is free", cnode_copy(outer, 7, RADIX, CNODE, inner, DEPTH, ALL_RIGHTS))


@case
@compiled
def guard_must_fit() -> None:
    """A guard that leaves no bits for the index is refused (CNode Mint: IllegalOperation)."""
    node = make_sized(ObjectType.CAP_TABLE, RADIX)
    slot = take_slot()
    result = cnode_mint(CNODE, slot, DEPTH, CNODE, node, DEPTH, ALL_RIGHTS, 61)
    error(b"guard of 61 bits", Error.ILLEGAL_OPERATION, result)
    result = cnode_mint(CNODE, slot, DEPTH, CNODE, node, DEPTH, ALL_RIGHTS, 60)
    done(b"guard of 60 bits", result)


@case
@compiled
def root_must_be_a_cnode() -> None:
    """The root of a source address must be a CNode (Lookup Failure Description: Invalid Root)."""
    slot = take_slot()
    endpoint = make(ObjectType.ENDPOINT)
    result = cnode_copy(CNODE, slot, DEPTH, endpoint, 2, DEPTH, ALL_RIGHTS)
    error(b"an endpoint as root", Error.FAILED_LOOKUP, result)
    detail(b"was the source", 0, 1)
    detail(b"failure", 1, u64(LookupFailure.INVALID_ROOT))

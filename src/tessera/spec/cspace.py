# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: from an address to a slot (manual: Capability Spaces, Capability Addressing)."""

from __future__ import annotations

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.objects import WORD_BITS
from tessera.spec.capability import Capability, CNodeCap
from tessera.spec.objects import CSPACE, Place, Thread
from tessera.spec.refusal import LookupFailed, Refused, failed_lookup, out_of_range
from tessera.spec.state import held


def resolve(root: Capability | None, address: int, depth: int) -> tuple[Place, int]:
    """Follow the low ``depth`` bits of an address from a root: the slot, and how many bits were not used."""
    if not isinstance(root, CNodeCap):
        raise LookupFailed(LookupFailure.INVALID_ROOT)
    left = depth
    while True:
        guard_bits, radix = root.guard_size, root.node.radix
        rest = address & ((1 << left) - 1)
        if guard_bits > left or rest >> (left - guard_bits) != root.guard:
            raise LookupFailed(LookupFailure.GUARD_MISMATCH, left, root.guard, guard_bits)
        if guard_bits + radix > left:
            raise LookupFailed(LookupFailure.DEPTH_MISMATCH, left, guard_bits + radix)
        left -= guard_bits + radix
        place = (root.node, (address >> left) & ((1 << radix) - 1))
        found = held(place)
        if left == 0 or not isinstance(found, CNodeCap):
            return place, left
        root = found


def find(thread: Thread, address: int) -> Place:
    """The slot that a thread means by a capability pointer. Bits that are left over do not matter."""
    return resolve(thread.own.slots.get(CSPACE), address, WORD_BITS)[0]


def target(root: Capability | None, index: int, depth: int, is_source: bool = False) -> Place:
    """The slot that an operation on CNodes names: the whole address must be used."""
    if not isinstance(root, CNodeCap):
        raise failed_lookup(is_source, LookupFailed(LookupFailure.INVALID_ROOT))
    if not 1 <= depth <= WORD_BITS:
        raise out_of_range(1, WORD_BITS)
    try:
        place, left = resolve(root, index, depth)
    except LookupFailed as why:
        raise failed_lookup(is_source, why) from None
    if left != 0:
        raise failed_lookup(is_source, LookupFailed(LookupFailure.DEPTH_MISMATCH, left, 0))
    return place


def occupied(place: Place, depth: int, is_source: bool) -> Capability:
    """What a slot holds, which must not be empty."""
    cap = held(place)
    if cap is None:
        raise failed_lookup(is_source, LookupFailed(LookupFailure.MISSING_CAPABILITY, depth))
    return cap


def ensure_empty(place: Place) -> None:
    """DELETE_FIRST unless the slot is empty."""
    if held(place) is not None:
        raise Refused(Error.DELETE_FIRST)

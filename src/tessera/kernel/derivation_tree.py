# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: the derivation tree as intervals, for proofs (manual: Capability Derivation Tree)."""

from __future__ import annotations

from tessera.kernel.derivation import is_empty
from tessera.kernel.layout import Slot
from tessera.lang import invariant, live, specification, trigger


@specification
def is_below(ancestor: Slot, slot: Slot) -> bool:
    """Whether a slot's interval lies inside of another's."""
    return ancestor.chain == slot.chain and ancestor.low < slot.low and slot.low < ancestor.high


@invariant
def next_is_linked(slot: Slot) -> bool:
    """The next slot is in use, and knows this one as its previous."""
    trigger(slot.link.next)
    following = slot.link.next
    if following is None:
        return True
    return live(following) and not is_empty(slot) and not is_empty(following) and following.previous is slot


@invariant
def previous_is_linked(slot: Slot) -> bool:
    """The previous slot is in use, and knows this one as its next."""
    trigger(slot.previous)
    before = slot.previous
    if before is None:
        return True
    return live(before) and not is_empty(slot) and not is_empty(before) and before.link.next is slot


@invariant
def interval_is_not_empty(slot: Slot) -> bool:
    """Each slot in use has room for descendants."""
    trigger(slot.low)
    trigger(slot.high)
    return is_empty(slot) or slot.low < slot.high


@invariant
def list_is_in_order(slot: Slot) -> bool:
    """The next slot begins later, in the same list."""
    trigger(slot.link.next)
    following = slot.link.next
    return following is None or (slot.low < following.low and slot.chain == following.chain)


@invariant
def places_differ(a: Slot, b: Slot) -> bool:
    """Two slots of one list begin at different places."""
    trigger(a.low, b.low)
    return is_empty(a) or is_empty(b) or a is b or a.chain != b.chain or a.low != b.low


@invariant
def intervals_nest(a: Slot, b: Slot) -> bool:
    """What begins inside of an interval ends inside."""
    trigger(a.high, b.high)
    return is_empty(a) or is_empty(b) or not is_below(a, b) or b.high <= a.high


@invariant
def list_skips_nothing(a: Slot, b: Slot) -> bool:
    """Whatever begins later in a list is reached through the next slot."""
    trigger(a.link.next, b.low)
    if is_empty(a) or is_empty(b) or a.chain != b.chain or b.low <= a.low:
        return True
    following = a.link.next
    return following is not None and following.low <= b.low

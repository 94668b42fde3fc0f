# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: the invariants of the derivation tree, for proofs (manual: Capability Derivation Tree).

Together they say that intervals are what the kernel's own test, :func:`tessera.kernel.derivation.is_parent_of`, finds:
the descendants of a slot are the run behind it that the test accepts.
"""

from __future__ import annotations

from tessera.kernel.capability import CapKind, NullCap, PageTableCap, UntypedCap
from tessera.kernel.derivation_order import (
    badge_in,
    is_apart,
    is_below,
    is_parent,
    is_same_region,
    is_source,
    is_untyped,
    size_of_object,
    start_of,
)
from tessera.kernel.layout import Slot
from tessera.lang import integer, invariant, live, specification, trigger


@specification
def is_unused_slot(slot: Slot) -> bool:
    """Whether a slot holds no capability."""
    return isinstance(slot.capability, NullCap)


@invariant
def next_is_linked(slot: Slot) -> bool:
    """The next slot is in use, and knows this one as its previous."""
    trigger(slot.link.next)
    following = slot.link.next
    if following is None:
        return True
    return live(following) and not is_unused_slot(slot) and not is_unused_slot(following) and following.previous is slot


@invariant
def previous_is_linked(slot: Slot) -> bool:
    """The previous slot is in use, and knows this one as its next."""
    trigger(slot.previous)
    before = slot.previous
    if before is None:
        return True
    return live(before) and not is_unused_slot(slot) and not is_unused_slot(before) and before.link.next is slot


@invariant
def interval_is_not_empty(slot: Slot) -> bool:
    """Each slot in use has room for descendants."""
    trigger(slot.low)
    trigger(slot.high)
    return is_unused_slot(slot) or slot.low < slot.high


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
    return is_unused_slot(a) or is_unused_slot(b) or a is b or a.chain != b.chain or a.low != b.low


@invariant
def intervals_nest(a: Slot, b: Slot) -> bool:
    """What begins inside of an interval ends inside."""
    trigger(a.high, b.high)
    return is_unused_slot(a) or is_unused_slot(b) or not is_below(a, b) or b.high <= a.high


@invariant
def list_skips_nothing(a: Slot, b: Slot) -> bool:
    """Whatever begins later in a list is reached through the next slot."""
    trigger(a.link.next, b.low)
    if is_unused_slot(a) or is_unused_slot(b) or a.chain != b.chain or b.low <= a.low:
        return True
    following = a.link.next
    return following is not None and following.low <= b.low


# What the capabilities are to


@invariant
def object_is_described(slot: Slot) -> bool:
    """The ghosts say what the capability is to."""
    trigger(slot.object_start)
    trigger(slot.object_size)
    return slot.object_start == start_of(slot.capability) and slot.object_size == size_of_object(slot.capability)


@invariant
def source_is_revocable(slot: Slot) -> bool:
    """Untyped memory and the right to interrupts can always have children."""
    trigger(slot.link.revocable)
    return slot.link.revocable or not is_source(slot)


@invariant
def objects_are_disjoint(a: Slot, b: Slot) -> bool:
    """Two capabilities are to the same object, or to objects without a common byte. A zombie's has no other."""
    trigger(a.object_start, b.object_start)
    if a is b or is_untyped(a) or is_untyped(b) or a.object_size == 0:
        return True
    if is_apart(a.object_start, a.object_size, b):
        return True
    return a.capability.kind != CapKind.ZOMBIE and is_same_region(a, b)


@invariant
def untyped_ranges_nest(a: Slot, b: Slot) -> bool:
    """Untyped memory and any object are apart, or one lies in the other, which is untyped."""
    trigger(a.object_start, b.object_start)
    if not is_untyped(a) or is_apart(a.object_start, a.object_size, b) or is_same_region(a, b):
        return True
    return is_untyped(b) and is_same_region(b, a)


@invariant
def free_part_is_not_used(a: Slot, b: Slot) -> bool:
    """Whatever has a byte of an untyped's free part is the untyped memory that it was made from."""
    trigger(a.object_start, b.object_start)
    cap = a.capability
    if a is b or not isinstance(cap, UntypedCap):
        return True
    taken = integer(cap.free_offset)
    if a.object_size <= taken or is_apart(a.object_start + taken, a.object_size - taken, b):
        return True
    return is_untyped(b) and is_below(b, a)


@invariant
def interrupt_right_is_one(a: Slot, b: Slot) -> bool:
    """There is one capability to make interrupt handlers."""
    trigger(a.capability, b.capability)
    return a is b or a.capability.kind != CapKind.IRQ_CONTROL or b.capability.kind != CapKind.IRQ_CONTROL


@invariant
def unmapped_table_has_one_capability(a: Slot, b: Slot) -> bool:
    """A page table that is in no address space has no copies of its capability."""
    trigger(a.object_start, b.object_start)
    cap = a.capability
    if a is b or not isinstance(cap, PageTableCap) or b.capability.kind != CapKind.PAGE_TABLE:
        return True
    return cap.is_mapped or a.object_start != b.object_start


# Descendants are what the kernel's test accepts


@invariant
def descendants_pass(a: Slot, b: Slot) -> bool:
    """The test accepts every descendant."""
    trigger(a.high, b.low)
    return is_unused_slot(a) or is_unused_slot(b) or not is_below(a, b) or is_parent(a, b)


@invariant
def run_ends(a: Slot, last: Slot) -> bool:
    """The test refuses what comes directly behind the last descendant."""
    trigger(a.high, last.link.next)
    following = last.link.next
    if is_unused_slot(a) or following is None or is_below(a, following):
        return True
    return not (a is last or is_below(a, last)) or not is_parent(a, following)


@invariant
def new_badge_is_marked(slot: Slot) -> bool:
    """A badge that differs from the left neighbour's, on the same object, is marked as the first."""
    trigger(slot.link.next)
    following = slot.link.next
    if following is None or is_source(slot) or not is_same_region(slot, following):
        return True
    badge = badge_in(following.capability)
    return badge == 0 or badge == badge_in(slot.capability) or following.link.first_badged


@invariant
def region_is_in_one_list(a: Slot, b: Slot) -> bool:
    """Capabilities to one object, or to one untyped's memory, are in one list."""
    trigger(a.object_start, b.object_start)
    return is_unused_slot(b) or not is_same_region(a, b) or a.chain == b.chain


@invariant
def object_goes_on_behind(a: Slot, b: Slot) -> bool:
    """Where a later slot is to the same object, the next one is."""
    trigger(a.link.next, b.object_start)
    if is_source(a) or is_unused_slot(b) or not is_same_region(a, b) or b.low <= a.low:
        return True
    following = a.link.next
    return following is not None and is_same_region(a, following)


@invariant
def object_goes_on_before(a: Slot, b: Slot) -> bool:
    """Where an earlier slot is to the same object, the previous one is."""
    trigger(a.previous, b.object_start)
    if is_source(a) or is_unused_slot(b) or not is_same_region(a, b) or a.low <= b.low:
        return True
    before = a.previous
    return before is not None and is_same_region(a, before)


@invariant
def parts_are_below_their_source(a: Slot, b: Slot) -> bool:
    """What lies in untyped memory is a descendant of it; of two to the same memory, one is the other's."""
    trigger(a.high, b.object_start)
    if not is_source(a) or a is b or is_unused_slot(b) or not is_same_region(a, b):
        return True
    return is_below(a, b) or (is_source(b) and is_below(b, a))

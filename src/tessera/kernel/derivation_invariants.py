# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: what holds for all slots whenever the kernel is left (manual: Capability Derivation Tree).

Each predicate speaks of one slot, or of two; tests check it for all slots of a concrete state.
"""

from __future__ import annotations

from tessera.abi.objects import SLOT_BITS
from tessera.arch import paging
from tessera.kernel.capability import IrqControlCap, UntypedCap, ZombieCap
from tessera.kernel.derivation import badge_of, is_empty, is_final, is_parent_of, same_object, same_region
from tessera.kernel.layout import GRANULE_BITS, Granule, Slot
from tessera.kernel.region import THREAD_SLOTS, base_of, contains, size_bits_of
from tessera.lang import address_of, at, implies, invariant, specification, u64


@specification
def is_descendant(ancestor: Slot, slot: Slot) -> bool:
    """Whether a slot is in the run behind another that the parent test accepts. For invariants: the walk is long."""
    place = ancestor.link.next
    while place is not None and is_parent_of(ancestor, place):
        if place is slot:
            return True
        place = place.link.next
    return False


@specification
def are_apart(start: u64, size: u64, other_start: u64, other_size: u64) -> bool:
    """Whether two ranges have no byte in common."""
    return start + size <= other_start or other_start + other_size <= start


@specification
def has_memory(slot: Slot) -> bool:
    """Whether the capability is to something in memory."""
    return size_bits_of(slot.capability) != 0


@specification
def are_memory_apart(a: Slot, b: Slot) -> bool:
    """Whether two objects have no byte in common."""
    a_size = u64(1) << size_bits_of(a.capability)
    b_size = u64(1) << size_bits_of(b.capability)
    return are_apart(base_of(a.capability), a_size, base_of(b.capability), b_size)


@invariant
def empty_slot_has_no_links(slot: Slot) -> bool:
    """An empty slot is not in the tree."""
    if not is_empty(slot):
        return True
    return slot.previous is None and slot.link.next is None


@invariant
def next_points_back(slot: Slot) -> bool:
    """The next slot is another one, in use, and knows this one as its previous."""
    following = slot.link.next
    if following is None:
        return True
    return following is not slot and not is_empty(following) and following.previous is slot


@invariant
def previous_points_here(slot: Slot) -> bool:
    """The previous slot is in use, and knows this one as its next."""
    previous = slot.previous
    if previous is None:
        return True
    return not is_empty(previous) and previous.link.next is slot


@invariant
def change_of_badge_is_marked(slot: Slot) -> bool:
    """A badge that differs from the left neighbour's, on the same object, is marked as the first."""
    following = slot.link.next
    if following is None or not same_region(slot.capability, following.capability):
        return True
    badge = badge_of(following.capability)
    return badge == 0 or badge == badge_of(slot.capability) or following.link.first_badged


@invariant
def source_of_objects_is_revocable(slot: Slot) -> bool:
    """Untyped memory and the right to interrupts can always have children."""
    return implies(isinstance(slot.capability, (UntypedCap, IrqControlCap)), slot.link.revocable)


@invariant
def object_is_aligned(slot: Slot) -> bool:
    """An object lies at a multiple of its size."""
    if not has_memory(slot):
        return True
    return base_of(slot.capability) & ((u64(1) << size_bits_of(slot.capability)) - 1) == 0


@invariant
def free_part_is_inside(slot: Slot) -> bool:
    """No more than all of an untyped is taken."""
    cap = slot.capability
    return not isinstance(cap, UntypedCap) or cap.free_offset <= u64(1) << cap.size_bits


@invariant
def cleared_memory_is_zero(slot: Slot) -> bool:
    """Free memory that is said to be cleared is."""
    cap = slot.capability
    if not isinstance(cap, UntypedCap) or cap.is_device:
        return True
    place = cap.free_offset
    while place < cap.clear_offset and place < u64(1) << cap.size_bits:
        if at(Granule, paging.kernel_address(cap.base + place)).value != 0:
            return False
        place += 1 << GRANULE_BITS
    return True


@invariant
def zombie_has_slots_left(slot: Slot) -> bool:
    """A zombie has at least one slot to clear, and no more than its object has."""
    cap = slot.capability
    if not isinstance(cap, ZombieCap):
        return True
    most = u64(THREAD_SLOTS) if cap.is_thread else u64(1) << cap.radix
    return 0 < cap.remaining and cap.remaining <= most


@invariant
def zombie_is_cleared_from_the_end(zombie: Slot, slot: Slot) -> bool:
    """The slots of a zombie's object that are not counted any more are empty."""
    cap = zombie.capability
    if not isinstance(cap, ZombieCap):
        return True
    size = u64(1) << size_bits_of(cap)
    if are_apart(base_of(cap), size, paging.physical_address(address_of(slot)), u64(1) << SLOT_BITS):
        return True
    return is_empty(slot) or address_of(slot) < address_of(cap.slots) + (cap.remaining << SLOT_BITS)


@invariant
def objects_are_apart(a: Slot, b: Slot) -> bool:
    """Two capabilities are to the same object, or to objects without a common byte. A zombie's has no other."""
    if a is b or not has_memory(a) or not has_memory(b):
        return True
    if isinstance(a.capability, UntypedCap) or isinstance(b.capability, UntypedCap):
        return True
    return same_object(a.capability, b.capability) or are_memory_apart(a, b)


@invariant
def untyped_memory_nests(a: Slot, b: Slot) -> bool:
    """Untyped memory and any object are apart, or one lies in the other, which is untyped."""
    cap = a.capability
    if not isinstance(cap, UntypedCap) or not has_memory(b) or are_memory_apart(a, b) or contains(cap, b.capability):
        return True
    other = b.capability
    return isinstance(other, UntypedCap) and contains(other, cap)


@invariant
def free_memory_is_unused(a: Slot, b: Slot) -> bool:
    """Whatever has a byte of an untyped's free part is the untyped memory that it was made from."""
    cap = a.capability
    if a is b or not isinstance(cap, UntypedCap) or not has_memory(b):
        return True
    free_start = cap.base + cap.free_offset
    free_size = (u64(1) << cap.size_bits) - cap.free_offset
    if are_apart(free_start, free_size, base_of(b.capability), u64(1) << size_bits_of(b.capability)):
        return True
    return isinstance(b.capability, UntypedCap) and is_descendant(b, a)


@invariant
def object_is_derived_from_its_memory(a: Slot, b: Slot) -> bool:
    """What lies in untyped memory is a descendant of it; of two to the same memory, one is the other's."""
    cap = a.capability
    if a is b or not isinstance(cap, (UntypedCap, IrqControlCap)) or not same_region(cap, b.capability):
        return True
    if isinstance(b.capability, (UntypedCap, IrqControlCap)) and is_descendant(b, a):
        return True
    return is_descendant(a, b)


@invariant
def neighbours_tell_the_last_capability(a: Slot, b: Slot) -> bool:
    """Where an object has two capabilities, neither is taken for the last one."""
    if a is b or not same_object(a.capability, b.capability):
        return True
    return not is_final(a) and not is_final(b)


# Proofs state the same otherwise: with intervals (derivation_tree), and in `capability_is_valid` (object_invariants).
# Those about a zombie's slots and a chain of cleared memory walk through memory.
EXECUTED_ONLY = (
    empty_slot_has_no_links,
    next_points_back,
    previous_points_here,
    change_of_badge_is_marked,
    source_of_objects_is_revocable,
    object_is_aligned,
    free_part_is_inside,
    cleared_memory_is_zero,
    zombie_has_slots_left,
    zombie_is_cleared_from_the_end,
    objects_are_apart,
    untyped_memory_nests,
    free_memory_is_unused,
    object_is_derived_from_its_memory,
    neighbours_tell_the_last_capability,
)

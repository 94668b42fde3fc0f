# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: the derivation tree as intervals, for proofs (manual: Capability Derivation Tree).

What a capability is to is told by its kind and two numbers: where the object begins, and its size, 0 for what lies in
no memory. Slots keep both as ghosts, so that proofs need not look into capabilities of each kind.
"""

from __future__ import annotations

from typing import overload

from tessera.kernel.capability import (
    Capability,
    CapKind,
    EndpointCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    SchedControlCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.layout import DerivationLink, Slot
from tessera.kernel.region import base_of, size_bits_of
from tessera.lang import forall, integer, live, rational, specification, trigger, u64


@specification
def start_of(cap: Capability) -> integer:
    """Where the object begins; for interrupts and cores the number, otherwise 0."""
    match cap:
        case IrqHandlerCap():
            return integer(cap.irq)
        case SchedControlCap():
            return integer(cap.core)
        case _:
            return integer(base_of(cap))


@specification
def size_of_object(cap: Capability) -> integer:
    """The bytes that the object takes."""
    size_bits = size_bits_of(cap)
    return integer(0) if size_bits == 0 else integer(u64(1) << size_bits)


@specification
def badge_in(cap: Capability) -> u64:
    """The badge; 0 for kinds that have none."""
    match cap:
        case EndpointCap():
            return cap.badge
        case NotificationCap():
            return cap.badge
        case _:
            return u64(0)


@specification
def is_untyped(slot: Slot) -> bool:
    """Whether a slot holds untyped memory."""
    return slot.capability.kind == CapKind.UNTYPED


@specification
def is_source(slot: Slot) -> bool:
    """Whether objects of other kinds are derived from the capability."""
    return slot.capability.kind == CapKind.UNTYPED or slot.capability.kind == CapKind.IRQ_CONTROL


@specification
def is_below(ancestor: Slot, slot: Slot) -> bool:
    """Whether a slot's interval lies inside of another's."""
    return ancestor.chain == slot.chain and ancestor.low < slot.low and slot.low < ancestor.high


@specification
def is_apart(start: integer, size: integer, slot: Slot) -> bool:
    """Whether a slot's object has no byte of a range."""
    return slot.object_size == 0 or start + size <= slot.object_start or slot.object_start + slot.object_size <= start


@specification
def is_inside(start: integer, size: integer, slot: Slot) -> bool:
    """Whether a range lies in a slot's object."""
    return slot.object_start <= start and start + size <= slot.object_start + slot.object_size


@specification
def is_same_region(a: Slot, b: Slot) -> bool:
    """What ``derivation.same_region`` says of two slots' capabilities."""
    if a.capability.kind == CapKind.UNTYPED:
        return b.object_size > 0 and is_inside(b.object_start, b.object_size, a)
    if a.capability.kind == CapKind.IRQ_CONTROL:
        return b.capability.kind == CapKind.IRQ_CONTROL or b.capability.kind == CapKind.IRQ_HANDLER
    return (
        a.capability.kind != CapKind.NULL
        and a.capability.kind != CapKind.ZOMBIE
        and a.capability.kind == b.capability.kind
        and a.object_start == b.object_start
        and a.object_size == b.object_size
    )


@specification
def is_parent(a: Slot, b: Slot) -> bool:
    """What ``derivation.is_parent_of`` says."""
    badge = badge_in(a.capability)
    return (
        a.link.revocable
        and is_same_region(a, b)
        and (badge == 0 or (badge_in(b.capability) == badge and not b.link.first_badged))
    )


@specification
def has_no_children(slot: Slot) -> bool:
    """Whether nothing that follows was derived from a slot's capability."""
    following = slot.link.next
    return following is None or not is_parent(slot, following)


@specification
def has_nothing_below(slot: Slot) -> bool:
    """Whether no capability at all was derived from a slot's."""
    return forall(Slot, lambda other: isinstance(other.capability, NullCap) or not is_below(slot, other))


@specification
def is_the_last(slot: Slot) -> bool:
    """Whether no other capability is to the object of a slot's; of untyped memory and interrupts nothing is said."""
    return is_source(slot) or forall(Slot, lambda other: other is slot or not is_same_region(slot, other))


@overload
def image(slot: Slot, first: Slot, second: Slot) -> Slot: ...
@overload
def image(slot: Slot | None, first: Slot, second: Slot) -> Slot | None: ...
@specification
def image(slot: Slot | None, first: Slot, second: Slot) -> Slot | None:
    """The slot that comes to where this one is when two are exchanged."""
    if slot is first:
        return second
    return first if slot is second else slot


@specification
def has_image(slot: Slot, first: Slot, second: Slot) -> bool:
    """Whether a slot's image is a slot, and this is the image's."""
    trigger(image(slot, first, second))
    other = image(slot, first, second)
    return live(other) and image(other, first, second) is slot


@specification
def has_next(slot: Slot, following: Slot | None) -> bool:
    """Whether this is the next slot."""
    trigger(slot.link.next)
    return slot.link.next is following


@specification
def has_before(slot: Slot, before: Slot | None) -> bool:
    """Whether this is the previous slot."""
    trigger(slot.previous)
    return slot.previous is before


@specification
def is_marked_as(slot: Slot, link: DerivationLink) -> bool:
    """Whether a slot has the marks in a link."""
    trigger(slot.link.revocable)
    trigger(slot.link.first_badged)
    return slot.link.revocable == link.revocable and slot.link.first_badged == link.first_badged


@specification
def has_place(slot: Slot, low: rational, high: rational, chain: integer) -> bool:
    """Whether this is a slot's interval."""
    trigger(slot.low)
    trigger(slot.high)
    trigger(slot.chain)
    return slot.low == low and slot.high == high and slot.chain == chain


@specification
def is_to(slot: Slot, capability: Capability, start: integer, size: integer) -> bool:
    """Whether this is a slot's capability, and what it is to."""
    trigger(slot.capability)
    trigger(slot.object_start)
    trigger(slot.object_size)
    return slot.capability == capability and slot.object_start == start and slot.object_size == size


@specification
def neighbours_know_it(slot: Slot) -> bool:
    """Whether a slot's neighbours have it as theirs, and the next one comes later."""
    trigger(slot.link.next)
    trigger(slot.previous)
    following = slot.link.next
    before = slot.previous
    if following is not None and (not live(following) or following.previous is not slot or following.low <= slot.low):
        return False
    return before is None or (live(before) and before.link.next is slot)


@specification
def is_same_object(new: Capability, old: Capability) -> bool:
    """Whether two capabilities are to one object, or to the same memory."""
    return new.kind == old.kind and start_of(new) == start_of(old) and size_of_object(new) == size_of_object(old)


@specification
def is_used_up(cap: Capability) -> bool:
    """Whether an untyped has no free part."""
    return isinstance(cap, UntypedCap) and integer(cap.free_offset) == size_of_object(cap)


@specification
def is_version(new: Capability, old: Capability) -> bool:
    """Whether a capability is to the same object, perhaps with less rights, a first badge or another guard."""
    return (
        is_same_object(new, old)
        and (badge_in(new) == badge_in(old) or badge_in(old) == 0)
        and (not isinstance(old, (UntypedCap, PageTableCap)) or new == old)
    )


@specification
def is_replacement(new: Capability, slot: Slot) -> bool:
    """Whether a capability can take the place of a slot's: it is to the same object, with the same badge."""
    old = slot.capability
    return is_version(new, old) and badge_in(new) == badge_in(old) and not isinstance(old, NullCap)


@specification
def is_copy(new: Capability, source: Slot) -> bool:
    """Whether a capability is a version of the source's, which can be copied."""
    old = source.capability
    return (
        is_version(new, old)
        and not isinstance(old, (NullCap, ZombieCap, IrqControlCap))
        and (not isinstance(old, UntypedCap) or has_nothing_below(source))
        and (not isinstance(new, PageTableCap) or new.is_mapped)
    )


@specification
def leaves_alone(slot: Slot, start: integer, size: integer, memory: Slot) -> bool:
    """Whether a slot's object has no byte of a range; or it is untyped memory: this one, or what it is a part of."""
    trigger(slot.object_start)
    return slot is memory or is_apart(start, size, slot) or (is_untyped(slot) and is_below(slot, memory))


@specification
def is_unused(start: integer, size: integer, memory: Slot) -> bool:
    """Whether only untyped memory has any byte of a range: this one, and what it is a part of."""
    return forall(Slot, lambda slot: leaves_alone(slot, start, size, memory))


@specification
def holds_all_or_nothing(slot: Slot, start: integer, size: integer, memory: Slot) -> bool:
    """Whether a slot's object has no byte of a range; or all of it, as untyped memory that has none of it to give."""
    trigger(slot.object_start)
    if is_apart(start, size, slot):
        return True
    cap = slot.capability
    return (
        isinstance(cap, UntypedCap)
        and is_inside(start, size, slot)
        and start + size <= slot.object_start + integer(cap.free_offset)
        and (slot is memory or is_below(slot, memory))
    )


@specification
def is_used_by_sources(start: integer, size: integer, memory: Slot) -> bool:
    """Whether only untyped memory has any byte of a range, and has handed it out."""
    return forall(Slot, lambda slot: holds_all_or_nothing(slot, start, size, memory))


@specification
def is_new_object(new: Capability, source: Slot) -> bool:
    """Whether a capability is the first one to an object in the part of an untyped that was taken just now."""
    old = source.capability
    return (
        isinstance(old, UntypedCap)
        and size_of_object(new) > 0
        and start_of(old) <= start_of(new)
        and start_of(new) + size_of_object(new) <= start_of(old) + integer(old.free_offset)
        and is_unused(start_of(new), size_of_object(new), source)
    )


@specification
def is_new_handler(new: Capability, source: Slot) -> bool:
    """Whether a capability is the first one to an interrupt, made by the right to do so."""
    return (
        isinstance(source.capability, IrqControlCap)
        and isinstance(new, IrqHandlerCap)
        and forall(
            Slot,
            lambda other: other.capability.kind != CapKind.IRQ_HANDLER or other.object_start != start_of(new),
        )
    )


# Most proofs only need that these are the same before and after, and for a copy as for its source.
OPAQUE = (start_of, size_of_object, image)

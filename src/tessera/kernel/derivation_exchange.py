# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: two slots exchange their places in the derivation tree (manual: Capability Derivation Tree).

What that does is said as one equation for each field, of all slots: a slot now is what its image was. So invariants
of one or two slots are the old ones of the images.
"""

from __future__ import annotations

from tessera.kernel.capability import Capability, NullCap
from tessera.kernel.derivation_order import (
    has_before,
    has_image,
    has_next,
    has_place,
    image,
    is_marked_as,
    is_replacement,
    is_to,
    neighbours_know_it,
)
from tessera.kernel.layout import Slot
from tessera.kernel.object_invariants import capability_is_valid
from tessera.lang import (
    compiled,
    ensures,
    forall,
    ghost,
    modifies,
    old,
    requires,
    specification,
    trigger,
    without_invariants,
)


@specification
def holds_valid(slot: Slot) -> bool:
    """Whether what a slot's capability refers to is there."""
    trigger(slot.capability)
    return capability_is_valid(slot.capability)


@compiled
def link_between(previous: Slot | None, slot: Slot, following: Slot | None) -> None:
    """Tell a slot's neighbours of it."""
    if previous is not None:
        previous.link = previous.link.replace(next=slot)
    if following is not None:
        following.previous = slot


@compiled
def exchange(first: Slot, second: Slot) -> None:
    """Exchange two slots' places in the tree."""
    requires(first is not second)
    requires(not isinstance(first.capability, NullCap) and not isinstance(second.capability, NullCap))
    modifies(first, second, Slot.link, Slot.previous)
    ensures(lambda: first.capability == old(second.capability) and second.capability == old(first.capability))
    exchange_places(first, second)


@compiled
def replace_capability(slot: Slot, capability: Capability) -> None:
    """Put another version of its capability into a slot."""
    requires(is_replacement(capability, slot))
    modifies(slot.capability)
    ensures(lambda: slot.capability == capability)
    slot.capability = capability


@compiled
def exchange_places(first: Slot, second: Slot) -> None:
    """Exchange two slots' capabilities and places, with what the ghosts say: each slot is then as the other one was."""
    without_invariants()
    requires(first is not second)
    requires(forall(Slot, lambda slot: neighbours_know_it(slot)))
    requires(forall(Slot, lambda slot: holds_valid(slot)))
    modifies(first, second, Slot.link, Slot.previous)
    ensures(lambda: first.capability == old(second.capability) and second.capability == old(first.capability))
    ensures(lambda: forall(Slot, lambda slot: holds_valid(slot)))
    ensures(lambda: image(None, first, second) is None)
    ensures(lambda: forall(Slot, lambda s: has_image(s, first, second)))
    ensures(lambda: forall(Slot, lambda s: has_next(s, image(old(image(s, first, second).link.next), first, second))))
    ensures(lambda: forall(Slot, lambda s: has_before(s, image(old(image(s, first, second).previous), first, second))))
    ensures(lambda: forall(Slot, lambda s: is_marked_as(s, old(image(s, first, second).link))))
    ensures(
        lambda: forall(
            Slot,
            lambda s: has_place(
                s,
                old(image(s, first, second).low),
                old(image(s, first, second).high),
                old(image(s, first, second).chain),
            ),
        )
    )
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_to(
                s,
                old(image(s, first, second).capability),
                old(image(s, first, second).object_start),
                old(image(s, first, second).object_size),
            ),
        )
    )
    first_link = first.link
    first_previous = first.previous
    link_between(first_previous, second, first_link.next)

    # Read only now: where the two are neighbours, the second's links have just been changed.
    second_link = second.link
    second_previous = second.previous
    first.link = second_link
    first.previous = second_previous
    second.link = first_link
    second.previous = first_previous
    link_between(second_previous, first, second_link.next)
    capability = first.capability
    first.capability = second.capability
    second.capability = capability
    with ghost:
        first.low, second.low = second.low, first.low
        first.high, second.high = second.high, first.high
        first.chain, second.chain = second.chain, first.chain
        first.object_start, second.object_start = second.object_start, first.object_start
        first.object_size, second.object_size = second.object_size, first.object_size

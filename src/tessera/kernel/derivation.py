# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: how capabilities are derived from each other (manual: Capability Derivation Tree and Revocation).

The tree is kept as one list in prefix order: the descendants of a slot stand directly behind it, as far as
:func:`is_parent_of` says so. Capabilities to one object are neighbours, except for untyped memory, which stands before
everything made of it. Invariants: :mod:`tessera.kernel.derivation_invariants`.
"""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.kernel.capability import (
    AsidControlCap,
    AsidPoolCap,
    Capability,
    CNodeCap,
    DomainCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    SchedControlCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.derivation_exchange import exchange, link_between, replace_capability
from tessera.kernel.derivation_order import (
    has_no_children,
    has_nothing_below,
    is_copy,
    is_new_handler,
    is_new_object,
    is_parent,
    is_replacement,
    is_same_object,
    is_the_last,
    is_used_by_sources,
    is_used_up,
    size_of_object,
    start_of,
)
from tessera.kernel.layout import DerivationLink, Slot
from tessera.kernel.memory_invariants import is_new_memory
from tessera.kernel.region import contains
from tessera.kernel.request import Status, fail, request
from tessera.kernel.state import IrqState, kernel
from tessera.lang import compiled, ensures, forall, ghost, integer, modifies, old, requires, u64


@compiled
def is_empty(slot: Slot) -> bool:
    """Whether a slot holds no capability."""
    return isinstance(slot.capability, NullCap)


@compiled
def same_region(a: Capability, b: Capability) -> bool:
    """Whether ``b`` is to the object of ``a``, or to something made from it. (seL4: sameRegionAs.)"""
    match a:
        case UntypedCap():
            return contains(a, b)
        case EndpointCap():
            return isinstance(b, EndpointCap) and a.endpoint is b.endpoint
        case NotificationCap():
            return isinstance(b, NotificationCap) and a.notification is b.notification
        case ReplyCap():
            return isinstance(b, ReplyCap) and a.reply is b.reply
        case CNodeCap():
            return isinstance(b, CNodeCap) and a.slots is b.slots
        case ThreadCap():
            return isinstance(b, ThreadCap) and a.tcb is b.tcb
        case SchedContextCap():
            return isinstance(b, SchedContextCap) and a.context is b.context
        case FrameCap():
            return isinstance(b, FrameCap) and a.base == b.base and a.size == b.size
        case PageTableCap():
            return isinstance(b, PageTableCap) and a.table is b.table
        case AsidPoolCap():
            return isinstance(b, AsidPoolCap) and a.pool is b.pool
        case IrqHandlerCap():
            return isinstance(b, IrqHandlerCap) and a.irq == b.irq
        case IrqControlCap():
            return isinstance(b, (IrqControlCap, IrqHandlerCap))
        case SchedControlCap():
            return isinstance(b, SchedControlCap) and a.core == b.core
        case DomainCap():
            return isinstance(b, DomainCap)
        case AsidControlCap():
            return isinstance(b, AsidControlCap)
        case _:
            return False


@compiled
def same_object(a: Capability, b: Capability) -> bool:
    """Whether two capabilities are to one object. Untyped memory is no object yet. (seL4: sameObjectAs.)"""
    if isinstance(a, (UntypedCap, IrqControlCap)):
        return False
    return same_region(a, b)


@compiled
def is_final(slot: Slot) -> bool:
    """Whether no other capability to the object exists: it would be a neighbour. (seL4: isFinalCapability.)"""
    ensures(lambda result: result == old(is_the_last(slot)))
    previous = slot.previous
    if previous is not None:
        if same_object(previous.capability, slot.capability):
            return False
    following = slot.link.next
    return following is None or not same_object(slot.capability, following.capability)


@compiled
def is_parent_of(a: Slot, b: Slot) -> bool:
    """Whether ``b`` is derived from ``a``, given that all slots between them are. (seL4: isMDBParentOf.)

    Of the capabilities to one endpoint, the unbadged one is the parent of all; a badged one is the parent of those
    with its badge up to the next one that was badged anew.
    """
    # The ghosts that this speaks of are only there in proofs, and `old` is not executed.
    ensures(lambda result: result == old(is_parent(a, b)))
    cap = a.capability
    if not a.link.revocable or not same_region(cap, b.capability):
        return False
    badge = badge_of(cap)
    if badge == 0:
        return True
    return badge_of(b.capability) == badge and not b.link.first_badged


@compiled
def badge_of(cap: Capability) -> u64:
    """The badge of a capability; 0 for kinds that have none."""
    match cap:
        case EndpointCap():
            return cap.badge
        case NotificationCap():
            return cap.badge
        case _:
            return u64(0)


@compiled
def has_children(slot: Slot) -> bool:
    """Whether anything was derived from a capability and still exists."""
    ensures(lambda result: result == old(not has_no_children(slot)))
    ensures(lambda result: result or is_empty(slot) or has_nothing_below(slot))
    following = slot.link.next
    return following is not None and is_parent_of(slot, following)


@compiled
def ensure_no_children(slot: Slot) -> Status:
    """Error REVOKE_FIRST unless nothing is derived from a capability."""
    modifies(request.error)
    ensures(lambda result: result == old(Status.OK if has_no_children(slot) else Status.ERROR))
    ensures(lambda result: result == Status.OK or request.error == Error.REVOKE_FIRST)
    ensures(lambda result: result == Status.ERROR or is_empty(slot) or has_nothing_below(slot))
    if has_children(slot):
        return fail(Error.REVOKE_FIRST)
    return Status.OK


@compiled
def ensure_empty(slot: Slot) -> Status:
    """Error DELETE_FIRST unless a slot is empty."""
    modifies(request.error)
    ensures(lambda result: result == (Status.OK if is_empty(slot) else Status.ERROR))
    ensures(lambda result: result == Status.OK or request.error == Error.DELETE_FIRST)
    if not is_empty(slot):
        return fail(Error.DELETE_FIRST)
    return Status.OK


@compiled
def is_revocable(new: Capability, source: Capability) -> bool:
    """Whether a new capability may have children: it is badged anew, an interrupt's, or untyped memory."""
    match new:
        case EndpointCap():
            return new.badge != badge_of(source)
        case NotificationCap():
            return new.badge != badge_of(source)
        case IrqHandlerCap():
            return isinstance(source, IrqControlCap)
        case UntypedCap():
            return True
        case _:
            return False


@compiled
def link_behind(source: Slot, destination: Slot, capability: Capability, marked: bool) -> None:
    """Put a capability into an empty slot, which comes directly behind the source in the tree's order."""
    requires(is_empty(destination))
    source_link = source.link
    following = source_link.next
    destination.capability = capability
    destination.previous = source
    destination.link = DerivationLink(next=following, revocable=marked, first_badged=marked)
    source.link = source_link.replace(next=destination)
    if following is not None:
        following.previous = destination
    with ghost:
        limit = source.high
        if following is not None and following.low < limit:
            limit = following.low
        part = (limit - source.low) / 4
        destination.chain = source.chain
        destination.low = source.low + part * 2
        destination.high = source.low + part * 3
        if not is_parent(source, destination):
            source.high = source.low + part


@compiled
def take_all(cap: UntypedCap) -> Capability:
    """An untyped with nothing left to hand out."""
    ensures(lambda result: is_same_object(result, cap) and is_used_up(result))
    return cap.replace(free_offset=u64(1) << cap.size_bits)


@compiled
def insert(capability: Capability, source: Slot, destination: Slot) -> None:
    """Put a capability that was derived from the source's into an empty slot. (seL4: cteInsert.)"""
    requires(is_empty(destination) and is_copy(capability, source))
    modifies(destination, source, Slot.previous)
    ensures(lambda: destination.capability == capability and source.link.next is destination)
    ensures(lambda: source.capability.kind == old(source.capability.kind))
    ensures(lambda: isinstance(source.capability, UntypedCap) or source.capability == old(source.capability))
    ensures(lambda: forall(Slot, lambda slot: slot.node_radix == old(slot.node_radix)))
    original = source.capability
    if isinstance(original, UntypedCap):
        # Two capabilities to the same free memory must not both hand it out: the original keeps nothing.
        source.capability = take_all(original)
    with ghost:
        destination.object_start = source.object_start
        destination.object_size = source.object_size
    link_behind(source, destination, capability, is_revocable(capability, original))


@compiled
def insert_handler(capability: IrqHandlerCap, source: Slot, destination: Slot) -> None:
    """Put the first capability to an interrupt behind the right to make it. (seL4: cteInsert.)"""
    requires(is_empty(destination) and is_new_handler(capability, source))
    requires(kernel.irq_states[capability.irq] != IrqState.INACTIVE)
    modifies(destination, source.link, Slot.previous)
    ensures(lambda: destination.capability == capability and source.link.next is destination)
    describe(destination, capability)
    link_behind(source, destination, capability, True)


@compiled
def insert_original(capability: Capability, parent: Slot, destination: Slot, marked: bool) -> None:
    """Put the first capability to a new object behind the untyped memory it is made of. (seL4: insertNewCap.)

    ``marked``: it may have children.
    """
    requires(is_empty(destination) and is_new_object(capability, parent))
    requires(is_new_memory(capability))
    requires(marked or not isinstance(capability, UntypedCap))
    modifies(destination, parent.link, Slot.previous)
    ensures(lambda: destination.capability == capability and parent.link.next is destination)
    with ghost:
        assert not isinstance(capability, (NullCap, IrqControlCap, IrqHandlerCap))
        assert is_used_by_sources(start_of(capability), size_of_object(capability), parent)
    describe(destination, capability)
    link_behind(parent, destination, capability, marked)


@compiled
def describe(slot: Slot, capability: Capability) -> None:
    """Say in the ghosts what a slot's new capability is to."""
    with ghost:
        slot.object_start = start_of(capability)
        slot.object_size = size_of_object(capability)


@compiled
def move(capability: Capability, source: Slot, destination: Slot) -> None:
    """Give the source's place in the tree, with this capability, to an empty slot. (seL4: cteMove.)"""
    requires(is_empty(destination) and is_replacement(capability, source))
    modifies(source, destination, Slot.link, Slot.previous)
    ensures(lambda: destination.capability == capability and is_empty(source))
    link = source.link
    previous = source.previous
    following = link.next
    destination.capability = capability
    destination.previous = previous
    destination.link = link
    with ghost:
        destination.low = source.low
        destination.high = source.high
        destination.chain = source.chain
        destination.object_start = source.object_start
        destination.object_size = source.object_size
    make_empty(source)
    link_between(previous, destination, following)


@compiled
def swap(first_capability: Capability, first: Slot, second_capability: Capability, second: Slot) -> None:
    """Exchange two slots' places in the tree: each gets the other's capability as given here. (seL4: cteSwap.)"""
    requires(first is not second)
    requires(is_replacement(first_capability, first) and is_replacement(second_capability, second))
    modifies(first, second, Slot.link, Slot.previous)
    ensures(lambda: first.capability == second_capability and second.capability == first_capability)
    replace_capability(first, first_capability)
    replace_capability(second, second_capability)
    exchange(first, second)


@compiled
def remove(slot: Slot) -> None:
    """Empty a slot. Its children become its parent's. (seL4: emptySlot.)"""
    modifies(slot.capability, slot.object_start, slot.object_size, Slot.link, Slot.previous)
    ensures(lambda: is_empty(slot))
    link = slot.link
    join(slot.previous, link.next, link.first_badged)
    make_empty(slot)


@compiled
def join(previous: Slot | None, following: Slot | None, marked: bool) -> None:
    """Make neighbours of what a slot stood between; ``marked``: its badge differed from its left neighbour's."""
    if previous is not None:
        previous.link = previous.link.replace(next=following)
    if following is not None:
        following.previous = previous
        # The next one's left neighbour is another now, whose badge may differ from it.
        if marked:
            following.link = following.link.replace(first_badged=True)


@compiled
def make_empty(slot: Slot) -> None:
    """Overwrite a slot that is in the tree no longer."""
    slot.capability = NullCap()
    slot.previous = None
    slot.link = DerivationLink()
    with ghost:
        slot.object_start = integer(0)
        slot.object_size = integer(0)

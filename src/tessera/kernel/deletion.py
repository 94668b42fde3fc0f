# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: deleting and revoking (manual: Deletion, Revocation, and Recycling).

Deleting the last capability to a CNode or a thread deletes everything in its slots, and so on. There is no recursion
and no work list in memory of its own: the last capability becomes a *zombie*, which counts the slots that are still to
be cleared, the last first. One slot, ``work``, holds the zombie in hand. When it meets another, it steps aside into the
first slot of the other one's object, which is cleared last; so nested zombies form a stack in the objects themselves.
Every step leaves a consistent state behind, so the kernel can stop between any two of them.
"""

from __future__ import annotations

from tessera.abi.objects import SLOT_BITS
from tessera.arch import paging
from tessera.kernel import derivation, interrupt, ipc, notification, reply, schedcontext, scheduler, thread, vspace
from tessera.kernel.capability import (
    AsidPoolCap,
    Capability,
    CapKind,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqHandlerCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    ZombieCap,
)
from tessera.kernel.cspace import slot_at
from tessera.kernel.derivation import is_empty
from tessera.kernel.derivation_order import has_nothing_below, is_the_last, size_of_object, start_of
from tessera.kernel.layout import Notification, Slot, Tcb
from tessera.kernel.region import THREAD_SLOTS
from tessera.kernel.request import Status
from tessera.kernel.state import irq_slots, kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import (
    address_of,
    compiled,
    ensures,
    forall,
    ghost,
    integer,
    loop_invariant,
    modifies,
    old,
    record,
    requires,
    specification,
    u64,
)


@record
class Step:
    """How one step of a deletion ended, and the slot that holds the zombie to go on with."""

    status: Status
    work: Slot


@specification
def has_slots(cap: Capability) -> bool:
    """Whether the object of a capability has slots of its own, which end with it."""
    return isinstance(cap, (CNodeCap, ThreadCap))


@specification
def takes_long(slot: Slot) -> bool:
    """Whether emptying a slot ends an object with slots."""
    return isinstance(slot.capability, ZombieCap) or (has_slots(slot.capability) and is_the_last(slot))


@specification
def lies_in(slot: Slot, zombie: ZombieCap) -> bool:
    """Whether a slot is one of a zombie's object."""
    place = integer(paging.physical_address(address_of(slot)))
    return start_of(zombie) <= place and place < start_of(zombie) + size_of_object(zombie)


@specification
def is_no_handler(cap: Capability, irq: u64) -> bool:
    """Whether a capability is not to an interrupt."""
    return cap.kind != CapKind.IRQ_HANDLER or start_of(cap) != integer(irq)


@specification
def is_kept(slot: Slot, capability: Capability) -> bool:
    """Whether a slot has the capability that it had, or none any more."""
    return is_empty(slot) or slot.capability == capability


@compiled
def revoke(slot: Slot) -> Status:
    """Delete everything derived from a capability. PREEMPTED: call again to go on. (seL4: cteRevoke.)"""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    ensures(lambda result: result != Status.OK or is_empty(slot) or has_nothing_below(slot))
    child = slot.link.next
    # Bounded by preemption points: one after each capability. Every deletion that ends takes one out of the tree.
    while child is not None and derivation.is_parent_of(slot, child):
        loop_invariant(child is slot.link.next and is_undisturbed(old(kernel.current.state)))
        status = delete(child)
        if status != Status.OK:
            return status
        if scheduler.preemption_point():
            return Status.PREEMPTED
        child = slot.link.next
    return Status.OK


@compiled
def delete(slot: Slot) -> Status:
    """Empty a slot, and end the object with its last capability. PREEMPTED: call again to go on. (seL4: cteDelete.)"""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    ensures(lambda result: result != Status.OK or is_empty(slot))
    status = finalise(slot)
    if status != Status.OK:
        return status
    work = slot
    zombie = work.capability
    # Bounded by preemption points: one after each step. Every step makes the first of these smaller that it changes:
    # capabilities in the system, those that are not zombies, zombies that did not step aside yet, slots left behind.
    while isinstance(zombie, ZombieCap):
        loop_invariant(work.capability == zombie and is_undisturbed(old(kernel.current.state)))
        step = reduce(work, zombie)
        if step.status != Status.OK:
            return step.status
        work = step.work
        zombie = work.capability
        if scheduler.preemption_point():
            return Status.PREEMPTED
    # What was left in this slot while other objects ended has ended, too: it is empty.
    return Status.OK if is_empty(slot) else Status.PREEMPTED


@compiled
def reduce(work: Slot, zombie: ZombieCap) -> Step:
    """One step of clearing the slots of a zombie's object, the last one first."""
    requires(work.capability == zombie and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result.status in (Status.OK, Status.PREEMPTED))
    last = last_of(zombie)
    inner = last.capability
    if isinstance(inner, NullCap):
        shrink(work, zombie)
        return Step(Status.OK, work)
    if not isinstance(inner, ZombieCap):
        # Empties the slot, or leaves a zombie there, unless it is preempted.
        return Step(finalise(last), work)
    if last is work:
        return Step(Status.OK, step_inside(work, zombie))
    if zombie.remaining == 1:
        # All that is left of this one is another, which stepped aside or was there anyway: go on with that.
        derivation.remove(work)
        derivation.move(inner, last, work)
        return Step(Status.OK, work)
    if inner.slots is work:
        # The one in hand has stepped aside for the other already.
        return Step(Status.OK, last)
    with ghost:
        # The other one's object has no slot of this one's.
        assert work.object_start <= work.object_start + last.object_start + last.object_size
        assert lies_in(inner.slots, inner)
        assert inner.slots is not last
    derivation.swap(zombie, work, inner, last)
    exchange(zombie, last, inner.slots)
    return Step(Status.OK, work)


@compiled
def last_of(zombie: ZombieCap) -> Slot:
    """The slot that is to be cleared next."""
    ensures(lambda result: address_of(result) == address_of(zombie.slots) + ((zombie.remaining - 1) << SLOT_BITS))
    ensures(lambda result: lies_in(result, zombie))
    return slot_at(zombie.slots, zombie.remaining - 1)


@compiled
def shrink(work: Slot, zombie: ZombieCap) -> None:
    """The last slot is empty. With the first one the object has ended."""
    requires(work.capability == zombie)
    modifies(work, Slot.link, Slot.previous)
    ensures(lambda: is_empty(work) or work.capability == zombie.replace(remaining=zombie.remaining - 1))
    if zombie.remaining == 1:
        derivation.remove(work)
    else:
        work.capability = zombie.replace(remaining=zombie.remaining - 1)


@compiled
def step_inside(work: Slot, zombie: ZombieCap) -> Slot:
    """The zombie lies in the very slot that is next: move it on to its object's first one, where it ends itself."""
    requires(work.capability == zombie)
    requires(address_of(work) == address_of(zombie.slots) + ((zombie.remaining - 1) << SLOT_BITS))
    ensures(lambda result: result is zombie.slots and (is_empty(result) or result.capability == zombie))
    first = zombie.slots
    if zombie.remaining == 1:
        derivation.remove(work)
    else:
        exchange(zombie, work, first)
    return first


@compiled
def exchange(zombie: ZombieCap, place: Slot, other: Slot) -> None:
    """Move a zombie to another slot; what that one held, if anything, takes its place."""
    requires(place.capability == zombie and place is not other)
    modifies(place, other, Slot.link, Slot.previous)
    ensures(lambda: other.capability == zombie and is_empty(place) == old(is_empty(other)))
    ensures(lambda: is_empty(place) or place.capability == old(other.capability))
    held = other.capability
    if isinstance(held, NullCap):
        derivation.move(zombie, place, other)
    else:
        derivation.swap(zombie, place, held, other)


@compiled
def finalise(slot: Slot) -> Status:
    """Undo what a capability does, and empty its slot; but the last one to a CNode or a thread becomes a zombie.

    PREEMPTED leaves the capability as it was. (seL4: finaliseCap, emptySlot.)
    """
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    ensures(lambda result: result != Status.OK or isinstance(slot.capability, (NullCap, ZombieCap)))
    ensures(lambda result: result == Status.OK or old(not has_slots(slot.capability)))
    ensures(lambda: forall(Slot, lambda other: other is slot or is_kept(other, old(other.capability))))
    ensures(lambda: forall(Slot, lambda other: other.node_radix == old(other.node_radix)))
    ensures(lambda result: result != Status.OK or is_empty(slot) or old(takes_long(slot)))
    cap = slot.capability
    match cap:
        case NullCap():
            return Status.OK
        case ZombieCap():
            return Status.OK
        case FrameCap():
            vspace.unmap_frame(cap)
        case CNodeCap():
            if derivation.is_final(slot):
                leave_zombie(slot, ZombieCap(slots=cap.slots, radix=cap.radix, remaining=u64(1) << cap.radix))
                return Status.OK
        case ThreadCap():
            if derivation.is_final(slot):
                finalise_thread(cap.tcb)
                leave_zombie(slot, ZombieCap(slots=cap.tcb.cspace_root, is_thread=True, remaining=THREAD_SLOTS))
                return Status.OK
        case IrqHandlerCap():
            if derivation.is_final(slot):
                with ghost:
                    assert forall(Slot, lambda other: other is slot or is_no_handler(other.capability, cap.irq))
                status = clear_notification(irq_slots.slots[cap.irq])
                if status != Status.OK:
                    return status
                derivation.remove(slot)
                with ghost:
                    assert forall(Slot, lambda other: is_no_handler(other.capability, cap.irq))
                interrupt.delete_handler(cap.irq)
                return Status.OK
        case _:
            if derivation.is_final(slot):
                status = finalise_object(cap)
                if status != Status.OK:
                    return status
    derivation.remove(slot)
    return Status.OK


@compiled
def leave_zombie(slot: Slot, zombie: ZombieCap) -> None:
    """The last capability to an object with slots becomes what remains of it."""
    requires(has_slots(slot.capability) and is_the_last(slot))
    requires(start_of(zombie) == start_of(slot.capability))
    requires(size_of_object(zombie) == size_of_object(slot.capability))
    modifies(slot.capability)
    ensures(lambda: slot.capability == zombie)
    slot.capability = zombie


@compiled
def finalise_object(cap: Capability) -> Status:
    """The last capability to an object goes away: take the object out of everything that refers to it."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    match cap:
        case EndpointCap():
            return ipc.cancel_all(cap.endpoint)
        case NotificationCap():
            return finalise_notification(cap.notification)
        case ReplyCap():
            reply.remove(cap.reply)
        case SchedContextCap():
            schedcontext.retire(cap.context)
        case PageTableCap():
            vspace.finalise_page_table(cap)
        case AsidPoolCap():
            vspace.delete_pool(cap)
        case _:
            pass
    return Status.OK


@compiled
def clear_notification(slot: Slot) -> Status:
    """Empty the slot that says where an interrupt is signalled. PREEMPTED: call again to go on."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: forall(Slot, lambda other: is_kept(other, old(other.capability))))
    ensures(lambda: forall(Slot, lambda other: other.node_radix == old(other.node_radix)))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    cap = slot.capability
    if isinstance(cap, NotificationCap):
        if derivation.is_final(slot):
            status = finalise_notification(cap.notification)
            if status != Status.OK:
                return status
        derivation.remove(slot)
    return Status.OK


@compiled
def finalise_notification(ended: Notification) -> Status:
    """Nobody waits for a notification any more, and no thread or scheduling context is bound to it."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    ensures(lambda result: result in (Status.OK, Status.PREEMPTED))
    notification.unbind(ended)
    notification.unbind_context(ended)
    return notification.cancel_all(ended)


@compiled
def finalise_thread(ended: Tcb) -> None:
    """A thread stops for good. Its FPU registers go with it: nothing is saved there any more."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    thread.retire(ended)
    if kernel.fpu_owner is ended:
        kernel.fpu_owner = None

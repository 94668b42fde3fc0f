# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: deleting and revoking (manual: Deletion, Revocation, and Recycling).

Deleting the last capability to a CNode or a thread deletes everything in its slots, and so on. There is no recursion
and no work list in memory of its own: the last capability becomes a *zombie*, which counts the slots that are still to
be cleared, the last first. One slot, ``work``, holds the zombie in hand. When it meets another, it steps aside into the
first slot of the other one's object, which is cleared last; so nested zombies form a stack in the objects themselves.
Every step leaves a consistent state behind, so the kernel can stop between any two of them.
"""

from __future__ import annotations

from tessera.kernel import derivation, interrupt, ipc, notification, reply, schedcontext, scheduler, thread, vspace
from tessera.kernel.capability import (
    AsidPoolCap,
    Capability,
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
from tessera.kernel.layout import Notification, Slot, Tcb
from tessera.kernel.region import THREAD_SLOTS
from tessera.kernel.request import Status
from tessera.kernel.state import irq_slots, kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, loop_invariant, old, record, requires, u64


@record
class Step:
    """How one step of a deletion ended, and the slot that holds the zombie to go on with."""

    status: Status
    work: Slot


@compiled
def revoke(slot: Slot) -> Status:
    """Delete everything derived from a capability. PREEMPTED: call again to go on. (seL4: cteRevoke.)"""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    child = slot.link.next
    # Bounded by preemption points: one after each capability. Every deletion that ends takes one out of the tree.
    while child is not None and derivation.is_parent_of(slot, child):
        loop_invariant(is_undisturbed(old(kernel.current.state)))
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
    return Status.OK


@compiled
def delete_one(slot: Slot) -> Status:
    """Empty a slot that holds no capability to a CNode or a thread. PREEMPTED: call again to go on."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    requires(not isinstance(slot.capability, (CNodeCap, ThreadCap, ZombieCap)))
    return finalise(slot)


@compiled
def reduce(work: Slot, zombie: ZombieCap) -> Step:
    """One step of clearing the slots of a zombie's object, the last one first."""
    requires(work.capability == zombie and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    last = slot_at(zombie.slots, zombie.remaining - 1)
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
    derivation.swap(zombie, work, inner, last)
    exchange(zombie, last, inner.slots)
    return Step(Status.OK, work)


@compiled
def shrink(work: Slot, zombie: ZombieCap) -> None:
    """The last slot is empty. With the first one the object has ended."""
    requires(work.capability == zombie)
    if zombie.remaining == 1:
        derivation.remove(work)
    else:
        work.capability = zombie.replace(remaining=zombie.remaining - 1)


@compiled
def step_inside(work: Slot, zombie: ZombieCap) -> Slot:
    """The zombie lies in the very slot that is next: move it on to its object's first one, where it ends itself."""
    requires(work.capability == zombie)
    first = zombie.slots
    if zombie.remaining == 1:
        derivation.remove(work)
    else:
        exchange(zombie, work, first)
    return first


@compiled
def exchange(zombie: ZombieCap, place: Slot, other: Slot) -> None:
    """Move a zombie to another slot; what that one held, if anything, takes its place."""
    requires(place.capability == zombie)
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
    cap = slot.capability
    match cap:
        case NullCap():
            return Status.OK
        case ZombieCap():
            return Status.OK
        case FrameCap():
            vspace.unmap_frame(cap)
        case _:
            if derivation.is_final(slot):
                status = finalise_object(cap)
                if status != Status.OK:
                    return status
                rest = remains_of(cap)
                if isinstance(rest, ZombieCap):
                    slot.capability = rest
                    return Status.OK
    derivation.remove(slot)
    return Status.OK


@compiled
def remains_of(cap: Capability) -> Capability:
    """The zombie that the last capability to an object with slots becomes; null for others."""
    match cap:
        case CNodeCap():
            return ZombieCap(slots=cap.slots, radix=cap.radix, remaining=u64(1) << cap.radix)
        case ThreadCap():
            return ZombieCap(slots=cap.tcb.cspace_root, is_thread=True, remaining=THREAD_SLOTS)
        case _:
            return NullCap()


@compiled
def finalise_object(cap: Capability) -> Status:
    """The last capability to an object goes away: take the object out of everything that refers to it."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    match cap:
        case EndpointCap():
            return ipc.cancel_all(cap.endpoint)
        case NotificationCap():
            return finalise_notification(cap.notification)
        case IrqHandlerCap():
            status = clear_notification(irq_slots.slots[cap.irq])
            if status == Status.OK:
                interrupt.delete_handler(cap.irq)
            return status
        case ReplyCap():
            reply.remove(cap.reply)
        case ThreadCap():
            finalise_thread(cap.tcb)
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
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
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

# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: deleting and revoking (manual: Deletion, Revocation, and Recycling)."""

from __future__ import annotations

from tessera.spec import contexts, derivation, ipc, notifications, replies, threads, vspace
from tessera.spec.capability import (
    Capability,
    CNodeCap,
    ContextCap,
    EndpointCap,
    FrameCap,
    IrqHandlerCap,
    NotificationCap,
    PoolCap,
    ReplyCap,
    TableCap,
    ThreadCap,
    object_of,
)
from tessera.spec.objects import AsidPool, Context, Endpoint, Node, Notification, Place, Reply, Table, Thread
from tessera.spec.state import Kernel, held


def revoke(k: Kernel, place: Place) -> None:
    """Delete everything derived from a capability, the newest first."""
    while children := k.children.get(place):
        delete(k, children[0])


def delete(k: Kernel, place: Place) -> None:
    """Empty a slot. With the last capability to a CNode or a thread everything in its slots goes, the last slot first,
    and so on.
    """
    to_do = [place]
    while to_do:
        place = to_do.pop()
        cap = held(place)
        if cap is None:
            continue
        inner = None
        if isinstance(cap, FrameCap):
            vspace.unmap_frame(k, cap)
        elif object_of(cap) is not None and k.is_last(cap):
            end(k, cap)
            inner = cap.node if isinstance(cap, CNodeCap) else cap.thread.own if isinstance(cap, ThreadCap) else None
        derivation.remove(k, place)
        if inner is not None:
            to_do += [(inner, index) for index in sorted(inner.slots)]


def end(k: Kernel, cap: Capability) -> None:
    """The last capability to an object goes away: take the object out of everything that refers to it."""
    match cap:
        case EndpointCap(endpoint):
            ipc.cancel_all(k, endpoint)
        case NotificationCap(notification):
            notifications.end(k, notification)
        case IrqHandlerCap(irq):
            delete(k, (k.interrupts, irq))
            k.irqs_in_use.discard(irq)
            k.unacknowledged.discard(irq)
        case ReplyCap(reply):
            replies.end(k, reply)
        case ThreadCap(thread):
            threads.end(k, thread)
            if k.fpu_owner is thread:
                k.fpu_owner = None
        case ContextCap(context):
            contexts.end(k, context)
        case TableCap():
            vspace.end_table(k, cap)
        case PoolCap():
            vspace.end_pool(k, cap)
        case _:
            pass
    thing = object_of(cap)
    if isinstance(thing, (Node, Thread, Endpoint, Notification, Reply, Context, Table, AsidPool)):
        del k.objects[thing.name]

# SPDX-License-Identifier: BSD-2-Clause
"""The Capability Derivation Tree: who was derived from whom (manual: Capability Spaces, Capability Derivation Tree)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tessera.abi.errors import Error
from tessera.abi.messages import CapRights, CNodeData
from tessera.abi.objects import WORD_BITS
from tessera.spec.capability import (
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    ReplyCap,
    TableCap,
    UntypedCap,
    badge_of,
)
from tessera.spec.objects import Node, Place
from tessera.spec.refusal import Refused, illegal_operation
from tessera.spec.state import Kernel, held


def part(layout: Any, name: str, word: int) -> int:
    """A field of a word that the binary interface declares (abi.messages)."""
    spec = layout.__packed__.fields()[name]
    return int(word >> spec.low & ((1 << spec.width) - 1))


def has_children(k: Kernel, place: Place) -> bool:
    """Whether anything was derived from a capability and still exists."""
    return bool(k.children.get(place))


def becomes_original(new: Capability, source: Capability | None) -> bool:
    """Whether a capability made from another one may have children of its own."""
    match new:
        case EndpointCap() | NotificationCap():
            return badge_of(new) != badge_of(source)
        case IrqHandlerCap():
            return isinstance(source, IrqControlCap)
        case UntypedCap():
            return True
        case _:
            return False


def is_child(k: Kernel, source: Place, new: Capability) -> bool:
    """Whether a capability derived from the source's is its child; else it is a sibling.

    A badged capability is the parent of those with its badge only, the unbadged one of all.
    """
    cap = held(source)
    return source in k.original and badge_of(cap) in (0, badge_of(new))


def _link(k: Kernel, place: Place, parent: Place | None, before: Place | None) -> None:
    """Make a slot the first child of ``parent``, or the sibling that comes right behind ``before``."""
    k.parent[place] = parent
    if parent is not None:
        siblings = k.children.setdefault(parent, [])
        siblings.insert(siblings.index(before) + 1 if before is not None else 0, place)


def insert(k: Kernel, new: Capability, source: Place, place: Place) -> None:
    """Put a capability that was made from the source's into an empty slot."""
    original = becomes_original(new, held(source))
    if is_child(k, source, new):
        _link(k, place, source, None)
    else:
        _link(k, place, k.parent[source], source)
    k.put(place, new)
    if original:
        k.original.add(place)


def copy(k: Kernel, new: Capability, source: Place, place: Place) -> None:
    """The same for a copy: of untyped memory, nothing is left to the source."""
    cap = held(source)
    insert(k, new, source, place)
    if isinstance(cap, UntypedCap):
        k.put(source, replace(cap, watermark=1 << cap.size_bits))


def create(k: Kernel, new: Capability, memory: Place, place: Place) -> None:
    """Put the first capability to a new object into an empty slot: a child of the untyped memory it is made of."""
    _link(k, place, memory, None)
    k.put(place, new)
    k.original.add(place)


def move(k: Kernel, new: Capability, source: Place, place: Place) -> None:
    """Give the source's place in the tree, with this capability, to an empty slot."""
    parent = k.parent[place] = k.parent.pop(source)
    if parent is not None:
        siblings = k.children[parent]
        siblings[siblings.index(source)] = place
    children = k.children.pop(source, [])
    if children:
        k.children[place] = children
        for child in children:
            k.parent[child] = place
    if source in k.original:
        k.original.remove(source)
        k.original.add(place)
    k.put(place, new)
    k.clear(source)


def swap(k: Kernel, new_first: Capability, first: Place, new_second: Capability, second: Place) -> None:
    """Exchange two slots' places in the tree: each gets the other's capability, as given here."""
    aside = (Node(-2, 0), 0)
    move(k, new_first, first, aside)
    move(k, new_second, second, first)
    move(k, new_first, aside, second)


def remove(k: Kernel, place: Place) -> None:
    """Empty a slot. Its children become its parent's, in its place."""
    parent = k.parent.pop(place)
    children = k.children.pop(place, [])
    for child in children:
        k.parent[child] = parent
    if parent is not None:
        siblings = k.children[parent]
        index = siblings.index(place)
        siblings[index : index + 1] = children
    k.original.discard(place)
    k.clear(place)


def derived(k: Kernel, place: Place, cap: Capability) -> Capability | None:
    """What a copy of this capability, found in ``place``, is; ``None`` if its kind cannot be copied."""
    match cap:
        case UntypedCap():
            ensure_childless(k, place)
            return cap
        case FrameCap():
            return replace(cap, asid=0, address=0)
        case TableCap() if not cap.is_mapped:
            raise illegal_operation()
        case IrqControlCap():
            return None
        case _:
            return cap


def ensure_childless(k: Kernel, place: Place) -> None:
    """REVOKE_FIRST unless nothing is derived from a capability."""
    if has_children(k, place):
        raise Refused(Error.REVOKE_FIRST)


def with_data(cap: Capability, data: int, is_moved: bool) -> Capability | None:
    """The capability with a badge or guard of its own; ``None`` where that cannot be. A badge is given only once."""
    match cap:
        case EndpointCap() | NotificationCap():
            return None if is_moved or cap.badge != 0 else replace(cap, badge=data)
        case CNodeCap():
            guard_size = part(CNodeData, "guard_size", data)
            if guard_size + cap.node.radix > WORD_BITS:
                return None
            guard = part(CNodeData, "guard", data) & ((1 << guard_size) - 1)
            return replace(cap, guard_size=guard_size, guard=guard)
        case _:
            return cap


def with_rights(cap: Capability, rights: int) -> Capability:
    """The capability with no more than these rights. Memory that can be written can be read, too."""
    write, read = part(CapRights, "write", rights) == 1, part(CapRights, "read", rights) == 1
    grant, grant_reply = part(CapRights, "grant", rights) == 1, part(CapRights, "grant_reply", rights) == 1
    match cap:
        case EndpointCap():
            return replace(
                cap,
                can_send=cap.can_send and write,
                can_receive=cap.can_receive and read,
                can_grant=cap.can_grant and grant,
                can_grant_reply=cap.can_grant_reply and grant_reply,
            )
        case NotificationCap():
            return replace(cap, can_send=cap.can_send and write, can_receive=cap.can_receive and read)
        case ReplyCap():
            return replace(cap, can_grant=cap.can_grant and grant)
        case FrameCap():
            can_read = cap.can_read and read
            return replace(cap, can_read=can_read, can_write=can_read and cap.can_write and write)
        case _:
            return cap

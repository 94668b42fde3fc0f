# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: what a copy of a capability is (manual: Capability-based Access Control, Capability Rights)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.messages import CapRights, CNodeData
from tessera.abi.objects import WORD_BITS
from tessera.kernel.capability import (
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    NotificationCap,
    NullCap,
    PageTableCap,
    ReplyCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.derivation import ensure_no_children
from tessera.kernel.derivation_order import badge_in, has_nothing_below, is_version
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, fail, request
from tessera.lang import compiled, ensures, from_word, modifies, requires, specification, u64


@specification
def is_masked(new: Capability, old: Capability, allowed: CapRights) -> bool:
    """Whether a capability has those of another one's rights that are allowed, and no other."""
    match new:
        case EndpointCap():
            if not isinstance(old, EndpointCap):
                return False
            writes = new.can_send == (old.can_send and allowed.write)
            reads = new.can_receive == (old.can_receive and allowed.read)
            grants = new.can_grant == (old.can_grant and allowed.grant)
            return writes and reads and grants and new.can_grant_reply == (old.can_grant_reply and allowed.grant_reply)
        case NotificationCap():
            if not isinstance(old, NotificationCap):
                return False
            writes = new.can_send == (old.can_send and allowed.write)
            return writes and new.can_receive == (old.can_receive and allowed.read)
        case ReplyCap():
            return isinstance(old, ReplyCap) and new.can_grant == (old.can_grant and allowed.grant)
        case FrameCap():
            if not isinstance(old, FrameCap) or new != old.replace(can_read=new.can_read, can_write=new.can_write):
                return False
            reads = new.can_read == (old.can_read and allowed.read)
            return reads and new.can_write == (new.can_read and old.can_write and allowed.write)
        case _:
            return new == old


@compiled
def mask_rights(rights: u64, cap: Capability) -> Capability:
    """The capability with no more than these rights, as user level writes them. (seL4: maskCapRights.)"""
    ensures(lambda result: is_version(result, cap) and is_masked(result, cap, from_word(CapRights, rights)))
    allowed = from_word(CapRights, rights)
    match cap:
        case EndpointCap():
            return cap.replace(
                can_send=cap.can_send and allowed.write,
                can_receive=cap.can_receive and allowed.read,
                can_grant=cap.can_grant and allowed.grant,
                can_grant_reply=cap.can_grant_reply and allowed.grant_reply,
            )
        case NotificationCap():
            return cap.replace(
                can_send=cap.can_send and allowed.write,
                can_receive=cap.can_receive and allowed.read,
            )
        case ReplyCap():
            return cap.replace(can_grant=cap.can_grant and allowed.grant)
        case FrameCap():
            # Memory that can be written can be read, too.
            can_read = cap.can_read and allowed.read
            return cap.replace(can_read=can_read, can_write=can_read and cap.can_write and allowed.write)
        case _:
            return cap


@specification
def derived(cap: Capability) -> Capability:
    """What a copy of a capability is; null for what cannot be copied."""
    match cap:
        case FrameCap():
            return cap.replace(asid=0, mapped_address=0)
        case PageTableCap():
            return cap if cap.is_mapped else NullCap()
        case ZombieCap() | IrqControlCap():
            return NullCap()
        case _:
            return cap


@specification
def underived(cap: Capability) -> Error:
    """Why there is no copy of a capability."""
    return Error.REVOKE_FIRST if isinstance(cap, UntypedCap) else Error.ILLEGAL_OPERATION


@compiled
def derive(slot: Slot, cap: Capability) -> tuple[Status, Capability]:
    """The capability that a copy of this one, found in ``slot``, is; null if its kind cannot be copied.

    Errors: REVOKE_FIRST for untyped memory that is in use, ILLEGAL_OPERATION for a page table that is not mapped.
    (seL4: deriveCap.)
    """
    requires(not isinstance(cap, UntypedCap) or isinstance(slot.capability, UntypedCap))
    modifies(request.error)
    ensures(lambda result: result[0] == Status.OK or (result[0] == Status.ERROR and isinstance(result[1], NullCap)))
    ensures(lambda result: result[1] == (derived(cap) if result[0] == Status.OK else NullCap()))
    ensures(lambda result: isinstance(result[1], NullCap) or not isinstance(cap, UntypedCap) or has_nothing_below(slot))
    ensures(lambda result: result[0] == Status.OK or request.error == underived(cap))
    match cap:
        case UntypedCap():
            status = ensure_no_children(slot)
            if status != Status.OK:
                return status, NullCap()
            return Status.OK, cap
        case FrameCap():
            # A mapping belongs to one capability, so that unmapping it is unmistakable.
            return Status.OK, cap.replace(asid=0, mapped_address=0)
        case PageTableCap():
            if not cap.is_mapped:
                return fail(Error.ILLEGAL_OPERATION), NullCap()
            return Status.OK, cap
        case ZombieCap():
            return Status.OK, NullCap()
        case IrqControlCap():
            return Status.OK, NullCap()
        case _:
            return Status.OK, cap


@specification
def is_updated(new: Capability, old: Capability, data: u64) -> bool:
    """Whether a capability differs from another in its badge or guard only, which it got."""
    match old:
        case EndpointCap():
            return new == old.replace(badge=data)
        case NotificationCap():
            return new == old.replace(badge=data)
        case CNodeCap():
            size = from_word(CNodeData, data).guard_size
            guard = from_word(CNodeData, data).guard & (u64(1) << size) - 1
            return new == old.replace(guard_size=size, guard=guard)
        case _:
            return new == old


@specification
def may_not_update(preserve: bool, cap: Capability, data: u64) -> bool:
    """Whether a capability cannot get a badge, for it has one or is to keep it; or not a guard, which is too long."""
    match cap:
        case EndpointCap():
            return preserve or cap.badge != 0
        case NotificationCap():
            return preserve or cap.badge != 0
        case CNodeCap():
            return from_word(CNodeData, data).guard_size + cap.radix > WORD_BITS
        case _:
            return isinstance(cap, NullCap)


@compiled
def update_data(preserve: bool, data: u64, cap: Capability) -> Capability:
    """The capability with a badge or guard of its own; null if that is not possible. (seL4: updateCapData.)

    A badge can be given once, and not where the old one is to be preserved; a guard at any time.
    """
    ensures(lambda result: isinstance(result, NullCap) or is_version(result, cap))
    ensures(lambda result: isinstance(result, NullCap) or not preserve or badge_in(result) == badge_in(cap))
    ensures(lambda result: isinstance(result, NullCap) or is_updated(result, cap, data))
    ensures(lambda result: not isinstance(result, NullCap) or may_not_update(preserve, cap, data))
    match cap:
        case EndpointCap():
            if preserve or cap.badge != 0:
                return NullCap()
            return cap.replace(badge=data)
        case NotificationCap():
            if preserve or cap.badge != 0:
                return NullCap()
            return cap.replace(badge=data)
        case CNodeCap():
            wanted = from_word(CNodeData, data)
            if wanted.guard_size + cap.radix > WORD_BITS:
                return NullCap()
            guard = wanted.guard & ((u64(1) << wanted.guard_size) - 1)
            return cap.replace(guard_size=wanted.guard_size, guard=guard)
        case _:
            return cap

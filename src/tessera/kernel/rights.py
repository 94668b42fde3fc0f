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
from tessera.kernel.derivation_order import badge_in, is_version
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, fail
from tessera.lang import compiled, ensures, from_word, u64


@compiled
def mask_rights(rights: u64, cap: Capability) -> Capability:
    """The capability with no more than these rights, as user level writes them. (seL4: maskCapRights.)"""
    ensures(lambda result: is_version(result, cap))
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


@compiled
def derive(slot: Slot, cap: Capability) -> tuple[Status, Capability]:
    """The capability that a copy of this one, found in ``slot``, is; null if its kind cannot be copied.

    Errors: REVOKE_FIRST for untyped memory that is in use, ILLEGAL_OPERATION for a page table that is not mapped.
    (seL4: deriveCap.)
    """
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


@compiled
def update_data(preserve: bool, data: u64, cap: Capability) -> Capability:
    """The capability with a badge or guard of its own; null if that is not possible. (seL4: updateCapData.)

    A badge can be given once, and not where the old one is to be preserved; a guard at any time.
    """
    ensures(lambda result: isinstance(result, NullCap) or is_version(result, cap))
    ensures(lambda result: isinstance(result, NullCap) or not preserve or badge_in(result) == badge_in(cap))
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

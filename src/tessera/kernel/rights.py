# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: rights of capabilities (manual: Capability-based Access Control, Capability Rights)."""

from __future__ import annotations

from tessera.abi.messages import CapRights
from tessera.kernel.capability import Capability, EndpointCap, FrameCap, NotificationCap, ReplyCap
from tessera.lang import compiled, from_word, u64


@compiled
def mask_rights(rights: u64, cap: Capability) -> Capability:
    """The capability with no more than these rights, as user level writes them. (seL4: maskCapRights.)"""
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

# SPDX-License-Identifier: BSD-2-Clause
"""Capabilities: every kind packed into 128 bits (manual: Capability-based Access Control).

References are canonical kernel addresses of 39 bits; memory (untyped, frames) is named by physical address. The layout
is the kernel's own: user level never sees it. The address is at the top of its word, so that one shift gives it, sign
included; what is looked at first is at the bottom, where one instruction can compare it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from tessera.lang import Packed, bits, packed, u64, u128, variant, word

if TYPE_CHECKING:
    from tessera.kernel.layout import (
        AsidPool,
        Endpoint,
        Notification,
        PageTable,
        Reply,
        SchedContext,
        Slot,
        Tcb,
    )


@word(u64)
class CapKind(IntEnum):
    """What a capability is to; 0 is an empty slot."""

    NULL = 0
    UNTYPED = 1
    ENDPOINT = 2
    NOTIFICATION = 3
    REPLY = 4
    CNODE = 5
    THREAD = 6
    SCHED_CONTEXT = 7
    SCHED_CONTROL = 8
    IRQ_CONTROL = 9
    IRQ_HANDLER = 10
    DOMAIN = 11
    ZOMBIE = 12
    FRAME = 13
    PAGE_TABLE = 14
    ASID_CONTROL = 15
    ASID_POOL = 16


@word(u64)
class FrameSize(IntEnum):
    """Sizes of frames; see ``arch.paging`` for their bits."""

    PAGE = 0
    MEGA_PAGE = 1
    GIGA_PAGE = 2


@packed(u128, tag="kind")
class Capability(Packed):
    """Any capability."""

    kind: CapKind = bits(0, 5)


@variant(CapKind.NULL)
class NullCap(Capability):
    """An empty slot's content: all bits are zero."""


@variant(CapKind.UNTYPED)
class UntypedCap(Capability):
    """Memory not used yet: ``2**size_bits`` bytes at ``base`` (physical), of which ``free_offset`` bytes are taken.

    What is free below ``clear_offset`` is known to be zero. That has no meaning for a device's memory, so 29 bits are
    enough: no other is larger than ``2**37`` bytes.
    """

    base: u64 = bits(25, 39)
    is_device: bool = bits(5, 1)
    size_bits: u64 = bits(6, 6)
    free_offset: u64 = bits(64, 35, shift=4)
    clear_offset: u64 = bits(99, 29, shift=9)


@variant(CapKind.ENDPOINT)
class EndpointCap(Capability):
    """The right to send to or receive from an endpoint; receivers see the badge."""

    endpoint: Endpoint = bits(25, 39, signed=True)
    can_send: bool = bits(5, 1)
    can_receive: bool = bits(6, 1)
    can_grant: bool = bits(7, 1)
    can_grant_reply: bool = bits(8, 1)
    badge: u64 = bits(64, 64)


@variant(CapKind.NOTIFICATION)
class NotificationCap(Capability):
    """The right to signal or wait for a notification; signalling ORs the badge in."""

    notification: Notification = bits(25, 39, signed=True)
    can_send: bool = bits(5, 1)
    can_receive: bool = bits(6, 1)
    badge: u64 = bits(64, 64)


@variant(CapKind.REPLY)
class ReplyCap(Capability):
    """The right to use a reply object."""

    reply: Reply = bits(25, 39, signed=True)
    can_grant: bool = bits(7, 1)


@variant(CapKind.CNODE)
class CNodeCap(Capability):
    """A table of ``2**radix`` slots; an address must begin with ``guard_size`` bits equal to ``guard``."""

    slots: Slot = bits(25, 39, signed=True)
    radix: u64 = bits(5, 6)
    guard_size: u64 = bits(11, 6)
    guard: u64 = bits(64, 64)


@variant(CapKind.THREAD)
class ThreadCap(Capability):
    """Authority over a thread."""

    tcb: Tcb = bits(25, 39, signed=True)


@variant(CapKind.SCHED_CONTEXT)
class SchedContextCap(Capability):
    """A scheduling context of ``2**size_bits`` bytes."""

    context: SchedContext = bits(25, 39, signed=True)
    size_bits: u64 = bits(5, 6)


@variant(CapKind.SCHED_CONTROL)
class SchedControlCap(Capability):
    """The right to give out time of one core."""

    core: u64 = bits(32, 32)


@variant(CapKind.IRQ_CONTROL)
class IrqControlCap(Capability):
    """The right to make interrupt handler capabilities."""


@variant(CapKind.IRQ_HANDLER)
class IrqHandlerCap(Capability):
    """Authority over one interrupt."""

    irq: u64 = bits(32, 12)


@variant(CapKind.DOMAIN)
class DomainCap(Capability):
    """The right to assign domains and to set their schedule."""


@variant(CapKind.ZOMBIE)
class ZombieCap(Capability):
    """An object in deletion: ``remaining`` of its slots are still to be cleared, the last first.

    ``slots`` is the first slot of the CNode, or of the thread if ``is_thread``; ``radix`` is the CNode's.
    """

    slots: Slot = bits(25, 39, signed=True)
    radix: u64 = bits(5, 6)
    is_thread: bool = bits(11, 1)
    remaining: u64 = bits(64, 48)


@variant(CapKind.FRAME)
class FrameCap(Capability):
    """Memory that can be mapped, at ``base`` (physical). ``asid`` 0: not mapped."""

    base: u64 = bits(25, 39)
    asid: u64 = bits(9, 16)
    size: FrameSize = bits(5, 2)
    can_read: bool = bits(7, 1)
    can_write: bool = bits(8, 1)
    mapped_address: u64 = bits(64, 39)
    is_device: bool = bits(103, 1)


@variant(CapKind.PAGE_TABLE)
class PageTableCap(Capability):
    """A page table of any level; an address space is a page table with an ``asid`` that is mapped nowhere."""

    table: PageTable = bits(25, 39, signed=True)
    asid: u64 = bits(9, 16)
    is_mapped: bool = bits(5, 1)
    mapped_address: u64 = bits(64, 39)


@variant(CapKind.ASID_CONTROL)
class AsidControlCap(Capability):
    """The right to make pools of address space identifiers."""


@variant(CapKind.ASID_POOL)
class AsidPoolCap(Capability):
    """512 address space identifiers from ``asid_base``."""

    pool: AsidPool = bits(25, 39, signed=True)
    asid_base: u64 = bits(9, 16)

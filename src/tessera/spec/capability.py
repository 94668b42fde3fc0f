# SPDX-License-Identifier: BSD-2-Clause
"""Capabilities (manual: Capability-based Access Control).

An empty slot holds ``None``. A capability names its object; memory is named by physical address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tessera.spec.objects import AsidPool, Context, Endpoint, Node, Notification, Reply, Table, Thread


@dataclass(frozen=True, slots=True)
class UntypedCap:
    """``2**size_bits`` bytes at ``base``, of which those below ``watermark`` are taken."""

    base: int
    size_bits: int
    is_device: bool
    watermark: int = 0


@dataclass(frozen=True, slots=True)
class EndpointCap:
    """The right to send to or receive from an endpoint."""

    endpoint: Endpoint
    badge: int = 0
    can_send: bool = True
    can_receive: bool = True
    can_grant: bool = True
    can_grant_reply: bool = True


@dataclass(frozen=True, slots=True)
class NotificationCap:
    """The right to signal or wait for a notification."""

    notification: Notification
    badge: int = 0
    can_send: bool = True
    can_receive: bool = True


@dataclass(frozen=True, slots=True)
class ReplyCap:
    """The right to use a reply object."""

    reply: Reply
    can_grant: bool = True


@dataclass(frozen=True, slots=True)
class CNodeCap:
    """A CNode; an address must begin with ``guard_size`` bits equal to ``guard``."""

    node: Node
    guard_size: int = 0
    guard: int = 0


@dataclass(frozen=True, slots=True)
class ThreadCap:
    """Authority over a thread."""

    thread: Thread


@dataclass(frozen=True, slots=True)
class ContextCap:
    """A scheduling context of ``2**size_bits`` bytes."""

    context: Context
    size_bits: int


@dataclass(frozen=True, slots=True)
class SchedControlCap:
    """The right to give out time of one core."""

    core: int


@dataclass(frozen=True, slots=True)
class IrqControlCap:
    """The right to make interrupt handler capabilities."""


@dataclass(frozen=True, slots=True)
class IrqHandlerCap:
    """Authority over one interrupt."""

    irq: int


@dataclass(frozen=True, slots=True)
class DomainCap:
    """The right to assign domains and to set their schedule."""


@dataclass(frozen=True, slots=True)
class FrameCap:
    """Memory that can be mapped. ``asid`` 0: mapped nowhere."""

    base: int
    level: int
    is_device: bool
    can_read: bool = True
    can_write: bool = True
    asid: int = 0
    address: int = 0


@dataclass(frozen=True, slots=True)
class TableCap:
    """A page table; a root of an address space is one that a pool knows by the identifier."""

    table: Table
    is_mapped: bool = False
    asid: int = 0
    address: int = 0


@dataclass(frozen=True, slots=True)
class AsidControlCap:
    """The right to make pools of address space identifiers."""


@dataclass(frozen=True, slots=True)
class PoolCap:
    """512 address space identifiers from ``asid_base`` on."""

    pool: AsidPool
    asid_base: int


Capability = (
    UntypedCap
    | EndpointCap
    | NotificationCap
    | ReplyCap
    | CNodeCap
    | ThreadCap
    | ContextCap
    | SchedControlCap
    | IrqControlCap
    | IrqHandlerCap
    | DomainCap
    | FrameCap
    | TableCap
    | AsidControlCap
    | PoolCap
)


def object_of(cap: Capability) -> object:
    """What ends with the last capability to it; ``None`` where nothing ends: memory, frames, and kernel rights."""
    match cap:
        case EndpointCap(endpoint):
            return endpoint
        case NotificationCap(notification):
            return notification
        case ReplyCap(reply):
            return reply
        case CNodeCap(node):
            return node
        case ThreadCap(thread):
            return thread
        case ContextCap(context):
            return context
        case TableCap(table):
            return table
        case PoolCap(pool):
            return pool
        case IrqHandlerCap(irq):
            return irq
        case _:
            return None


def badge_of(cap: Capability | None) -> int:
    """The badge of a capability; 0 for kinds that have none."""
    return cap.badge if isinstance(cap, (EndpointCap, NotificationCap)) else 0

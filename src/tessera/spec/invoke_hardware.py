# SPDX-License-Identifier: BSD-2-Clause
"""Interrupts as signals: invocations and delivery (manual: Interrupts)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel as Label
from tessera.spec import cspace, deletion, derivation, notifications
from tessera.spec.capability import IrqHandlerCap, NotificationCap
from tessera.spec.refusal import Refused, illegal_operation, invalid_capability, out_of_range
from tessera.spec.request import Request, Result
from tessera.spec.state import Kernel, held


def control(k: Kernel, r: Request) -> Result:
    """IRQControl Get, with or without a trigger: make the handler capability of one interrupt."""
    match r.label:
        case Label.IRQ_CONTROL_GET:
            at = 1
        case Label.RISCV_IRQ_CONTROL_GET_TRIGGER:
            at = 2
        case _:
            raise illegal_operation()
    r.need(at + 2, 1)
    irq, index, depth = r.words[0], r.words[at], r.words[at + 1] & 255
    if not 1 <= irq <= configuration.board.last_device_interrupt:
        raise out_of_range(1, configuration.board.last_device_interrupt)
    if irq in k.irqs_in_use:
        raise Refused(Error.REVOKE_FIRST)
    place = cspace.target(r.cap(0), index, depth)
    cspace.ensure_empty(place)

    k.irqs_in_use.add(irq)
    derivation.insert(k, IrqHandlerCap(irq), r.place, place)
    return []


def handler(k: Kernel, r: Request, cap: IrqHandlerCap) -> Result:
    """IRQHandler Ack, SetNotification and Clear."""
    place = (k.interrupts, cap.irq)
    match r.label:
        case Label.IRQ_HANDLER_ACK:
            k.unacknowledged.discard(cap.irq)
        case Label.IRQ_HANDLER_CLEAR:
            deletion.delete(k, place)
        case Label.IRQ_HANDLER_SET_NOTIFICATION:
            r.need(0, 1)
            new = r.cap(0)
            if not isinstance(new, NotificationCap) or not new.can_send:
                raise invalid_capability(1)
            deletion.delete(k, place)
            derivation.copy(k, new, r.caps[0], place)
        case _:
            raise illegal_operation()
    return []


def deliver(k: Kernel, irq: int) -> None:
    """A device's interrupt signals its notification, if it has a handler and one is set.

    It is not delivered again before it is acknowledged.
    """
    if irq not in k.irqs_in_use:
        return
    k.unacknowledged.add(irq)
    cap = held((k.interrupts, irq))
    if isinstance(cap, NotificationCap) and cap.can_send:
        notifications.signal(k, cap.notification, cap.badge)

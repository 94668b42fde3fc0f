# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of interrupts (manual: Interrupts)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import MAX_MESSAGE_LENGTH
from tessera.kernel import cspace, deletion, derivation, interrupt, message
from tessera.kernel.capability import IrqControlCap, IrqHandlerCap, NotificationCap
from tessera.kernel.derivation_order import is_new_handler
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, fail, invalid_capability, range_error, request, request_is_good
from tessera.kernel.state import IRQ_SLOTS, IrqState, irq_slots, kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, ghost, old, requires, u64


@compiled
def decode_control(label: u64, length: u64, slot: Slot) -> Status:
    """IRQControl Get, with or without a trigger: make the handler capability of one interrupt."""
    requires(request_is_good() and isinstance(slot.capability, IrqControlCap))
    ensures(lambda result: result != Status.PREEMPTED)
    if label == InvocationLabel.IRQ_CONTROL_GET:
        return issue(length, slot, 3, 1)
    if label == InvocationLabel.RISCV_IRQ_CONTROL_GET_TRIGGER:
        # Trigger modes are fixed by this interrupt controller; the argument is accepted.
        return issue(length, slot, 4, 2)
    return fail(Error.ILLEGAL_OPERATION)


@compiled
def issue(length: u64, slot: Slot, words: u64, index_argument: u64) -> Status:
    """Check the interrupt and the destination, and hand out the capability."""
    requires(index_argument < MAX_MESSAGE_LENGTH - 1)
    requires(request_is_good() and isinstance(slot.capability, IrqControlCap))
    ensures(lambda result: result != Status.PREEMPTED)
    if length < words:
        return fail(Error.TRUNCATED_MESSAGE)
    root_slot = request.extra[0]
    if root_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    irq = message.argument(0)
    if not interrupt.is_valid(irq):
        return range_error(1, configuration.board.last_device_interrupt)
    if interrupt.is_active(irq):
        return fail(Error.REVOKE_FIRST)
    index = message.argument(index_argument)
    depth = message.argument(index_argument + 1) & 255
    found = cspace.lookup_target_slot(root_slot.capability, index, depth, False)
    destination = found.slot
    if not found.ok or destination is None:
        return found.status
    status = derivation.ensure_empty(destination)
    if status != Status.OK:
        return status

    with ghost:
        assert is_new_handler(IrqHandlerCap(irq=irq), slot)
    interrupt.set_state(irq, IrqState.SIGNAL)
    derivation.insert_handler(IrqHandlerCap(irq=irq), slot, destination)
    return Status.OK


@compiled
def decode_handler(label: u64, cap: IrqHandlerCap) -> Status:
    """IRQHandler Ack, SetNotification and Clear."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    match label:
        case InvocationLabel.IRQ_HANDLER_ACK:
            interrupt.acknowledge(cap.irq)
            return Status.OK
        case InvocationLabel.IRQ_HANDLER_SET_NOTIFICATION:
            return set_notification(cap.irq)
        case InvocationLabel.IRQ_HANDLER_CLEAR:
            return deletion.clear_notification(irq_slots.slots[cap.irq])
        case _:
            return fail(Error.ILLEGAL_OPERATION)


@compiled
def set_notification(irq: u64) -> Status:
    """Deliver the interrupt as a signal with this capability's badge."""
    requires(irq < IRQ_SLOTS)
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    source = request.extra[0]
    if source is None:
        return fail(Error.TRUNCATED_MESSAGE)
    cap = source.capability
    if not isinstance(cap, NotificationCap):
        return invalid_capability(1)
    if not cap.can_send:
        return invalid_capability(1)

    slot = irq_slots.slots[irq]
    status = deletion.clear_notification(slot)
    if status != Status.OK:
        return status
    # Nothing else is ever in that slot, and its capability is none of the caller's.
    if derivation.is_empty(slot) and not derivation.is_empty(source):
        derivation.insert(cap, source, slot)
    return Status.OK

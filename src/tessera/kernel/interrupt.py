# SPDX-License-Identifier: BSD-2-Clause
"""Hardware I/O: interrupts as signals (manual: Interrupts).

The controller is told that an interrupt is complete when it is acknowledged, and not before: until then it does not
let that interrupt through again.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.arch import machine
from tessera.kernel import notification
from tessera.kernel.capability import NotificationCap
from tessera.kernel.state import IrqState, irq_slots, kernel
from tessera.lang import compiled, requires, u64


@compiled
def is_valid(irq: u64) -> bool:
    """Whether user level may have this interrupt."""
    return irq != 0 and irq <= configuration.board.last_device_interrupt


@compiled
def is_active(irq: u64) -> bool:
    """Whether a handler capability for it exists already."""
    return kernel.irq_states[irq] != IrqState.INACTIVE


@compiled
def set_state(irq: u64, state: IrqState) -> None:
    """Take an interrupt into use, or out of it."""
    kernel.irq_states[irq] = state
    # A controller ignores the completion of what is masked, so this order.
    machine.complete_interrupt(irq)
    machine.mask_interrupt(irq, state == IrqState.INACTIVE)


@compiled
def acknowledge(irq: u64) -> None:
    """The handler is done: let the interrupt through again."""
    machine.complete_interrupt(irq)


@compiled
def delete_handler(irq: u64) -> None:
    """The last handler capability goes away. Its notification slot must be empty by then."""
    set_state(irq, IrqState.INACTIVE)


@compiled
def deliver_pending() -> None:
    """Signal for the pending interrupt of the controller, if there is one."""
    requires(notification.is_no_receiver(kernel.current))
    irq = machine.claim_interrupt()
    if irq == 0 or irq > configuration.board.last_device_interrupt:
        return
    if kernel.irq_states[irq] != IrqState.SIGNAL:
        machine.complete_interrupt(irq)
        machine.mask_interrupt(irq, True)
        return
    cap = irq_slots.slots[irq].capability
    if isinstance(cap, NotificationCap):
        if cap.can_send:
            notification.signal(cap.notification, cap.badge)

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Hardware I/O: Interrupt Delivery, with the serial port, which interrupts when it can send."""

from __future__ import annotations

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.abi.capabilities import ALL_RIGHTS, InitialSlot
from tessera.abi.errors import Error
from tessera.abi.objects import ObjectType
from tessera.lang import compiled, range, u64
from tessera.runtime.machine import full_fence
from tessera.runtime.sel4 import nb_wait
from tessera.runtime.threads import (
    irq_control_get,
    irq_control_get_trigger,
    irq_handler_ack,
    irq_handler_clear,
    irq_handler_set_notification,
)
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.console import serial
from tessera.suites.guest.objects import CNODE, DEPTH, delete, make, mint, occupied, take_slot
from tessera.suites.guest.report import done, equal, error, false, true

CONTROL = u64(InitialSlot.IRQ_CONTROL)
SERIAL_INTERRUPT = QEMU_VIRT_RISCV64.device("uart0").interrupts[0]
LAST_INTERRUPT = QEMU_VIRT_RISCV64.last_device_interrupt
# Of the serial port: interrupt when a byte can be sent.
WHEN_EMPTY = 2
TURNS = 2000


@compiled
def enable_serial_interrupt(enable: bool) -> None:
    """Let the serial port interrupt whenever it can take a byte, which is always."""
    serial().control = WHEN_EMPTY if enable else 0
    full_fence()


@compiled
def signalled(notification: u64) -> u64:
    """The badge of a signal that comes within a short time; 0 if none does."""
    badge = u64(0)
    for _turn in range(TURNS):
        if badge == 0:
            badge = nb_wait(notification).badge
    return badge


@compiled
def take_handler(interrupt: u64) -> u64:
    """A handler capability for an interrupt."""
    slot = take_slot()
    done(b"take the interrupt", irq_control_get(CONTROL, interrupt, CNODE, slot, DEPTH))
    return slot


@case
@compiled
def interrupt_has_one_handler() -> None:
    """There is one handler for each interrupt; a deleted one can be taken again (IRQControl Get: RevokeFirst)."""
    handler = take_handler(SERIAL_INTERRUPT)
    other = take_slot()
    result = irq_control_get(CONTROL, SERIAL_INTERRUPT, CNODE, other, DEPTH)
    error(b"taken", Error.REVOKE_FIRST, result)
    false(b"nothing was made", occupied(other))
    done(b"delete", delete(handler))
    done(b"again", irq_control_get_trigger(CONTROL, SERIAL_INTERRUPT, 0, CNODE, other, DEPTH))


@case
@compiled
def interrupt_must_exist() -> None:
    """Interrupts have the numbers of the board (IRQControl Get: RangeError)."""
    slot = take_slot()
    error(b"0", Error.RANGE_ERROR, irq_control_get(CONTROL, 0, CNODE, slot, DEPTH))
    error(b"too great", Error.RANGE_ERROR, irq_control_get(CONTROL, 1000, CNODE, slot, DEPTH))
    done(b"the last one", irq_control_get(CONTROL, LAST_INTERRUPT, CNODE, slot, DEPTH))
    error(b"occupied slot", Error.DELETE_FIRST, irq_control_get(CONTROL, 1, CNODE, slot, DEPTH))


@case
@compiled
def interrupt_signals() -> None:
    """An interrupt signals the notification of its handler, with the badge of the capability (Interrupt Delivery)."""
    notification = make(ObjectType.NOTIFICATION)
    handler = take_handler(SERIAL_INTERRUPT)
    done(b"connect", irq_handler_set_notification(handler, mint(notification, ALL_RIGHTS, 0x18)))
    equal(b"quiet", 0, nb_wait(notification).badge)
    enable_serial_interrupt(True)
    equal(b"badge", 0x18, signalled(notification))
    enable_serial_interrupt(False)
    done(b"acknowledge", irq_handler_ack(handler))


@case
@compiled
def interrupt_waits_for_acknowledgement() -> None:
    """An interrupt is not delivered again before it is acknowledged (IRQHandler Ack)."""
    notification = make(ObjectType.NOTIFICATION)
    handler = take_handler(SERIAL_INTERRUPT)
    done(b"connect", irq_handler_set_notification(handler, mint(notification, ALL_RIGHTS, 1)))
    enable_serial_interrupt(True)
    equal(b"first", 1, signalled(notification))
    # The line falls and rises again.
    enable_serial_interrupt(False)
    enable_serial_interrupt(True)
    equal(b"not before the acknowledgement", 0, signalled(notification))
    done(b"acknowledge", irq_handler_ack(handler))
    equal(b"again", 1, signalled(notification))
    enable_serial_interrupt(False)
    done(b"acknowledge", irq_handler_ack(handler))
    equal(b"quiet", 0, signalled(notification))


@case
@compiled
def interrupt_is_disconnected() -> None:
    """Without a notification an interrupt is not delivered (IRQHandler Clear)."""
    notification = make(ObjectType.NOTIFICATION)
    handler = take_handler(SERIAL_INTERRUPT)
    done(b"connect", irq_handler_set_notification(handler, mint(notification, ALL_RIGHTS, 1)))
    done(b"clear", irq_handler_clear(handler))
    enable_serial_interrupt(True)
    equal(b"nothing", 0, signalled(notification))
    enable_serial_interrupt(False)
    done(b"acknowledge", irq_handler_ack(handler))
    true(b"the handler is still there", occupied(handler))


@case
@compiled
def interrupt_needs_a_notification() -> None:
    """Only a notification can be connected (IRQHandler SetNotification: InvalidCapability)."""
    handler = take_handler(SERIAL_INTERRUPT)
    result = irq_handler_set_notification(handler, make(ObjectType.ENDPOINT))
    error(b"an endpoint", Error.INVALID_CAPABILITY, result)

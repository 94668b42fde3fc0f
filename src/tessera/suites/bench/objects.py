# SPDX-License-Identifier: BSD-2-Clause
"""Measurements of kernel objects: pages, making and revoking, interrupts."""

from __future__ import annotations

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, InitialSlot
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import address_of, compiled, offset_of, range, u64
from tessera.runtime.threads import irq_control_get, irq_handler_set_notification
from tessera.suites.bench.measure import (
    CLIENT,
    ROUNDS,
    SERVER,
    client_step,
    end,
    readings,
    server_step,
    tell,
    tell_own,
    thread,
)
from tessera.suites.guest.console import SERIAL_WINDOW, SerialPort, put
from tessera.suites.guest.objects import CNODE, DEPTH, VSPACE, guest, make, retype, take_slot, take_slots
from tessera.suites.guest.report import done, true
from tessera.suites.guest.spaces import PAGE_BYTES, window_address
from tessera.suites.guest.threads import start
from tessera.suites.guest.workers import (
    Probe,
    Step,
    Worker,
    add_function,
    add_measured,
    probe_address,
    set_message_caps,
    set_message_label,
    settle,
)

SERIAL_INTERRUPT = QEMU_VIRT_RISCV64.device("uart0").interrupts[0]
SERIAL_CONTROL = SERIAL_WINDOW + offset_of(SerialPort, "control")
BEFORE = offset_of(Step, "before")


@compiled
def request(step: Step, label: InvocationLabel, caps: u64) -> Step:
    """Let a step's message ask for an invocation, with so many capabilities from the worker's buffer."""
    set_message_label(step, u64(label))
    set_message_caps(step, caps)
    return step


@compiled
def run_alone(client: Worker, name: bytes, first: u64, distance: u64) -> None:
    """Let the client do its steps, and tell those that are measured."""
    start(client)
    settle()
    for i in range(client.count):
        true(b"the request is granted", client_step(i).done and client_step(i).result_info.label == 0)
    put(b"BENCH|")
    put(name)
    tell_own(first, distance)
    end()


@compiled
def add_mapping(client: Worker, frame: u64, address: u64, rights: u64) -> None:
    """A measured mapping of a frame into the root task's address space."""
    step = request(add_measured(client, Syscall.CALL, frame, 3), InvocationLabel.RISCV_PAGE_MAP, 1)
    step.words[0] = address
    step.words[1] = rights


@compiled
def make_frames() -> u64:
    """The first of as many frames as there are rounds."""
    first = take_slots(ROUNDS)
    done(b"make frames", retype(guest.pool, ObjectType.PAGE, 0, first, ROUNDS))
    return first


@compiled
def measure_pages() -> None:
    """Mapping pages where there are page tables, changing their rights, and unmapping them."""
    # Makes the page tables, so that frames and addresses follow each other.
    first_address = window_address() + PAGE_BYTES
    first_frame = make_frames()
    client = thread(CLIENT, 100, True, False, 0)
    client.buffer.caps[0] = VSPACE
    for i in range(ROUNDS):
        add_mapping(client, first_frame + i, first_address + i * PAGE_BYTES, ALL_RIGHTS)
    for i in range(ROUNDS):
        add_mapping(client, first_frame + i, first_address + i * PAGE_BYTES, RIGHT_READ)
    start(client)
    settle()
    put(b"BENCH|map.4k")
    tell_own(0, 1)
    put(b"BENCH|protect.4k")
    tell_own(ROUNDS, 1)
    end()
    first_address = window_address() + PAGE_BYTES
    first_frame = make_frames()
    client = thread(CLIENT, 100, True, False, 0)
    client.buffer.caps[0] = VSPACE
    for i in range(ROUNDS):
        add_mapping(client, first_frame + i, first_address + i * PAGE_BYTES, ALL_RIGHTS)
    for i in range(ROUNDS):
        request(add_measured(client, Syscall.CALL, first_frame + i, 0), InvocationLabel.RISCV_PAGE_UNMAP, 0)
    run_alone(client, b"unmap.4k", ROUNDS, 1)


@compiled
def add_cnode_call(client: Worker, label: InvocationLabel, slot: u64) -> Step:
    """A measured operation on a slot of the root CNode."""
    step = request(add_measured(client, Syscall.CALL, CNODE, 2), label, 0)
    step.words[0] = slot
    step.words[1] = DEPTH
    return step


@compiled
def measure_objects() -> None:
    """Making an endpoint of untyped memory, and deleting it; revoking a capability that has one copy."""
    client = thread(CLIENT, 100, True, False, 0)
    client.buffer.caps[0] = CNODE
    slot = take_slot()
    # Words 4 and 5 are the same for all: the slot, and that it is one object.
    client.buffer.message[4] = slot
    client.buffer.message[5] = 1
    for _round in range(ROUNDS):
        step = request(add_measured(client, Syscall.CALL, guest.pool, 6), InvocationLabel.UNTYPED_RETYPE, 1)
        step.words[0] = u64(ObjectType.ENDPOINT)
        add_cnode_call(client, InvocationLabel.CNODE_DELETE, slot)
    run_alone(client, b"retype.endpoint", 0, 2)
    original = make(ObjectType.ENDPOINT)
    slot = take_slot()
    client = thread(CLIENT, 100, True, False, 0)
    client.buffer.caps[0] = CNODE
    client.buffer.message[4] = ALL_RIGHTS
    for _round in range(ROUNDS):
        step = request(add_measured(client, Syscall.CALL, CNODE, 5), InvocationLabel.CNODE_COPY, 1)
        step.words[0] = slot
        step.words[1] = DEPTH
        step.words[2] = original
        step.words[3] = DEPTH
        add_cnode_call(client, InvocationLabel.CNODE_REVOKE, original)
    run_alone(client, b"revoke.1", 1, 2)


@compiled
def measure_interrupts() -> None:
    """From a store of the client that lets the serial port interrupt to the server that waits for the signal."""
    notification = make(ObjectType.NOTIFICATION)
    handler = take_slot()
    done(b"interrupt", irq_control_get(u64(InitialSlot.IRQ_CONTROL), SERIAL_INTERRUPT, CNODE, handler, DEPTH))
    done(b"connect", irq_handler_set_notification(handler, notification))
    server = thread(SERVER, 100, True, False, 0)
    for _round in range(ROUNDS):
        add_measured(server, Syscall.WAIT, notification, 0)
        request(add_measured(server, Syscall.CALL, handler, 0), InvocationLabel.IRQ_HANDLER_ACK, 0)
    start(server)
    settle()
    # The device is in the root task's address space.
    client = thread(CLIENT, 50, False, False, 0)
    for _round in range(ROUNDS):
        step = add_function(client, probe_address(Probe.MEASURED_INTERRUPT), 0, SERIAL_CONTROL)
        step.words[0] = address_of(step) + BEFORE
    start(client)
    settle()
    put(b"BENCH|interrupt.to_user")
    for i in range(ROUNDS):
        true(b"the server was signalled", server_step(2 * i).done)
        # The client stores twice behind its reading: what it read, and to the device.
        readings.before[i] = client_step(i).before + 2
        readings.after[i] = server_step(2 * i).after
    tell()
    put(b"BENCH|irq.ack")
    for i in range(ROUNDS):
        true(b"the interrupt was acknowledged", server_step(2 * i + 1).done)
        readings.before[i] = server_step(2 * i + 1).before
        readings.after[i] = server_step(2 * i + 1).after
    tell()
    end()

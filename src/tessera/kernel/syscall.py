# SPDX-License-Identifier: BSD-2-Clause
"""System Calls: what each of them does with registers (manual: System Calls)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.syscalls import Syscall
from tessera.arch import machine, registers
from tessera.kernel import console, cspace, fastpath, fault, identify, invocation, ipc, notification, timeslice
from tessera.kernel.capability import CNodeCap, EndpointCap, NotificationCap, ReplyCap, ThreadCap
from tessera.kernel.fault import can_fault
from tessera.kernel.invocation import Sending
from tessera.kernel.layout import THREAD_NAME_BYTES, Slot, Tcb, ThreadState
from tessera.kernel.message import buffer_of
from tessera.kernel.request import lookup_missing_capability, request
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_at_work, waits_for_nothing
from tessera.lang import compiled, ensures, min, range, requires, truncate, u8, u64


@compiled
def send(thread: Tcb, address: u64, info: u64, sending: Sending) -> None:
    """The sending phase. A capability that is not there is a fault, but not for a sender that does not wait."""
    requires(thread is kernel.current and is_at_work())
    requires(not sending.first_phase or (not sending.blocking and not sending.is_call))
    ensures(lambda: not sending.first_phase or thread.state != ThreadState.RUNNING or waits_for_nothing(thread))
    request.failed_address = address
    root = thread.cspace_root.capability
    if isinstance(root, CNodeCap) and fastpath.reaches(root, address):
        # Most CSpaces have one level. So near to the way in nothing has to be kept, and so nothing saved.
        invocation.handle(thread, fastpath.slot_of(root, address), info, sending)
    else:
        send_far(thread, address, info, sending)


@compiled(inline="never")
def send_far(thread: Tcb, address: u64, info: u64, sending: Sending) -> None:
    """The sending phase through CNodes of several levels."""
    requires(thread is kernel.current and is_at_work())
    requires(not sending.first_phase or (not sending.blocking and not sending.is_call))
    ensures(lambda: not sending.first_phase or thread.state != ThreadState.RUNNING or waits_for_nothing(thread))
    found = cspace.lookup_slot(thread, address)
    slot = found.slot
    if slot is not None:
        invocation.handle(thread, slot, info, sending)
    elif sending.blocking:
        fault.capability_fault(thread, address, False)


@compiled
def receive(thread: Tcb, address: u64, blocking: bool, takes_reply: bool) -> None:
    """The receiving phase: wait for, or look for, a message or a signal."""
    requires(thread is kernel.current and can_fault(thread))
    request.failed_address = address
    root = thread.cspace_root.capability
    if isinstance(root, CNodeCap) and fastpath.reaches(root, address):
        receive_from(thread, fastpath.slot_of(root, address), address, blocking, takes_reply)
    else:
        receive_far(thread, address, blocking, takes_reply)


@compiled(inline="never")
def receive_far(thread: Tcb, address: u64, blocking: bool, takes_reply: bool) -> None:
    """The receiving phase through CNodes of several levels."""
    requires(thread is kernel.current and can_fault(thread))
    found = cspace.lookup_slot(thread, address)
    slot = found.slot
    if slot is None:
        fault.capability_fault(thread, address, True)
        return
    receive_from(thread, slot, address, blocking, takes_reply)


@compiled(inline="never")
def refuse_to_receive(thread: Tcb, address: u64) -> None:
    """What is there is nothing that the thread may receive from, or receive with."""
    requires(thread is kernel.current and can_fault(thread))
    lookup_missing_capability(0)
    fault.capability_fault(thread, address, True)


@compiled(inline="never")
def receive_from(thread: Tcb, slot: Slot, address: u64, blocking: bool, takes_reply: bool) -> None:
    """Receive from what a slot has."""
    requires(thread is kernel.current and can_fault(thread))
    cap = slot.capability
    match cap:
        case EndpointCap():
            if not cap.can_receive:
                refuse_to_receive(thread, address)
            elif takes_reply:
                receive_with_reply(thread, cap, blocking)
            else:
                ipc.receive(thread, cap, blocking, None)
        case NotificationCap():
            owner = cap.notification.bound_tcb
            if not cap.can_receive or (owner is not None and owner is not thread):
                refuse_to_receive(thread, address)
            else:
                notification.receive(thread, cap, blocking)
        case _:
            refuse_to_receive(thread, address)


@compiled
def receive_with_reply(thread: Tcb, cap: EndpointCap, blocking: bool) -> None:
    """Receive with the reply object that register a6 names."""
    requires(thread is kernel.current and can_fault(thread))
    address = thread.registers[registers.REPLY_CAP]
    root = thread.cspace_root.capability
    if isinstance(root, CNodeCap) and fastpath.reaches(root, address):
        receive_with(thread, cap, blocking, fastpath.slot_of(root, address), address)
    else:
        receive_with_far(thread, cap, blocking, address)


@compiled(inline="never")
def receive_with_far(thread: Tcb, cap: EndpointCap, blocking: bool, address: u64) -> None:
    """Receive with a reply object that is reached through CNodes of several levels."""
    requires(thread is kernel.current and can_fault(thread))
    found = cspace.lookup_slot(thread, address)
    slot = found.slot
    if slot is None:
        fault.capability_fault(thread, address, True)
        return
    receive_with(thread, cap, blocking, slot, address)


@compiled
def receive_with(thread: Tcb, cap: EndpointCap, blocking: bool, slot: Slot, address: u64) -> None:
    """Receive with the reply object that a slot has."""
    requires(thread is kernel.current and can_fault(thread))
    reply_cap = slot.capability
    if not isinstance(reply_cap, ReplyCap):
        refuse_to_receive(thread, address)
        return
    ipc.receive(thread, cap, blocking, reply_cap.reply)


@compiled
def send_then_receive(thread: Tcb, destination: u64, info: u64, takes_reply: bool) -> None:
    """Send without waiting, then receive; the answer of a server and the deferred signal of a driver."""
    requires(thread is kernel.current and is_at_work())
    send(thread, destination, info, Sending(False, False, True, True))
    # An operation that was preempted goes on when the whole call is made again; a thread that ended itself is gone.
    if thread.state == ThreadState.RUNNING:
        receive(thread, thread.registers[registers.CAPABILITY], True, takes_reply)


@compiled
def dispatch(thread: Tcb, address: u64, info: u64, number: u64) -> None:
    """Do the system call with this number (register a7)."""
    requires(thread is kernel.current and is_at_work())
    match number:
        case Syscall.CALL:
            send(thread, address, info, Sending(True, True, True, False))
        case Syscall.REPLY_RECV:
            send_then_receive(thread, thread.registers[registers.REPLY_CAP], info, True)
        case Syscall.NB_SEND_RECV:
            send_then_receive(thread, thread.registers[registers.SEND_DESTINATION], info, True)
        case Syscall.NB_SEND_WAIT:
            send_then_receive(thread, thread.registers[registers.WAIT_DESTINATION], info, False)
        case Syscall.SEND:
            send(thread, address, info, Sending(True, False, False, False))
        case Syscall.NB_SEND:
            send(thread, address, info, Sending(False, False, False, False))
        case Syscall.RECV:
            receive(thread, address, True, True)
        case Syscall.NB_RECV:
            receive(thread, address, False, True)
        case Syscall.WAIT:
            receive(thread, address, True, False)
        case Syscall.NB_WAIT:
            receive(thread, address, False, False)
        case Syscall.YIELD:
            timeslice.yield_now()
        case Syscall.SET_TLS_BASE:
            thread.registers[registers.THREAD_POINTER] = address
        case _:
            if not configuration.debug or not debug_call(thread, address, number):
                fault.unknown_syscall(thread, number)


@compiled
def debug_call(thread: Tcb, argument: u64, number: u64) -> bool:
    """System calls of debug builds; false if it is none of them."""
    match number:
        case Syscall.DEBUG_PUT_CHAR:
            machine.put_character(argument & 255)
        case Syscall.DEBUG_HALT:
            console.write(b"\nKERNEL|HALT: a thread asked to stop the machine\n")
            machine.shutdown()
        case Syscall.DEBUG_CAP_IDENTIFY:
            found = cspace.lookup_slot(thread, argument)
            slot = found.slot
            kind = u64(0)
            if found.ok and slot is not None:
                kind = identify.number_of(slot.capability.kind)
            thread.registers[registers.CAPABILITY] = kind
        case Syscall.DEBUG_NAME_THREAD:
            name_thread(thread, argument)
        case Syscall.DEBUG_DUMP_SCHEDULER | Syscall.DEBUG_SNAPSHOT:
            console.write_thread(thread)
        case Syscall.BENCHMARK_NULL_SYSCALL:
            pass
        case _:
            return False
    return True


@compiled
def name_thread(thread: Tcb, address: u64) -> None:
    """Give a thread the name that stands in the caller's IPC buffer, up to a zero byte."""
    found = cspace.lookup_slot(thread, address)
    slot = found.slot
    buffer = buffer_of(thread, False)
    if not found.ok or slot is None or buffer is None:
        return
    cap = slot.capability
    if not isinstance(cap, ThreadCap):
        return
    ended = False
    # Bounded by the length of a thread's name, 64 bytes; in debug builds alone.
    for index in range(min(u64(THREAD_NAME_BYTES), 8 * 119)):
        letter = truncate(u8, buffer.message[index // 8] >> (8 * (index % 8)))
        ended = ended or letter == 0 or index == THREAD_NAME_BYTES - 1
        cap.tcb.name[index] = u8(0) if ended else letter

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Threads and Execution: Faults, told to a handler as messages and ended by its reply."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, TCB_FLAG_FPU_DISABLED
from tessera.abi.errors import LookupFailure
from tessera.abi.faults import CapFaultMessage, Fault, UnknownSyscallMessage
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.machine import Received
from tessera.runtime.memory import cnode_copy, page_map
from tessera.runtime.sel4 import message_word, nb_recv, nb_send, send, set_message_word
from tessera.runtime.threads import tcb_resume, tcb_set_flags
from tessera.suites.conformance.calls_and_replies import make_passive
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import CNODE, DEPTH, VSPACE, guest, make, mint, take_slot
from tessera.suites.guest.report import done, equal, false, true
from tessera.suites.guest.spaces import map_page, window_address
from tessera.suites.guest.threads import spawn, spawn_with_handler, start
from tessera.suites.guest.workers import (
    Probe,
    add_call,
    add_function,
    add_load,
    add_receive,
    add_store,
    memory_word,
    probe_address,
    settle,
)

NOWHERE = 0x7000_0000
ECALL = 0x73
LOAD_ACCESS_FAULT = 5
STORE_ACCESS_FAULT = 7
INSTRUCTION_ACCESS_FAULT = 1
ILLEGAL_INSTRUCTION = 2
BREAKPOINT = 3


@compiled
def take_fault(endpoint: u64, reply: u64, label: Fault, length: u64) -> Received:
    """Receive the message of a fault, which must be of this kind."""
    settle()
    received = nb_recv(endpoint, reply)
    equal(b"label", u64(label), received.info.label)
    equal(b"length", length, received.info.length)
    equal(b"capabilities", 0, received.info.extra_caps)
    return received


@case
@compiled
def vm_fault_on_read() -> None:
    """Reading an address that is not mapped is a fault with instruction, address and cause (Faults: VM Fault)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_load(worker, NOWHERE + 8)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.VM_FAULT, 4)
    equal(b"instruction", probe_address(Probe.LOAD), fault.word0)
    equal(b"address", NOWHERE + 8, fault.word1)
    equal(b"prefetch", 0, fault.word2)
    equal(b"cause", LOAD_ACCESS_FAULT, fault.word3)
    false(b"the thread waits", step.done)


@case
@compiled
def vm_fault_on_write() -> None:
    """Writing an address that is not mapped is a fault that says so (Faults: VM Fault)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    add_store(worker, NOWHERE, 1)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.VM_FAULT, 4)
    equal(b"instruction", probe_address(Probe.STORE), fault.word0)
    equal(b"address", NOWHERE, fault.word1)
    equal(b"prefetch", 0, fault.word2)
    equal(b"cause", STORE_ACCESS_FAULT, fault.word3)


@case
@compiled
def vm_fault_on_execution() -> None:
    """Executing at an address that is not mapped is a prefetch fault there (Faults: VM Fault)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    add_function(worker, NOWHERE, 0, 0)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.VM_FAULT, 4)
    equal(b"instruction", NOWHERE, fault.word0)
    equal(b"address", NOWHERE, fault.word1)
    equal(b"prefetch", 1, fault.word2)
    equal(b"cause", INSTRUCTION_ACCESS_FAULT, fault.word3)


@case
@compiled
def vm_fault_on_kernel_memory() -> None:
    """Kernel memory cannot be read by user level (Address Spaces)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    add_load(worker, 0xFFFF_FFFF_8020_0000)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.VM_FAULT, 4)
    equal(b"address", 0xFFFF_FFFF_8020_0000, fault.word1)
    equal(b"cause", LOAD_ACCESS_FAULT, fault.word3)


@case
@compiled
def fault_is_repaired() -> None:
    """After a reply with label 0 the instruction is executed again (Faults: Reply)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    frame = make(ObjectType.PAGE)
    visible = map_page(mint(frame, ALL_RIGHTS, 0), ALL_RIGHTS)
    memory_word(visible).value = 0x66
    address = window_address()
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_load(worker, address)
    start(worker)
    take_fault(endpoint, reply, Fault.VM_FAULT, 4)
    done(b"map", page_map(frame, VSPACE, address, ALL_RIGHTS, 0))
    send(reply, MessageInfo(), 0, 0, 0, 0)
    settle()
    true(b"the thread goes on", step.done)
    equal(b"value", 0x66, step.result)


@case
@compiled
def fault_is_repeated() -> None:
    """A fault that is replied to but not repaired happens again (Faults: Reply)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    worker = spawn_with_handler(0, 100, endpoint)
    add_load(worker, NOWHERE)
    start(worker)
    take_fault(endpoint, reply, Fault.VM_FAULT, 4)
    send(reply, MessageInfo(), 0, 0, 0, 0)
    fault = take_fault(endpoint, reply, Fault.VM_FAULT, 4)
    equal(b"address", NOWHERE, fault.word1)


@case
@compiled
def exception_reply_may_leave_stopped() -> None:
    """A reply to an exception with another label than 0 leaves the thread stopped, until it is resumed
    (Faults: Reply)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_function(worker, probe_address(Probe.ILLEGAL), 1, 0)
    start(worker)
    fault = take_fault(endpoint, reply, Fault.USER_EXCEPTION, 4)
    send(reply, MessageInfo(label=1, length=2), fault.word0 + 4, fault.word1, 0, 0)
    settle()
    false(b"stopped", step.done)
    done(b"resume", tcb_resume(worker.tcb))
    settle()
    true(b"resumed where the reply said", step.done)


@case
@compiled
def fault_has_the_handlers_badge() -> None:
    """The message of a fault has the badge of the thread's handler capability (Faults: Handlers)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, mint(endpoint, ALL_RIGHTS, 0x321))
    add_load(worker, NOWHERE)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.VM_FAULT, 4)
    equal(b"badge", 0x321, fault.badge)


@case
@compiled
def fault_without_handler() -> None:
    """A thread without a fault handler stops at its fault; others go on (Faults: Handlers)."""
    worker = spawn(0, 100)
    step = add_load(worker, NOWHERE)
    other = spawn(1, 50)
    other_step = add_call(other, Syscall.YIELD, 0, 0)
    start(worker)
    start(other)
    settle()
    false(b"stopped", step.done)
    true(b"the other one", other_step.done)


@case
@compiled
def unknown_system_call() -> None:
    """A system call with an unknown number is a fault with the argument registers, and the reply sets them
    (Faults: Unknown Syscall)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_function(worker, probe_address(Probe.UNKNOWN_CALL), 0x100, 0)
    start(worker)
    fault = take_fault(endpoint, reply, Fault.UNKNOWN_SYSCALL, 11)
    equal(b"instruction", ECALL, memory_word(fault.word0 & ~u64(7)).value >> (8 * (fault.word0 & 7)) & 0xFFFF)
    equal(b"a0", 0x100, fault.word3)
    for i in (1, 2, 3, 4, 5, 6):
        equal(b"a1 to a6", 0x100 + i, message_word(UnknownSyscallMessage.A0 + i))
    equal(b"number", 77, message_word(UnknownSyscallMessage.SYSCALL))
    set_message_word(UnknownSyscallMessage.A1, 11)
    send(reply, MessageInfo(length=10), fault.word0 + 4, fault.word1, fault.word2, 1000)
    settle()
    true(b"the thread goes on", step.done)
    equal(b"new a0 + new a1", 1011, step.result)


@case
@compiled
def user_exception() -> None:
    """An illegal instruction is a fault with its number, and the reply may set where to go on (Faults: User
    Exception)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_function(worker, probe_address(Probe.ILLEGAL), 0x5A, 0)
    start(worker)
    fault = take_fault(endpoint, reply, Fault.USER_EXCEPTION, 4)
    equal(b"instruction", probe_address(Probe.ILLEGAL), fault.word0)
    equal(b"number", ILLEGAL_INSTRUCTION, fault.word2)
    send(reply, MessageInfo(length=2), fault.word0 + 4, fault.word1, 0, 0)
    settle()
    true(b"the thread goes on", step.done)
    equal(b"other registers are kept", 0x5A, step.result)


@case
@compiled
def breakpoint_exception() -> None:
    """A breakpoint instruction is a user exception (Faults: User Exception)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    add_function(worker, probe_address(Probe.BREAKPOINT), 0, 0)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.USER_EXCEPTION, 4)
    equal(b"instruction", probe_address(Probe.BREAKPOINT), fault.word0)
    equal(b"number", BREAKPOINT, fault.word2)


@case
@compiled
def disabled_fpu() -> None:
    """A thread whose FPU is disabled cannot use it (TCB SetFlags; Faults: User Exception)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_function(worker, probe_address(Probe.SET_FLOAT), 1, 0)
    done(b"disable", tcb_set_flags(worker.tcb, 0, TCB_FLAG_FPU_DISABLED).error)
    start(worker)
    fault = take_fault(endpoint, reply, Fault.USER_EXCEPTION, 4)
    equal(b"instruction", probe_address(Probe.SET_FLOAT), fault.word0)
    equal(b"number", ILLEGAL_INSTRUCTION, fault.word2)
    done(b"enable", tcb_set_flags(worker.tcb, TCB_FLAG_FPU_DISABLED, 0).error)
    send(reply, MessageInfo(), 0, 0, 0, 0)
    settle()
    true(b"the thread goes on", step.done)


@case
@compiled
def cap_fault_when_sending() -> None:
    """Sending to an address that leads to no slot is a fault with the address and why (Faults: Capability Fault)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn_with_handler(0, 100, endpoint)
    bad = u64(1) << 40
    add_call(worker, Syscall.SEND, bad, 0)
    start(worker)
    fault = take_fault(endpoint, make(ObjectType.REPLY), Fault.CAP_FAULT, 7)
    equal(b"address", bad, fault.word1)
    equal(b"in the receiving phase", 0, fault.word2)
    equal(b"failure", u64(LookupFailure.GUARD_MISMATCH), fault.word3)
    equal(b"bits left", 64, message_word(CapFaultMessage.BITS_LEFT))
    equal(b"guard found", 0, message_word(CapFaultMessage.DEPTH_MISMATCH_BITS_FOUND))
    guard_bits = 64 - guest.boot_info.init_thread_cnode_size_bits
    equal(b"bits of the guard", guard_bits, message_word(CapFaultMessage.GUARD_MISMATCH_BITS_FOUND))


@case
@compiled
def cap_fault_when_receiving() -> None:
    """Receiving from an empty slot is a fault; repaired, the call is made again (Faults: Capability Fault)."""
    endpoint = make(ObjectType.ENDPOINT)
    source = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    slot = take_slot()
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_call(worker, Syscall.WAIT, slot, 0)
    start(worker)
    settle()
    fault = nb_recv(endpoint, reply)
    equal(b"label", u64(Fault.CAP_FAULT), fault.info.label)
    equal(b"address", slot, fault.word1)
    equal(b"in the receiving phase", 1, fault.word2)
    equal(b"failure", u64(LookupFailure.MISSING_CAPABILITY), fault.word3)
    done(b"repair", cnode_copy(CNODE, slot, DEPTH, CNODE, source, DEPTH, ALL_RIGHTS))
    send(reply, MessageInfo(), 0, 0, 0, 0)
    settle()
    nb_send(source, MessageInfo(length=1), 4, 0, 0, 0)
    settle()
    true(b"received", step.done)
    equal(b"word", 4, step.results[0])


@case
@compiled
def passive_handler() -> None:
    """A fault handler without time runs on the time of the thread that faulted (Faults; Donation)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    handler = spawn(0, 120)
    got = add_receive(handler, Syscall.RECV, endpoint, reply)
    answer = add_receive(handler, Syscall.REPLY_RECV, endpoint, reply)
    answer.info = MessageInfo(length=1)
    answer.words[0] = probe_address(Probe.BREAKPOINT) + 4
    make_passive(handler)
    worker = spawn_with_handler(1, 100, endpoint)
    step = add_function(worker, probe_address(Probe.BREAKPOINT), 0x42, 0)
    start(worker)
    settle()
    true(b"handled", got.done)
    true(b"the thread goes on", step.done)
    equal(b"result", 0x42, step.result)

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Threads and Execution: thread control blocks."""

from __future__ import annotations

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.errors import Error
from tessera.abi.messages import MessageInfo, UserContext
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import address_of, at, compiled, range, static, u64
from tessera.runtime.invoke import CONTEXT_WORDS, ContextWords
from tessera.runtime.sel4 import nb_send
from tessera.runtime.threads import (
    tcb_configure,
    tcb_copy_registers,
    tcb_read_registers,
    tcb_resume,
    tcb_set_flags,
    tcb_set_ipc_buffer,
    tcb_set_mc_priority,
    tcb_set_priority,
    tcb_set_space,
    tcb_set_tls_base,
    tcb_suspend,
    tcb_write_registers,
)
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import CNODE, ROOT_TCB, VSPACE, delete, make
from tessera.suites.guest.report import detail, done, equal, error, false, true
from tessera.suites.guest.threads import image_frame, prepare_here, registers, spawn, start
from tessera.suites.guest.workers import Probe, add_call, add_function, probe_address, settle, workers

read_back: UserContext = static(UserContext)


@compiled
def fill_registers(base: u64) -> None:
    """Give each register its own value; the first is an address of user level."""
    context = at(ContextWords, address_of(registers))
    for i in range(CONTEXT_WORDS):
        context.word[i] = base + 8 * i


@case
@compiled
def registers_are_written_and_read() -> None:
    """What is written to a thread's registers is read back, all 32 of them (TCB ReadRegisters, WriteRegisters)."""
    thread = make(ObjectType.TCB)
    fill_registers(0x10_0000)
    done(b"write", tcb_write_registers(thread, False, 0, CONTEXT_WORDS, registers))
    done(b"read", tcb_read_registers(thread, False, 0, CONTEXT_WORDS, read_back))
    context = at(ContextWords, address_of(read_back))
    for i in range(CONTEXT_WORDS):
        equal(b"register", 0x10_0000 + 8 * i, context.word[i])


@case
@compiled
def registers_are_written_in_part() -> None:
    """Only the first `count` registers are written (TCB WriteRegisters)."""
    thread = make(ObjectType.TCB)
    fill_registers(0x10_0000)
    done(b"write all", tcb_write_registers(thread, False, 0, CONTEXT_WORDS, registers))
    fill_registers(0x20_0000)
    done(b"write five", tcb_write_registers(thread, False, 0, 5, registers))
    done(b"read", tcb_read_registers(thread, False, 0, CONTEXT_WORDS, read_back))
    context = at(ContextWords, address_of(read_back))
    for i in range(CONTEXT_WORDS):
        equal(b"register", (0x20_0000 if i < 5 else 0x10_0000) + 8 * i, context.word[i])


@case
@compiled
def registers_of_the_caller() -> None:
    """A thread can neither read nor write its own registers in this way (TCB ReadRegisters: IllegalOperation)."""
    error(b"read", Error.ILLEGAL_OPERATION, tcb_read_registers(ROOT_TCB, False, 0, 1, read_back))
    error(b"write", Error.ILLEGAL_OPERATION, tcb_write_registers(ROOT_TCB, False, 0, 1, registers))


@case
@compiled
def registers_range() -> None:
    """The number of registers to read is between 1 and all of them (TCB ReadRegisters: RangeError)."""
    thread = make(ObjectType.TCB)
    error(b"0", Error.RANGE_ERROR, tcb_read_registers(thread, False, 0, 0, read_back))
    error(b"33", Error.RANGE_ERROR, tcb_read_registers(thread, False, 0, CONTEXT_WORDS + 1, read_back))


@case
@compiled
def registers_are_copied() -> None:
    """The integer registers are copied from one thread to another (TCB CopyRegisters)."""
    source = make(ObjectType.TCB)
    target = make(ObjectType.TCB)
    fill_registers(0x30_0000)
    done(b"write", tcb_write_registers(source, False, 0, CONTEXT_WORDS, registers))
    done(b"copy", tcb_copy_registers(target, source, False, False, True, True, 0))
    done(b"read", tcb_read_registers(target, False, 0, CONTEXT_WORDS, read_back))
    context = at(ContextWords, address_of(read_back))
    # The thread pointer, the last one, belongs to the thread itself.
    for i in range(CONTEXT_WORDS - 1):
        equal(b"register", 0x30_0000 + 8 * i, context.word[i])
    error(b"no thread", Error.INVALID_CAPABILITY, tcb_copy_registers(target, CNODE, False, False, True, True, 0))


@case
@compiled
def resumed_thread_runs() -> None:
    """A thread with spaces, registers and time runs when it is resumed, and not before (TCB Resume)."""
    worker = spawn(0, 100)
    step = add_function(worker, probe_address(Probe.THREAD_POINTER), 0, 0)
    settle()
    false(b"not started", step.done)
    start(worker)
    false(b"the caller has a higher priority", step.done)
    settle()
    true(b"started", step.done)


@case
@compiled
def suspended_thread_stops_waiting() -> None:
    """Suspending takes a thread out of what it waits for; resumed, it makes the system call again (TCB Suspend)."""
    endpoint = make(ObjectType.ENDPOINT)
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.WAIT, endpoint, 0)
    start(worker)
    settle()
    done(b"suspend", tcb_suspend(worker.tcb))
    done(b"suspend again", tcb_suspend(worker.tcb))
    nb_send(endpoint, MessageInfo(length=1), 1, 0, 0, 0)
    settle()
    false(b"nothing was received", step.done)
    done(b"resume", tcb_resume(worker.tcb))
    settle()
    nb_send(endpoint, MessageInfo(length=1), 2, 0, 0, 0)
    settle()
    true(b"received", step.done)
    equal(b"the second message", 2, step.results[0])


@case
@compiled
def threads_run_by_priority() -> None:
    """Of the threads that can run the one with the highest priority does (Threads: Scheduling)."""
    low = spawn(0, 20)
    low_step = add_call(low, Syscall.YIELD, 0, 0)
    high = spawn(1, 90)
    high_step = add_call(high, Syscall.YIELD, 0, 0)
    middle = spawn(2, 50)
    middle_step = add_call(middle, Syscall.YIELD, 0, 0)
    start(low)
    start(high)
    start(middle)
    settle()
    true(b"high before middle", high_step.order < middle_step.order)
    true(b"middle before low", middle_step.order < low_step.order)
    true(b"all", low_step.done and middle_step.done and high_step.done)


@case
@compiled
def priority_change_takes_effect() -> None:
    """A new priority counts at once (TCB SetPriority)."""
    first = spawn(0, 50)
    first_step = add_call(first, Syscall.YIELD, 0, 0)
    second = spawn(1, 60)
    second_step = add_call(second, Syscall.YIELD, 0, 0)
    start(first)
    start(second)
    done(b"raise", tcb_set_priority(first.tcb, ROOT_TCB, 70))
    settle()
    true(b"the raised one first", first_step.order < second_step.order)


@case
@compiled
def priority_change_moves_in_a_queue() -> None:
    """A thread whose priority changes while it waits is served according to the new one (TCB SetPriority;
    Endpoints)."""
    endpoint = make(ObjectType.ENDPOINT)
    first = spawn(0, 50)
    first_step = add_call(first, Syscall.WAIT, endpoint, 0)
    second = spawn(1, 60)
    second_step = add_call(second, Syscall.WAIT, endpoint, 0)
    start(first)
    start(second)
    settle()
    done(b"raise", tcb_set_priority(first.tcb, ROOT_TCB, 70))
    nb_send(endpoint, MessageInfo(), 0, 0, 0, 0)
    settle()
    true(b"the raised one", first_step.done)
    false(b"the other one", second_step.done)


@case
@compiled
def priority_is_limited() -> None:
    """No priority above the authority's maximum controlled priority can be given (TCB SetPriority: RangeError)."""
    authority = make(ObjectType.TCB)
    thread = make(ObjectType.TCB)
    done(b"limit of the authority", tcb_set_mc_priority(authority, ROOT_TCB, 100))
    error(b"priority", Error.RANGE_ERROR, tcb_set_priority(thread, authority, 101))
    detail(b"least", 0, 0)
    detail(b"greatest", 1, 100)
    error(b"maximum controlled priority", Error.RANGE_ERROR, tcb_set_mc_priority(thread, authority, 101))
    detail(b"greatest", 1, 100)
    done(b"as high as allowed", tcb_set_priority(thread, authority, 100))
    error(b"no thread", Error.INVALID_CAPABILITY, tcb_set_priority(thread, CNODE, 1))


@case
@compiled
def yield_alternates() -> None:
    """Yield lets the next thread of the same priority run (Threads: Yield)."""
    first = spawn(0, 100)
    second = spawn(1, 100)
    for worker in (0, 1):
        for _turn in (0, 1, 2):
            add_call(workers.entries[worker], Syscall.YIELD, 0, 0)
    start(first)
    start(second)
    settle()
    true(b"first, then second", first.steps[0].order < second.steps[1].order)
    true(b"second, then first", second.steps[0].order < first.steps[1].order)
    true(b"first again", first.steps[1].order < second.steps[2].order)
    true(b"second again", second.steps[1].order < first.steps[2].order)


@case
@compiled
def thread_pointer_is_set() -> None:
    """The TLS base of a thread is in its thread pointer register (TCB SetTLSBase; SetTLSBase system call)."""
    worker = spawn(0, 100)
    by_call = add_function(worker, probe_address(Probe.THREAD_POINTER), 0, 0)
    add_call(worker, Syscall.SET_TLS_BASE, 0x1234_5670, 0)
    by_itself = add_function(worker, probe_address(Probe.THREAD_POINTER), 0, 0)
    done(b"set", tcb_set_tls_base(worker.tcb, 0x7654_3210))
    start(worker)
    settle()
    equal(b"by the invocation", 0x7654_3210, by_call.result)
    equal(b"by the system call", 0x1234_5670, by_itself.result)


@case
@compiled
def floats_belong_to_a_thread() -> None:
    """Floating-point registers keep their values while other threads run (Threads: Registers)."""
    notification = make(ObjectType.NOTIFICATION)
    for number in (0, 1, 2):
        worker = spawn(number, 100)
        # Between the other two, one that may not use them.
        if number == 1:
            done(b"flags", tcb_set_flags(worker.tcb, 0, TCB_FLAG_FPU_DISABLED).error)
            add_call(worker, Syscall.WAIT, notification, 0)
        else:
            add_function(worker, probe_address(Probe.SET_FLOAT), 0x4000_0000_0000_0001 + number, 0)
            add_call(worker, Syscall.WAIT, notification, 0)
            add_function(worker, probe_address(Probe.GET_FLOAT), 0, 0)
        start(worker)
    settle()
    for _number in (0, 1, 2):
        nb_send(notification, MessageInfo(), 0, 0, 0, 0)
        settle()
    equal(b"first", 0x4000_0000_0000_0001, workers.entries[0].steps[2].result)
    equal(b"third", 0x4000_0000_0000_0003, workers.entries[2].steps[2].result)


@case
@compiled
def flags_are_set_and_cleared() -> None:
    """Flags are cleared, then set; the result is all flags afterwards (TCB SetFlags)."""
    thread = make(ObjectType.TCB)
    answer = tcb_set_flags(thread, 0, 0)
    done(b"read", answer.error)
    equal(b"at first", 0, answer.value)
    equal(b"set", TCB_FLAG_FPU_DISABLED, tcb_set_flags(thread, 0, TCB_FLAG_FPU_DISABLED).value)
    equal(b"kept", TCB_FLAG_FPU_DISABLED, tcb_set_flags(thread, 0, 0).value)
    equal(b"cleared", 0, tcb_set_flags(thread, TCB_FLAG_FPU_DISABLED, 0).value)


@case
@compiled
def configure_errors() -> None:
    """Spaces and buffer of a thread must be what they are meant to be (TCB Configure, SetSpace, SetIPCBuffer)."""
    thread = make(ObjectType.TCB)
    worker = workers.entries[0]
    address = address_of(worker)
    frame = image_frame(address)
    result = tcb_configure(thread, VSPACE, 0, VSPACE, 0, address, frame)
    error(b"capability space", Error.ILLEGAL_OPERATION, result)
    result = tcb_configure(thread, CNODE, 0, CNODE, 0, address, frame)
    error(b"address space", Error.ILLEGAL_OPERATION, result)
    result = tcb_configure(thread, CNODE, 0, make(ObjectType.PAGE_TABLE), 0, address, frame)
    error(b"address space without identifier", Error.ILLEGAL_OPERATION, result)
    result = tcb_configure(thread, CNODE, 0, VSPACE, 0, address + 8, frame)
    error(b"unaligned buffer", Error.ALIGNMENT_ERROR, result)
    result = tcb_configure(thread, CNODE, 0, VSPACE, 0, address, CNODE)
    error(b"buffer is no frame", Error.ILLEGAL_OPERATION, result)
    error(b"unaligned buffer", Error.ALIGNMENT_ERROR, tcb_set_ipc_buffer(thread, address + 512, frame))
    done(b"buffer", tcb_set_ipc_buffer(thread, address + 1024, frame))
    result = tcb_set_space(thread, CNODE, CNODE, 0, VSPACE, 0)
    error(b"a fault handler that is no endpoint", Error.INVALID_CAPABILITY, result)
    done(b"spaces", tcb_set_space(thread, 0, CNODE, 0, VSPACE, 0))


@case
@compiled
def deleted_thread_waits_nowhere() -> None:
    """A thread whose last capability is deleted is taken out of all queues (CNode Delete; TCB)."""
    endpoint = make(ObjectType.ENDPOINT)
    first = spawn(0, 60)
    gone = add_call(first, Syscall.WAIT, endpoint, 0)
    start(first)
    second = spawn(1, 50)
    step = add_call(second, Syscall.WAIT, endpoint, 0)
    start(second)
    settle()
    done(b"delete", delete(first.tcb))
    nb_send(endpoint, MessageInfo(), 0, 0, 0, 0)
    settle()
    false(b"the deleted one", gone.done)
    true(b"the other one", step.done)


@case
@compiled
def thread_without_time_does_not_run() -> None:
    """A thread that has no scheduling context does not run (Scheduling Contexts)."""
    worker = prepare_here(0)
    step = add_call(worker, Syscall.YIELD, 0, 0)
    start(worker)
    settle()
    false(b"done", step.done)

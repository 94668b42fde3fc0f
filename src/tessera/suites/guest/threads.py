# SPDX-License-Identifier: BSD-2-Clause
"""Making the threads of workers (manual: Threads and Execution)."""

from __future__ import annotations

from tessera.abi.messages import UserContext
from tessera.abi.objects import MIN_SCHED_CONTEXT_BITS, PAGE_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import address_of, at, compiled, extern, range, static, u64
from tessera.runtime.invoke import CONTEXT_WORDS, ContextWords
from tessera.runtime.threads import (
    sched_control_configure_flags,
    tcb_configure,
    tcb_resume,
    tcb_set_sched_params,
    tcb_write_registers,
)
from tessera.suites.guest.objects import CNODE, ROOT_TCB, VSPACE, guest, make, make_sized
from tessera.suites.guest.report import done
from tessera.suites.guest.workers import (
    LAST,
    WORKER_BYTES,
    Probe,
    Worker,
    add_call,
    order,
    probe_address,
    rest,
    workers,
)

# Microseconds. As long as the period, so that it is renewed at once.
PLENTY = 10_000
LOWEST_PRIORITY = 1

registers: UserContext = static(UserContext)


@extern(symbol="guest_image_start")
def image_start() -> u64:
    """The first address of the root task's image."""
    return u64(0)


@extern(symbol="guest_shared_end")
def shared_end() -> u64:
    """The first address behind the image's code and constants."""
    return u64(0)


@compiled
def image_frame(address: u64) -> u64:
    """The slot of the frame of the root task's image at an address."""
    return guest.boot_info.user_image_frames.start + ((address - image_start()) >> PAGE_BITS)


@compiled
def clear_registers() -> None:
    """Set all words of ``registers`` to 0."""
    context = at(ContextWords, address_of(registers))
    for i in range(CONTEXT_WORDS):
        context.word[i] = 0


@compiled
def prepare(worker: Worker, cspace: u64, vspace: u64) -> None:
    """A TCB for a worker in the given spaces; no time, no fault handler, not started."""
    worker.count = 0
    worker.position = 0
    worker.endless = False
    worker.trace = order
    worker.context = 0
    worker.tcb = make(ObjectType.TCB)
    address = address_of(worker)
    done(b"configure", tcb_configure(worker.tcb, cspace, 0, vspace, 0, address, image_frame(address)))
    clear_registers()
    registers.pc = probe_address(Probe.WORKER_START)
    registers.sp = address + WORKER_BYTES
    registers.a0 = address
    done(b"write registers", tcb_write_registers(worker.tcb, False, 0, CONTEXT_WORDS, registers))


@compiled
def prepare_here(number: u64) -> Worker:
    """A worker in the root task's own spaces, without time."""
    worker = workers.entries[number]
    prepare(worker, CNODE, VSPACE)
    return worker


@compiled
def make_time(budget: u64, period: u64, badge: u64) -> u64:
    """A scheduling context; times in microseconds. Its slot."""
    context = make_sized(ObjectType.SCHED_CONTEXT, MIN_SCHED_CONTEXT_BITS)
    done(b"give a budget", sched_control_configure_flags(guest.sched_control, context, budget, period, 0, badge, 0))
    return context


@compiled
def set_running(worker: Worker, priority: u64, context: u64, fault_endpoint: u64) -> None:
    """Give a worker a priority, time, and a fault handler (0 for none)."""
    worker.context = context
    done(
        b"set priority and time",
        tcb_set_sched_params(worker.tcb, ROOT_TCB, priority, priority, context, fault_endpoint),
    )


@compiled
def spawn_with_handler(number: u64, priority: u64, fault_endpoint: u64) -> Worker:
    """A worker in the root task's spaces with plenty of time, and a fault handler. Not started."""
    worker = prepare_here(number)
    set_running(worker, priority, make_time(PLENTY, PLENTY, 0), fault_endpoint)
    return worker


@compiled
def spawn(number: u64, priority: u64) -> Worker:
    """A worker in the root task's spaces with plenty of time. Not started."""
    return spawn_with_handler(number, priority, 0)


@compiled
def start_one_call(number: Syscall, cap: u64, priority: u64, fault_endpoint: u64) -> u64:
    """Start a thread that makes one system call and is no worker: it has no stack. It ends with a fault. Its slot."""
    tcb = make(ObjectType.TCB)
    done(b"configure", tcb_configure(tcb, CNODE, 0, VSPACE, 0, 0, 0))
    clear_registers()
    registers.pc = probe_address(Probe.ONE_CALL)
    registers.a0 = cap
    registers.a7 = u64(number)
    done(b"write registers", tcb_write_registers(tcb, False, 0, CONTEXT_WORDS, registers))
    context = make_time(PLENTY, PLENTY, 0)
    done(b"give priority and time", tcb_set_sched_params(tcb, ROOT_TCB, 0, priority, context, fault_endpoint))
    done(b"resume", tcb_resume(tcb))
    return tcb


@compiled
def start(worker: Worker) -> None:
    """Let a worker run, once the root task waits."""
    done(b"resume", tcb_resume(worker.tcb))


@compiled
def start_resting() -> None:
    """Make what :func:`settle` needs; once, before the pool is used for cases."""
    rest.ask = make(ObjectType.NOTIFICATION)
    rest.answer = make(ObjectType.NOTIFICATION)
    worker = spawn(LAST, LOWEST_PRIORITY)
    worker.endless = True
    worker.trace = None
    add_call(worker, Syscall.WAIT, rest.ask, 0)
    add_call(worker, Syscall.SEND, rest.answer, 0)
    start(worker)

# SPDX-License-Identifier: BSD-2-Clause
"""How the benchmarks measure. Each measurement is told as ``BENCH|name|`` and one number for each round.

A thread reads the instruction counter just before and just after a system call, with no instruction between, so a
difference of two readings is the instructions of the operation, the system call instruction and what the firmware does
included, and ``OVERHEAD`` for the reading itself.
"""

from __future__ import annotations

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.syscalls import Syscall
from tessera.lang import Array, array, compiled, range, static, struct, u64
from tessera.runtime.threads import sched_context_unbind, tcb_set_flags
from tessera.suites.guest.console import put, put_number
from tessera.suites.guest.objects import CNODE, VSPACE, clean_up
from tessera.suites.guest.report import done, true
from tessera.suites.guest.spaces import close_window, make_worker_space
from tessera.suites.guest.threads import PLENTY, make_time, prepare, set_running, start
from tessera.suites.guest.workers import Step, Worker, add_measured, settle, workers

# Of the rounds of one run the first is not counted: what a case finds new in the kernel is there from then on.
ROUNDS = 16
# How often everything is measured, with new objects each time.
RUNS = 7
OVERHEAD = 1

CLIENT = 0
SERVER = 1


@struct
class Readings:
    """The counter before and after each round."""

    before: Array[u64] = array(ROUNDS)
    after: Array[u64] = array(ROUNDS)


readings: Readings = static(Readings)


@compiled
def tell() -> None:
    """The differences of all readings, behind the name that was printed."""
    for i in range(1, ROUNDS):
        put(b"|")
        put_number(readings.after[i] - readings.before[i] - OVERHEAD)
    put(b"\n")


@compiled
def thread(number: u64, priority: u64, own_space: bool, fpu: bool, fault_endpoint: u64) -> Worker:
    """A thread of a measurement, in the root task's address space or one of its own."""
    worker = workers.entries[number]
    space = make_worker_space(worker) if own_space else VSPACE
    prepare(worker, CNODE, space)
    worker.trace = None
    set_running(worker, priority, make_time(PLENTY, PLENTY, 0), fault_endpoint)
    if not fpu:
        done(b"flags", tcb_set_flags(worker.tcb, 0, TCB_FLAG_FPU_DISABLED).error)
    return worker


@compiled
def make_passive(server: Worker) -> None:
    """Let a server run until it waits, then take its time away."""
    start(server)
    settle()
    done(b"unbind", sched_context_unbind(server.context))


@compiled
def add_rounds(worker: Worker, number: Syscall, cap: u64, length: u64, reply: u64) -> None:
    """The same measured system call for each round, and once more: the last one of all may never come back."""
    for _round in range(ROUNDS + 1):
        add_measured(worker, number, cap, length).reply = reply


@compiled
def client_step(number: u64) -> Step:
    """What the client did in a round."""
    return workers.entries[CLIENT].steps[number]


@compiled
def server_step(number: u64) -> Step:
    """What the server did in a round; its round 0 ends with the first message."""
    return workers.entries[SERVER].steps[number]


@compiled
def finish(worker: Worker) -> None:
    """Run the workers, and see that the first one has done all rounds."""
    settle()
    true(b"all rounds are done", worker.steps[ROUNDS - 1].done)


@compiled
def tell_one_way() -> None:
    """From the client's call to the server that has it."""
    for i in range(ROUNDS):
        readings.before[i] = client_step(i).before
        readings.after[i] = server_step(i).after
    tell()


@compiled
def tell_next_turn() -> None:
    """From the client's call to the end of the server's last one. The client was started last, so it runs first."""
    for i in range(ROUNDS):
        readings.before[i] = client_step(i + 1).before
        readings.after[i] = server_step(i).after
    tell()


@compiled
def tell_way_back() -> None:
    """From the server's reply to the client that has it."""
    for i in range(ROUNDS):
        readings.before[i] = server_step(i + 1).before
        readings.after[i] = client_step(i).after
    tell()


@compiled
def tell_own(first: u64, distance: u64) -> None:
    """From the client's call to its own end, of steps that are so far from each other."""
    for i in range(ROUNDS):
        step = client_step(first + i * distance)
        true(b"the call is done", step.done)
        readings.before[i] = step.before
        readings.after[i] = step.after
    tell()


@compiled
def tell_both_ways() -> None:
    """The way there and the way back, without what the server does in between."""
    for i in range(ROUNDS):
        readings.before[i] = client_step(i).before + (server_step(i + 1).before - server_step(i).after) + OVERHEAD
        readings.after[i] = client_step(i).after
    tell()


@compiled
def end() -> None:
    """Delete what a measurement has made."""
    true(b"everything can be deleted", clean_up())
    close_window()

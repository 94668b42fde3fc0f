# SPDX-License-Identifier: BSD-2-Clause
"""The root task of the benchmarks. Each measurement is told as ``BENCH|name|`` and one number for each round.

A thread reads the instruction counter just before and just after a system call, with no instruction between, so a
difference of two readings is the instructions of the operation, the system call instruction and what the firmware does
included, and ``OVERHEAD`` for the reading itself.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, TCB_FLAG_FPU_DISABLED
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import IpcBuffer
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import Array, address_of, array, at, compiled, offset_of, range, static, struct, u64
from tessera.runtime.sel4 import environment
from tessera.runtime.threads import sched_context_unbind, tcb_set_flags
from tessera.suites.guest.console import power_off, put, put_number
from tessera.suites.guest.devices import open_devices
from tessera.suites.guest.objects import CNODE, VSPACE, clean_up, guest, make, make_pool, retype, set_up, take_slots
from tessera.suites.guest.report import done, true, verdict
from tessera.suites.guest.spaces import PAGE_BYTES, close_window, make_worker_space, window_address
from tessera.suites.guest.threads import (
    PLENTY,
    make_time,
    prepare,
    set_running,
    start,
    start_resting,
)
from tessera.suites.guest.workers import (
    Probe,
    Step,
    Worker,
    add_call,
    add_function,
    add_measured,
    probe_address,
    set_message_caps,
    set_message_label,
    settle,
    workers,
)

# All rounds but the first are alike: what a case finds new in the kernel is there from then on.
ROUNDS = 8
OVERHEAD = 1

BEFORE = offset_of(Step, "before")

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
    for i in range(ROUNDS):
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
def run_calls(own_spaces: bool, fpu: bool, length: u64) -> None:
    """A client calls a passive server of its own priority, ROUNDS times."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    server = thread(SERVER, 100, own_spaces, fpu, 0)
    add_measured(server, Syscall.RECV, endpoint, 0).reply = reply
    add_rounds(server, Syscall.REPLY_RECV, endpoint, length, reply)
    make_passive(server)
    client = thread(CLIENT, 100, own_spaces, fpu, 0)
    add_rounds(client, Syscall.CALL, endpoint, length, 0)
    start(client)
    finish(client)


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
def tell_own() -> None:
    """From the client's call to its own end. What the server does between its two calls does not count."""
    for i in range(ROUNDS):
        readings.before[i] = client_step(i).before
        readings.after[i] = client_step(i).after
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


@compiled
def measure_null() -> None:
    """The cheapest documented system call."""
    client = thread(CLIENT, 100, True, False, 0)
    add_rounds(client, Syscall.SET_TLS_BASE, 0, 0, 0)
    start(client)
    finish(client)
    put(b"BENCH|null")
    tell_own()
    end()


@compiled
def measure_calls() -> None:
    """Calls to a passive server."""
    run_calls(True, False, 0)
    put(b"BENCH|call")
    tell_one_way()
    put(b"BENCH|reply_recv")
    tell_way_back()
    put(b"BENCH|round_trip")
    tell_both_ways()
    end()
    run_calls(False, False, 0)
    put(b"BENCH|call_same_space")
    tell_one_way()
    put(b"BENCH|reply_recv_same_space")
    tell_way_back()
    end()
    run_calls(True, True, 0)
    put(b"BENCH|call_fpu")
    tell_one_way()
    put(b"BENCH|reply_recv_fpu")
    tell_way_back()
    end()
    run_calls(True, False, 10)
    put(b"BENCH|call_10_words")
    tell_one_way()
    put(b"BENCH|reply_recv_10_words")
    tell_way_back()
    end()


@compiled
def run_pair(object_: u64, first: Syscall, first_priority: u64, second: Syscall, second_priority: u64) -> None:
    """A client and a server that each make the same system call on an object, ROUNDS times."""
    server = thread(SERVER, second_priority, True, False, 0)
    add_rounds(server, second, object_, 0, 0)
    start(server)
    client = thread(CLIENT, first_priority, True, False, 0)
    add_rounds(client, first, object_, 0, 0)
    start(client)
    finish(client)


@compiled
def measure_signals() -> None:
    """Messages and signals in one direction, and the scheduler."""
    run_pair(make(ObjectType.ENDPOINT), Syscall.SEND, 50, Syscall.WAIT, 100)
    put(b"BENCH|send_to_higher")
    tell_one_way()
    end()
    run_pair(make(ObjectType.NOTIFICATION), Syscall.SEND, 50, Syscall.WAIT, 100)
    put(b"BENCH|signal_higher")
    tell_one_way()
    end()
    measure_signal_lower()
    run_pair(0, Syscall.YIELD, 100, Syscall.YIELD, 100)
    put(b"BENCH|yield_to_equal")
    tell_next_turn()
    end()


@compiled
def measure_signal_lower() -> None:
    """A signal to a waiting thread that does not run at once; the client then waits until it waits again."""
    notification = make(ObjectType.NOTIFICATION)
    turn = make(ObjectType.NOTIFICATION)
    server = thread(SERVER, 50, True, False, 0)
    client = thread(CLIENT, 100, True, False, 0)
    for _round in range(ROUNDS):
        add_call(server, Syscall.WAIT, notification, 0)
        add_call(server, Syscall.SEND, turn, 0)
        add_measured(client, Syscall.SEND, notification, 0)
        add_call(client, Syscall.WAIT, turn, 0)
    start(server)
    settle()
    start(client)
    settle()
    put(b"BENCH|signal_lower")
    for i in range(ROUNDS):
        true(b"the round is done", client_step(2 * i).done)
        readings.before[i] = client_step(2 * i).before
        readings.after[i] = client_step(2 * i).after
    tell()
    end()


@compiled
def measure_faults() -> None:
    """A breakpoint, its handler without time of its own, and the way back behind the instruction."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    handler = thread(SERVER, 100, True, False, 0)
    add_measured(handler, Syscall.RECV, endpoint, 0).reply = reply
    fault = probe_address(Probe.MEASURED_FAULT)
    for _round in range(ROUNDS + 1):
        step = add_measured(handler, Syscall.REPLY_RECV, endpoint, 1)
        step.reply = reply
        # The first register of a thread is where it goes on: behind the reading and the breakpoint.
        step.words[0] = fault + 8
    make_passive(handler)
    client = thread(CLIENT, 100, True, False, endpoint)
    for _round in range(ROUNDS + 1):
        step = add_function(client, fault, 0, 0)
        step.words[0] = address_of(step) + BEFORE
    start(client)
    finish(client)
    put(b"BENCH|fault")
    tell_one_way()
    put(b"BENCH|fault_reply")
    tell_way_back()
    put(b"BENCH|fault_round_trip")
    tell_both_ways()
    end()


@compiled
def add_mapping(client: Worker, frame: u64, address: u64, rights: u64) -> None:
    """A measured mapping of a frame into the root task's address space."""
    step = add_measured(client, Syscall.CALL, frame, 3)
    set_message_label(step, u64(InvocationLabel.RISCV_PAGE_MAP))
    set_message_caps(step, 1)
    step.words[0] = address
    step.words[1] = rights


@compiled
def measure_pages() -> None:
    """Mapping pages, and then changing their rights."""
    client = thread(CLIENT, 100, True, False, 0)
    client.buffer.caps[0] = VSPACE
    # Makes the page tables, so that frames and addresses follow each other.
    first_address = window_address() + PAGE_BYTES
    first_frame = take_slots(ROUNDS)
    done(b"make frames", retype(guest.pool, ObjectType.PAGE, 0, first_frame, ROUNDS))
    for i in range(ROUNDS):
        add_mapping(client, first_frame + i, first_address + i * PAGE_BYTES, ALL_RIGHTS)
    for i in range(ROUNDS):
        add_mapping(client, first_frame + i, first_address + i * PAGE_BYTES, RIGHT_READ)
    start(client)
    settle()
    for i in range(2 * ROUNDS):
        true(b"the page is mapped", client_step(i).done and client_step(i).result_info.label == 0)
    put(b"BENCH|page_map")
    tell_own()
    put(b"BENCH|page_protect")
    for i in range(ROUNDS):
        readings.before[i] = client_step(ROUNDS + i).before
        readings.after[i] = client_step(ROUNDS + i).after
    tell()
    end()


@compiled(symbol="main")
def main(boot_info: u64) -> None:
    """Measure everything. The exit code of QEMU is 0 if all measurements could be done."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    set_up(info)
    open_devices()
    put(b"\n")
    start_resting()
    make_pool()
    measure_null()
    measure_calls()
    measure_signals()
    measure_faults()
    measure_pages()
    put(b"BENCH|END\n")
    power_off(not verdict.differs)

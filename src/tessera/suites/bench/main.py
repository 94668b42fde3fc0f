# SPDX-License-Identifier: BSD-2-Clause
"""The root task of the benchmarks: messages, signals, faults, and the order of all measurements."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.messages import IpcBuffer
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import address_of, at, compiled, offset_of, range, u64
from tessera.runtime.sel4 import environment
from tessera.suites.bench.measure import (
    CLIENT,
    ROUNDS,
    RUNS,
    SERVER,
    add_rounds,
    end,
    finish,
    make_passive,
    tell_both_ways,
    tell_next_turn,
    tell_one_way,
    tell_own,
    tell_way_back,
    thread,
)
from tessera.suites.bench.objects import measure_interrupts, measure_objects, measure_pages
from tessera.suites.guest.console import power_off, put
from tessera.suites.guest.devices import open_devices
from tessera.suites.guest.objects import make, make_pool, set_up
from tessera.suites.guest.report import verdict
from tessera.suites.guest.threads import start, start_resting
from tessera.suites.guest.workers import Probe, Step, add_call, add_function, add_measured, probe_address, settle

BEFORE = offset_of(Step, "before")


@compiled
def measure_null() -> None:
    """The cheapest documented system call."""
    client = thread(CLIENT, 100, True, False, 0)
    add_rounds(client, Syscall.SET_TLS_BASE, 0, 0, 0)
    start(client)
    finish(client)
    put(b"BENCH|null")
    tell_own(0, 1)
    end()


@compiled
def run_calls(own_spaces: bool, client_fpu: bool, server_fpu: bool, length: u64) -> None:
    """A client calls a passive server of its own priority, in each round. The FPU is for those that may use it."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    server = thread(SERVER, 100, own_spaces, server_fpu, 0)
    add_measured(server, Syscall.RECV, endpoint, 0).reply = reply
    add_rounds(server, Syscall.REPLY_RECV, endpoint, length, reply)
    make_passive(server)
    client = thread(CLIENT, 100, own_spaces, client_fpu, 0)
    add_rounds(client, Syscall.CALL, endpoint, length, 0)
    start(client)
    finish(client)


@compiled
def measure_calls() -> None:
    """Calls to a passive server."""
    run_calls(True, False, False, 0)
    put(b"BENCH|call.0")
    tell_one_way()
    put(b"BENCH|reply_recv.0")
    tell_way_back()
    put(b"BENCH|round_trip.0")
    tell_both_ways()
    end()
    run_calls(False, False, False, 0)
    put(b"BENCH|call.0.same_space")
    tell_one_way()
    put(b"BENCH|reply_recv.0.same_space")
    tell_way_back()
    end()
    run_calls(True, True, False, 0)
    put(b"BENCH|call.0.client_fpu")
    tell_one_way()
    put(b"BENCH|reply_recv.0.client_fpu")
    tell_way_back()
    end()
    run_calls(True, True, True, 0)
    put(b"BENCH|call.0.fpu")
    tell_one_way()
    put(b"BENCH|reply_recv.0.fpu")
    tell_way_back()
    end()
    run_calls(True, False, False, 4)
    put(b"BENCH|call.4")
    tell_one_way()
    put(b"BENCH|reply_recv.4")
    tell_way_back()
    end()
    run_calls(True, False, False, 10)
    put(b"BENCH|call.10")
    tell_one_way()
    put(b"BENCH|reply_recv.10")
    tell_way_back()
    end()


@compiled
def run_pair(
    object_: u64, first: Syscall, first_priority: u64, second: Syscall, second_priority: u64, own_spaces: bool
) -> None:
    """A client and a server that each make the same system call on an object, in each round."""
    server = thread(SERVER, second_priority, own_spaces, False, 0)
    add_rounds(server, second, object_, 0, 0)
    start(server)
    client = thread(CLIENT, first_priority, own_spaces, False, 0)
    add_rounds(client, first, object_, 0, 0)
    start(client)
    finish(client)


@compiled
def measure_signals() -> None:
    """Messages and signals in one direction, and the scheduler."""
    run_pair(make(ObjectType.ENDPOINT), Syscall.SEND, 50, Syscall.WAIT, 100, True)
    put(b"BENCH|send.0")
    tell_one_way()
    end()
    run_pair(make(ObjectType.NOTIFICATION), Syscall.SEND, 50, Syscall.WAIT, 100, True)
    put(b"BENCH|signal.high")
    tell_one_way()
    end()
    measure_signal_lower()
    measure_wait()
    run_pair(0, Syscall.YIELD, 100, Syscall.YIELD, 100, True)
    put(b"BENCH|yield.other")
    tell_next_turn()
    end()
    run_pair(0, Syscall.YIELD, 100, Syscall.YIELD, 100, False)
    put(b"BENCH|yield.other.same_space")
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
    put(b"BENCH|signal.low")
    tell_own(0, 2)
    end()


@compiled
def measure_wait() -> None:
    """Waiting where a signal is there already."""
    notification = make(ObjectType.NOTIFICATION)
    client = thread(CLIENT, 100, True, False, 0)
    for _round in range(ROUNDS):
        add_call(client, Syscall.SEND, notification, 0)
        add_measured(client, Syscall.WAIT, notification, 0)
    start(client)
    settle()
    put(b"BENCH|wait")
    tell_own(1, 2)
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
    put(b"BENCH|fault.to_handler")
    tell_one_way()
    put(b"BENCH|fault.from_handler")
    tell_way_back()
    put(b"BENCH|fault.round_trip")
    tell_both_ways()
    end()


@compiled
def measure_all(boot_info: u64, runs: u64) -> None:
    """Measure everything so many times. The exit code of QEMU is 0 if all measurements could be done."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    set_up(info)
    open_devices()
    put(b"\n")
    start_resting()
    make_pool()
    for _run in range(runs):
        measure_null()
        measure_calls()
        measure_signals()
        measure_faults()
        measure_pages()
        measure_objects()
        measure_interrupts()
    put(b"BENCH|END\n")
    power_off(not verdict.differs)


@compiled(symbol="main")
def main(boot_info: u64) -> None:
    """The benchmarks."""
    measure_all(boot_info, RUNS)


@compiled(symbol="main")
def main_of_trace(boot_info: u64) -> None:
    """Each measurement in one run, to be watched."""
    measure_all(boot_info, 1)

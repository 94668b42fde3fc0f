# SPDX-License-Identifier: BSD-2-Clause
"""The root task that is measured on a core: a client calls a passive server, at several latencies of memory."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.messages import IpcBuffer
from tessera.lang import at, compiled, struct, u64
from tessera.runtime.machine import full_fence
from tessera.runtime.sel4 import environment
from tessera.suites.bench.main import measure_null, run_calls
from tessera.suites.bench.measure import end
from tessera.suites.guest.console import TEST_WINDOW, power_off, put
from tessera.suites.guest.devices import open_devices
from tessera.suites.guest.objects import make_pool, set_up
from tessera.suites.guest.report import verdict
from tessera.suites.guest.threads import start_resting

# Cycles from a request until memory answers.
LATENCIES = (1, 10, 50)


@struct
class TestBench:
    """The device that ends the run has one more register here (bench.cpp)."""

    status: u64
    latency: u64


@compiled
def set_latency(cycles: u64) -> None:
    """Let memory take so long from now on."""
    at(TestBench, TEST_WINDOW).latency = cycles
    full_fence()


@compiled
def measure_at(latency: u64) -> None:
    """All measurements at one latency."""
    set_latency(latency)
    put(b"CASE|null\n")
    measure_null()
    put(b"CASE|call.0|reply_recv.0\n")
    run_calls(True, False, False, 0)
    end()
    put(b"CASE|call.0.same_space|reply_recv.0.same_space\n")
    run_calls(False, False, False, 0)
    end()
    put(b"CASE\n")
    set_latency(1)


@compiled(symbol="main")
def main(boot_info: u64) -> None:
    """Measure at each latency. The exit code is 0 if all could be measured."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    set_up(info)
    open_devices()
    put(b"\n")
    start_resting()
    make_pool()
    for latency in LATENCIES:
        measure_at(u64(latency))
    power_off(not verdict.differs)

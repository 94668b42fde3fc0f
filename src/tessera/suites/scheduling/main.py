# SPDX-License-Identifier: BSD-2-Clause
"""The root task of the scheduling examples: runs each system to its end, and tells what became of its deadlines.

The control loop works for a fixed number of instructions and gives up the rest of its period. The driver waits for
alarms of the board's clock, and tells how late it is; from a moment on, at which the loop is released too, it spins.
Under ``-icount shift=0`` an instruction is a nanosecond, so everything here is the same in each run.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.capabilities import SCHED_CONTEXT_SPORADIC, InitialSlot
from tessera.abi.errors import Error
from tessera.abi.messages import IpcBuffer
from tessera.abi.objects import ObjectType
from tessera.lang import at, compiled, u64
from tessera.runtime.invoke import CONTEXT_WORDS, last_failure
from tessera.runtime.machine import read_time
from tessera.runtime.sel4 import environment, signal, wait
from tessera.runtime.threads import (
    domain_set_schedule_configure,
    domain_set_schedule_set_start,
    domain_set_set,
    irq_control_get,
    irq_handler_set_notification,
    sched_control_configure_flags,
    tcb_write_registers,
)
from tessera.suites.guest.console import power_off, put, put_number
from tessera.suites.guest.devices import open_devices
from tessera.suites.guest.objects import CNODE, DEPTH, clean_up, guest, make, make_pool, make_sized, set_up, take_slot
from tessera.suites.guest.report import done, true, verdict
from tessera.suites.guest.threads import prepare_here, registers, set_running, start
from tessera.suites.guest.workers import Probe, Worker, probe_address
from tessera.suites.scheduling.roles import CLOCK_INTERRUPT, TICKS, Role, await_alarm, clock_now, open_clock, workload
from tessera.suites.scheduling.systems import selection

LOOP_PRIORITY = 50
DRIVER_PRIORITY = 200

# Room for eight refills more: the driver's time comes back in small pieces.
CONTEXT_BITS = 8
EXTRA_REFILLS = 8

ROOT_DOMAIN = 0
LOOP_DOMAIN = 1
DRIVER_DOMAIN = 2
DOMAIN = u64(InitialSlot.DOMAIN)


@compiled
def make_thread(role: Role, priority: u64, budget: u64, period: u64) -> Worker | None:
    """A thread with a budget in each period, in microseconds; ``None`` if the kernel refuses the budget."""
    context = make_sized(ObjectType.SCHED_CONTEXT, CONTEXT_BITS)
    # A sporadic server's time comes back a period after the thread woke up, whoever ran before it in between.
    result = sched_control_configure_flags(
        guest.sched_control, context, budget, period, EXTRA_REFILLS, 0, SCHED_CONTEXT_SPORADIC
    )
    if result == Error.RANGE_ERROR:
        return None
    done(b"give a budget", result)
    worker = prepare_here(u64(role))
    registers.pc = probe_address(Probe.THREAD_START)
    registers.a0 = u64(role)
    done(b"write registers", tcb_write_registers(worker.tcb, False, 0, CONTEXT_WORDS, registers))
    set_running(worker, priority, context, 0)
    return worker


@compiled
def divide_time(loop: Worker, driver: Worker, driver_budget: u64, driver_period: u64) -> None:
    """A fixed time partition: the driver's domain for as long as its budget is, then the loop's."""
    done(b"the loop's domain", domain_set_set(DOMAIN, LOOP_DOMAIN, loop.tcb))
    done(b"the driver's domain", domain_set_set(DOMAIN, DRIVER_DOMAIN, driver.tcb))
    rest = driver_period - driver_budget
    done(b"first part", domain_set_schedule_configure(DOMAIN, 1, DRIVER_DOMAIN, driver_budget * TICKS))
    done(b"second part", domain_set_schedule_configure(DOMAIN, 2, LOOP_DOMAIN, rest * TICKS))
    done(b"again", domain_set_schedule_configure(DOMAIN, 3, ROOT_DOMAIN, 0))


@compiled
def connect_alarm() -> None:
    """The interrupt of the board's clock signals the driver."""
    workload.handler = take_slot()
    done(
        b"take the interrupt",
        irq_control_get(u64(InitialSlot.IRQ_CONTROL), CLOCK_INTERRUPT, CNODE, workload.handler, DEPTH),
    )
    done(b"connect", irq_handler_set_notification(workload.handler, workload.alarm))


@compiled
def prepare_workload(loop_period: u64, work_ns: u64, jobs: u64, interrupts: u64, gap: u64) -> None:
    """What the two threads are to do, and nothing done yet."""
    workload.begin_loop = make(ObjectType.NOTIFICATION)
    workload.begin_driver = make(ObjectType.NOTIFICATION)
    workload.alarm = make(ObjectType.NOTIFICATION)
    workload.finished = make(ObjectType.NOTIFICATION)
    workload.period = loop_period * TICKS
    workload.work_ns = work_ns
    workload.jobs = jobs
    workload.interrupts = interrupts
    workload.gap = gap
    workload.missed = 0
    workload.calm_jobs = 0
    workload.worst = 0
    workload.latest = 0
    workload.latencies = 0
    workload.spins = False
    connect_alarm()


@compiled
def tell(name: bytes, value: u64) -> None:
    """One result."""
    put(b"|")
    put(name)
    put(b"=")
    put_number(value)


@compiled
def tell_results(name: bytes) -> None:
    """What became of a system: times in ticks and nanoseconds, as ``run.read_outcomes`` expects them."""
    put(b"SYSTEM|")
    put(name)
    tell(b"missed", workload.missed)
    tell(b"calm_jobs", workload.calm_jobs)
    tell(b"worst_ticks", workload.worst)
    tell(b"latest_ns", workload.latest)
    tell(b"latencies_ns", workload.latencies)
    put(b"\n")


@compiled
def run(
    name: bytes,
    partitioned: bool,
    loop_budget: u64,
    loop_period: u64,
    driver_budget: u64,
    driver_period: u64,
    work_ns: u64,
    jobs: u64,
    interrupts: u64,
    gap: u64,
) -> None:
    """One system, from its start until the control loop has done all jobs."""
    prepare_workload(loop_period, work_ns, jobs, interrupts, gap)
    loop = make_thread(Role.LOOP, LOOP_PRIORITY, loop_budget, loop_period)
    driver = make_thread(Role.DRIVER, DRIVER_PRIORITY, driver_budget, driver_period)
    if loop is None or driver is None:
        put(b"REFUSED|")
        put(name)
        tell(b"least", last_failure.words[0])
        tell(b"greatest", last_failure.words[1])
        put(b"\n")
        true(b"everything can be deleted", clean_up())
        return
    start(loop)
    start(driver)
    if partitioned:
        divide_time(loop, driver, driver_budget, driver_period)
    # Until the loop waits.
    await_alarm(clock_now() + 3 * driver_period * 1000)
    workload.release = read_time()
    workload.release_clock = clock_now()
    signal(workload.begin_loop)
    signal(workload.begin_driver)
    if partitioned:
        done(b"begin the partition", domain_set_schedule_set_start(DOMAIN, 1))
    wait(workload.finished)
    true(b"the driver spins at the end", workload.spins)
    tell_results(name)
    true(b"everything can be deleted", clean_up())


@compiled(symbol="main")
def main(boot_info: u64) -> None:
    """Run all systems. The exit code of QEMU is 0 if each came to its end."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    set_up(info)
    open_devices()
    put(b"\n")
    open_clock()
    make_pool()
    for row in selection.rows:
        run(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9])
    put(b"SYSTEM|END\n")
    power_off(not verdict.differs)

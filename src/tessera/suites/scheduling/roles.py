# SPDX-License-Identifier: BSD-2-Clause
"""The two threads of an example: what the control loop and the driver do, and the clock that interrupts the driver."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.abi.capabilities import ALL_RIGHTS, EXECUTE_NEVER, InitialSlot
from tessera.abi.objects import ObjectType
from tessera.lang import at, compiled, intrinsic, max, range, static, struct, truncate, u32, u64, word
from tessera.runtime.machine import full_fence, read_time
from tessera.runtime.memory import page_map
from tessera.runtime.sel4 import signal, wait, yield_processor
from tessera.runtime.threads import domain_set_schedule_set_start, irq_handler_ack
from tessera.suites.guest.devices import TEST_DEVICE
from tessera.suites.guest.objects import VSPACE, guest, retype, take_slot
from tessera.suites.guest.report import done

TICKS = QEMU_VIRT_RISCV64.timer_frequency // 1_000_000  # in a microsecond
TICK_NS = 1000 // TICKS

CLOCK = QEMU_VIRT_RISCV64.device("rtc").region.start
CLOCK_INTERRUPT = QEMU_VIRT_RISCV64.device("rtc").interrupts[0]
# Behind the windows of guest/console.py.
CLOCK_WINDOW = 0x5F_2000
assert CLOCK == TEST_DEVICE + 0x1000, "the clock's page is the one behind the test device's"


@word(u64)
class Role(IntEnum):
    """Which of the two a thread is."""

    LOOP = 0
    DRIVER = 1


@struct
class Clock:
    """The registers of the board's clock ("goldfish" real-time clock): nanoseconds, in halves; low halves first."""

    time_low: u32
    time_high: u32
    alarm_low: u32
    alarm_high: u32
    irq_enabled: u32
    clear_alarm: u32
    alarm_status: u32
    clear_interrupt: u32


@struct
class Workload:
    """What the threads are to do, and what has become of it. Times without a unit are ticks of the timer."""

    # Slots: notifications, and the handler of the clock's interrupt.
    begin_loop: u64
    begin_driver: u64
    alarm: u64
    finished: u64
    handler: u64
    # The loop: when its present period began, by both clocks; its period and number of jobs, its work in each.
    release: u64
    release_clock: u64
    period: u64
    jobs: u64
    work_ns: u64
    # The driver: interrupts that it serves before it spins, and the least time between two, in microseconds.
    interrupts: u64
    gap: u64
    # Results: jobs that were not done in their period, jobs done before the driver span, the longest response, and
    # the greatest and the sum of all interrupt latencies, in nanoseconds.
    missed: u64
    calm_jobs: u64
    worst: u64
    latest: u64
    latencies: u64
    spins: bool


workload: Workload = static(Workload)


@intrinsic(assembly="1: addi $0, $0, -1\n\tbnez $0, 1b", constraints="=r,0")
def count_down(turns: u64) -> u64:
    """Keep the processor busy for twice so many instructions."""
    return u64(0)


@compiled
def clock() -> Clock:
    """The registers of the board's clock."""
    return at(Clock, CLOCK_WINDOW)


@compiled
def open_clock() -> None:
    """Map the clock; once, right after the test device was taken from the same memory."""
    info = guest.boot_info
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        if entry.is_device != 0 and entry.paddr <= CLOCK and CLOCK - entry.paddr < u64(1) << u64(entry.size_bits):
            frame = take_slot()
            done(b"make a device frame", retype(info.untyped.start + i, ObjectType.PAGE, 0, frame, 1))
            done(b"map the clock", page_map(frame, VSPACE, CLOCK_WINDOW, ALL_RIGHTS, EXECUTE_NEVER))
    clock().irq_enabled = 1
    full_fence()


@compiled
def clock_now() -> u64:
    """The time of the board's clock, in nanoseconds."""
    full_fence()
    low = u64(clock().time_low)
    full_fence()
    return u64(clock().time_high) << 32 | low


@compiled
def set_alarm(time: u64) -> None:
    """Interrupt when the board's clock reaches this time, in nanoseconds."""
    clock().alarm_high = truncate(u32, time >> 32)
    full_fence()
    clock().alarm_low = truncate(u32, time)
    full_fence()


@compiled
def await_alarm(time: u64) -> u64:
    """Wait until the board's clock reaches a time; how late it is then, in nanoseconds."""
    set_alarm(time)
    wait(workload.alarm)
    late = clock_now() - time
    clock().clear_interrupt = 1
    full_fence()
    irq_handler_ack(workload.handler)
    return late


@compiled
def control() -> None:
    """All jobs of the control loop; each begins with a period of its scheduling context."""
    wait(workload.begin_loop)
    for _job in range(workload.jobs):
        count_down(workload.work_ns // 2)
        response = read_time() - workload.release
        workload.release += workload.period
        workload.worst = max(workload.worst, response)
        if not workload.spins:
            workload.calm_jobs += 1
        if response > workload.period:
            # The next period has begun already.
            workload.missed += 1
        else:
            yield_processor()
    signal(workload.finished)
    # Where time is partitioned, the root task's part comes only if it is asked for.
    domain_set_schedule_set_start(u64(InitialSlot.DOMAIN), 0)


@compiled
def serve() -> None:
    """Serve interrupts that come at irregular times."""
    chance = u64(1)
    for _interrupt in range(workload.interrupts):
        chance = (chance * 1_103_515_245 + 12_345) % (1 << 31)
        gap_ns = workload.gap * 1000
        late = await_alarm(clock_now() + gap_ns + chance % gap_ns)
        workload.latest = max(workload.latest, late)
        workload.latencies += late


@compiled
def drive() -> None:
    """Serve interrupts, then turn malicious: spin from the loop's next release on. Without interrupts spin at once."""
    if workload.interrupts > 0:
        wait(workload.begin_driver)
        serve()
        period_ns = workload.period * TICK_NS
        periods = (clock_now() - workload.release_clock) // period_ns + 1
        await_alarm(workload.release_clock + periods * period_ns)
    workload.spins = True


@compiled(symbol="run_thread")
def run_thread(role: Role) -> NoReturn:
    """Where both threads start. The control loop waits for ever at its end."""
    if role == Role.LOOP:
        control()
        while True:
            wait(workload.begin_loop)
    drive()
    while True:
        count_down(1 << 40)

# SPDX-License-Identifier: BSD-2-Clause
"""The examples in simulated time: the kernel's own code runs on this machine, and takes no time at all.

What a computer with a processor of any speed does in the limit. Budgets can then be as small as the clock is fine. The
kernel is the one that boots, compiled for the host; user programs are played: they keep the processor busy, or yield.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tessera.abi.capabilities import SCHED_CONTEXT_SPORADIC, InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.arch import machine, registers
from tessera.kernel import boot, boot_slots, entry, scheduler
from tessera.kernel.capability import FrameCap, SchedControlCap, ThreadCap, UntypedCap
from tessera.kernel.layout import FAULT_PC, NEXT_PC, IpcBuffer
from tessera.kernel.state import kernel
from tessera.lang import at, from_word, to_word
from tessera.suites.fuzz.world import CELLS, IMAGE_PAGES, IMAGE_VIRTUAL, KERNEL_BYTES, Native, small_configuration
from tessera.suites.scheduling.run import Outcome
from tessera.suites.scheduling.systems import SLOW, System

# As the example is told: the kernel's bound is 1 us, so that the least budget is the driver's.
LITERAL = replace(SLOW, name="literal", driver_budget=2, driver_period=3, jobs=2, interrupts=0, kernel_share=0)
KERNEL_BOUND_US = 1

LOOP_PRIORITY = 50
DRIVER_PRIORITY = 200
CONTEXT_BITS = 8
EXTRA_REFILLS = 8


class SetUpFailed(Exception):
    """A system call that makes the example was refused."""


@contextmanager
def configured(kernel_bound_us: int) -> Iterator[None]:
    """A small board, and a kernel that reserves so much time for itself, in microseconds."""
    with small_configuration():
        before = configuration.profile
        configuration.profile = replace(before, name="simulated", kernel_wcet_us=kernel_bound_us)
        try:
            yield
        finally:
            configuration.profile = before


def simulate(system: System = LITERAL, kernel_bound_us: int = KERNEL_BOUND_US) -> Outcome:
    """Run a system until its control loop has done all jobs; the driver spins from its start on.

    What is left of a budget below the least one cannot be used, so the loop's work is its budget without that.
    """
    with configured(kernel_bound_us):
        native = Native(checked=False)
        with native.module.memory:
            return _Simulation(native, system).run()


@dataclass
class _Simulation:
    native: Native
    system: System

    def __post_init__(self) -> None:
        memory = self.native.module.memory
        memory.data[:] = bytes(len(memory.data))
        _boot()
        self.free_slot = 200
        first = range(1, self.free_slot)
        caps = {index: boot_slots.root_slot(index).capability for index in first}
        self.control = next(index for index, cap in caps.items() if isinstance(cap, SchedControlCap))
        free = {index: cap for index, cap in caps.items() if isinstance(cap, UntypedCap) and not cap.is_device}
        self.memory = max(free, key=lambda index: int(free[index].size_bits))
        system = self.system
        self.loop = self._thread(LOOP_PRIORITY, system.loop_budget, system.loop_period)
        self._thread(DRIVER_PRIORITY, system.driver_budget, system.driver_period)
        self.begin = machine.Model.time
        self._call(int(InitialSlot.TCB), Label.TCB_SUSPEND, [])

    def run(self) -> Outcome:
        """Let time go on, from one event to the next."""
        us = configuration.ticks_per_us
        work = self.system.loop_budget * us - configuration.min_budget_ticks
        period = self.system.loop_period * us
        left, done, missed, worst = work, 0, 0, 0
        while done < self.system.jobs:
            model = machine.Model
            is_loop = kernel.current is self.loop
            finishes = is_loop and model.time + left <= model.deadline
            end = model.time + left if finishes else model.deadline
            if is_loop:
                left -= end - model.time
            model.time = end
            if not finishes:
                model.pending = machine.TIMER_PENDING
                self._enter("handle_interrupt")
                continue
            response = end - (self.begin + done * period)
            worst, missed = max(worst, response), missed + (response > period)
            left, done = work, done + 1
            if response <= period:
                self._trap(Syscall.YIELD, 0, 0)
        return Outcome(self.system, jobs=done, missed=missed, worst_response=worst / us)

    def _thread(self, priority: int, budget: int, period: int) -> Any:
        """A thread that has started, with a budget in each period, in microseconds."""
        tcb, context = self.free_slot, self.free_slot + 1
        self.free_slot += 2
        root = int(InitialSlot.CNODE)
        for slot, kind, bits in ((tcb, ObjectType.TCB, 0), (context, ObjectType.SCHED_CONTEXT, CONTEXT_BITS)):
            self._call(self.memory, Label.UNTYPED_RETYPE, [kind, bits, 0, 0, slot, 1], root)
        words = [budget, period, EXTRA_REFILLS, 0, SCHED_CONTEXT_SPORADIC]
        self._call(self.control, Label.SCHED_CONTROL_CONFIGURE_FLAGS, words, context)
        self._call(tcb, Label.TCB_CONFIGURE, [0, 0, 0], root, int(InitialSlot.VSPACE), 0)
        own = int(InitialSlot.TCB)
        self._call(tcb, Label.TCB_SET_SCHED_PARAMS, [priority, priority], own, context, 0)
        self._call(tcb, Label.TCB_RESUME, [])
        cap = boot_slots.root_slot(tcb).capability
        assert isinstance(cap, ThreadCap)
        return cap.tcb

    def _call(self, address: int, label: Label, words: list[int], *caps: int) -> None:
        """The root task invokes an object."""
        caller = kernel.current
        frame = caller.ipc_buffer_frame.capability
        assert isinstance(frame, FrameCap)
        buffer = at(IpcBuffer, (int(frame.base) + configuration.physical_window) % (1 << 64))
        for index, word in enumerate(words):
            if index < 4:
                caller.registers[registers.FIRST_MESSAGE + index] = int(word)
            else:
                buffer.message[index] = int(word)
        for index, cap in enumerate(caps):
            buffer.caps[index] = cap
        self._trap(Syscall.CALL, address, MessageInfo(label=int(label), extra_caps=len(caps), length=len(words)))
        answer = from_word(MessageInfo, int(caller.registers[registers.MESSAGE_INFO]))
        if kernel.current is caller and answer.label != Error.NO_ERROR:
            raise SetUpFailed(f"{label.name}: {Error(int(answer.label)).name}")

    def _trap(self, number: Syscall, address: int, info: MessageInfo | int) -> None:
        """The running thread makes a system call."""
        tcb = kernel.current
        word = info if isinstance(info, int) else int(to_word(info))
        tcb.registers[FAULT_PC] = int(tcb.registers[NEXT_PC])
        tcb.registers[NEXT_PC] = int(tcb.registers[NEXT_PC]) + 4
        for register, value in (
            (registers.CAPABILITY, address),
            (registers.MESSAGE_INFO, word),
            (registers.SYSCALL, int(number)),
        ):
            tcb.registers[register] = value
        self._enter("handle_system_call", address, word, int(number))

    def _enter(self, entry: str, *words: int) -> None:
        """Enter the kernel, which finds clock and interrupts in words of its own, and leaves its timer there."""
        cells = self.native.cells
        cells[CELLS.index("time")], cells[CELLS.index("pending")] = machine.Model.time, machine.Model.pending
        self.native.call[entry].raw(*words)
        machine.Model.deadline = cells[CELLS.index("deadline")]


def _boot() -> None:
    """The kernel has started the root task."""
    machine.Model.time = 1000
    machine.Model.pending = 0
    machine.features.has_timer_compare = True
    entry.make_kernel_space()
    scheduler.initialise()
    start = configuration.memory_start + KERNEL_BYTES
    offset = (start - IMAGE_VIRTUAL) % (1 << 64)
    if not boot.make_root_task(start, start + IMAGE_PAGES * 4096, offset, 0, 0, start):
        raise MemoryError("the root task does not fit")
    boot.start_root_task(IMAGE_VIRTUAL)
    entry.leave()

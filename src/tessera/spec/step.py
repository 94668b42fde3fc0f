# SPDX-License-Identifier: BSD-2-Clause
"""The events: what enters the kernel, and what the kernel does before it is left (manual: System Calls; Faults)."""

from __future__ import annotations

from dataclasses import dataclass

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.faults import Fault
from tessera.spec import budget, faults, invoke_hardware, ipc, scheduling, syscalls, threads, vspace
from tessera.spec.objects import FaultRecord, State
from tessera.spec.refusal import CapabilityFault
from tessera.spec.state import Kernel


@dataclass(frozen=True, slots=True)
class SystemCall:
    """The current thread makes a system call; what it asks for is in its registers."""

    time: int


@dataclass(frozen=True, slots=True)
class InstructionFault:
    """The current thread's instruction cannot be executed."""

    time: int
    cause: int
    value: int


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The timer, or a device (``irq``, 0 for none), wants attention."""

    time: int
    irq: int = 0
    timer: bool = False


Event = SystemCall | InstructionFault | Interrupt


def step(k: Kernel, event: Event) -> None:
    """One event: the state before becomes the state after."""
    k.outcome = None
    scheduling.pass_time(k, event.time)
    in_time = has_time(k)
    match event:
        case Interrupt():
            if event.irq:
                invoke_hardware.deliver(k, event.irq)
            k.set_timer |= event.timer
        case _ if not in_time:
            # What the thread asked for is asked again when it has time.
            if k.current is not None and k.current.is_runnable:
                k.current.state = State.RESTART
        case SystemCall():
            system_call(k)
        case InstructionFault():
            assert k.current is not None
            ipc.raise_fault(k, k.current, faults.exception(event.cause, event.value))
    leave(k)


def has_time(k: Kernel) -> bool:
    """Whether the current thread has time enough for a kernel entry, and its domain too; if not, its turn ends."""
    if k.charged is None:
        k.used = 0
    elif not budget.lasts(k.charged, k.used):
        syscalls.end_turn(k, k.used, can_fault=True)
        return False
    return not scheduling.is_domain_over(k)


def system_call(k: Kernel) -> None:
    """Do what the current thread's registers ask for."""
    thread = k.current
    assert thread is not None
    try:
        known = syscalls.dispatch(k, thread)
    except CapabilityFault as fault:
        ipc.raise_fault(k, thread, FaultRecord(Fault.CAP_FAULT, fault.words))
        return
    if not known:
        ipc.raise_fault(k, thread, FaultRecord(Fault.UNKNOWN_SYSCALL, (thread.registers[syscalls.NUMBER],)))


def leave(k: Kernel) -> None:
    """Choose who runs, and make the hardware ready for it."""
    scheduling.schedule(k)
    thread = k.current
    if thread is None:
        return
    threads.activate(thread)
    vspace.activate(k, thread)
    k.fpu_on = thread.flags & TCB_FLAG_FPU_DISABLED == 0
    if k.fpu_on:
        k.fpu_owner = thread

# SPDX-License-Identifier: BSD-2-Clause
"""Faults: a thread that cannot go on, the handler that is told, and what its answer changes (manual: Faults)."""

from __future__ import annotations

from tessera.abi.faults import (
    TIMEOUT_REPLY_REGISTERS,
    UNKNOWN_SYSCALL_REGISTERS,
    USER_EXCEPTION_REGISTERS,
    VM_FAULT_CODES,
    Fault,
)
from tessera.spec import contexts, messages
from tessera.spec.capability import EndpointCap
from tessera.spec.objects import FAULT_HANDLER, TIMEOUT_HANDLER, FaultRecord, State, Thread
from tessera.spec.state import Kernel

# What of the thread a fault's message begins with, and the answer may change.
REGISTERS_OF = {
    Fault.UNKNOWN_SYSCALL: UNKNOWN_SYSCALL_REGISTERS,
    Fault.USER_EXCEPTION: USER_EXCEPTION_REGISTERS,
    Fault.TIMEOUT: TIMEOUT_REPLY_REGISTERS,
}
# Handlers are told of page faults with the codes of access faults.
ACCESS_FAULT = {12: 1, 13: 5, 15: 7}
FETCH = 1


def exception(cause: int, value: int) -> FaultRecord:
    """The fault that an exception of the processor is. ``value``: the address, for those that are about memory."""
    if cause in VM_FAULT_CODES:
        code = ACCESS_FAULT.get(cause, cause)
        return FaultRecord(Fault.VM_FAULT, (value, int(code == FETCH), code))
    return FaultRecord(Fault.USER_EXCEPTION, (cause, 0))


def message(k: Kernel, thread: Thread) -> list[int]:
    """The words of the message of a thread's fault."""
    fault, registers = thread.fault, thread.registers
    assert fault is not None
    match fault.kind:
        case Fault.UNKNOWN_SYSCALL | Fault.USER_EXCEPTION:
            return [*(registers[name] for name in REGISTERS_OF[fault.kind]), *fault.words]
        case Fault.TIMEOUT:
            used = [] if thread.context is None else [contexts.take_consumed(thread.context)]
            return [*fault.words, *used]
        case _:
            return [registers["pc"], *fault.words]


def answer(k: Kernel, handler: Thread, thread: Thread) -> bool:
    """Take over what the answer to a thread's fault changes. True: the thread goes on."""
    assert thread.fault is not None
    table = REGISTERS_OF.get(thread.fault.kind)
    if table is None:
        return True
    info = messages.Info.of(handler.registers[messages.INFO])
    words = messages.read(k, handler, messages.buffer_of(handler, False), min(info.length, len(table)))
    thread.registers.update(zip(table, words, strict=False))
    return info.label == 0


def has_timeout_handler(thread: Thread) -> bool:
    """Whether someone wants to know when the thread's budget is used up."""
    return isinstance(thread.own.slots.get(TIMEOUT_HANDLER), EndpointCap)


def handler_of(thread: Thread) -> EndpointCap | None:
    """The endpoint that is told of the thread's faults."""
    cap = thread.own.slots.get(FAULT_HANDLER)
    return cap if isinstance(cap, EndpointCap) else None


def stop(thread: Thread) -> None:
    """Nobody can be told: the thread stops for good."""
    thread.fault = None
    thread.state = State.INACTIVE

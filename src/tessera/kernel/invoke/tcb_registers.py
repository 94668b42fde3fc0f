# SPDX-License-Identifier: BSD-2-Clause
"""Threads: reading and setting registers (manual: Threads and Execution; seL4_TCB_ReadRegisters and following)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.faults import USER_CONTEXT
from tessera.arch import registers
from tessera.kernel import blocking, message, thread
from tessera.kernel.capability import ThreadCap
from tessera.kernel.layout import FAULT_PC, NEXT_PC, Tcb
from tessera.kernel.request import Status, fail, invalid_capability, range_error, request, request_is_good
from tessera.kernel.state import kernel
from tessera.lang import compiled, ensures, min, range, requires, u64

CONTEXT = registers.table(USER_CONTEXT)
CONTEXT_LENGTH = len(CONTEXT)
# The registers that a procedure call sets up or keeps come first; the others may change in it.
FRAME_LENGTH = 16

# Flags in the first word.
READ_SUSPENDS = 1
WRITE_RESUMES = 1
COPY_SUSPENDS_SOURCE = 1
COPY_RESUMES_TARGET = 2
COPY_FRAME = 4
COPY_INTEGER = 8


@compiled
def entry(table: bytes, index: u64) -> u64:
    """An entry of a table of register numbers."""
    return u64(table[index])


@compiled
def copy_registers(source: Tcb, target: Tcb, first: u64, end: u64) -> None:
    """Copy registers by their place in the user context."""
    requires(end <= CONTEXT_LENGTH)
    # Bounded by the registers of a thread.
    for index in range(first, end):
        register = entry(CONTEXT, index)
        target.registers[register] = source.registers[register]


@compiled
def follow_pc(tcb: Tcb) -> None:
    """A changed program counter counts wherever the thread goes on."""
    blocking.forget_cancellation(tcb)
    tcb.registers[NEXT_PC] = tcb.registers[FAULT_PC]


@compiled
def decode_read(length: u64, cap: ThreadCap) -> Status:
    """ReadRegisters: the first registers of another thread become the result."""
    requires(request_is_good())
    ensures(lambda result: result != Status.PREEMPTED)
    if length < 2:
        return fail(Error.TRUNCATED_MESSAGE)
    flags = message.argument(0)
    count = message.argument(1)
    if count < 1 or count > CONTEXT_LENGTH:
        return range_error(1, CONTEXT_LENGTH)
    if cap.tcb is kernel.current:
        return fail(Error.ILLEGAL_OPERATION)

    if flags & READ_SUSPENDS != 0:
        thread.suspend(cap.tcb)
    if request.is_call:
        # Bounded by the registers of a thread: count is checked above.
        for index in range(count):
            message.set_reply_word(index, cap.tcb.registers[entry(CONTEXT, index)])
    return Status.OK


@compiled
def decode_write(length: u64, cap: ThreadCap) -> Status:
    """WriteRegisters: set the first registers of another thread."""
    requires(request_is_good())
    ensures(lambda result: result != Status.PREEMPTED)
    if length < 2:
        return fail(Error.TRUNCATED_MESSAGE)
    flags = message.argument(0)
    count = message.argument(1)
    if length - 2 < count:
        return fail(Error.TRUNCATED_MESSAGE)
    if cap.tcb is kernel.current:
        return fail(Error.ILLEGAL_OPERATION)

    # Bounded by the registers of a thread.
    for index in range(min(count, CONTEXT_LENGTH)):
        cap.tcb.registers[entry(CONTEXT, index)] = message.argument(index + 2)
    follow_pc(cap.tcb)
    if flags & WRITE_RESUMES != 0:
        thread.restart(cap.tcb)
    return Status.OK


@compiled
def decode_copy(length: u64, cap: ThreadCap) -> Status:
    """CopyRegisters: from one thread to another, whole groups."""
    requires(request_is_good())
    ensures(lambda result: result != Status.PREEMPTED)
    source_slot = request.extra[0]
    if length < 1 or source_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    flags = message.argument(0)
    source = source_slot.capability
    if not isinstance(source, ThreadCap):
        return invalid_capability(1)

    if flags & COPY_SUSPENDS_SOURCE != 0:
        thread.suspend(source.tcb)
    if flags & COPY_RESUMES_TARGET != 0:
        thread.restart(cap.tcb)
    if flags & COPY_FRAME != 0:
        copy_registers(source.tcb, cap.tcb, 0, FRAME_LENGTH)
        follow_pc(cap.tcb)
    if flags & COPY_INTEGER != 0:
        copy_registers(source.tcb, cap.tcb, FRAME_LENGTH, CONTEXT_LENGTH)
    return Status.OK

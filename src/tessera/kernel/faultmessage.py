# SPDX-License-Identifier: BSD-2-Clause
"""Faults: what the handler is told, and what its answer changes (manual: Faults).

``Tcb.fault`` is the kind, ``Tcb.fault_words`` what the message says besides registers of the thread:
capability fault: address, 1 if receiving; unknown system call: its number; user exception: number and code;
timeout: badge of the scheduling context; memory: address, 1 if fetching an instruction, exception code.
"""

from __future__ import annotations

from tessera.abi.errors import LookupFailure
from tessera.abi.faults import TIMEOUT_REPLY_REGISTERS, UNKNOWN_SYSCALL_REGISTERS, USER_EXCEPTION_REGISTERS
from tessera.abi.messages import MAX_MESSAGE_LENGTH
from tessera.arch import registers
from tessera.kernel import blocking, message, schedcontext
from tessera.kernel.layout import FAULT_PC, FaultKind, IpcBuffer, SchedContext, Tcb
from tessera.lang import compiled, ensures, min, modifies, range, u64

FIRST = registers.FIRST_MESSAGE
SYSCALL_REGISTERS = registers.table(UNKNOWN_SYSCALL_REGISTERS)
EXCEPTION_REGISTERS = registers.table(USER_EXCEPTION_REGISTERS)
TIMEOUT_REGISTERS = registers.table(TIMEOUT_REPLY_REGISTERS)


@compiled
def failure_words(failure: u64) -> u64:
    """Words that describe a failed lookup, besides its type (abi.errors.LOOKUP_FAILURE_DETAILS)."""
    match failure:
        case LookupFailure.MISSING_CAPABILITY:
            return u64(1)
        case LookupFailure.DEPTH_MISMATCH:
            return u64(2)
        case LookupFailure.GUARD_MISMATCH:
            return u64(3)
        case _:
            return u64(0)


@compiled
def write_capability_fault(sender: Tcb, receiver: Tcb, buffer: IpcBuffer | None) -> u64:
    """Where it happened, which address, in which phase, and the failed lookup."""
    ensures(lambda result: result <= 7)
    modifies(receiver.registers[FIRST], receiver.registers[FIRST + 1], receiver.registers[FIRST + 2])
    modifies(receiver.registers[FIRST + 3], IpcBuffer.message)
    message.set_message_word(receiver, buffer, 0, sender.registers[FAULT_PC])
    message.set_message_word(receiver, buffer, 1, sender.fault_words[0])
    message.set_message_word(receiver, buffer, 2, sender.fault_words[1])
    failure = sender.lookup_failure[0]
    message.set_message_word(receiver, buffer, 3, failure)
    details = failure_words(failure)
    # Bounded by the words of a lookup failure, 3.
    for index in range(details):
        modifies(IpcBuffer.message)
        message.set_message_word(receiver, buffer, index + 4, sender.lookup_failure[index + 1])
    return details + 4


@compiled
def write_registers(sender: Tcb, receiver: Tcb, buffer: IpcBuffer | None, table: bytes) -> u64:
    """Some registers of the thread, in the order of a table. Gives their number."""
    count = u64(len(table))
    # Bounded by the registers of a thread: the table names each once.
    for index in range(count):
        modifies(receiver.registers[FIRST], receiver.registers[FIRST + 1], receiver.registers[FIRST + 2])
        modifies(receiver.registers[FIRST + 3], IpcBuffer.message)
        message.set_message_word(receiver, buffer, index, sender.registers[u64(table[index])])
    return count


@compiled
def write_timeout(sender: Tcb, receiver: Tcb, buffer: IpcBuffer | None) -> u64:
    """The badge of the scheduling context, and the time used since the last query."""
    message.set_message_word(receiver, buffer, 0, sender.fault_words[0])
    context = sender.scheduling_context
    if context is None:
        return u64(1)
    message.set_message_word(receiver, buffer, 1, schedcontext.take_consumed(context))
    return u64(2)


@compiled
def write(sender: Tcb, receiver: Tcb, buffer: IpcBuffer | None) -> u64:
    """Write the message of the sender's fault. Gives how many words the receiver got; the label is the fault's kind."""
    ensures(lambda result: result <= MAX_MESSAGE_LENGTH)
    modifies(receiver.registers[FIRST], receiver.registers[FIRST + 1], receiver.registers[FIRST + 2])
    modifies(receiver.registers[FIRST + 3], IpcBuffer.message, SchedContext.consumed)
    length = u64(0)
    match sender.fault:
        case FaultKind.CAP_FAULT:
            length = write_capability_fault(sender, receiver, buffer)
        case FaultKind.UNKNOWN_SYSCALL:
            length = write_registers(sender, receiver, buffer, SYSCALL_REGISTERS)
            message.set_message_word(receiver, buffer, length, sender.fault_words[0])
            length += 1
        case FaultKind.USER_EXCEPTION:
            length = write_registers(sender, receiver, buffer, EXCEPTION_REGISTERS)
            message.set_message_word(receiver, buffer, length, sender.fault_words[0])
            message.set_message_word(receiver, buffer, length + 1, sender.fault_words[1])
            length += 2
        case FaultKind.TIMEOUT:
            length = write_timeout(sender, receiver, buffer)
        case FaultKind.VM_FAULT:
            message.set_message_word(receiver, buffer, 0, sender.registers[FAULT_PC])
            for index in range(3):
                message.set_message_word(receiver, buffer, index + 1, sender.fault_words[index])
            length = u64(4)
        case FaultKind.NONE:
            pass
    return message.room(buffer, length)


@compiled
def set_registers(handler: Tcb, tcb: Tcb, table: bytes) -> None:
    """The answer's words become registers of the thread, as many as it has and the table allows."""
    blocking.forget_cancellation(tcb)
    buffer = message.buffer_of(handler, False)
    length = message.room(buffer, min(message.sent_info(handler).length, MAX_MESSAGE_LENGTH))
    # Bounded by the registers of a thread: the table names each once.
    for index in range(min(length, u64(len(table)))):
        tcb.registers[u64(table[index])] = message.message_word(handler, buffer, index)


@compiled(inline="never")
def read_answer(handler: Tcb, tcb: Tcb) -> bool:
    """Take over what the answer to the thread's fault changes. True: the thread goes on.

    Capability and memory faults always let it go on; the others only if the label of the answer is 0.
    """
    match tcb.fault:
        case FaultKind.UNKNOWN_SYSCALL:
            set_registers(handler, tcb, SYSCALL_REGISTERS)
        case FaultKind.USER_EXCEPTION:
            set_registers(handler, tcb, EXCEPTION_REGISTERS)
        case FaultKind.TIMEOUT:
            set_registers(handler, tcb, TIMEOUT_REGISTERS)
        case _:
            return True
    return message.sent_info(handler).label == 0

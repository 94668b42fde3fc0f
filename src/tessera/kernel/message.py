# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: message words in registers and in IPC buffers (manual: Message Passing, IPC buffer).

The first words of a message travel in registers, the others in the IPC buffer, which the kernel reads and writes
through its own window: a thread without a buffer has registers only.
"""

from __future__ import annotations

from tessera.abi.messages import MAX_MESSAGE_LENGTH, MessageInfo
from tessera.arch import paging, registers
from tessera.kernel.capability import FrameCap
from tessera.kernel.layout import MESSAGE_REGISTERS, IpcBuffer, Tcb
from tessera.kernel.region import frame_bits
from tessera.kernel.request import request, request_is_good
from tessera.kernel.state import kernel
from tessera.lang import (
    address_of,
    at,
    compiled,
    ensures,
    forall,
    from_word,
    loop_invariant,
    max,
    min,
    modifies,
    range,
    requires,
    specification,
    u64,
)


@specification
def may_use(tcb: Tcb, buffer: IpcBuffer, for_write: bool) -> bool:
    """Whether a buffer lies in a thread's frame, which is no device's and allows it."""
    cap = tcb.ipc_buffer_frame.capability
    if not isinstance(cap, FrameCap) or cap.is_device or not cap.can_read or (for_write and not cap.can_write):
        return False
    start = paging.kernel_address(cap.base)
    return start <= address_of(buffer) and address_of(buffer) - start < u64(1) << frame_bits(cap.size)


@specification
def place_of_buffer(cap: FrameCap, address: u64) -> u64:
    """Where the kernel sees the buffer with this address in a frame."""
    return paging.kernel_address(cap.base + (address & ((u64(1) << paging.level_bits(u64(cap.size))) - 1)))


@specification
def own_buffer(tcb: Tcb, for_write: bool) -> IpcBuffer | None:
    """A thread's IPC buffer, if it has one that may be used."""
    cap = tcb.ipc_buffer_frame.capability
    if not isinstance(cap, FrameCap) or cap.is_device or not cap.can_read or (for_write and not cap.can_write):
        return None
    return at(IpcBuffer, place_of_buffer(cap, tcb.ipc_buffer))


OPAQUE = (place_of_buffer,)


@compiled
def buffer_of(tcb: Tcb, for_write: bool) -> IpcBuffer | None:
    """A thread's IPC buffer in the kernel's window; None if there is none or the frame lacks the right.

    A buffer that is written must be readable and writable for the thread itself. Device memory is never touched.
    """
    ensures(lambda result: result is None or may_use(tcb, result, for_write))
    ensures(lambda result: result is own_buffer(tcb, for_write))
    cap = tcb.ipc_buffer_frame.capability
    if not isinstance(cap, FrameCap):
        return None
    if cap.is_device or not cap.can_read or (for_write and not cap.can_write):
        return None
    inside = (u64(1) << paging.level_bits(u64(cap.size))) - 1
    return at(IpcBuffer, paging.kernel_address(cap.base + (tcb.ipc_buffer & inside)))


@compiled
def available_length(length: u64) -> u64:
    """How many words of a request can be read, when its sender says ``length``."""
    ensures(lambda result: result == min(length, MESSAGE_REGISTERS if request.buffer is None else MAX_MESSAGE_LENGTH))
    if request.buffer is None:
        return min(length, MESSAGE_REGISTERS)
    return min(length, MAX_MESSAGE_LENGTH)


@compiled
def argument(index: u64) -> u64:
    """A message word of the request being handled; 0 where it has none."""
    requires(index < MAX_MESSAGE_LENGTH and request_is_good())
    if index < MESSAGE_REGISTERS:
        return kernel.current.registers[registers.FIRST_MESSAGE + index]
    buffer = request.buffer
    if buffer is None:
        return u64(0)
    return buffer.message[index]


@compiled
def set_reply_word(index: u64, value: u64) -> None:
    """Set a message word of the answer to the request being handled; the answer grows to hold it.

    The answer overwrites the request's words, so arguments are read before. A word that does not fit into registers is
    dropped for a caller whose buffer cannot be written.
    """
    requires(index < MAX_MESSAGE_LENGTH)
    modifies(kernel.current.registers, IpcBuffer.message, request.reply_length)
    ensures(lambda: index >= MESSAGE_REGISTERS or kernel.current.registers[registers.FIRST_MESSAGE + index] == value)
    if index < MESSAGE_REGISTERS:
        kernel.current.registers[registers.FIRST_MESSAGE + index] = value
    else:
        buffer = buffer_of(kernel.current, True)
        if buffer is None:
            return
        buffer.message[index] = value
    request.reply_length = max(request.reply_length, index + 1)


@compiled
def message_word(tcb: Tcb, buffer: IpcBuffer | None, index: u64) -> u64:
    """A word of the message that a thread sends; 0 where it has none."""
    requires(index < MAX_MESSAGE_LENGTH)
    if index < MESSAGE_REGISTERS:
        return tcb.registers[registers.FIRST_MESSAGE + index]
    if buffer is None:
        return u64(0)
    return buffer.message[index]


@compiled
def set_message_word(tcb: Tcb, buffer: IpcBuffer | None, index: u64, value: u64) -> None:
    """Set a word of the message that a thread receives; dropped where there is no room."""
    requires(index < MAX_MESSAGE_LENGTH)
    if index < MESSAGE_REGISTERS:
        tcb.registers[registers.FIRST_MESSAGE + index] = value
    elif buffer is not None:
        buffer.message[index] = value


@compiled
def room(buffer: IpcBuffer | None, length: u64) -> u64:
    """How many of ``length`` message words a receiver with this buffer gets."""
    return min(length, MESSAGE_REGISTERS) if buffer is None else length


@compiled
def sent_info(tcb: Tcb) -> MessageInfo:
    """The shape of the message that a thread sends."""
    return from_word(MessageInfo, tcb.registers[registers.MESSAGE_INFO])


@specification
def have_same_registers(one: Tcb, other: Tcb, length: u64) -> bool:
    """Whether two threads have the same first words of a message in their registers."""
    first = u64(registers.FIRST_MESSAGE)
    return forall(u64, lambda n: n < first or n - first >= length or one.registers[n] == other.registers[n])


@specification
def have_same_words(one: IpcBuffer, other: IpcBuffer, length: u64) -> bool:
    """Whether two buffers have the same words of a message behind those in registers."""
    return forall(u64, lambda n: n < MESSAGE_REGISTERS or n >= length or one.message[n] == other.message[n])


@compiled
def copy_registers(sender: Tcb, receiver: Tcb, length: u64) -> None:
    """Copy the message words that travel in registers."""
    modifies(receiver.registers[registers.FIRST_MESSAGE], receiver.registers[registers.FIRST_MESSAGE + 1])
    modifies(receiver.registers[registers.FIRST_MESSAGE + 2], receiver.registers[registers.FIRST_MESSAGE + 3])
    ensures(lambda: have_same_registers(sender, receiver, min(length, MESSAGE_REGISTERS)))
    # Bounded by the message registers, 4.
    for index in range(min(length, MESSAGE_REGISTERS)):
        loop_invariant(have_same_registers(sender, receiver, index))
        receiver.registers[registers.FIRST_MESSAGE + index] = sender.registers[registers.FIRST_MESSAGE + index]


@compiled
def copy_all_registers(sender: Tcb, receiver: Tcb) -> None:
    """Copy the message words that travel in registers, of a message that has more."""
    first = u64(registers.FIRST_MESSAGE)
    receiver.registers[first] = sender.registers[first]
    receiver.registers[first + 1] = sender.registers[first + 1]
    receiver.registers[first + 2] = sender.registers[first + 2]
    receiver.registers[first + 3] = sender.registers[first + 3]


@compiled
def copy_buffer(source: IpcBuffer, destination: IpcBuffer, length: u64) -> None:
    """Copy the message words behind those in registers."""
    requires(length <= MAX_MESSAGE_LENGTH)
    modifies(destination.message)
    ensures(lambda: have_same_words(source, destination, length))
    # Bounded by the longest message, 120 words.
    for index in range(MESSAGE_REGISTERS, length):
        loop_invariant(have_same_words(source, destination, index))
        destination.message[index] = source.message[index]

# SPDX-License-Identifier: BSD-2-Clause
"""The fault that the monitor is telling, and the phrases that all kinds of faults share."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.messages import UserContext
from tessera.lang import Array, array, compiled, min, range, static, struct, u64
from tessera.runtime.console import put, put_decimal, put_hexadecimal, put_line, put_text_at
from tessera.runtime.fault_tables import (
    AREA_PROGRAM,
    PERM_EXECUTE,
    ComponentEntry,
    area_at,
    component,
    function_at,
    line_at,
    place,
    tables,
)
from tessera.runtime.machine import Received
from tessera.runtime.sel4 import message_word
from tessera.runtime.threads import tcb_read_registers

# More words than any fault has that user level may ask for; a longer message is told in part.
MESSAGE_WORDS = 16

# Registers that are read of a thread with a fault: pc, ra and sp.
REGISTERS_READ = 3


@struct
class FaultMessage:
    """A fault message, kept here because the next system call overwrites the IPC buffer.

    ``sender`` is the index of the component. ``registers_known``: the registers could be read from its thread.
    """

    sender: u64
    label: u64
    length: u64
    word: Array[u64] = array(MESSAGE_WORDS)
    registers_known: bool


fault: FaultMessage = static(FaultMessage)
registers: UserContext = static(UserContext)


@compiled
def take(received: Received, sender: u64, thread: u64) -> None:
    """Keep a message that is in the IPC buffer, and read what its thread's registers tell besides."""
    fault.sender = sender
    fault.label = received.info.label
    fault.length = received.info.length
    for i in range(MESSAGE_WORDS):
        fault.word[i] = message_word(i) if i < fault.length else u64(0)
    fault.registers_known = tcb_read_registers(thread, False, 0, REGISTERS_READ, registers) == Error.NO_ERROR


@compiled
def sender() -> ComponentEntry:
    """The component that has the fault."""
    return component(fault.sender)


# Phrases


@compiled
def put_string(offset: u64) -> None:
    """A text of the tables."""
    put_text_at(place.value + offset)


@compiled
def put_quoted(offset: u64) -> None:
    """A name of the tables."""
    put(b'"')
    put_string(offset)
    put(b'"')


@compiled
def put_description_file() -> None:
    """The name of the system description."""
    put_string(tables().file)


@compiled
def put_description_line(line: u64) -> None:
    """A place in the system description."""
    put_description_file()
    put(b":")
    put_decimal(line)


@compiled
def put_words() -> None:
    """The words of the message as they are."""
    for i in range(min(fault.length, MESSAGE_WORDS)):
        put(b" ")
        put_hexadecimal(fault.word[i])
    if fault.length > MESSAGE_WORDS:
        put(b" ...")


@compiled
def begin_line() -> None:
    """The start of a fault's first line."""
    put(b"MONITOR|FAULT: component ")
    put_quoted(sender().name)
    put(b" stopped: ")


@compiled
def begin_hint() -> None:
    """The start of a second line, which says what to do."""
    put(b"MONITOR|FAULT:   ")


@compiled
def is_code(entry: ComponentEntry, pc: u64) -> bool:
    """Whether an address is in the code of a component's program."""
    area = area_at(entry, pc)
    if area is None:
        return False
    return area.kind == AREA_PROGRAM and area.perms & PERM_EXECUTE != 0


@compiled
def put_source(entry: ComponentEntry, pc: u64) -> bool:
    """File, line and function of an address of code, as far as they are known. False: nothing is."""
    name = u64(0)
    function = function_at(entry, pc)
    if function is not None:
        name = function.name
    line = line_at(entry, pc)
    if line is not None:
        put_string(u64(line.file))
        put(b":")
        put_decimal(u64(line.line))
        if line.function != 0:
            name = u64(line.function)
    if name != 0:
        put(b"in " if line is None else b" in ")
        put_string(name)
    return line is not None or name != 0


@compiled
def put_place(pc: u64) -> None:
    """Where the component was, and the end of the line."""
    entry = sender()
    put(b"; at ")
    if is_code(entry, pc):
        known = put_source(entry, pc)
        put(b" (pc " if known else b"pc ")
        put_hexadecimal(pc)
        put_line(b")" if known else b"")
        return
    put(b"pc ")
    put_hexadecimal(pc)
    put(b", which is not code of its program")
    # A jump to a wrong address is made by a call most of the time, and then the caller is known. The return address
    # is that of the next instruction, which may be on another line.
    if fault.registers_known and registers.ra != 0 and is_code(entry, registers.ra - 1):
        put(b"; called from ")
        known = put_source(entry, registers.ra - 1)
        put(b" (return address " if known else b"(return address ")
        put_hexadecimal(registers.ra)
        put(b")")
    put_line(b"")

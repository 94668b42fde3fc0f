# SPDX-License-Identifier: BSD-2-Clause
"""Faults in the user's words, on the console: one line that says who, what and where, or a second that says what to do.

What a message holds is in ``abi.faults``. A message that is none of these is told word by word.
"""

from __future__ import annotations

from tessera.abi import capabilities
from tessera.abi.capabilities import (
    BASE_CHILD_TCB,
    BASE_IRQ_HANDLER,
    BASE_OUTPUT_ENDPOINT,
    BASE_OUTPUT_NOTIFICATION,
    COMPONENT_CNODE_BITS,
    MAX_CHANNELS,
)
from tessera.abi.errors import LOOKUP_FAILURE_MEANING, LookupFailure
from tessera.abi.faults import (
    EXCEPTION_MEANING,
    CapFaultMessage,
    Fault,
    TimeoutMessage,
    UnknownSyscallMessage,
    UserExceptionMessage,
)
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, range, u64, wrapping_sub
from tessera.runtime.console import put, put_decimal, put_hexadecimal, put_line
from tessera.runtime.fault_memory import tell_memory_fault
from tessera.runtime.fault_message import (
    begin_hint,
    begin_line,
    fault,
    put_description_file,
    put_description_line,
    put_place,
    put_quoted,
    put_words,
    registers,
    sender,
)
from tessera.runtime.fault_tables import CHANNEL_CALL, CHANNEL_INTERRUPT, CHANNEL_NOTIFY, channel_entry

SLOTS = 1 << COMPONENT_CNODE_BITS
NO_CNODE = LOOKUP_FAILURE_MEANING[LookupFailure.INVALID_ROOT].encode()

# Exception codes and what they are called; further ones are told by number.
INSTRUCTION_MISALIGNED = EXCEPTION_MEANING[0].encode()
ILLEGAL_INSTRUCTION = EXCEPTION_MEANING[2].encode()
BREAKPOINT = EXCEPTION_MEANING[3].encode()
LOAD_MISALIGNED = EXCEPTION_MEANING[4].encode()
STORE_MISALIGNED = EXCEPTION_MEANING[6].encode()


@compiled
def tell_fault() -> None:
    """Tell the fault that was taken."""
    match fault.label:
        case Fault.CAP_FAULT:
            tell_capability_fault()
        case Fault.UNKNOWN_SYSCALL:
            tell_unknown_syscall()
        case Fault.USER_EXCEPTION:
            tell_exception()
        case Fault.TIMEOUT:
            tell_timeout()
        case Fault.VM_FAULT:
            tell_memory_fault()
        case _:
            begin_line()
            put(b"a fault of unknown kind ")
            put_decimal(fault.label)
            put(b"; its message has ")
            put_decimal(fault.length)
            put(b" words:")
            put_words()
            put_last_place()


@compiled
def put_last_place() -> None:
    """Where the component was, for a message that does not say it; and the end of the line."""
    if fault.registers_known:
        put_place(registers.pc)
    else:
        put_line(b"")


# Capabilities


@compiled
def tell_capability_fault() -> None:
    """A system call named a capability that the component does not have."""
    address = fault.word[CapFaultMessage.ADDRESS]
    pc = fault.word[CapFaultMessage.IP]
    begin_line()
    if BASE_OUTPUT_NOTIFICATION <= address and address < BASE_OUTPUT_ENDPOINT:
        put_channel(address - BASE_OUTPUT_NOTIFICATION, b"notify", CHANNEL_NOTIFY, pc)
    elif BASE_OUTPUT_ENDPOINT <= address and address < BASE_IRQ_HANDLER:
        put_channel(address - BASE_OUTPUT_ENDPOINT, b"ppcall", CHANNEL_CALL, pc)
    elif BASE_IRQ_HANDLER <= address and address < BASE_CHILD_TCB:
        put_channel(address - BASE_IRQ_HANDLER, b"irq_ack", CHANNEL_INTERRUPT, pc)
    elif BASE_CHILD_TCB <= address and address < BASE_CHILD_TCB + MAX_CHANNELS:
        put(b"used child ")
        put_decimal(address - BASE_CHILD_TCB)
        put_not_declared()
        put_place(pc)
        begin_hint()
        put(b'a <protection_domain id="')
        put_decimal(address - BASE_CHILD_TCB)
        put(b'"> inside of it, at ')
        put_description_line(sender().line)
        put_line(b", would be that child")
    else:
        put_slot(address)
        put_place(pc)


@compiled
def put_not_declared() -> None:
    """That a number is not in the description of the component."""
    put(b", which ")
    put_description_file()
    put(b" does not declare for it")


@compiled
def put_channel(number: u64, operation: bytes, needed: u64, pc: u64) -> None:
    """A channel was used that the component does not have, or not for this."""
    flags = channel_flags(number)
    put(b"used channel ")
    put_decimal(number)
    put(b" (")
    put(operation)
    put(b")")
    if flags == 0:
        put_not_declared()
    else:
        put(b", which ")
        put_description_file()
        if needed == CHANNEL_INTERRUPT:
            put(b" does not declare as an interrupt of it")
        elif flags & CHANNEL_INTERRUPT != 0:
            put(b" declares as an interrupt of it")
        elif needed == CHANNEL_CALL:
            put(b' declares for it without pp="true"')
        else:
            put(b' declares for it with notify="false"')
    put_place(pc)
    put_channels()


@compiled
def channel_flags(number: u64) -> u64:
    """What the component may do with a channel, with a further bit for a channel that it has; 0 if it has none."""
    entry = sender()
    flags = u64(0)
    for i in range(entry.channels.count):
        channel = channel_entry(entry, i)
        if channel.number == number:
            flags = flags | channel.flags | 8
    return flags


@compiled
def put_channels() -> None:
    """The second line: what the component does have."""
    entry = sender()
    begin_hint()
    put_description_line(entry.line)
    put(b" gives it ")
    if entry.channels.count == 0:
        put(b"no channels")
    for i in range(entry.channels.count):
        channel = channel_entry(entry, i)
        put(b"channel " if i == 0 else b", ")
        put_decimal(channel.number)
        if channel.flags & CHANNEL_INTERRUPT != 0:
            put(b" (interrupt)")
        else:
            put(b" to ")
            put_quoted(channel.peer)
    put_line(b"")


@compiled
def put_slot(address: u64) -> None:
    """A slot that is empty or does not exist."""
    put(b"received from" if fault.word[CapFaultMessage.IN_RECV_PHASE] != 0 else b"used")
    put(b" capability ")
    put_decimal(address)
    match address:
        case 0:
            put(b", the null capability")
        case capabilities.COMPONENT_INPUT:
            put(b", its input, which is not there")
        case capabilities.COMPONENT_FAULT_ENDPOINT:
            put(b", its fault endpoint, which is not there")
        case capabilities.COMPONENT_VSPACE:
            put(b", its address space, which is not there")
        case capabilities.COMPONENT_REPLY:
            put(b", its reply object, which is not there")
        case capabilities.COMPONENT_MONITOR_ENDPOINT:
            put(b", the monitor's endpoint, which only a passive component has")
        case capabilities.COMPONENT_TCB:
            put(b", its own thread, which it has in a benchmark configuration only")
        case _:
            if fault.word[CapFaultMessage.LOOKUP_FAILURE_TYPE] == LookupFailure.INVALID_ROOT:
                put(b": ")
                put(NO_CNODE)
            elif address >= SLOTS:
                put(b", which is beyond its ")
                put_decimal(SLOTS)
                put(b" slots")
            else:
                put(b", an empty slot")


# Instructions and time


@compiled
def tell_unknown_syscall() -> None:
    """A system call has a number that the kernel does not know, or not in this configuration."""
    number = fault.word[UnknownSyscallMessage.SYSCALL]
    is_debug = Syscall.DEBUG_RUN <= number and number <= Syscall.DEBUG_PUT_CHAR
    begin_line()
    put(b"system call ")
    if number >> 63 != 0:
        put(b"-")
        put_decimal(wrapping_sub(0, number))
    else:
        put_decimal(number)
    if is_debug:
        put(b", which only a debug kernel answers")
    elif Syscall.BENCHMARK_RESET_ALL_THREADS_UTILISATION <= number and number <= Syscall.BENCHMARK_FLUSH_CACHES:
        put(b", which only a benchmark kernel answers")
    else:
        put(b", which does not exist")
    put_place(fault.word[UnknownSyscallMessage.FAULT_IP])
    if is_debug:
        begin_hint()
        put_line(b"the system was built with --config release; --config debug has this call")


@compiled
def tell_exception() -> None:
    """An instruction raised an exception that is about no memory."""
    number = fault.word[UserExceptionMessage.NUMBER]
    begin_line()
    match number:
        case 0:
            put(INSTRUCTION_MISALIGNED)
        case 2:
            put(ILLEGAL_INSTRUCTION)
        case 3:
            put(b"it stopped itself (")
            put(BREAKPOINT)
            put(b")")
        case 4:
            put(LOAD_MISALIGNED)
        case 6:
            put(STORE_MISALIGNED)
        case _:
            put(b"exception ")
            put_decimal(number)
            put(b" with code ")
            put_hexadecimal(fault.word[UserExceptionMessage.CODE])
    put_place(fault.word[UserExceptionMessage.FAULT_IP])
    entry = sender()
    if number == 2 and entry.floating_point == 0:
        begin_hint()
        put(b'an instruction for floating point ends so, because of fpu="false" at ')
        put_description_line(entry.line)
        put_line(b"; a failed assertion can too")
    elif number in (2, 3):
        begin_hint()
        put_line(b"a failed assertion or a broken rule of the language can end so; what it printed before says which")


@compiled
def tell_timeout() -> None:
    """The budget is used up, and the component has a timeout handler."""
    entry = sender()
    begin_line()
    put(b"its budget of ")
    put_decimal(entry.budget)
    put(b" us in every ")
    put_decimal(entry.period)
    put(b" us is used up (")
    put_decimal(fault.word[TimeoutMessage.CONSUMED])
    put(b" us since the last report)")
    put_last_place()
    begin_hint()
    put(b"its budget= and period= are at ")
    put_description_line(entry.line)
    put_line(b"")

# SPDX-License-Identifier: BSD-2-Clause
"""A fault in the words of the system description (manual: Faults).

The fault's message is in the IPC buffer. One line is printed: which component, what it did, what is there, where.
"""

from __future__ import annotations

from tessera.abi.capabilities import (
    BASE_CHILD_TCB,
    BASE_IRQ_HANDLER,
    BASE_OUTPUT_ENDPOINT,
    BASE_OUTPUT_NOTIFICATION,
    MAX_CHANNELS,
)
from tessera.abi.errors import Error
from tessera.abi.faults import (
    CapFaultMessage,
    Fault,
    TimeoutMessage,
    UnknownSyscallMessage,
    UserExceptionMessage,
    VmFaultMessage,
)
from tessera.abi.messages import UserContext
from tessera.abi.objects import PAGE_BITS
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, static, u64, wrapping_sub
from tessera.runtime.console import put, put_decimal, put_hexadecimal, put_line
from tessera.runtime.monitor_tables import (
    EXECUTE,
    READ,
    SLOT_TCB,
    WRITE,
    Area,
    AreaEntry,
    ComponentEntry,
    area_at,
    component,
    find_use,
    function_at,
    head,
    line_at,
    put_name,
    use,
)
from tessera.runtime.sel4 import message_word
from tessera.runtime.spec import ABSENT
from tessera.runtime.threads import tcb_read_registers

# Exception codes (privileged specification; abi.faults.EXCEPTION_MEANING).
INSTRUCTION_ACCESS = 1
STORE_ACCESS = 7
INSTRUCTION_PAGE = 12
STORE_PAGE = 15

# Registers that are read to learn where a jump into nowhere came from: pc, ra.
REGISTERS_READ = 2

registers: UserContext = static(UserContext)


@compiled
def put_quoted(text: u64) -> None:
    """Print a name of the user."""
    put(b'"')
    put_name(text)
    put(b'"')


@compiled
def tell_fault(index: u64, label: u64) -> None:
    """Print the fault of a component."""
    owner = component(index)
    put(b"MONITOR|FAULT: component ")
    put_quoted(owner.name)
    put(b" stopped: ")
    match label:
        case Fault.VM_FAULT:
            pc = message_word(VmFaultMessage.IP)
            tell_memory_fault(index, owner)
        case Fault.CAP_FAULT:
            pc = message_word(CapFaultMessage.IP)
            tell_cap_fault(message_word(CapFaultMessage.ADDRESS))
        case Fault.UNKNOWN_SYSCALL:
            pc = message_word(UnknownSyscallMessage.FAULT_IP)
            tell_system_call(message_word(UnknownSyscallMessage.SYSCALL))
        case Fault.USER_EXCEPTION:
            pc = message_word(UserExceptionMessage.FAULT_IP)
            tell_exception(message_word(UserExceptionMessage.NUMBER))
        case Fault.TIMEOUT:
            pc = u64(0)
            put(b"it has used up its budget: ")
            put_decimal(message_word(TimeoutMessage.CONSUMED))
            put(b" us")
        case _:
            pc = u64(0)
            put(b"a fault of unknown kind ")
            put_decimal(label)
    tell_place(index, owner, pc)
    put_line(b"")


@compiled
def tell_place(index: u64, owner: ComponentEntry, pc: u64) -> None:
    """Print file, line and function of an instruction, as far as they are known."""
    if pc == 0 or area_at(owner, pc) is None:
        # A jump into nowhere: the return address says where it came from.
        if tcb_read_registers(SLOT_TCB + index, False, 0, REGISTERS_READ, registers) == Error.NO_ERROR:
            if area_at(owner, registers.ra) is not None:
                put(b"; called")
                tell_line(owner, wrapping_sub(registers.ra, 1))
        return
    tell_line(owner, pc)


@compiled
def tell_line(owner: ComponentEntry, pc: u64) -> None:
    """Print the source line of an instruction, and its address."""
    line = line_at(owner, pc)
    if line is not None:
        put(b"; at ")
        put_name(u64(line.file))
        put(b":")
        put_decimal(u64(line.line))
    function = function_at(owner, pc)
    if function is not None:
        put(b" in ")
        put_name(function.name)
    put(b" (pc ")
    put_hexadecimal(pc)
    put(b")")


# Memory


@compiled
def tell_memory_fault(index: u64, owner: ComponentEntry) -> None:
    """Print what was done at which address, and what is there."""
    address = message_word(VmFaultMessage.ADDRESS)
    cause = message_word(VmFaultMessage.FSR)
    area = area_at(owner, address)
    if area is not None and area.kind == Area.GUARD_BELOW_STACK:
        put(b"stack overflow: it needs more than its ")
        put_decimal(owner.stack_size)
        put(b" bytes of stack; give it a larger stack_size in ")
        put_name(head().system)
        put(b" (")
        put_access(cause)
        put_hexadecimal(address)
        put(b")")
        return
    if address >> PAGE_BITS == 0:
        put(b"null pointer: ")
    put_access(cause)
    put_hexadecimal(address)
    if area is not None:
        tell_own_area(area)
    elif address >> PAGE_BITS != 0:
        tell_foreign_area(index, address)


@compiled
def put_access(cause: u64) -> None:
    """Print the kind of an access."""
    if cause in (INSTRUCTION_ACCESS, INSTRUCTION_PAGE):
        put(b"jump to ")
    elif cause in (STORE_ACCESS, STORE_PAGE):
        put(b"write to ")
    else:
        put(b"read of ")


@compiled
def tell_own_area(area: AreaEntry) -> None:
    """Print what is at an address of the component itself, and what it may do there."""
    match area.kind:
        case Area.REGION:
            put(b", in region ")
            put_quoted(area.name)
        case Area.GUARD:
            put(b", in the ")
            put_name(area.name)
        case _:
            put(b", in its own ")
            put_name(area.name)
    if area.permissions == 0:
        return
    put(b", which it may only ")
    if area.permissions & READ != 0:
        put(b"read")
    if area.permissions & WRITE != 0:
        put(b" and write")
    if area.permissions & EXECUTE != 0:
        put(b" and execute")


@compiled
def tell_foreign_area(index: u64, address: u64) -> None:
    """Print which regions other components have at an address."""
    number = find_use(0, index, address)
    if number == ABSENT:
        put(b", where nothing is mapped")
        return
    put(b", which is region ")
    put_quoted(use(number).region)
    put(b", mapped by ")
    put_quoted(component(use(number).component).name)
    region = use(number).region
    number = find_use(number + 1, index, address)
    while number != ABSENT:
        # Bounded: the number grows with each step.
        put(b" and ")
        if use(number).region != region:
            put(b"region ")
            put_quoted(use(number).region)
            put(b" by ")
        put_quoted(component(use(number).component).name)
        number = find_use(number + 1, index, address)
    put(b" only")


# Capabilities, system calls, instructions


@compiled
def tell_cap_fault(slot: u64) -> None:
    """Print which capability was used that the component does not have."""
    if BASE_OUTPUT_NOTIFICATION <= slot and slot < BASE_OUTPUT_NOTIFICATION + MAX_CHANNELS:
        tell_channel(b"notified on", slot - BASE_OUTPUT_NOTIFICATION)
    elif BASE_OUTPUT_ENDPOINT <= slot and slot < BASE_OUTPUT_ENDPOINT + MAX_CHANNELS:
        tell_channel(b"called on", slot - BASE_OUTPUT_ENDPOINT)
    elif BASE_IRQ_HANDLER <= slot and slot < BASE_IRQ_HANDLER + MAX_CHANNELS:
        tell_channel(b"acknowledged an interrupt on", slot - BASE_IRQ_HANDLER)
    elif BASE_CHILD_TCB <= slot and slot < BASE_CHILD_TCB + MAX_CHANNELS:
        put(b"used child ")
        put_decimal(slot - BASE_CHILD_TCB)
        put(b", which ")
        put_name(head().system)
        put(b" does not give it")
    else:
        put(b"used the capability in slot ")
        put_hexadecimal(slot)
        put(b", where it has none")


@compiled
def tell_channel(did: bytes, channel: u64) -> None:
    """Print which channel was used."""
    put(did)
    put(b" channel ")
    put_decimal(channel)
    put(b", which ")
    put_name(head().system)
    put(b" does not declare for it")


@compiled
def tell_system_call(number: u64) -> None:
    """Print which system call the kernel does not know."""
    if number == Syscall.DEBUG_PUT_CHAR:
        put(b"it printed to the debug console, which only a debug kernel has")
        return
    put(b"unknown system call ")
    if number >> 63 != 0:
        put(b"-")
        put_decimal(wrapping_sub(0, number))
    else:
        put_decimal(number)
    if Syscall.DEBUG_NAME_THREAD <= number and number <= Syscall.DEBUG_PUT_CHAR:
        put(b", which only a debug kernel has")


@compiled
def tell_exception(number: u64) -> None:
    """Print which exception an instruction raised."""
    match number:
        case 2:
            put(b"illegal instruction")
        case 3:
            # A breakpoint: how the run-time ends a component that cannot go on.
            put(b"it stopped itself")
        case 0 | 4 | 6:
            put(b"an address that is not aligned")
        case _:
            put(b"exception ")
            put_decimal(number)

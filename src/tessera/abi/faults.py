# SPDX-License-Identifier: BSD-2-Clause
"""Faults as messages, and the order of registers in them (manual: Faults; Thread Control Blocks).

A fault reaches its handler as a message whose label is a :class:`Fault`; the reply's label 0 lets the thread go on.
"""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import u64, word


@word(u64)
class Fault(IntEnum):
    """The label of a fault message (mixed-criticality configuration)."""

    NULL_FAULT = 0
    CAP_FAULT = 1
    UNKNOWN_SYSCALL = 2
    USER_EXCEPTION = 3
    TIMEOUT = 5
    VM_FAULT = 6


class CapFaultMessage(IntEnum):
    """Registers of a capability fault; those behind the failure type depend on it (errors.LOOKUP_FAILURE_DETAILS)."""

    IP = 0
    ADDRESS = 1
    IN_RECV_PHASE = 2
    LOOKUP_FAILURE_TYPE = 3
    BITS_LEFT = 4
    DEPTH_MISMATCH_BITS_FOUND = 5
    GUARD_MISMATCH_BITS_FOUND = 6


# The guard of a guard mismatch shares its register with the bits of a depth mismatch.
CAP_FAULT_GUARD_FOUND = 5


class VmFaultMessage(IntEnum):
    """Registers of a virtual-memory fault; FSR is the code of an access fault (1, 5, 7), also of a page fault."""

    IP = 0
    ADDRESS = 1
    PREFETCH_FAULT = 2
    FSR = 3


class UserExceptionMessage(IntEnum):
    """Registers of a user exception. The reply may set the first three: pc, sp, and the third is ignored."""

    FAULT_IP = 0
    SP = 1
    NUMBER = 2
    CODE = 3


class UnknownSyscallMessage(IntEnum):
    """Registers of an unknown system call. The reply may set all but the last."""

    FAULT_IP = 0
    SP = 1
    RA = 2
    A0 = 3
    A1 = 4
    A2 = 5
    A3 = 6
    A4 = 7
    A5 = 8
    A6 = 9
    SYSCALL = 10


class TimeoutMessage(IntEnum):
    """Registers of a timeout: the badge of the scheduling context, and the time used, in microseconds."""

    DATA = 0
    CONSUMED = 1


FAULT_MESSAGE: dict[Fault, type[IntEnum]] = {
    Fault.CAP_FAULT: CapFaultMessage,
    Fault.UNKNOWN_SYSCALL: UnknownSyscallMessage,
    Fault.USER_EXCEPTION: UserExceptionMessage,
    Fault.TIMEOUT: TimeoutMessage,
    Fault.VM_FAULT: VmFaultMessage,
}

# Registers that the kernel saves and user level may read and write, in the order of ReadRegisters and WriteRegisters.
USER_CONTEXT: tuple[str, ...] = (
    *("pc", "ra", "sp", "gp"),
    *(f"s{i}" for i in range(12)),
    *(f"a{i}" for i in range(8)),
    *(f"t{i}" for i in range(7)),
    "tp",
)

# What a message carries of the faulting thread, and what the reply may change, register by register.
UNKNOWN_SYSCALL_REGISTERS: tuple[str, ...] = ("pc", "sp", "ra", "a0", "a1", "a2", "a3", "a4", "a5", "a6")
USER_EXCEPTION_REGISTERS: tuple[str, ...] = ("pc", "sp")
TIMEOUT_REPLY_REGISTERS: tuple[str, ...] = USER_CONTEXT

FAULT_MEANING: dict[Fault, str] = {
    Fault.NULL_FAULT: "no fault",
    Fault.CAP_FAULT: "a system call named a capability that is not there",
    Fault.UNKNOWN_SYSCALL: "a system call has a number that is not known",
    Fault.USER_EXCEPTION: "an instruction raised an exception",
    Fault.TIMEOUT: "the budget was used up",
    Fault.VM_FAULT: "memory was accessed that is not mapped with the right needed",
}

# Exception codes of scause, as a user exception (NUMBER) reports them (privileged spec 1.12). A VM fault (FSR) has the
# code of an access fault where there was a page fault.
EXCEPTION_MEANING: dict[int, str] = {
    0: "instruction address misaligned",
    1: "instruction access fault",
    2: "illegal instruction",
    3: "breakpoint",
    4: "load address misaligned",
    5: "load access fault",
    6: "store address misaligned",
    7: "store access fault",
    8: "environment call from user mode",
    12: "instruction page fault",
    13: "load page fault",
    15: "store page fault",
}

# Exceptions that are virtual-memory faults; the others are user exceptions.
VM_FAULT_CODES: tuple[int, ...] = (1, 5, 7, 12, 13, 15)

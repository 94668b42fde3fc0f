# SPDX-License-Identifier: BSD-2-Clause
"""Registers by their number x0 .. x31, and which of them a system call uses (RISC-V calling convention; libsel4)."""

from __future__ import annotations

# What a system call passes; the numbers are indexes into Tcb.registers.
CAPABILITY = 10
BADGE = 10
MESSAGE_INFO = 11
FIRST_MESSAGE = 12
REPLY_CAP = 16
SYSCALL = 17
SEND_DESTINATION = 5
# Where NBSendWait has its destination.
WAIT_DESTINATION = 16

RETURN_ADDRESS = 1
STACK_POINTER = 2
GLOBAL_POINTER = 3
THREAD_POINTER = 4
FIRST_ARGUMENT = 10

NAMES: tuple[str, ...] = (
    *("pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{i}" for i in range(8)),
    *(f"s{i}" for i in range(2, 12)),
    *(f"t{i}" for i in range(3, 7)),
)

# Index into Tcb.registers of the instruction that trapped (kernel.layout.FAULT_PC); user level calls it pc.
TRAPPED_PC = 32


def index_of(name: str) -> int:
    """The index into Tcb.registers of a register by its ABI name; ``pc`` is the instruction that trapped."""
    return TRAPPED_PC if name == "pc" else NAMES.index(name)


def table(names: tuple[str, ...]) -> bytes:
    """Indexes of several registers, as a constant of the language."""
    return bytes(index_of(name) for name in names)

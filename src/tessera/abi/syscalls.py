# SPDX-License-Identifier: BSD-2-Clause
"""System calls: numbers in register a7 and what each one does with registers (manual: System Calls).

Numbers are negative; a number that is not here raises an unknown-syscall fault. Configurations do not renumber.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from tessera.lang import u64, word

_MODULUS = 1 << 64


def register_value(number: int) -> int:
    """A system-call number as the unsigned word that the register holds."""
    return number % _MODULUS


def signed_number(value: int) -> int:
    """The negative number that upstream's tables show for a register value."""
    return value - _MODULUS if value >> 63 else value


@word(u64)
class Syscall(IntEnum):
    """System calls by the value of register a7 (mixed-criticality configuration)."""

    CALL = _MODULUS - 1
    REPLY_RECV = _MODULUS - 2
    NB_SEND_RECV = _MODULUS - 3
    NB_SEND_WAIT = _MODULUS - 4
    SEND = _MODULUS - 5
    NB_SEND = _MODULUS - 6
    RECV = _MODULUS - 7
    NB_RECV = _MODULUS - 8
    WAIT = _MODULUS - 9
    NB_WAIT = _MODULUS - 10
    YIELD = _MODULUS - 11
    DEBUG_PUT_CHAR = _MODULUS - 12
    DEBUG_DUMP_SCHEDULER = _MODULUS - 13
    DEBUG_HALT = _MODULUS - 14
    DEBUG_CAP_IDENTIFY = _MODULUS - 15
    DEBUG_SNAPSHOT = _MODULUS - 16
    DEBUG_NAME_THREAD = _MODULUS - 17
    DEBUG_SEND_IPI = _MODULUS - 18
    DEBUG_GET_THREAD_AFFINITY = _MODULUS - 19
    DEBUG_RUN = _MODULUS - 20
    BENCHMARK_FLUSH_CACHES = _MODULUS - 21
    BENCHMARK_RESET_LOG = _MODULUS - 22
    BENCHMARK_FINALIZE_LOG = _MODULUS - 23
    BENCHMARK_SET_LOG_BUFFER = _MODULUS - 24
    BENCHMARK_NULL_SYSCALL = _MODULUS - 25
    BENCHMARK_GET_THREAD_UTILISATION = _MODULUS - 26
    BENCHMARK_RESET_THREAD_UTILISATION = _MODULUS - 27
    BENCHMARK_DUMP_ALL_THREADS_UTILISATION = _MODULUS - 28
    BENCHMARK_RESET_ALL_THREADS_UTILISATION = _MODULUS - 29
    SET_TLS_BASE = _MODULUS - 33


@dataclass(frozen=True)
class Registers:
    """Which register carries what. ``None``: the call has no such part."""

    destination: str | None = None
    source: str | None = None
    reply: str | None = None
    badge: str | None = None
    info: str | None = None
    sends: bool = False
    receives: bool = False
    blocks: bool = True


SYSCALL_NUMBER_REGISTER = "a7"
CAPABILITY_REGISTER = "a0"
INFO_REGISTER = "a1"
MESSAGE_REGISTERS = ("a2", "a3", "a4", "a5")
REPLY_REGISTER = "a6"
SECOND_DESTINATION_REGISTER = "t0"

# Where the ten system calls of the interface find their operands. A receive returns the badge in a0.
SYSCALL_REGISTERS: dict[Syscall, Registers] = {
    Syscall.CALL: Registers(destination="a0", badge="a0", info="a1", sends=True, receives=True),
    Syscall.REPLY_RECV: Registers(source="a0", reply="a6", badge="a0", info="a1", sends=True, receives=True),
    Syscall.NB_SEND_RECV: Registers(
        destination="t0", source="a0", reply="a6", badge="a0", info="a1", sends=True, receives=True
    ),
    Syscall.NB_SEND_WAIT: Registers(destination="a6", source="a0", badge="a0", info="a1", sends=True, receives=True),
    Syscall.SEND: Registers(destination="a0", info="a1", sends=True),
    Syscall.NB_SEND: Registers(destination="a0", info="a1", sends=True, blocks=False),
    Syscall.RECV: Registers(source="a0", reply="a6", badge="a0", info="a1", receives=True),
    Syscall.NB_RECV: Registers(source="a0", reply="a6", badge="a0", info="a1", receives=True, blocks=False),
    Syscall.WAIT: Registers(source="a0", badge="a0", info="a1", receives=True),
    Syscall.NB_WAIT: Registers(source="a0", badge="a0", info="a1", receives=True, blocks=False),
    Syscall.YIELD: Registers(),
}

# Only a debug build answers these.
DEBUG_SYSCALLS = (
    Syscall.DEBUG_PUT_CHAR,
    Syscall.DEBUG_DUMP_SCHEDULER,
    Syscall.DEBUG_HALT,
    Syscall.DEBUG_CAP_IDENTIFY,
    Syscall.DEBUG_SNAPSHOT,
    Syscall.DEBUG_NAME_THREAD,
)

# A thread's name, in bytes with the closing zero, as Microkit's names.
THREAD_NAME_BYTES = 64

# SPDX-License-Identifier: BSD-2-Clause
"""Debugging: what a debug kernel writes to the firmware's console (manual: Debugging System Calls)."""

from __future__ import annotations

from tessera.abi.boards import TEST_DEVICE_FAIL
from tessera.abi.configuration import configuration
from tessera.arch import machine, paging
from tessera.kernel.layout import THREAD_NAME_BYTES, Tcb
from tessera.lang import compiled, decreases, range, u32, u64

# The exit code of a machine whose kernel found a mistake in itself, or cannot start.
KERNEL_FAILED = 125


@compiled(symbol="stop_failed")
def stop_failed() -> None:
    """End the machine, by the test device where there is one: whoever started it learns that the kernel failed."""
    if configuration.test_device != 0:
        code = u32((KERNEL_FAILED << 16) | TEST_DEVICE_FAIL)
        machine.write_device(paging.kernel_address(configuration.test_device), code)
    machine.shutdown()


@compiled
def write(text: bytes) -> None:
    """Write text; nothing in a release build."""
    if configuration.debug:
        # Bounded by the length of the kernel's own texts; in debug builds alone.
        for index in range(len(text)):
            machine.put_character(u64(text[index]))


@compiled
def write_hex(value: u64) -> None:
    """Write a number in hexadecimal, without leading zeros."""
    if configuration.debug:
        write(b"0x")
        started = False
        for step in range(16):
            digit = (value >> (60 - 4 * step)) & 15
            started = started or digit != 0 or step == 15
            if started:
                machine.put_character(digit + 48 if digit < 10 else digit + 87)


@compiled
def write_thread(thread: Tcb) -> None:
    """Write a thread's name and state."""
    if configuration.debug:
        index = u64(0)
        # Bounded by the length of a thread's name, 64 bytes; in debug builds alone.
        while index < THREAD_NAME_BYTES and thread.name[index] != 0:
            decreases(THREAD_NAME_BYTES - index)
            machine.put_character(u64(thread.name[index]))
            index += 1
        write(b" state ")
        write_hex(u64(thread.state))
        write(b" priority ")
        write_hex(thread.priority)
        write(b" at ")
        write_hex(thread.registers[0])
        write(b"\n")

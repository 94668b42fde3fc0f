# SPDX-License-Identifier: BSD-2-Clause
"""The root task's own console and way out: the board's serial port and test device (mapped by ``devices``).

A release kernel has no console, so the suites drive the devices themselves.
"""

from __future__ import annotations

from tessera.abi.boards import TEST_DEVICE_FAIL, TEST_DEVICE_PASS
from tessera.lang import at, compiled, range, struct, truncate, u8, u32, u64
from tessera.runtime.machine import full_fence

# Virtual addresses behind the image, below the end of its lowest page table (root.ld, start.S).
TEST_WINDOW = 0x5F_0000
SERIAL_WINDOW = 0x5F_1000


@struct
class TestDevice:
    """Writing a status to the first word ends the run."""

    status: u32


@struct
class SerialPort:
    """The first registers of a 16550; QEMU's can always take a byte. ``control`` enables interrupts."""

    data: u8
    control: u8
    identification: u8


@compiled
def serial() -> SerialPort:
    """The serial port's registers."""
    return at(SerialPort, SERIAL_WINDOW)


@compiled
def put_byte(value: u8) -> None:
    """Write one byte to the serial port."""
    serial().data = value
    # Without the fence the compiler may keep only the last of several stores.
    full_fence()


@compiled
def put(text: bytes) -> None:
    """Write text to the serial port."""
    for i in range(len(text)):
        put_byte(text[i])


@compiled
def put_number(value: u64) -> None:
    """Write a number in hexadecimal."""
    put(b"0x")
    started = False
    for i in range(16):
        digit = truncate(u8, value >> (60 - 4 * i)) & 15
        started = started or digit != 0 or i == 15
        if started:
            put_byte(digit + (48 if digit < 10 else 87))


@compiled
def power_off(success: bool) -> None:
    """End the run: QEMU's exit code is 0, or 1."""
    at(TestDevice, TEST_WINDOW).status = u32(TEST_DEVICE_PASS) if success else u32(1 << 16 | TEST_DEVICE_FAIL)
    full_fence()

# SPDX-License-Identifier: BSD-2-Clause
"""Text on the kernel's debug console. A release kernel has none, so in a release build these do nothing.

A function with a ``symbol`` is also there for C (microkit.h).
"""

from __future__ import annotations

from tessera.lang import at, compiled, count_leading_zeros, min, range, truncate, u8, u32, u64
from tessera.runtime.sel4 import TextByte, debug_put_character

# No text in memory is printed beyond this length: a missing zero byte does not go on forever.
TEXT_LIMIT = 4096
MOST_DIGITS = 20


@compiled
def put(text: bytes) -> None:
    """Print a constant text."""
    for i in range(len(text)):
        debug_put_character(text[i])


@compiled
def put_line(text: bytes) -> None:
    """Print a constant text and end the line."""
    put(text)
    debug_put_character(10)


@compiled
def put_text_at(address: u64) -> None:
    """Print a text in memory that ends with a zero byte."""
    for i in range(TEXT_LIMIT):
        character = at(TextByte, address + i).value
        if character == 0:
            break
        debug_put_character(character)


@compiled
def put_bytes_at(address: u64, length: u64) -> None:
    """Print so many bytes of memory."""
    for i in range(min(length, TEXT_LIMIT)):
        debug_put_character(at(TextByte, address + i).value)


@compiled
def put_decimal(value: u64) -> None:
    """Print a number in decimal."""
    divisor = u64(1)
    for _digit in range(1, MOST_DIGITS):
        if value // divisor >= 10:
            divisor = divisor * 10
    for _digit in range(MOST_DIGITS):
        debug_put_character(48 + truncate(u8, (value // divisor) % 10))
        if divisor == 1:
            break
        divisor = divisor // 10


@compiled
def put_hexadecimal(value: u64) -> None:
    """Print a number in hexadecimal, with 0x in front."""
    put(b"0x")
    shift = (63 - min(count_leading_zeros(value), 63)) & ~u64(3)
    for _digit in range(16):
        digit = truncate(u8, value >> shift) & 15
        debug_put_character(digit + (48 if digit < 10 else 87))
        if shift == 0:
            break
        shift -= 4


@compiled(symbol="microkit_dbg_putc")
def dbg_putc(character: u32) -> None:
    """C: print one character."""
    debug_put_character(truncate(u8, character))


@compiled(symbol="microkit_dbg_puts")
def dbg_puts(text: u64) -> None:
    """C: print a text."""
    put_text_at(text)


@compiled(symbol="microkit_dbg_put8")
def dbg_put8(value: u8) -> None:
    """C: print a number in decimal."""
    put_decimal(u64(value))


@compiled(symbol="microkit_dbg_put32")
def dbg_put32(value: u32) -> None:
    """C: print a number in decimal."""
    put_decimal(u64(value))

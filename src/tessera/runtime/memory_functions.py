# SPDX-License-Identifier: BSD-2-Clause
"""The four functions that a C compiler may call without being asked to, even where there is no C library."""

from __future__ import annotations

from tessera.lang import at, compiled, range, struct, truncate, u8, u32, u64, wrapping_sub


@struct
class Byte:
    """One byte of memory."""

    value: u8


@compiled(symbol="memcpy")
def memcpy(target: u64, source: u64, length: u64) -> u64:
    """C: copy memory; the two do not overlap."""
    for i in range(length):
        at(Byte, target + i).value = at(Byte, source + i).value
    return target


@compiled(symbol="memmove")
def memmove(target: u64, source: u64, length: u64) -> u64:
    """C: copy memory that may overlap."""
    if target <= source:
        return memcpy(target, source, length)
    for i in range(length):
        at(Byte, target + (length - 1 - i)).value = at(Byte, source + (length - 1 - i)).value
    return target


@compiled(symbol="memset")
def memset(target: u64, value: u32, length: u64) -> u64:
    """C: set every byte of memory to the low byte of a value."""
    for i in range(length):
        at(Byte, target + i).value = truncate(u8, value)
    return target


@compiled(symbol="memcmp")
def memcmp(first: u64, second: u64, length: u64) -> u32:
    """C: the difference of the first bytes that differ, as a signed int; 0 if there are none."""
    for i in range(length):
        left = at(Byte, first + i).value
        right = at(Byte, second + i).value
        if left != right:
            return wrapping_sub(u32(left), u32(right))
    return u32(0)

# SPDX-License-Identifier: BSD-2-Clause
"""What a failed assertion of a component in C does (sel4/assert.h): the console tells it, and the component stops."""

from __future__ import annotations

from typing import NoReturn

from tessera.lang import address_of, compiled, u32, u64
from tessera.runtime.console import put, put_decimal, put_line, put_text_at
from tessera.runtime.machine import stop
from tessera.runtime.microkit import name


@compiled(symbol="__assert_fail")
def assert_fail(text: u64, file: u64, line: u32, function: u64) -> NoReturn:
    """Called with the addresses of three texts that end with a zero byte, and the line. A C library has its own."""
    put_text_at(address_of(name))
    put(b"|ERROR: assertion failed: ")
    put_text_at(text)
    put(b", at ")
    put_text_at(file)
    put(b":")
    put_decimal(u64(line))
    put(b" in ")
    put_text_at(function)
    put_line(b"")
    while True:
        stop()

# SPDX-License-Identifier: BSD-2-Clause
"""Prints which slots of its capability space hold something, and tries slots that lie beyond it."""

from __future__ import annotations

from tessera.lang import compiled, range, u32
from tessera.runtime.console import put, put_decimal, put_line
from tessera.runtime.sel4 import debug_identify

SLOTS = 1 << 9
# Where the initialiser's CNode had its capabilities, and the addresses that wrong guards would translate.
BEYOND = 1 << 17


@compiled
def init() -> None:
    put(b"PROBER|SLOTS")
    for slot in range(SLOTS):
        if debug_identify(slot) != 0:
            put(b" ")
            put_decimal(slot)
    put_line(b"")
    put(b"PROBER|BEYOND")
    for slot in range(SLOTS, BEYOND):
        if debug_identify(slot) != 0:
            put(b" ")
            put_decimal(slot)
    put_line(b"")


@compiled
def notified(channel: u32) -> None:
    return

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a loop goes over a range."""

from __future__ import annotations

from tessera.lang import Array, array, compiled, static, struct, u8, u64


@struct
class Thread:
    priority: u8
    next: Thread | None
    registers: Array[u64] = array(4)


current = static(Thread)


@compiled
def total() -> u64:
    found = u64(0)
    for register in current.registers:
        found += register
    return found

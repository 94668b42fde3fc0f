# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a reference is not a condition."""

from __future__ import annotations

from tessera.lang import Array, array, compiled, static, struct, u8, u64


@struct
class Thread:
    priority: u8
    next: Thread | None
    registers: Array[u64] = array(4)


current = static(Thread)


@compiled
def length(thread: Thread) -> u64:
    count = u64(0)
    while thread.next:
        count += 1
    return count

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a number is not a reference."""

from __future__ import annotations

from tessera.lang import Array, array, compiled, static, struct, u8, u64


@struct
class Thread:
    priority: u8
    next: Thread | None
    registers: Array[u64] = array(4)


current = static(Thread)


@compiled
def wake(address: u64) -> None:
    current.next = address

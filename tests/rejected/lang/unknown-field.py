# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: fields are declared."""

from __future__ import annotations

from tessera.lang import Array, array, compiled, static, struct, u8, u64


@struct
class Thread:
    priority: u8
    next: Thread | None
    registers: Array[u64] = array(4)


current = static(Thread)


@compiled
def most_urgent() -> u8:
    return current.prioritiy

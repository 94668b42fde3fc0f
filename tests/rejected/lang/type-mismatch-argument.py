# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: an argument has the type of its parameter."""

from __future__ import annotations

from tessera.lang import Array, array, compiled, static, struct, u8, u64


@struct
class Thread:
    priority: u8
    next: Thread | None
    registers: Array[u64] = array(4)


current = static(Thread)


@compiled
def lower(thread: Thread, priority: u8) -> None:
    thread.priority = priority


@compiled
def reset(thread: Thread, priority: u64) -> None:
    lower(thread, priority)

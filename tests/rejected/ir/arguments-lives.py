# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: objects are of a struct."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64


node = static(Node)


@compiled
def made(start: u64, small: u8) -> None:
    with ghost:
        begin_lives(u64, start, 64)

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: contracts stand before ghost code."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: u64) -> u64:
    with ghost:
        before = n
    requires(n > 3)
    return n

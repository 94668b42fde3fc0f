# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ghost code does not return."""

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
        if n == 3:
            return 4
    return n

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ghost code does not leave the loop around it."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: u64) -> u64:
    for i in range(n):
        with ghost:
            break
    return n

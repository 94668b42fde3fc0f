# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: code that runs reads no name of ghost code."""

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
        last = n + 1
    return last

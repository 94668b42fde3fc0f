# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a measure is a word or an integer."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: u64) -> None:
    while n > 0:
        decreases(n > 1)
        n -= 1

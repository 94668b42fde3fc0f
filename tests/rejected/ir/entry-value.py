# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a parameter in ensures keeps its value."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: u64) -> u64:
    ensures(lambda result: result == n)
    n = n // 2
    return n

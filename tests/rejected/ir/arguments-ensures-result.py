# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a function without result promises nothing about it."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    ensures(lambda result: x.value == 3)

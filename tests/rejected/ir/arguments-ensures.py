# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ensures takes a lambda."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    ensures(x.value == 3)

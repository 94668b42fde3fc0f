# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: there is one state at entry."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    ensures(lambda: old(old(x.value)) == 3)

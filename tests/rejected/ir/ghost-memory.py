# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ghost code writes ghost fields only."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    with ghost:
        x.value = 1

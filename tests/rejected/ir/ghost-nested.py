# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ghost code stands in code that runs."""

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
        with ghost:
            x.rank = 1

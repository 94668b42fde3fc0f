# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a loop over constants has no contracts."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    for i in (1, 2):
        loop_invariant(x.value == i)
        x.value = i

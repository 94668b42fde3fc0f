# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: compiled functions are not called for their effect in ghost code."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def nothing(x: Node) -> None:
    pass


@compiled
def moved(x: Node) -> None:
    with ghost:
        nothing(x)

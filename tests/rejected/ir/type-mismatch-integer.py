# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: words become integers where it is said."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node, n: u64) -> None:
    requires(x.rank < n)

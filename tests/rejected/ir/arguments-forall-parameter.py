# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: forall gives each value a name."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    requires(forall(Node, lambda: x.value == 3))

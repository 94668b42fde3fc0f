# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ghost fields are suggested like others."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    requires(x.rnak == 1)

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: code that runs does not know what is live."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> bool:
    return live(x)

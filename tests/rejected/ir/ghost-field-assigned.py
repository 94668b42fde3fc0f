# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: code that runs writes no ghost field."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    x.rank = 1

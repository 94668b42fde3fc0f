# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: code that runs calls no specification function."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@specification
def is_first(x: Node) -> bool:
    return x.rank == 0


@compiled
def moved(x: Node) -> bool:
    return is_first(x)

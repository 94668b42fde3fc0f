# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a ghost field has a type that it can have before it is written."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@struct
class Pair:
    value: u64
    of: Node = ghost_field()


@compiled
def moved(p: Pair) -> None:
    requires(p.of is node)

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a field that takes room has a width."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@struct
class Pair:
    value: integer


@compiled
def moved(p: Pair) -> bool:
    return p.value == 0

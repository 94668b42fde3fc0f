# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: code that runs is given no unbounded numbers."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: integer) -> None:
    pass

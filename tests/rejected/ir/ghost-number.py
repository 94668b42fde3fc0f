# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: code that runs has no unbounded numbers."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: u64) -> bool:
    return integer(n) + 1 > 5

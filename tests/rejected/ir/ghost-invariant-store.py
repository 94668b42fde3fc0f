# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: an invariant changes nothing."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@invariant
def is_first(x: Node) -> bool:
    x.value = 0
    return True

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a specification function changes nothing."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@specification
def is_first(x: Node) -> bool:
    x.rank = 0
    return True

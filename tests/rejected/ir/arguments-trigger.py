# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a trigger has terms."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@invariant
def is_first(x: Node) -> bool:
    trigger()
    return True

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: triggers are for invariants and specification functions."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    trigger(x.value)

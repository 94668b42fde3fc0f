# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: what contracts call changes nothing."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@extern(symbol="beep")
def beep() -> u64:
    return 0


@compiled
def moved(x: Node) -> None:
    requires(beep() == 0)

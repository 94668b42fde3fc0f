# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: what ghost code calls changes nothing."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def change(x: Node) -> u64:
    x.value = 3
    return x.value


@compiled
def read(x: Node) -> u64:
    return change(x)


@compiled
def moved(x: Node) -> None:
    with ghost:
        x.rank = integer(read(x))

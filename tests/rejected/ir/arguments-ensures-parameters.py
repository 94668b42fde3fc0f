# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a promise has one parameter at most."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> u64:
    ensures(lambda result, more: x.value == 3)
    return x.value

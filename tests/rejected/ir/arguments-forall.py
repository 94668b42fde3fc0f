# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: forall goes over objects, words and integers."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(x: Node) -> None:
    requires(forall(bool, lambda b: b))

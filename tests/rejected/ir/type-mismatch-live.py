# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: only references are live."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64
    rank: integer = ghost_field()


node = static(Node)


@compiled
def moved(n: u64) -> None:
    requires(live(n))

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: addresses and sizes are of type u64 or integer."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64


node = static(Node)


@compiled
def made(start: u64, small: u8) -> None:
    with ghost:
        end_lives(Node, start, small)

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: what is live changes in ghost code only."""

from __future__ import annotations

from tessera.lang import *


@struct
class Node:
    value: u64


node = static(Node)


@compiled
def made(start: u64, small: u8) -> None:
    begin_lives(Node, start, 64)

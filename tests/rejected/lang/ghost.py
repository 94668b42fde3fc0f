# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: ghost names do not leave ghost code."""

from __future__ import annotations

from tessera.lang import compiled, ghost, u64


@compiled
def counted(value: u64) -> u64:
    with ghost:
        before = value
    return before

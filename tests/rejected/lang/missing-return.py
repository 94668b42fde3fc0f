# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: every path returns."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def sign(value: u64) -> u64:
    if value > 3:
        return 1
    elif value == 3:
        return 0

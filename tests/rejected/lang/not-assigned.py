# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a name is assigned on every path before it is read."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def chosen(value: u64) -> u64:
    if value > 3:
        result = value
    return result

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: Python's own functions are not of the language."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def smallest(a: u64, b: u64) -> u64:
    return min(a, b)

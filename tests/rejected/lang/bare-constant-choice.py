# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: nor to one that may be without width."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def clipped(value: u64) -> u64:
    kept = value if value < 9 else 9
    return kept - 10

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: words of different widths are never mixed silently."""

from __future__ import annotations

from tessera.lang import compiled, u8, u64


@compiled
def total(count: u64, step: u8) -> u64:
    return count + step

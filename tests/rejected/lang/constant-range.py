# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a constant fits its word."""

from __future__ import annotations

from tessera.lang import compiled, u8


@compiled
def high(value: u8) -> bool:
    return value > 256

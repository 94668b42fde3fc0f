# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: no function calls itself, not even through others."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def even(value: u64) -> bool:
    return True if value == 0 else odd(value - 1)


@compiled
def odd(value: u64) -> bool:
    return False if value == 0 else even(value - 1)

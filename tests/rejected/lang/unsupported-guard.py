# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a case has no guard."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def small(value: u64, limit: u64) -> bool:
    match value:
        case 0 if limit > 0:
            return True
        case _:
            return False

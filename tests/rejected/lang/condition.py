# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a word is not a condition."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def some(count: u64) -> bool:
    if count:
        return True
    return False

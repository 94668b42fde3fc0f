# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a loop counts words."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def total(count: u64) -> u64:
    found = u64(0)
    for i in range(count):
        found += i
    return found

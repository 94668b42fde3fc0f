# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a loop may have no turns."""

from __future__ import annotations

from tessera.lang import compiled, range, u64


@compiled
def last(count: u64) -> u64:
    for i in range(count):
        found = i
    return found

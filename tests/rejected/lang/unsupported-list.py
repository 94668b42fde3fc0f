# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: nothing is allocated."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def pair(a: u64, b: u64) -> u64:
    both = [a, b]
    return both[0]

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a divisor is not zero."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def halves(value: u64) -> u64:
    return value // 0

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: contracts come first."""

from __future__ import annotations

from tessera.lang import compiled, requires, u64


@compiled
def halved(value: u64) -> u64:
    half = value // 2
    requires(half != 0)
    return half

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: every parameter has a width."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def length(count: int) -> u64:
    return u64(count)

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: there are no default arguments."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def raised(value: u64, by: u64 = 1) -> u64:
    return value + by

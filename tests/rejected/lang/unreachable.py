# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: no statement stands after a return."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def twice(value: u64) -> u64:
    return value * 2
    value += 1

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: nothing waits for the result of an asynchronous function."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
async def later(value: u64) -> u64:
    return value

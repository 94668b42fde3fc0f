# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a module's names are constants."""

from __future__ import annotations

from tessera.lang import compiled, u64


calls = u64(0)


@compiled
def count() -> u64:
    global calls
    calls += 1
    return calls

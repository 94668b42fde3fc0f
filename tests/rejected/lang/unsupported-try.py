# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: there are no exceptions."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def safe(a: u64, b: u64) -> u64:
    try:
        return a // b
    except ZeroDivisionError:
        return 0

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a value is taken by one case."""

from __future__ import annotations

from tessera.lang import compiled, u64


TIMER = 5


@compiled
def handle(interrupt: u64) -> u64:
    match interrupt:
        case 1 | 5:
            return 1
        case 5:
            return 2
        case _:
            return 0

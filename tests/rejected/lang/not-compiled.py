# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: called functions are of the language."""

from __future__ import annotations

from tessera.lang import compiled, u64


def doubled(value: int) -> int:
    return value * 2


@compiled
def quadrupled(value: u64) -> u64:
    return doubled(value) * 2

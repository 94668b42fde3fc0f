# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: names are defined."""

from __future__ import annotations

from tessera.lang import compiled, u64


LIMIT = 5


@compiled
def below(value: u64) -> bool:
    return value < LIMTI

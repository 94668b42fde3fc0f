# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a name is not bound to a number without width."""

from __future__ import annotations

from tessera.lang import compiled, u64


LIMIT = 256


@compiled
def below(value: u64) -> bool:
    limit = LIMIT
    return value < limit

# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a shift is by less than the width."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def shifted(value: u64) -> u64:
    return value << 64

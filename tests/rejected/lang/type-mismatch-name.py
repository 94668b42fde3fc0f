# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a name keeps the type of its first assignment."""

from __future__ import annotations

from tessera.lang import compiled, u8, u64


@compiled
def mixed(a: u64, b: u8) -> u64:
    found = a
    found = b
    return found

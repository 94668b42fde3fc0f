# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a mask is made with ~ of a word."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def page(address: u64) -> u64:
    return address & ~0xFFF

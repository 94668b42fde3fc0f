# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a call passes every argument."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def scaled(value: u64, factor: u64) -> u64:
    return value * factor


@compiled
def doubled(value: u64) -> u64:
    return scaled(value)

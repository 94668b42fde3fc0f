# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: every function tells its first mistake."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def first(value: u64) -> u64:
    return valeu


@compiled
def second(value: u64) -> u64:
    lambda: value
    return value


@compiled
def third(value: u64) -> bool:
    return not value

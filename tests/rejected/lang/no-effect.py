# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a statement does something."""

from __future__ import annotations

from tessera.lang import compiled, u64


@compiled
def compared(value: u64) -> None:
    value == 3

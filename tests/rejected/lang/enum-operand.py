# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: an enumeration member stands right of an operator."""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import compiled, u64


class Offset(IntEnum):
    STATUS = 8


@compiled
def register(base: u64) -> u64:
    return Offset.STATUS + base

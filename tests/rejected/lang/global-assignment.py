# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: the names of another module are constants."""

from __future__ import annotations

import sys

from tessera.lang import compiled, u64


@compiled
def limit(value: u64) -> None:
    sys.maxsize = value

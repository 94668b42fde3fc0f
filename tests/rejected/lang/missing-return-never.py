# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a function marked NoReturn does not come back."""

from __future__ import annotations

from typing import NoReturn

from tessera.lang import compiled, u64


@compiled
def stop(code: u64) -> NoReturn:
    while code != 0:
        pass

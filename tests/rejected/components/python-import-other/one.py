# SPDX-License-Identifier: BSD-2-Clause
"""A component."""

from __future__ import annotations

from tessera.lang import compiled, u32, u64


import other  # noqa


@compiled
def init() -> None:
    pass

# SPDX-License-Identifier: BSD-2-Clause
"""A component."""

from __future__ import annotations

from tessera.lang import compiled, u32, u64


@compiled
def notified(channel) -> None:
    pass

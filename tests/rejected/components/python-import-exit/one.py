# SPDX-License-Identifier: BSD-2-Clause
"""A component."""

from __future__ import annotations

import sys

from tessera.lang import compiled, u32, u64


@compiled
def init() -> None:
    pass


sys.exit(3)

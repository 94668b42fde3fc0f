# SPDX-License-Identifier: BSD-2-Clause
"""All cases: importing the modules enters them into the catalogue, in the order of the manual's chapters."""

from __future__ import annotations

from tessera.suites.conformance import (
    bootstrapping,
    memory_allocation,
)

__all__ = [
    "bootstrapping",
    "memory_allocation",
]

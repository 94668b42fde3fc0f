# SPDX-License-Identifier: BSD-2-Clause
"""All cases: importing the modules enters them into the catalogue, in the order of the manual's chapters."""

from __future__ import annotations

from tessera.suites.conformance import (
    bootstrapping,
    capability_addressing,
    capability_deletion,
    capability_spaces,
    memory_allocation,
)

GROUPS = (
    bootstrapping,
    memory_allocation,
    capability_spaces,
    capability_addressing,
    capability_deletion,
)

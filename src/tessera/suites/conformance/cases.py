# SPDX-License-Identifier: BSD-2-Clause
"""All cases: importing the modules enters them into the catalogue."""

from __future__ import annotations

from tessera.suites.conformance import (
    bootstrapping,
    calls_and_replies,
    capability_addressing,
    capability_deletion,
    capability_spaces,
    capability_transfer,
    memory_allocation,
    message_passing,
)

GROUPS = (
    calls_and_replies,
    capability_transfer,
    message_passing,
    bootstrapping,
    memory_allocation,
    capability_spaces,
    capability_addressing,
    capability_deletion,
)

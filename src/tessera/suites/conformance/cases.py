# SPDX-License-Identifier: BSD-2-Clause
"""All cases: importing the modules enters them into the catalogue."""

from __future__ import annotations

from tessera.suites.conformance import (
    address_spaces,
    bootstrapping,
    calls_and_replies,
    capability_addressing,
    capability_deletion,
    capability_spaces,
    capability_transfer,
    faults,
    interrupts,
    isolation,
    memory_allocation,
    message_passing,
    notifications,
    preemption,
    scheduling_contexts,
    threads,
)

GROUPS = (
    preemption,
    interrupts,
    isolation,
    address_spaces,
    faults,
    scheduling_contexts,
    threads,
    notifications,
    calls_and_replies,
    capability_transfer,
    message_passing,
    bootstrapping,
    memory_allocation,
    capability_spaces,
    capability_addressing,
    capability_deletion,
)

# SPDX-License-Identifier: BSD-2-Clause
"""The clock, and what the kernel believes of it (manual: Threads and Execution, Scheduling)."""

from __future__ import annotations

from tessera.arch import machine
from tessera.kernel.refill_ring import LAST_TIME
from tessera.kernel.state import kernel
from tessera.lang import compiled, ensures, old, u64, without_invariants


@compiled(inline="always")
def read() -> u64:
    """An assumption of the proofs: the clock does not go back, and never gets near the end of a word."""
    without_invariants()
    ensures(lambda result: old(kernel.now) <= result and result <= LAST_TIME)
    return machine.read_time()

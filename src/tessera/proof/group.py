# SPDX-License-Identifier: BSD-2-Clause
"""What a group of functions under proof is, and which functions a quick run proves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Functions under proof that belong together. ``functions`` are named without the package's name.

    ``name`` is how the command line knows the group.
    """

    name: str
    title: str
    functions: tuple[str, ...]

    @property
    def slow(self) -> frozenset[str]:
        """Those of them that a quick run leaves out."""
        return frozenset(self.functions) - QUICK


# What a quick run proves: enough to notice that the prover, the laws or the invariants broke, in about a minute.
QUICK = frozenset(
    {
        "kernel.cspace.lookup",
        "kernel.cspace.lookup_slot",
        "kernel.cspace.lookup_capability",
        "kernel.cspace.lookup_target_slot",
        "kernel.queue.mark_occupied",
        "kernel.queue.mark_empty",
        "kernel.queue.highest_of_four",
        "kernel.budget.next_index",
        "kernel.budget.refill_at",
        "kernel.budget.head_time",
        "kernel.untyped.aligned_offset",
        "kernel.untyped.clear_bytes",
        "kernel.invoke.untyped.check_kind",
        "kernel.invoke.untyped.check_window",
    }
)

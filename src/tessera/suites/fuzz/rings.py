# SPDX-License-Identifier: BSD-2-Clause
"""The ghosts of refills (kernel/refill_ring.py), worked out from the rings themselves.

Most functions that change refills have no ghost code, because they are not under proof yet. What their ghosts have to
be follows from the state: which place of which ring a refill is, and what all refills before it amount to.
"""

from __future__ import annotations

from typing import Any

from tessera.kernel.layout import MIN_REFILLS, Refill, SchedContext
from tessera.lang import MEMORY_BASE, Memory, offset_of, size_of
from tessera.llvm.shadow import SHADOW_BASE, SHADOW_SIZE, Region, Shadow

_REFILLS = offset_of(SchedContext, "refills")
_LIMIT, _HEAD, _TAIL = (offset_of(SchedContext, f"refill_{name}") >> 3 for name in ("limit", "head", "tail"))
_AMOUNT = offset_of(Refill, "amount") >> 3
_REFILL = int(size_of(Refill))


class Rings:
    """The rings of all contexts of a memory."""

    def __init__(self, memory: Memory, shadow: Shadow) -> None:
        self.words = memoryview(memory.data).cast("B").cast("Q")
        self.ghosts = shadow.view(SHADOW_BASE, SHADOW_SIZE).cast("Q")
        names: list[tuple[Any, str]] = [
            *((SchedContext, name) for name in ("capacity", "first", "last")),
            *((Refill, name) for name in ("owner", "index", "offset")),
        ]
        # The context of each place of a ring.
        self.context_of: dict[int, int] = {}
        self.regions = [shadow.ghost(cls, name) for cls, name in names]

    def _put(self, region: Region, address: int, value: int) -> None:
        self.ghosts[region.place(address) - SHADOW_BASE >> 3] = value

    def begin(self, context: int, behind: int) -> None:
        """A context began to live, with so many refills behind its struct."""
        capacity, _, _, owner, index, _ = self.regions
        self._put(capacity, context, MIN_REFILLS + behind)
        for number in range(MIN_REFILLS + behind):
            self._put(owner, context + _REFILLS + number * _REFILL, context)
            self.context_of[context + _REFILLS + number * _REFILL] = context
            self._put(index, context + _REFILLS + number * _REFILL, number)

    def count(self, context: int) -> None:
        """What a context's refills amount to, which have changed."""
        words, at = self.words, context - MEMORY_BASE >> 3
        limit, place, tail = words[at + _LIMIT], words[at + _HEAD], words[at + _TAIL]
        if limit == 0 or place >= limit or tail >= limit:
            return
        _, first, last, _, _, offset = self.regions
        ring, total = context + _REFILLS, 0
        self._put(first, context, ring + place * _REFILL)
        self._put(last, context, ring + tail * _REFILL)
        while True:
            refill = ring + place * _REFILL
            self._put(offset, refill, total)
            total += words[(refill - MEMORY_BASE >> 3) + _AMOUNT]
            if place == tail:
                return
            place = place + 1 if place + 1 < limit else 0

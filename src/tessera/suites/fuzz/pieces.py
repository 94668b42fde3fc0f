# SPDX-License-Identifier: BSD-2-Clause
"""Which memory invariants of free memory have to be looked at again for, after an event."""

from __future__ import annotations

import ctypes

from tessera.abi.configuration import configuration
from tessera.arch import paging
from tessera.kernel.capability import UntypedCap
from tessera.lang import MEMORY_BASE
from tessera.suites.fuzz import plans
from tessera.suites.fuzz.lists import Table

GRANULE = 16
_FIELDS = UntypedCap.__packed__.fields()  # type: ignore[attr-defined]


class Pieces:
    """Memory that was written, that objects began to live in, or that an untyped says something new of."""

    def __init__(self, table: Table, size: int) -> None:
        count = size // GRANULE
        every = (ctypes.c_uint64 * count)(*range(MEMORY_BASE, MEMORY_BASE + size, GRANULE))
        self.every = memoryview(every).cast("B").cast("Q")
        self.buffer = (ctypes.c_uint64 * count)()
        self.words = memoryview(self.buffer).cast("B").cast("Q")
        self.table = table
        # Untyped memory is no part of the kernel's image.
        first = int(paging.kernel_address(configuration.memory_start)) - MEMORY_BASE
        self.first = max(first, 0) // GRANULE
        table.set(plans.MEMORY, ctypes.addressof(every) + 8 * self.first, count - self.first)
        table.set("changed.memory", ctypes.addressof(self.buffer), 0)
        self.place = table.place["changed.memory"]
        # What was known of untypeds, by base and size: where the free part begins, and where the cleared part ends.
        self.known: dict[tuple[int, int], tuple[int, int]] = {}
        self.ranges: list[tuple[int, int]] = []

    def add(self, start: int, size: int) -> None:
        """A range of the kernel's addresses."""
        self.ranges.append(((start - MEMORY_BASE) // GRANULE, (start + size - MEMORY_BASE) // GRANULE))

    def slot(self, low: int, high: int) -> bool:
        """The two words of an untyped that has changed: memory that is free or cleared now, and was not before.

        Whether it is no device's.
        """
        raw = high << 64 | low
        base, bits, free, clear, device = (_part(raw, name) for name in _NAMES)
        if device:
            return False
        before = self.known.get((base, bits))
        self.known[base, bits] = free, clear
        start, end = int(paging.kernel_address(base)), 1 << bits
        if before is None:
            self.add(start + free, end - free)
            return True
        if free < before[0]:
            self.add(start + free, min(before[0], end) - free)
        if clear > before[1]:
            self.add(start + before[1], min(clear, end) - before[1])
        return True

    def tell(self) -> None:
        """Let native code see what there is, and forget it."""
        at, words, every = 0, self.words, self.every
        most = len(words)
        for first, last in self.ranges:
            last = min(last, first + most - at, most)
            if first < last:
                words[at : at + last - first] = every[first:last]
                at += last - first
        self.ranges.clear()
        self.table.words[self.place + 1] = at


_NAMES = ("base", "size_bits", "free_offset", "clear_offset", "is_device")


def _part(raw: int, name: str) -> int:
    field = _FIELDS[name]
    return int(raw >> field.low & (1 << field.width) - 1) << int(field.shift)

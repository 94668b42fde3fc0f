# SPDX-License-Identifier: BSD-2-Clause
"""Lists of objects that native code goes through, filled from here."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Collection, Iterable

from tessera.llvm.shadow import Shadow
from tessera.llvm.watch import LIST_BYTES


class Table:
    """The table that says where each list lies, and how long it is."""

    def __init__(self, shadow: Shadow, names: list[str]) -> None:
        table = shadow.reserve("lists", LIST_BYTES * max(1, len(names)))
        self.words = memoryview((ctypes.c_uint64 * (2 * len(names))).from_address(table)).cast("B").cast("Q")
        self.place = {name: 2 * index for index, name in enumerate(names)}

    def set(self, name: str, address: int, count: int) -> None:
        """Let a list lie at an address; nothing is done for a list that no check uses."""
        place = self.place.get(name)
        if place is not None:
            self.words[place] = address
            self.words[place + 1] = count


class Addresses:
    """A list to which addresses can be added, and from which they can be taken, in any order.

    It keeps its table up to date.
    """

    def __init__(self, table: Table, name: str, capacity: int) -> None:
        self.buffer = (ctypes.c_uint64 * capacity)()
        self.words = memoryview(self.buffer).cast("B").cast("Q")
        self.address = ctypes.addressof(self.buffer)
        self.table = table
        self.name = name
        self.index: dict[int, int] = {}
        self._tell()

    def _tell(self) -> None:
        self.table.set(self.name, self.address, len(self.index))

    def add(self, address: int) -> None:
        """Nothing happens if it is there already."""
        if address not in self.index:
            self.words[len(self.index)] = address
            self.index[address] = len(self.index)
            self._tell()

    def discard(self, address: int) -> None:
        """The last one comes to its place. Nothing happens if it is not there."""
        place = self.index.pop(address, None)
        if place is not None:
            last = len(self.index)
            if place != last:
                moved = self.words[last]
                self.words[place] = moved
                self.index[moved] = place
            self._tell()

    def set(self, addresses: Iterable[int]) -> None:
        """Exactly these, each once."""
        values = array("Q", addresses)
        self.index = dict(zip(values, range(len(values)), strict=True))
        self.words[: len(values)] = values
        self._tell()


class Changing:
    """A list that is filled anew for each event."""

    def __init__(self, table: Table, name: str, capacity: int) -> None:
        self.buffer = (ctypes.c_uint64 * capacity)()
        self.words = memoryview(self.buffer).cast("B").cast("Q")
        self.address = ctypes.addressof(self.buffer)
        self.place = table.place.get(name)
        self.table = table
        self.count = 0
        table.set(name, self.address, 0)

    def set(self, addresses: Collection[int]) -> None:
        """Exactly these."""
        count = len(addresses)
        if count:
            self.words[:count] = array("Q", addresses)
        elif not self.count:
            return
        self.count = count
        if self.place is not None:
            self.table.words[self.place + 1] = count

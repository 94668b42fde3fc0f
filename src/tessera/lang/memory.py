# SPDX-License-Identifier: BSD-2-Clause
"""Memory as CPython and the host's native code see it: one byte buffer at a fixed address.

The layout of every object is the same in every reader, so whole states are compared as bytes. The buffer begins with
the static objects of all imported modules, in the order of their definition; the rest is free for its owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tessera.lang.words import Violation

# Low enough for the pointer field of a capability (39 bits, sign extended), high enough to be free on a Linux host.
MEMORY_BASE = 0x20_0000_0000


@dataclass
class StaticObject:
    """A module-level object of ``module``: ``offset`` in bytes from :data:`MEMORY_BASE`."""

    type: Any
    offset: int
    size: int
    alignment: int
    name: str = ""
    module: str = ""


STATICS: list[StaticObject] = []
_static_end = 0


def reserve_static(type_: Any, size: int, alignment: int, name: str, module: str = "") -> StaticObject:
    """Reserve room for one static object; the address is fixed from then on."""
    global _static_end
    offset = -(-_static_end // alignment) * alignment
    _static_end = offset + size
    entry = StaticObject(type_, offset, size, alignment, name, module)
    STATICS.append(entry)
    return entry


def static_size() -> int:
    """Bytes that the static objects of all imported modules take at the start of memory."""
    return _static_end


class Memory:
    """A little-endian byte buffer at :data:`MEMORY_BASE`; use as a context manager to make it current."""

    current: Memory | None = None

    def __init__(self, size: int, buffer: Any = None) -> None:
        self.base = MEMORY_BASE
        self.data: Any = bytearray(size) if buffer is None else buffer
        # Values of ghost fields by struct class, field and address: they take no room in the buffer.
        self.ghosts: dict[tuple[Any, str, int], Any] = {}
        self._outer: list[Memory | None] = []

    def __enter__(self) -> Memory:
        self._outer.append(Memory.current)
        Memory.current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Memory.current = self._outer.pop()

    def _offset(self, address: int, size: int, alignment: int) -> int:
        offset = address - self.base
        if not 0 <= offset <= len(self.data) - size or address % alignment:
            raise Violation("address", f"{size} bytes at {address:#x}")
        return offset

    def load(self, address: int, size: int) -> int:
        """The unsigned number stored at an address; ``size`` in bytes. Raises :class:`Violation`."""
        offset = self._offset(address, size, min(size, 16))
        return int.from_bytes(self.data[offset : offset + size], "little")

    def store(self, address: int, size: int, value: int) -> None:
        """Store an unsigned number of ``size`` bytes. Raises :class:`Violation`."""
        offset = self._offset(address, size, min(size, 16))
        self.data[offset : offset + size] = value.to_bytes(size, "little")


def memory() -> Memory:
    """The current memory; :class:`RuntimeError` when none is entered."""
    if Memory.current is None:
        raise RuntimeError("no memory: wrap this in `with Memory(size):`")
    return Memory.current


def clear_ghosts(of: Memory | None = None) -> None:
    """Forget all values of ghost fields in a memory (by default the current one), as if none had been written."""
    (memory() if of is None else of).ghosts.clear()

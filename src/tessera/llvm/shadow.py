# SPDX-License-Identifier: BSD-2-Clause
"""What instrumented native code keeps beside memory: ghost fields, which objects are live, what was written.

It lies behind memory at fixed addresses, in regions of a size that follows from that of memory. A region for objects
of a struct has one entry for each place that such an object can begin at.
"""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass, field
from typing import Any

from tessera.lang.ghosts import ghosts_of
from tessera.lang.memory import MEMORY_BASE
from tessera.lang.structs import Inline, size_of_stored
from tessera.lang.types import INTEGER, RATIONAL, ArrayType
from tessera.llvm.types import FRACTION_BITS, INTEGER_BITS, RATIONAL_BITS

SHADOW_BASE = 0x30_0000_0000
SHADOW_SIZE = 1 << 32
# Changes are noted for so many bytes of memory at a time: a slot has 32.
UNIT_BITS = 5
# The entries of lists of objects to be checked, for each list; what is said of a check that failed.
LIST_ENTRY = 16
_FIXED = 0x100000
_NORESERVE = 0x4000
_DONTNEED = 4
_PAGE = mmap.PAGESIZE


@dataclass(frozen=True)
class Region:
    """``stride`` bytes at ``address`` for each ``2**shift`` bytes of memory."""

    address: int
    shift: int
    stride: int

    def place(self, address: int) -> int:
        """Where the entry for an address of memory is."""
        return self.address + (address - MEMORY_BASE >> self.shift) * self.stride


def bytes_of(type_: Any) -> int:
    """Bytes that a ghost field takes here."""
    if type_ is INTEGER:
        return INTEGER_BITS // 8
    return RATIONAL_BITS // 8 if type_ is RATIONAL else size_of_stored(type_)


def parts_of(cls: Any) -> list[tuple[int, Any, int]]:
    """The structs that lie inside of one: offset in bytes, class, how many side by side."""
    found = []
    for part in cls.__struct__.layout().fields.values():
        if isinstance(part.type, Inline):
            found.append((part.offset, part.type.struct, 1))
        elif isinstance(part.type, ArrayType) and isinstance(part.type.element, Inline):
            found.append((part.offset, part.type.element.struct, part.type.length))
    return found


@dataclass
class Shadow:
    """The regions, which are made when they are asked for; ``memory_size`` in bytes."""

    memory_size: int
    live: dict[Any, Region] = field(default_factory=dict)
    ghosts: dict[tuple[Any, str], Region] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    end: int = SHADOW_BASE

    def reserve(self, name: str, size: int) -> int:
        """The address of a region of its own."""
        if name not in self.named:
            self.named[name] = self.end
            self.end += -(-size // _PAGE) * _PAGE
            if self.end > SHADOW_BASE + SHADOW_SIZE:
                raise MemoryError("what is kept beside memory does not fit")
        return self.named[name]

    def _region(self, name: str, cls: Any, stride: int) -> Region:
        shift = max(3, int(cls.__struct__.layout().alignment).bit_length() - 1)
        return Region(self.reserve(name, (self.memory_size >> shift) * stride), shift, stride)

    def lives(self, cls: Any) -> Region:
        """One byte for each place at which an object of a struct can begin: 1 where a live one does."""
        if cls not in self.live:
            self.live[cls] = self._region(f"live {cls.__name__}", cls, 1)
        return self.live[cls]

    def ghost(self, cls: Any, name: str) -> Region:
        """The values of a ghost field."""
        key = cls, name
        if key not in self.ghosts:
            self.ghosts[key] = self._region(f"ghost {cls.__name__}.{name}", cls, bytes_of(ghosts_of(cls)[name]))
        return self.ghosts[key]

    # From Python

    def map(self) -> None:
        """Make the addresses usable. Raises :class:`OSError` where they are taken."""
        if not _Mapping.done:
            library = ctypes.CDLL(None, use_errno=True)
            library.mmap.restype = ctypes.c_void_p
            library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED | _NORESERVE
            if library.mmap(SHADOW_BASE, SHADOW_SIZE, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0) != SHADOW_BASE:
                raise OSError(ctypes.get_errno(), f"{SHADOW_SIZE} bytes at {SHADOW_BASE:#x} cannot be mapped")
            _Mapping.done = True

    def view(self, address: int, size: int) -> memoryview:
        """Some bytes of it."""
        return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")

    def clear(self) -> None:
        """Nothing lives, and all ghost fields are as if they had never been written."""
        library = ctypes.CDLL(None, use_errno=True)
        library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if library.madvise(SHADOW_BASE, self.end - SHADOW_BASE, _DONTNEED):
            raise OSError(ctypes.get_errno(), "what is kept beside memory cannot be cleared")

    def save(self) -> list[tuple[int, bytes]]:
        """All pages that are not zero."""
        found = []
        zero = bytes(_PAGE)
        view = self.view(SHADOW_BASE, self.end - SHADOW_BASE)
        for start in range(0, len(view), _PAGE):
            raw = view[start : start + _PAGE]
            if raw != zero:
                found.append((start, raw.tobytes()))
        return found

    def restore(self, pages: list[tuple[int, bytes]]) -> None:
        """Come back to what was saved."""
        self.clear()
        view = self.view(SHADOW_BASE, self.end - SHADOW_BASE)
        for start, raw in pages:
            view[start : start + _PAGE] = raw

    def is_live(self, cls: Any, address: int) -> bool:
        """Whether a live object begins at an address of memory."""
        return ctypes.c_ubyte.from_address(self.lives(cls).place(address)).value == 1

    def set_live(self, cls: Any, address: int, live: bool, count: int = 1) -> None:
        """Let objects begin or end, side by side, with the structs in them."""
        size = int(cls.__struct__.layout().size)
        for at in range(address, address + count * size, size):
            ctypes.c_ubyte.from_address(self.lives(cls).place(at)).value = live
            for offset, part, number in parts_of(cls):
                self.set_live(part, at + offset, live, number)

    def store(self, cls: Any, name: str, address: int, value: Any) -> None:
        """Give a ghost field of an object a value, as CPython has it."""
        region = self.ghost(cls, name)
        type_ = ghosts_of(cls)[name]
        if type_ is RATIONAL:
            scaled = value * (1 << FRACTION_BITS)
            if scaled.denominator != 1:
                raise ValueError(f"{value} has no exact form")
            number = int(scaled)
        elif hasattr(value, "_address"):
            number = int(value._address)
        else:
            number = 0 if value is None else int(value)
        raw = (number % (1 << 8 * region.stride)).to_bytes(region.stride, "little")
        self.view(region.place(address), region.stride)[:] = raw

    def load(self, cls: Any, name: str, address: int) -> int:
        """The number that a ghost field holds; of a rational, in units of ``2**-FRACTION_BITS``."""
        region = self.ghost(cls, name)
        signed = ghosts_of(cls)[name] in (INTEGER, RATIONAL)
        return int.from_bytes(self.view(region.place(address), region.stride), "little", signed=signed)


class _Mapping:
    done = False

# SPDX-License-Identifier: BSD-2-Clause
"""The memory of a booted machine as words of 64 bits, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, overload

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.abi.layout import KERNEL_WINDOW, PHYSICAL_WINDOW
from tessera.arch import paging
from tessera.build.kernel_memory import Words
from tessera.kernel import state as kernel_state

PAGE_BITS = 12
_WORD = (1 << 64) - 1

Read = Callable[[int, int], bytes]


class Pages:
    """Physical memory by the number of the word, kept in pages once read; a slice gives a list of words."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.pages: dict[int, list[int]] = {}

    def page(self, number: int) -> list[int]:
        """The words of a page."""
        if number not in self.pages:
            data = self._read(number << PAGE_BITS, 1 << PAGE_BITS)
            self.pages[number] = list(memoryview(data).cast("Q"))
        return self.pages[number]

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> list[int]: ...

    def __getitem__(self, at: int | slice) -> int | list[int]:
        if isinstance(at, slice):
            return [self[index] for index in range(at.start, at.stop)]
        return self.page(at >> PAGE_BITS - 3)[at & (1 << PAGE_BITS - 3) - 1]

    def __setitem__(self, at: int, word: int) -> None:
        self.page(at >> PAGE_BITS - 3)[at & (1 << PAGE_BITS - 3) - 1] = word


class GuestWords(Words):
    """The same reading as of the kernel on the host; objects are named by their physical addresses."""

    def __init__(self, read: Read, symbols: dict[str, int]) -> None:
        self.words: Any = Pages(read)
        self.window = PHYSICAL_WINDOW
        self.symbols = symbols

    def physical(self, address: int) -> int:
        """The physical address behind one of the kernel's: in its window of all memory, or in its image."""
        return (address - (paging.IMAGE_OFFSET if address >= KERNEL_WINDOW else PHYSICAL_WINDOW)) & _WORD

    def index(self, address: int) -> int:
        """Which word is at an address of the kernel's."""
        return self.physical(address) >> 3

    def static(self, name: str) -> int:
        """Which word one of the kernel's static objects (kernel/state.py) begins at."""
        return self.index(self.symbols[f"{kernel_state.__name__}.{name}"])

    def named(self, name: int) -> int:
        """The same for an object, by its physical address."""
        return name >> 3

    def name(self, address: int) -> int | None:
        """The physical address of what a reference leads to; ``None`` for no reference."""
        return None if address == 0 else self.physical(address)


def symbols_of(kernel: Path) -> dict[str, int]:
    """The addresses of all that the kernel's ELF file names."""
    with kernel.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}

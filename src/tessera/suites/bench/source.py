# SPDX-License-Identifier: BSD-2-Clause
"""Which functions an instruction of the kernel comes from, also those that were compiled in place."""

from __future__ import annotations

import bisect
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.system.inlined import inlined_calls

# The sections whose bytes are the kernel: what else is in its file is about it.
LOADED = (".text", ".rodata", ".data")


class KernelSource:
    """The functions of a kernel that was built with its lines (``build_kernel_with_lines``)."""

    def __init__(self, elf: Path) -> None:
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            code = file.get_section_by_name(".text")
            table = file.get_section_by_name(".symtab")
            assert code is not None and isinstance(table, SymbolTableSection)
            self.start = int(code["sh_addr"])
            self.end = self.start + int(code["sh_size"])
            named = sorted(
                (int(symbol["st_value"]), symbol.name)
                for symbol in table.iter_symbols()
                if self.start <= symbol["st_value"] < self.end and symbol.name and symbol.name[0] not in ".$"
            )
            self._inlined = inlined_calls(file, lambda header, index: "", "DW_AT_linkage_name")
        self._addresses = [address for address, _ in named]
        self._names = [name for _, name in named]
        self._known: dict[int, tuple[str, ...]] = {}

    def functions_at(self, address: int) -> tuple[str, ...]:
        """The function that holds an instruction, then those that were compiled in place, the innermost last.

        Empty outside of the kernel's code. Functions of the language have the names of their modules in front.
        """
        if not self.start <= address < self.end:
            return ()
        if address not in self._known:
            outermost = self._names[bisect.bisect_right(self._addresses, address) - 1]
            calls = sorted((c for c in self._inlined if c.start <= address < c.end), key=lambda call: call.depth)
            self._known[address] = (outermost, *(call.function for call in calls))
        return self._known[address]


def loaded_bytes(elf: Path) -> list[bytes]:
    """What of a kernel's file gets into memory."""
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        sections = [file.get_section_by_name(name) for name in LOADED]
        return [section.data() if section is not None else b"" for section in sections]

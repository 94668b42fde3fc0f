# SPDX-License-Identifier: BSD-2-Clause
"""Small program images for tests, written byte by byte: what is in them is seen in the test."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

EXECUTABLE, OBJECT, SHARED = 2, 1, 3
RISCV, X86_64 = 243, 62
R, W, X = 4, 2, 1

PLATFORM = {
    "microkit_name": 64,
    "microkit_passive": 1,
    "microkit_irqs": 8,
    "microkit_notifications": 8,
    "microkit_pps": 8,
}


@dataclass
class Program:
    """A program in the making. ``segments``: (address, flags, data, size in memory)."""

    kind: int = EXECUTABLE
    machine: int = RISCV
    entry: int = 0x20_0000
    segments: list[tuple[int, int, bytes, int]] = field(default_factory=list)
    symbols: dict[str, tuple[int, int]] = field(default_factory=dict)
    # Further symbols, behind the others, that may have the same names: (name, address, size).
    more: list[tuple[str, int, int]] = field(default_factory=list)

    def elf(self) -> bytes:
        """The bytes of the file: header, program headers, data, symbols, strings, section headers."""
        listed = [*((name, *place) for name, place in self.symbols.items()), *self.more]
        names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in listed)
        symbols, at = [bytes(24)], 1
        for name, address, size in listed:
            symbols.append(struct.pack("<IBBHQQ", at, 0x11, 0, 0xFFF1, address, size))
            at += len(name.encode()) + 1
        data_at = 64 + 56 * len(self.segments)
        headers, contents = b"", b""
        for address, flags, data, size in self.segments:
            place = data_at + len(contents)
            headers += struct.pack("<IIQQQQQQ", 1, flags, place, address, address, len(data), size, 1)
            contents += data
        section_names = b"\0.symtab\0.strtab\0.shstrtab\0"
        tables = [b"".join(symbols), names, section_names]
        sections, place = bytes(64), data_at + len(contents)
        for kind, name, table, link, entry in zip((2, 3, 3), (1, 9, 17), tables, (2, 0, 0), (24, 0, 0), strict=True):
            sections += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, place, len(table), link, 1, 8, entry)
            place += len(table)
        header = b"\x7fELF\x02\x01\x01" + bytes(9)
        header += struct.pack(
            "<HHIQQQIHHHHHH",
            *(self.kind, self.machine, 1, self.entry, 64, place, 0, 64, 56, len(self.segments), 64, 4, 3),
        )
        return header + headers + contents + b"".join(tables) + sections


def program(*variables: str, data_size: int = 0x1800, sizes: dict[str, int] | None = None) -> Program:
    """A program with a page of code, and the platform's variables and ``variables`` (words) in its data."""
    made = Program(segments=[(0x20_0000, R | X, b"\x13\0\0\0" * 4, 16), (0x20_1000, R | W, b"\xaa" * 16, data_size)])
    address = 0x20_1010
    for name, size in {**PLATFORM, **dict.fromkeys(variables, 8), **(sizes or {})}.items():
        made.symbols[name] = (address, size)
        address += -(-size // 8) * 8
    return made

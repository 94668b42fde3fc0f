# SPDX-License-Identifier: BSD-2-Clause
"""What upstream's Microkit tool expects a kernel to hand out at boot, computed from the files of an SDK alone.

Nothing here uses the project's own arithmetic of boot: the tool knows the kernel only by these files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

# What the tool takes for granted of RISC-V with three levels of page tables.
WINDOW = 0xFFFF_FFC0_0000_0000
WORD = 1 << 64
LARGEST_UNTYPED = 38
FIXED_SLOTS = 16
LEAST_SCHED_CONTEXT = 7

Piece = tuple[int, int]


@dataclass(frozen=True)
class Expected:
    """Slots as (first, behind the last); untypeds as (address, size bits, device)."""

    objects: Piece
    page_tables: Piece
    sched_control: Piece
    image_frames: Piece
    untyped: Piece
    first_free: int
    untypeds: list[tuple[int, int, bool]]


class BoardFolder:
    """``board/BOARD/CONFIG`` of an SDK, as the tool reads it."""

    def __init__(self, folder: Path) -> None:
        self.sizes = self._json(folder / "object_sizes.json")
        self.options = self._json(folder / "include" / "kernel" / "gen_config.json")
        self.platform = self._json(folder / "platform_gen.json")
        self.elf = folder / "elf" / "sel4.elf"
        with self.elf.open("rb") as stream:
            file = ELFFile(stream)
            first = next(s for s in file.iter_segments() if s["p_type"] == "PT_LOAD")
            table = file.get_section_by_name(".symtab")
            assert isinstance(table, SymbolTableSection)
            ends: list[int] = []
            for name in ("ki_end", "ki_boot_end"):
                (symbol,) = table.get_symbol_by_name(name) or ()  # the tool takes no symbol that is there twice
                ends.append(symbol["st_value"] - first["p_vaddr"] + first["p_paddr"])
            self.kernel = (first["p_paddr"], ends[0])
            self.recycled = (first["p_paddr"], ends[1])

    @staticmethod
    def _json(path: Path) -> Any:
        return json.loads(path.read_text())

    def expect(self, image: Piece, virtual: int) -> Expected:
        """For a root task whose image is at ``image`` in physical memory, and linked at ``virtual``."""
        page = 1 << self.sizes["small_page"]
        ram = [(region["start"], region["end"]) for region in self.platform["memory"]]
        ram = cut(cut(ram, self.kernel), image)
        # The pages behind the image: the IPC buffer and the boot information.
        end = virtual + image[1] - image[0] + 2 * page
        tables = sum(covering(virtual, end, size) for size in (1 << 30, 1 << 21))
        cnode_bits = int(self.options["ROOT_CNODE_SIZE_BITS"]) + self.sizes["slot"]
        bits = [cnode_bits, self.sizes["tcb"], self.sizes["small_page"], self.sizes["small_page"]]
        bits += [self.sizes["asid_pool"], self.sizes["vspace"], LEAST_SCHED_CONTEXT]
        size = sum(1 << one for one in bits) + tables * (1 << self.sizes["page_table"])
        alignment = 1 << max(cnode_bits, self.sizes["vspace"])
        start = next(
            place
            for low, high in reversed(ram)
            for place in [(high - size) // alignment * alignment]
            if high >= size and place >= low
        )
        ram = cut(ram, (start, start + size))
        devices = [(region["start"], region["end"]) for region in self.platform["devices"]]
        untypeds = [(at, bits, True) for region in devices for at, bits in pieces(region)]
        untypeds += [(at, bits, False) for region in [self.recycled, *ram] for at, bits in pieces(region)]
        bounds = [FIXED_SLOTS]
        # The tool of 2.3 counts two pages more, for the IPC buffer and the boot information, which seL4's kernel gives
        # fixed slots. It uses no slot behind them. That of 2.0 does, and counts as it is here.
        for count in (tables, 1, (image[1] - image[0]) // page, len(untypeds)):
            bounds.append(bounds[-1] + count)
        return Expected(
            objects=(start, start + size),
            page_tables=(bounds[0], bounds[1]),
            sched_control=(bounds[1], bounds[2]),
            image_frames=(bounds[2], bounds[3]),
            untyped=(bounds[3], bounds[4]),
            first_free=bounds[4],
            untypeds=untypeds,
        )


def covering(start: int, end: int, size: int) -> int:
    """How many aligned pieces of ``size`` bytes a range touches."""
    return -(-end // size) - start // size


def cut(regions: list[Piece], taken: Piece) -> list[Piece]:
    """Regions without one that lies in one of them."""
    assert any(low <= taken[0] and taken[1] <= high for low, high in regions)
    left = [piece for low, high in regions for piece in ((low, min(high, taken[0])), (max(low, taken[1]), high))]
    return [(low, high) for low, high in left if low < high]


def pieces(region: Piece) -> list[tuple[int, int]]:
    """A region as naturally aligned untypeds: address and size. The kernel's addresses count, and they may wrap."""
    place, end = ((address + WINDOW) % WORD for address in region)
    found = []
    while place != end:
        bits = ((end - place) % WORD).bit_length() - 1
        if place:
            bits = min(bits, (place & -place).bit_length() - 1)
        bits = min(bits, LARGEST_UNTYPED)
        found.append(((place - WINDOW) % WORD, bits))
        place = (place + (1 << bits)) % WORD
    return found

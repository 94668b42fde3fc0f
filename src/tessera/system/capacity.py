# SPDX-License-Identifier: BSD-2-Clause
"""Whether a system could fit at all, told before its pages are counted out one by one.

A memory region or a program may claim any number of bytes, and counting their pages could take for ever. What claims
far more pages than the initialiser has slots is refused here; all else is left to ``allocate``, which knows exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tessera.abi.boards import Board
from tessera.abi.profiles import Profile
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.collect import size_text
from tessera.system.elf import ProgramImage
from tessera.system.environment import AddressSpace
from tessera.system.model import System

# How many pages are counted out, as a multiple of the slots that there are for them.
COUNTED = 1


@dataclass(frozen=True)
class Claim:
    """Memory that one element of the description asks for; ``word`` says what kind of element it is."""

    name: str
    word: str
    location: Location
    pages: int
    size: int
    is_ram: bool


def claims(system: System, images: Mapping[str, ProgramImage], space: AddressSpace) -> Iterator[Claim]:
    """Everything of which the description chooses the size."""
    for region in system.memory_regions:
        is_ram = region.phys_addr is None
        yield Claim(region.name, "memory region", region.location, region.pages, region.size, is_ram)
    for pd in system.domains():
        image = images[pd.name]
        size = sum(space.page_up(segment.end) - space.page_down(segment.vaddr) for segment in image.segments)
        yield Claim(image.file, f"program of '{pd.name}'", pd.image_location, size // space.page, size, True)


def check_capacity(
    system: System, images: Mapping[str, ProgramImage], space: AddressSpace, board: Board, profile: Profile
) -> None:
    """Raises :class:`Diagnostic` at the largest claim, if there are far more pages than slots."""
    found = sorted(claims(system, images, space), key=lambda claim: -claim.pages)
    slots = 1 << profile.root_cnode_bits
    pages = sum(claim.pages for claim in found)
    if pages <= COUNTED * slots:
        return
    memory = board.memory(profile.memory_size)
    for claim in found:
        if claim.is_ram and claim.size > memory.end - memory.start:
            raise Diagnostic(
                "out-of-memory",
                claim.location,
                f"no memory is left for '{claim.name}' ({claim.word}, {size_text(claim.size)})",
                why=f"the machine has {size_text(memory.end - memory.start)} in all",
                fix="make it smaller, or choose a board or profile with more memory",
            )
    largest = found[0]
    raise Diagnostic(
        "out-of-slots",
        largest.location,
        f"the system needs {pages} capabilities for its pages, and the initialiser has room for less than {slots}",
        why=f"the most are for '{largest.name}' ({largest.word}, {largest.pages})",
        fix='give large memory regions page_size="0x200000", make them smaller, '
        "or choose a profile with a larger root CNode",
    )

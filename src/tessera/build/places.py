# SPDX-License-Identifier: BSD-2-Clause
"""Which line of the user's own source an instruction comes from, also where the run-time was compiled into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tessera.system.elf import ProgramImage
from tessera.system.model import Permissions

# Where the sources of the run-time and the headers lie, as line tables name them (build/toolchain.py, llvm/debug.py).
LIBRARY_FOLDERS = frozenset({"tessera", "runtime", "include", "compiler"})


@dataclass(frozen=True)
class Place:
    """From ``pc`` up to the next place, the code is from ``line`` of ``file``; line 0 ends a stretch of code.

    ``function`` is empty where it is the one that has its symbol there.
    """

    pc: int
    file: str
    line: int
    function: str

    @property
    def source(self) -> tuple[str, int, str]:
        return self.file, self.line, self.function


def code_of(image: ProgramImage) -> list[tuple[int, int]]:
    """Where the code of a program is, as (start, end)."""
    return [(s.vaddr, s.end) for s in image.segments if Permissions.EXECUTE in s.perms]


def places_of(image: ProgramImage) -> list[Place]:
    """The places of all code, in the order of addresses.

    Of the calls that were replaced by the called function, the innermost in a file of the user's counts. Rows of what
    the linker has left out stand at address 0; they are no code and do not count.
    """
    code = code_of(image)
    borders = {row.pc for row in image.lines} | {pc for call in image.inlined for pc in (call.start, call.end)}
    found: list[Place] = []
    for pc in sorted(pc for pc in borders if any(start <= pc <= end for start, end in code)):
        place = _place(image, pc)
        if not found or found[-1].source != place.source:
            found.append(place)
    return found


def _place(image: ProgramImage, pc: int) -> Place:
    row = image.line_of(pc)
    if row is None:
        return Place(pc, "", 0, "")
    calls = sorted((call for call in image.inlined if call.start <= pc < call.end), key=lambda call: -call.depth)
    # Each call is in the function that the next one outside brought in; the outermost has its symbol.
    functions: Sequence[str] = [*(call.function for call in calls), ""]
    sources = [(row.file, row.line), *((call.file, call.line) for call in calls)]
    for (file, line), function in zip(sources, functions, strict=True):
        if not is_library(file):
            return Place(pc, file, line, function)
    return Place(pc, row.file, row.line, functions[0])


def is_library(file: str) -> bool:
    """Whether a source file is part of the run-time, and not of the user's program."""
    return PurePosixPath(file).parts[0] in LIBRARY_FOLDERS

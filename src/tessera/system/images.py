# SPDX-License-Identifier: BSD-2-Clause
"""The program image of a domain, and where its symbols are looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tessera.lang.diagnostics import Diagnostic
from tessera.system.elf import ProgramImage, read_program
from tessera.system.environment import AddressSpace
from tessera.system.locate import find
from tessera.system.model import ProtectionDomain, System


def read_images(
    system: System, files: Mapping[str, Path], search_path: Sequence[Path], space: AddressSpace
) -> dict[str, ProgramImage]:
    """The images of all domains by the domain's name. ``files``: where each image is. One that several domains run is
    read once.
    """
    read: dict[tuple[Path, str, str | None], ProgramImage] = {}
    images = {}
    for pd in system.domains():
        key = (files[pd.name], pd.program_image, pd.symbols)
        if key not in read:
            read[key] = read_image(pd, files[pd.name], search_path, space)
        images[pd.name] = read[key]
    return images


def read_image(pd: ProtectionDomain, path: Path, search_path: Sequence[Path], space: AddressSpace) -> ProgramImage:
    """The image of a domain at ``path``. With ``path_for_symbols`` its symbols and source lines are those of another
    file, which is linked to the same addresses: an image without symbols and the one that it was made from.

    Raises :class:`Diagnostic` where one of the two is missing or no program for this machine.
    """
    image = read_program(path, space, pd.image_location, pd.program_image)
    if pd.symbols is None:
        return image
    where = pd.symbols_location or pd.image_location
    found = find(pd.symbols, search_path)
    if found is None:
        folders = ", ".join(str(folder) for folder in search_path) or "none"
        raise Diagnostic(
            "symbols-missing",
            where,
            f"there is no file '{pd.symbols}'",
            why=f"the symbols of '{pd.program_image}' are to be looked up in it; folders searched: {folders}",
            fix="name the folder that has it with --search-path, or remove path_for_symbols",
        )
    other = read_program(found, space, where, pd.symbols)
    return replace(image, symbols=other.symbols, ambiguous=other.ambiguous, lines=other.lines, inlined=other.inlined)

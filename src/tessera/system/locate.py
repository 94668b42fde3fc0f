# SPDX-License-Identifier: BSD-2-Clause
"""Finding the files that a description names: program images, prebuilt or to be built from a source."""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.lang.diagnostics import Diagnostic
from tessera.system.collect import did_you_mean
from tessera.system.model import ProtectionDomain


class Kind(enum.Enum):
    """What a program image is made from."""

    ELF = ".elf"
    C = ".c"
    PYTHON = ".py"


SOURCES = (Kind.C, Kind.PYTHON)


@dataclass(frozen=True)
class Program:
    """A program image or the source from which it is to be built."""

    kind: Kind
    path: Path


def find(name: str, search_path: Sequence[Path]) -> Path | None:
    """The first file called ``name`` in the folders of ``search_path``; none for what cannot be a name of a file."""
    return next((folder / name for folder in search_path if os.path.isfile(folder / name)), None)


def search_folders(search_path: Sequence[Path], system: Path) -> list[Path]:
    """Where the files that a description names are looked for: the folders that the user names, the folder of the
    description, and at last the current directory, where upstream's tool looks too.
    """
    folders = [*search_path, system.parent]
    here = os.path.realpath(".")
    return folders if any(os.path.realpath(folder) == here for folder in folders) else [*folders, Path()]


def locate(pd: ProtectionDomain, search_path: Sequence[Path]) -> Program:
    """The program of a domain: its image if there is one, else the source of the same name with ``.c`` or ``.py``.

    An image that is there is taken as it is, as Microkit does. Raises :class:`Diagnostic` where there is neither, where
    two sources compete, or where the description names a source instead of an image.
    """
    name = pd.program_image
    search_path = list(dict.fromkeys(search_path))
    if Path(name).name in ("", ".."):
        raise Diagnostic(
            "image-name",
            pd.image_location,
            f"the program image of '{pd.name}' is a folder: '{name}'",
            why="a program image is an ELF file, or is built from a source of the same name",
            fix=f'write path="{pd.name}.elf", for example',
        )
    suffix = Path(name).suffix
    if suffix in {kind.value for kind in SOURCES}:
        image = Path(name).with_suffix(".elf")
        raise Diagnostic(
            "image-is-source",
            pd.image_location,
            f"the program image of '{pd.name}' is a source file: '{name}'",
            why="a program image is an ELF file; where it does not exist, it is built from the source of the same name",
            fix=f'write path="{image}"; it is built from {name}',
        )
    if image_path := find(name, search_path):
        return Program(Kind.ELF, image_path)
    found = [(kind, path) for kind in SOURCES if (path := find(str(Path(name).with_suffix(kind.value)), search_path))]
    if len(found) > 1:
        both = " and ".join(str(path) for _, path in found)
        raise Diagnostic(
            "image-ambiguous",
            pd.image_location,
            f"there are two sources for '{name}': {both}",
            why="the program could be built from either",
            fix="rename one of them",
        )
    if found:
        return Program(*found[0])
    raise _missing(pd, search_path)


def _missing(pd: ProtectionDomain, search_path: Sequence[Path]) -> Diagnostic:
    wanted = {kind.value for kind in Kind}
    near = [p for folder in search_path if folder.is_dir() for p in folder.iterdir() if p.suffix in wanted]
    stem = Path(pd.program_image).stem
    source = Path(pd.program_image).with_suffix("")
    hint = did_you_mean(f"{stem}.elf", {f"{p.stem}.elf" for p in near})
    folders = ", ".join(str(folder) for folder in search_path) or "none; name one with --search-path"
    return Diagnostic(
        "image-missing",
        pd.image_location,
        f"there is no program image '{pd.program_image}' for '{pd.name}', nor a source {source}.c or {source}.py",
        why=f"folders searched: {folders}",
        fix=hint or "name the folder that has it with --search-path",
    )

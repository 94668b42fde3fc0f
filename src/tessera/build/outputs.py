# SPDX-License-Identifier: BSD-2-Clause
"""Where the results of a build go: no result may overwrite a source or another result, and folders must be writable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tessera.lang.diagnostics import Diagnostic, Location


def check_outputs(outputs: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """``outputs``: what is written, by what it is called. Raises :class:`Diagnostic` before anything is lost."""
    sources = {os.path.realpath(path) for path in inputs}
    seen: dict[str, str] = {}
    for name, path in outputs.items():
        place = os.path.realpath(path)
        if os.path.isdir(place):
            raise Diagnostic(
                "output-is-folder",
                Location(str(path)),
                f"{name} cannot be written here: this is a directory",
                why="-o and -r name files",
                fix="add the name of a file to it",
            )
        if place in sources or place in seen:
            what = "is an input of this build" if place in sources else f"is where {seen[place]} goes"
            raise Diagnostic(
                "output-overwrites",
                Location(str(path)),
                f"{name} would be written here, and this {what}",
                why="every build would destroy what it needs, or what it has just made",
                fix="choose another name with -o or -r",
            )
        seen[place] = name


@contextmanager
def writing(folder: Path, fix: str) -> Iterator[None]:
    """Turns what the system says about ``folder`` and files in it into a message. Raises :class:`Diagnostic`."""
    try:
        yield
    except OSError as error:
        raise Diagnostic(
            "not-writable",
            Location(str(folder)),
            f"nothing can be written here: {error.strerror or error}",
            why=f"the system refused it for {error.filename}" if error.filename else "",
            fix=fix,
        ) from error

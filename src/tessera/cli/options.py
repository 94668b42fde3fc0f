# SPDX-License-Identifier: BSD-2-Clause
"""Arguments and options that several commands share, and the checks that belong to them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tessera.lang.diagnostics import Diagnostic, Location

DEFAULT_BOARD = "qemu_virt_riscv64"

SEARCH_PATH = "--search-path"

MISTAKE = 2
INTERNAL = 70
INTERRUPTED = 130
TERMINATED = 143

_COMMON_EXITS = (
    (MISTAKE, "a mistake in the input, told with its place, why, and what to do"),
    (INTERNAL, "an error inside Tessera; TESSERA_TRACEBACK=1 shows where"),
    (INTERRUPTED, "interrupted with Ctrl-C"),
    (TERMINATED, "terminated"),
)


def exit_codes(*own: tuple[int | str, str]) -> str:
    """The part of a command's help that documents its exit codes: its own ones, then those of all commands."""
    rows = [*own, *_COMMON_EXITS]
    # The mark \b keeps the lines apart that help would otherwise fill into one paragraph.
    return "\n".join(["\b", "Exit codes:", *(f"  {code!s:<10}{meaning}" for code, meaning in rows)])


class Config(StrEnum):
    """How a kernel is built: with assertions, thread names and a console, or without."""

    debug = "debug"
    release = "release"


SystemFile = Annotated[Path, typer.Argument(metavar="SYSTEM", help="The system description, a .system file.")]
Board = Annotated[str, typer.Option("--board", metavar="BOARD", help="The board to build for.")]
ConfigOption = Annotated[
    Config, typer.Option("--config", help="debug: assertions, thread names, console; release: none of them.")
]
SearchPath = Annotated[
    list[Path] | None,
    typer.Option(
        SEARCH_PATH,
        metavar="DIR",
        help="Where to look for programs and other files named in SYSTEM; may be repeated. "
        "The directory of SYSTEM and the current one are always looked in, last.",
    ),
]
Image = Annotated[Path | None, typer.Option("--output", "-o", metavar="IMAGE", help="The image to write.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        "-r",
        metavar="REPORT",
        help="The build report to write: X.html is one page with pictures, X.json is JSON, X.cdl the capability "
        "distribution for capDL-tool, anything else is text. Page, JSON and distribution are written beside it in any "
        "case.",
    ),
]
IgnorePolicy = Annotated[
    bool,
    typer.Option(
        "--ignore-policy", help="Build although SYSTEM breaks the policy beside it; the report says which lines."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell each phase and how long it took.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, to standard output.")]


def spread_search_paths(arguments: Sequence[str]) -> list[str]:
    """Upstream's tool takes several folders behind one ``--search-path``: each gets an option of its own."""
    spread: list[str] = []
    after_folder = False
    for index, argument in enumerate(arguments):
        follows = index > 0 and arguments[index - 1] == SEARCH_PATH
        if after_folder and not follows and os.path.isdir(argument):
            spread.append(SEARCH_PATH)
        else:
            after_folder = follows
        spread.append(argument)
    return spread


def check_system_file(path: Path) -> None:
    """Raise Diagnostic unless ``path`` is a file that can be read."""
    where = Location(str(path))
    why = "the system description says which components there are and what each may do"
    # These functions of os.path answer no for names that the system does not take, such as too long ones.
    if os.path.isdir(path):
        raise Diagnostic(
            "system-file-missing",
            where,
            "this is a directory, not a system description",
            why=why,
            fix=_suggest(path, path.name),
        )
    if not os.path.exists(path):
        raise Diagnostic(
            "system-file-missing", where, "there is no such file", why=why, fix=_suggest(path.parent, path.name)
        )
    if not os.access(path, os.R_OK):
        raise Diagnostic(
            "system-file-unreadable",
            where,
            "the file may not be read",
            why="its permissions do not let you",
            fix=f"chmod u+r {path}",
        )


def check_search_path(paths: list[Path]) -> None:
    """Raise Diagnostic for the first search path that is not a directory."""
    for path in paths:
        if not os.path.isdir(path):
            raise Diagnostic(
                "search-path-missing",
                Location(f"--search-path {path}"),
                "there is no such directory" if not os.path.exists(path) else "this is not a directory",
                why="programs named in the system description are looked for in it",
                fix="correct the path, or leave the option out",
            )


def _suggest(directory: Path, name: str) -> str:
    try:
        found = sorted(entry.name for entry in directory.glob("*.system"))
    except OSError:
        found = []
    close = difflib.get_close_matches(name, found, n=1, cutoff=0.5) or found[:1]
    if close:
        return f"did you mean {directory / close[0]}?"
    return "name an existing .system file, for example examples/greeter/greeter.system"

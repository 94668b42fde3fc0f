# SPDX-License-Identifier: BSD-2-Clause
"""What the command line prints, and where: results as JSON to standard output, all that is said to standard error."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

from tessera.lang.diagnostics import Diagnostic, Diagnostics


def say(text: str) -> None:
    """One line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def say_all(lines: Iterable[str]) -> None:
    """Several lines for the person at the terminal."""
    for line in lines:
        say(line)


def emit_json(facts: Mapping[str, Any]) -> None:
    """The result of a command, as one JSON object on standard output."""
    print(json.dumps(facts, indent=2, default=_as_json), flush=True)


def _as_json(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Field by field, not `asdict`: that would copy values which know better how to become JSON.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot become JSON")


def progress(verbose: bool) -> Callable[[str, float], None]:
    """The callback that builds report to: the name of a phase that has ended, and its duration in seconds."""

    def show(phase: str, seconds: float) -> None:
        say(f"  {phase:<32} {seconds:6.2f} s")

    def be_silent(phase: str, seconds: float) -> None:
        pass

    return show if verbose else be_silent


def print_diagnostics(error: Diagnostic | Diagnostics, as_json: bool) -> None:
    """A user's mistakes, for the person in any case, and as JSON where that was asked for."""
    errors = error.errors if isinstance(error, Diagnostics) else [error]
    for one in errors:
        # Files below the current directory are named from there, as the user would.
        told = str(one).replace(f"{Path.cwd()}{os.sep}", "") if Path.cwd() != Path("/") else str(one)
        print(_coloured(told) if wants_colour(sys.stderr) else told, file=sys.stderr)
    if as_json:
        with contextlib.suppress(OSError):  # the mistake may be that standard output takes nothing more
            emit_json({"ok": False, "errors": [one.as_json() for one in errors]})


def wants_colour(stream: TextIO) -> bool:
    """Colour only on a terminal, and only where nobody objects (the conventions NO_COLOR and TERM=dumb)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(error: str) -> str:
    from rich.console import Console
    from rich.text import Text

    text = Text(error)
    text.highlight_regex(r"^[^\n]*?: (?=error: )", "bold")
    text.highlight_regex(r"(?<=: )error:", "bold red")
    text.highlight_regex(r"(?m)^  why:", "cyan")
    text.highlight_regex(r"(?m)^  fix:", "green")
    # The terminal breaks long lines itself, so that what is copied from it has no breaks of ours.
    console = Console(force_terminal=True, soft_wrap=True)
    with console.capture() as capture:
        console.print(text, end="")
    return capture.get()


def size(count: int) -> str:
    """A number of bytes for a person, in KiB or MiB from where these are easier to read."""
    if count < 1024:
        return f"{count} bytes"
    if count < 1 << 20:
        return f"{count / 1024:.1f} KiB"
    return f"{count / (1 << 20):.1f} MiB"

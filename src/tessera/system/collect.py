# SPDX-License-Identifier: BSD-2-Clause
"""Gathering several mistakes of one input before telling them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location


class Collector:
    """Mistakes found so far. One mistake is raised as it is, several as :class:`Diagnostics` in source order."""

    def __init__(self) -> None:
        self.errors: list[Diagnostic] = []

    def error(self, rule: str, location: Location, what: str, *, why: str = "", fix: str = "") -> None:
        self.errors.append(Diagnostic(rule, location, what, why=why, fix=fix))

    def stop_if_any(self) -> None:
        """Raise what was found, if anything was."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise Diagnostics(sorted(self.errors, key=lambda e: (e.location.file, e.location.line, e.location.column)))


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` or nothing, to be put behind a sentence of a fix."""
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def one_of(known: Iterable[str], word: str = "or") -> str:
    """Names in a sentence: ``'a', 'b' or 'c'``."""
    names = [f"'{name}'" for name in known]
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"


def size_text(size: int) -> str:
    """Bytes as a person writes them: ``8 KiB``."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << shift:
            number = size / (1 << shift)
            return f"{number:.0f} {unit}" if number.is_integer() else f"{number:.1f} {unit}"
    return f"{size} B"

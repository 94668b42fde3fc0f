# SPDX-License-Identifier: BSD-2-Clause
"""Errors told to a person: where, what, why, and what to do.

Every part of Tessera that reads a user's input raises :class:`Diagnostic`; only the command line prints it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in a file. Lines and columns count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


class Diagnostic(Exception):
    """A mistake in a user's input. ``rule`` is a stable short name of the broken rule, such as ``map-overlap``."""

    def __init__(self, rule: str, location: Location, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.rule = rule
        self.location = location
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        lines = [f"{self.location}: error: {self.what} [{self.rule}]"]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, str | int]:
        """The same facts as a flat dictionary, for ``--json``."""
        return {
            "rule": self.rule,
            "file": self.location.file,
            "line": self.location.line,
            "column": self.location.column,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
        }


class Diagnostics(Exception):
    """Several mistakes found in one input, in source order."""

    def __init__(self, errors: list[Diagnostic]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

# SPDX-License-Identifier: BSD-2-Clause
"""Choosing one of several named things: one message for every wrong name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from tessera.lang.diagnostics import Diagnostic, Location

T = TypeVar("T")

COMMAND_LINE = Location("command line")


def choose(kind: str, name: str, known: Mapping[str, T], where: Location | None = None) -> T:
    """The value of ``name``. Raises :class:`Diagnostic` (rule ``unknown-<kind>``) that lists the known names.

    ``kind`` is the word for a person, such as ``board``; ``where`` is the place of the name, by default the command
    line.
    """
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(known)
    raise Diagnostic(
        f"unknown-{kind}",
        where or COMMAND_LINE,
        f"there is no {kind} {name!r}",
        why=f"the known ones are: {listed}",
        fix=f"did you mean {close[0]!r}?" if close else f"name one of the known ones, such as {next(iter(known))!r}",
    )

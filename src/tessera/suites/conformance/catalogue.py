# SPDX-License-Identifier: BSD-2-Clause
"""The list of cases: each is a function of the language whose docstring is the promise, with the manual's chapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

F = TypeVar("F", bound=Callable[[], None])


@dataclass(frozen=True)
class Case:
    """One case. ``promise`` is one sentence that names its chapter of the manual in brackets."""

    name: str
    promise: str
    group: str
    function: Callable[[], None]


CASES: dict[str, Case] = {}


def case(function: F) -> F:
    """Enter a compiled function into the list. Raises :class:`ValueError` for a name that is there already."""
    name = function.__name__
    if name in CASES:
        raise ValueError(f"there are two cases named {name}")
    group = function.__module__.rpartition(".")[2]
    CASES[name] = Case(name, " ".join((function.__doc__ or "").split()), group, function)
    return function


@dataclass
class Selection:
    """The cases that a root task is built with, as constants of the language: names and functions."""

    cases: tuple[tuple[bytes, Callable[[], None]], ...] = field(default=())


selection = Selection()

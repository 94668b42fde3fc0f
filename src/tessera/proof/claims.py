# SPDX-License-Identifier: BSD-2-Clause
"""What is claimed, and what came of it: obligations without their formulas, functions, and the whole of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessera.ir.nodes import Program
from tessera.smt.session import Obligation
from tessera.smt.solve import Status

if TYPE_CHECKING:
    from tessera.proof.hints import Hints

PACKAGE = "tessera."


def short(name: str) -> str:
    """A function's name as it is written in reports: without the package's."""
    return name.removeprefix(PACKAGE)


def relative(file: str) -> str:
    """A file's name as a user would write it: from the current directory if it lies below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


@dataclass(frozen=True)
class Claim:
    """One obligation: in which function's text it stands, on which line there, its rule, and what it says.

    ``offset`` counts lines from the function's first one, so that edits above do not matter. ``number`` tells apart
    those that are otherwise the same, in their order. Where ``file`` is given, what is claimed is no function's, and
    ``offset`` is a line of that file.
    """

    place: str
    offset: int
    rule: str
    text: str
    number: int = 1
    file: str = ""

    @staticmethod
    def of(program: Program, name: str, obligation: Obligation) -> Claim:
        """The claim of an obligation that was read from a function."""
        offset = obligation.line - program.functions[obligation.function].line
        _, mark, number = obligation.name.rpartition(" #")
        count = int(number) if mark and number.isdigit() else 1
        return Claim(obligation.function, offset, obligation.rule, obligation.text, count)


@dataclass(frozen=True)
class Result:
    """What came of one obligation of the function ``function``.

    ``file`` and ``line`` say where it stands. ``seconds`` is the solvers' time, also where the answer was kept.
    """

    function: str
    name: str
    file: str
    line: int
    rule: str
    text: str
    status: Status
    solver: str
    seconds: float
    cached: bool
    detail: str

    @property
    def source(self) -> str:
        """The line of source that it stands on."""
        return _line(self.file, self.line)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": self.name,
            "function": short(self.function),
            "file": self.file,
            "line": self.line,
            "rule": self.rule,
            "what": self.text,
            "source": self.source,
            "detail": self.detail,
        }


@dataclass
class FunctionReport:
    """One function, or one group of laws: its obligations in their order.

    ``seconds`` is the time to read it. ``error`` says why it could not be read. ``kept``: nothing that it depends on
    has changed since it was proved.
    """

    name: str
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0
    relies_on: tuple[str, ...] = ()
    inlined: tuple[str, ...] = ()
    error: str = ""
    kept: bool = False

    @property
    def proved(self) -> bool:
        """Whether it was read and every obligation is proved."""
        return not self.error and all(one.status == "proved" for one in self.results)

    @property
    def solver_seconds(self) -> float:
        """The time of solvers for all of it."""
        return sum(one.seconds for one in self.results)

    def is_safe(self) -> bool:
        """Whether everything but the invariants at its end is proved: it does nothing undefined and keeps promises."""
        return not self.error and all(one.status == "proved" for one in self.results if one.rule != "invariant")

    def keeps_invariants(self) -> bool:
        """Whether every obligation about invariants is proved."""
        return not self.error and all(one.status == "proved" for one in self.results if one.rule == "invariant")


@dataclass
class Report:
    """A run. ``seconds`` is its duration; ``laws`` are what all proofs rest on and is proved too.

    ``hints``: what was learned of the functions that were read (:mod:`tessera.proof.hints`).
    """

    functions: list[FunctionReport] = field(default_factory=list)
    laws: list[FunctionReport] = field(default_factory=list)
    seconds: float = 0.0
    hints: dict[str, Hints] = field(default_factory=dict)

    def all(self) -> Iterator[FunctionReport]:
        """Laws and functions."""
        yield from self.laws
        yield from self.functions

    def results(self) -> Iterator[Result]:
        """Every obligation."""
        for one in self.all():
            yield from one.results

    def with_status(self, *statuses: Status) -> list[Result]:
        """The obligations with one of these outcomes."""
        return [one for one in self.results() if one.status in statuses]

    def names(self) -> set[str]:
        """The functions that were to be proved, without laws."""
        return {one.name for one in self.functions}

    @property
    def errors(self) -> list[FunctionReport]:
        """What could not be read."""
        return [one for one in self.all() if one.error]

    @property
    def ok(self) -> bool:
        """Whether everything was read and is proved."""
        return all(one.proved for one in self.all())

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: the figures of the run, what failed, and each function."""
        return {
            "ok": self.ok,
            "obligations": sum(1 for _ in self.results()),
            "proved": len(self.with_status("proved")),
            "failed": [one.as_json() for one in self.with_status("refuted")],
            "unknown": [one.as_json() for one in self.with_status("unknown")],
            "unread": [{"function": short(one.name), "why": one.error} for one in self.errors],
            "seconds": round(self.seconds, 2),
            "cache_hits": sum(one.cached for one in self.results()),
            "functions": _functions(self.functions),
            "laws": _functions(self.laws),
        }


def _functions(reports: Iterable[FunctionReport]) -> list[dict[str, Any]]:
    return [
        {
            "name": short(one.name),
            "obligations": len(one.results),
            "proved": sum(result.status == "proved" for result in one.results),
            "safe": one.is_safe(),
            "keeps_invariants": one.keeps_invariants(),
            "reading_seconds": round(one.seconds, 2),
            "solver_seconds": round(one.solver_seconds, 2),
            "unchanged": one.kept,
            "relies_on": [short(name) for name in one.relies_on],
            "read_in_place": [short(name) for name in one.inlined],
            "error": one.error,
        }
        for one in reports
    ]


@cache
def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _line(file: str, line: int) -> str:
    lines = _lines(file)
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""

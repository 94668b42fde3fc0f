# SPDX-License-Identifier: BSD-2-Clause
"""The ledger: for every function of the kernel, what is proved of it, what that relies on, and what is only assumed.

A row is computed from a run; ``docs/proofs-ledger.json`` keeps the last one that was committed, so that a proof which
is lost is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tessera
from tessera.ir.fingerprint import fingerprints
from tessera.ir.nodes import Function, While
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.proof.claims import FunctionReport, Report, short
from tessera.proof.kernel import kernel_functions
from tessera.proof.lines import Lines, measure
from tessera.proof.refinement import steps
from tessera.smt.reading import has_contract, keeps_invariants
from tessera.smt.session import World
from tessera.smt.writes import loops_in

ROOT = Path(tessera.__file__).resolve().parents[2]
LEDGER = ROOT / "docs" / "proofs-ledger.json"

# How a function is known to proofs.
ITSELF = "itself"
IN_PLACE = "in place"
ASSUMED = "assumed"
NOT_REACHED = "not reached"

_PROMISES = ("ensures", "modifies", "result")
_REFINES = ("refines",)


@dataclass
class Row:
    """One function.

    ``how``: proved by itself; read in place in its callers (those under proof are ``callers``), and proved there;
    assumed, where proofs of callers use its contract; not reached by any proof. ``safe``: nothing undefined happens,
    given the invariants. ``keeps_invariants``: ``None`` if it works where they do not hold. ``keeps_promises``:
    ``None`` if it makes none. ``refines``: the step of the abstract kernel whose effect it is proved to have; empty if
    it is compared with none, or that is not proved. ``assumed`` and ``hardware``: what its proof relies on, through
    proved functions too, and is not proved itself. ``endless``: loops of which it is not shown that they end.
    """

    how: str
    safe: bool = False
    keeps_invariants: bool | None = None
    keeps_promises: bool | None = None
    refines: str = ""
    obligations: int = 0
    proved: int = 0
    callers: list[str] = field(default_factory=list)
    contract: str = ""
    assumed: list[str] = field(default_factory=list)
    hardware: list[str] = field(default_factory=list)
    endless: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything that is claimed of it is proved."""
        return self.safe and self.keeps_invariants is not False and self.keeps_promises is not False


@dataclass
class Ledger:
    """All rows by name, and the laws: how many there are, and how many are proved."""

    rows: dict[str, Row]
    laws: dict[str, tuple[int, int]]
    # Of the functions under proof, those that are read in place included.
    lines: Lines = Lines(0, 0)
    # Of the kernel's sources that the run has read (ir/fingerprint.py), by the path of the file.
    sources: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As it is kept: sorted, so that a change of one function is a change of few lines."""
        return {
            "functions": {name: _without_defaults(self.rows[name]) for name in sorted(self.rows)},
            "laws": {name: {"obligations": all_, "proved": proved} for name, (all_, proved) in self.laws.items()},
            "lines": {"code": self.lines.code, "proof": self.lines.proof},
            "sources": self.sources,
        }

    def with_how(self, how: str) -> list[str]:
        """The functions known in one way."""
        return sorted(name for name, row in self.rows.items() if row.how == how)


def ledger_of(report: Report, world: World) -> Ledger:
    """The ledger that a run gives; what it did not prove counts as not proved."""
    program = world.program
    rows: dict[str, Row] = {}
    reports = {one.name: one for one in report.functions}
    for info in kernel_functions():
        function = program.functions[info.name]
        mine = reports.get(info.name)
        rows[info.name] = _own_row(function, mine) if mine is not None else Row(NOT_REACHED)
        rows[info.name].endless = sum(_may_be_endless(loop) for loop in loops_in(function))
        rows[info.name].contract = "stated" if has_contract(function) else ""
    for one in report.functions:
        for name in one.inlined:
            if name in rows and name not in reports:
                row = rows[name]
                row.how, row.safe, row.keeps_invariants = IN_PLACE, True, True
                row.callers.append(short(one.name))
        for name in one.relies_on:
            if name in rows and name not in reports and rows[name].how == NOT_REACHED:
                rows[name].how = ASSUMED
                rows[name].contract = rows[name].contract or "default"
    for row in rows.values():
        if row.how == IN_PLACE:
            callers = [rows[f"tessera.{name}"] for name in row.callers]
            row.safe = all(caller.safe for caller in callers)
            row.keeps_invariants = all(caller.keeps_invariants is not False for caller in callers)
    for name, mine in reports.items():
        if name in rows:
            rows[name].assumed, rows[name].hardware = _relied_on(mine, reports, rows)
    laws = {one.name: (len(one.results), sum(each.status == "proved" for each in one.results)) for one in report.laws}
    lines = measure(name for name, row in rows.items() if row.how in (ITSELF, IN_PLACE))
    sources = fingerprints(Path(tessera.__file__).parent / "kernel")
    return Ledger({short(name): row for name, row in rows.items()}, laws, lines, sources)


def _own_row(function: Function, report: FunctionReport) -> Row:
    """What the obligations of a function say."""

    def proved(rules: Iterable[str] | None) -> bool:
        chosen = [
            one
            for one in report.results
            if (one.rule in rules if rules is not None else one.rule not in ("invariant", *_PROMISES, *_REFINES))
        ]
        return not report.error and all(one.status == "proved" for one in chosen)

    step = steps().get(short(function.name), "")
    promises = any(one.kind in ("ensures", "modifies") for one in function.contracts)
    return Row(
        ITSELF,
        safe=proved(None),
        keeps_invariants=proved(("invariant",)) if keeps_invariants(function) else None,
        keeps_promises=proved(_PROMISES) if promises else None,
        refines=step if proved(_REFINES) else "",
        obligations=len(report.results),
        proved=sum(one.status == "proved" for one in report.results),
    )


def _may_be_endless(loop: Any) -> bool:
    """A counted loop ends. Of another one it is proved if a measure is stated."""
    return isinstance(loop, While) and not any(one.kind == "decreases" for one in loop.contracts)


def _relied_on(
    report: FunctionReport, reports: dict[str, FunctionReport], rows: dict[str, Row]
) -> tuple[list[str], list[str]]:
    """What is assumed for a proof, through the proofs of what it calls: functions, and hardware."""
    assumed: set[str] = set()
    hardware: set[str] = set()
    seen: set[str] = set()
    waiting = list(report.relies_on)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in rows:
            hardware.add(short(name))
        elif name in reports:
            if not rows[name].complete:
                assumed.add(short(name))
            waiting += reports[name].relies_on
        else:
            assumed.add(short(name))
    return sorted(assumed), sorted(hardware)


def _without_defaults(row: Row) -> dict[str, Any]:
    """Only what says something; a function that no proof reaches is one line."""
    told = {key: value for key, value in asdict(row).items() if value not in ([], "", 0) or value is False}
    if row.how in (ASSUMED, NOT_REACHED):
        told = {key: value for key, value in told.items() if key in ("how", "contract", "endless")}
    return {key: value for key, value in told.items() if value is not None and (key != "safe" or row.how != ASSUMED)}


# What is kept


def read_ledger(path: Path = LEDGER) -> Ledger:
    """The ledger that was committed. Raises Diagnostic if it cannot be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = {name: Row(**row) for name, row in told["functions"].items()}
        laws = {name: (one["obligations"], one["proved"]) for name, one in told["laws"].items()}
        return Ledger(rows, laws, Lines(**told.get("lines", {"code": 0, "proof": 0})), told.get("sources", {}))
    except FileNotFoundError:
        what = "there is no such file"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"this is not a ledger: {error}"
    raise Diagnostic(
        "ledger",
        Location(str(path)),
        what,
        why="the ledger keeps what was proved before, so that a lost proof is noticed",
        fix="restore it from version control, or write it anew with `tessera prove --ledger --update`",
    )


def write_ledger(ledger: Ledger, path: Path = LEDGER) -> None:
    """Keep a ledger."""
    path.write_text(json.dumps(ledger.as_json(), indent=1) + "\n", encoding="utf-8")


def regressions(before: Ledger, after: Ledger, only: Iterable[str] | None = None) -> list[str]:
    """What was proved and is not any more, as one line each. ``only``: the functions that were tried, by short name.

    A function that is gone from the kernel is no regression.
    """
    tried = set(after.rows if only is None else only)
    lost = []
    for name in sorted(tried & before.rows.keys() & after.rows.keys()):
        old, new = before.rows[name], after.rows[name]
        for what, was, is_ in (
            ("is safe", old.safe, new.safe),
            ("keeps the invariants", old.keeps_invariants, new.keeps_invariants),
            ("keeps its promises", old.keeps_promises, new.keeps_promises),
            (f"does what {old.refines} does", old.refines, new.refines == old.refines),
        ):
            if was and not is_ and not (what == "keeps its promises" and is_ is None):
                lost.append(f"{name}: it is no longer proved that it {what} (now: {new.how})")
    for name, (_, proved) in before.laws.items():
        now, proved_now = after.laws.get(name, (0, 0))
        if name in after.laws and proved_now < now:
            lost.append(f"{name}: {now - proved_now} of {now} are not proved; before {proved} were")
    return lost

# SPDX-License-Identifier: BSD-2-Clause
"""`tessera time`: whether a system will be in time, how much is left, and what breaks it first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.options import (
    DEFAULT_BOARD,
    Board,
    Json,
    SearchPath,
    SystemFile,
    check_search_path,
    check_system_file,
    exit_codes,
)
from tessera.lang.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from tessera.abi.profiles import Profile
    from tessera.analysis.model import Model
    from tessera.analysis.schedulability import Promise, Schedule
    from tessera.analysis.sensitivity import Margin
    from tessera.system.capdl import Distribution
    from tessera.system.model import System

_JSON = """\b
What components need is written into a file beside SYSTEM; a component without a line may use its whole budget:
  job COMPONENT wcet TIME [every TIME] [deadline TIME] [calls SERVER xN, ...]
  procedure COMPONENT wcet TIME [calls SERVER xN, ...]
  interrupt COMPONENT NUMBER wcet TIME every TIME [deadline TIME]
  kernel TIME

\b
The object that --json prints; times are in microseconds, null is no bound:
  ok          whether every deadline is met
  kernel      {"time": T, "source": where it is from}
  utilisation part of the time that budgets, and jobs, may take
  promises    one for each job, interrupt and budget: component, what, irq, response,
              response_without_kernel, deadline, slack, stalls, holds, reasons, file, line
  interrupts  component, irq, latency, reason
  silent      components of which nothing is promised, with the reason
  margins     how far each parameter can go alone, the tightest first: component, parameter, value,
              limit, change, breaks

"""

EPILOG = _JSON + exit_codes((0, "every deadline is met"), (1, "a deadline may be missed"))


def time(
    system: SystemFile,
    needs: Annotated[
        Path | None,
        typer.Option(
            "--timing", metavar="FILE", help="What components need. [default: SYSTEM with the ending .timing]"
        ),
    ] = None,
    kernel_time: Annotated[
        str | None,
        typer.Option("--kernel-time", metavar="TIME", help="The kernel's time at each activation, like 5us, or 0us."),
    ] = None,
    board: Board = DEFAULT_BOARD,
    search_path: SearchPath = None,
    as_json: Json = False,
) -> None:
    """Bound response times and interrupt latencies under budgets and priorities. Nothing is built."""
    check_system_file(system)
    check_search_path(search_path or [])

    from dataclasses import replace

    from tessera.abi.boards import board as board_of
    from tessera.abi.profiles import MICROKIT
    from tessera.analysis.lines import read_lines
    from tessera.analysis.model import model_of
    from tessera.analysis.schedulability import analyse
    from tessera.analysis.sensitivity import margins, priority_margins
    from tessera.analysis.standin import distribution_of
    from tessera.analysis.timing_file import Timing, read_timing
    from tessera.system.locate import search_folders
    from tessera.system.sdf import parse

    known = board_of(board)
    given = _time_option(kernel_time)
    profile = MICROKIT if given is None else replace(MICROKIT, kernel_wcet_us=-(-given // 2000))
    described = parse(system, search_path=search_folders(search_path or [], system), board=known, profile=profile)
    refuse_domains(described)
    file = _timing_file(system, needs)
    timing = read_timing(read_lines(file), described) if file is not None else Timing()
    kernel, source = _kernel_time(given, timing.kernel, timing.kernel_location, profile)
    model = model_of(described, distribution_of(described, board=known, profile=profile), timing, kernel)
    schedule = analyse(model)
    ideal = analyse(replace(model, kernel=0))
    tight = margins(model) if schedule.holds and schedule.promises else []
    moved = priority_margins(model) if schedule.holds and schedule.promises else []

    if as_json:
        output.emit_json(_facts(model, schedule, ideal, [*tight, *moved], source))
    output.say_all(str(warning).replace(": error: ", ": warning: ", 1) for warning in described.warnings)
    output.say(f"kernel time at each activation: {_text(kernel)} ({source})")
    _say_utilisation(model)
    _say_promises(schedule, ideal)
    _say_latencies(schedule)
    for name, reason in schedule.silent.items():
        output.say(f"'{name}': {reason}")
    _say_margins(tight, moved)
    broken = [promise for promise in schedule.promises if not promise.holds]
    if broken:
        output.say(f"{len(broken)} of {len(schedule.promises)} deadlines may be missed")
        raise typer.Exit(1)
    output.say(f"all {len(schedule.promises)} deadlines are met" if schedule.promises else "nothing has a deadline")


def report_facts(
    described: System, board: str, file: Path | None, distribution: Distribution | None = None
) -> dict[str, Any]:
    """What ``--json`` prints, without margins. Raises :class:`Diagnostic` where times cannot be analysed."""
    from dataclasses import replace

    from tessera.abi.boards import board as board_of
    from tessera.abi.profiles import MICROKIT
    from tessera.analysis.lines import read_lines
    from tessera.analysis.model import model_of
    from tessera.analysis.schedulability import analyse
    from tessera.analysis.standin import distribution_of
    from tessera.analysis.timing_file import Timing, read_timing

    refuse_domains(described)
    known = board_of(board)
    timing = read_timing(read_lines(file), described) if file is not None else Timing()
    kernel, source = _kernel_time(None, timing.kernel, timing.kernel_location, MICROKIT)
    made = distribution or distribution_of(described, board=known, profile=MICROKIT)
    model = model_of(described, made, timing, kernel)
    parts = [
        {"component": part.name, "share": part.budget / part.period, "unlimited": part.is_unlimited}
        for part in model.parts
        if part.runs_alone
    ]
    return {**_facts(model, analyse(model), analyse(replace(model, kernel=0)), [], source), "parts": parts}


def refuse_domains(described: System) -> None:
    """Raise :class:`Diagnostic` for a system with a domain schedule."""
    if described.schedule is not None:
        raise Diagnostic(
            "domain-schedule",
            described.schedule.location,
            "the time of a system with a domain schedule is not analysed",
            why="components run only in the parts of the schedule that are their domain's, which is not counted",
            fix="remove <domains>, or test it",
        )


def _time_option(text: str | None) -> int | None:
    if text is None:
        return None
    from tessera.analysis.lines import Cursor, Line, Word

    where = Location(f"--kernel-time {text}")
    return Cursor(Line((Word(text, where),), where), "--kernel-time 5us").time("a time")


def _timing_file(system: Path, needs: Path | None) -> Path | None:
    if needs is None:
        beside = system.with_suffix(".timing")
        return beside if beside.exists() and beside != system else None
    if not needs.is_file():
        raise Diagnostic(
            "timing-missing",
            Location(str(needs)),
            "there is no such file",
            why="it says what components need",
            fix="name an existing file, or leave --timing out",
        )
    return needs


def _kernel_time(given: int | None, said: int | None, where: Location | None, profile: Profile) -> tuple[int, str]:
    if given is not None:
        return given, "--kernel-time"
    if said is not None:
        return said, str(where)
    return profile.min_budget_us * 1000, "the kernel's bound, docs/kernel-time.md"


def _text(nanoseconds: int | None) -> str:
    """A time for a person; bounds are not rounded down."""
    if nanoseconds is None:
        return "no bound"
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if abs(nanoseconds) >= size:
            return f"{-(-nanoseconds * 1000 // size) / 1000:g} {unit}"
    return f"{nanoseconds} ns" if nanoseconds else "0 us"


def _rates(model: Model) -> tuple[float, float, list[str]]:
    """The parts of the time of all budgets that are limits, and of all jobs; and who has no limit."""
    alone = [part for part in model.parts if part.runs_alone]
    budgets = sum(part.budget / part.period for part in alone if not part.is_unlimited)
    jobs = sum(need.wcet / need.every for part in model.parts for need in part.jobs)
    return budgets, jobs, [part.name for part in alone if part.is_unlimited]


def _say_utilisation(model: Model) -> None:
    budgets, jobs, unlimited = _rates(model)
    told = f"utilisation: budgets {budgets:.1%} of the time"
    if jobs:
        told += f", jobs {jobs:.1%} without their calls"
    output.say(told)
    if unlimited:
        output.say(f"may run all the time (budget is all of the period): {', '.join(unlimited)}")


def _table(rows: Iterable[tuple[str, ...]]) -> None:
    some = list(rows)
    widths = [max(len(row[column]) for row in some) for column in range(len(some[0]))]
    for row in some:
        output.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _say_promises(schedule: Schedule, ideal: Schedule) -> None:
    if not schedule.promises:
        return
    heads = ("component", "what", "response", "without kernel", "deadline", "slack", "")
    rows = [heads]
    for promise, other in zip(schedule.promises, ideal.promises, strict=True):
        what = promise.what if promise.irq is None else f"interrupt {promise.irq}"
        slack = "" if promise.slack is None else _text(promise.slack)
        verdict = "met" if promise.holds else "MAY BE MISSED"
        cells = (promise.component, what, _text(promise.response), _text(other.response), _text(promise.deadline))
        rows.append((*cells, slack, verdict))
    _table(rows)
    for promise in schedule.promises:
        for reason in promise.reasons:
            output.say(f"{promise.location.file}:{promise.location.line}: {promise.label}: {reason}")


def _say_latencies(schedule: Schedule) -> None:
    for one in schedule.latencies:
        reason = f" ({one.reason})" if one.reason else ""
        output.say(f"interrupt {one.irq} to the first instruction of '{one.component}': {_text(one.time)}{reason}")


def _value(margin: Margin, value: int | None) -> str:
    if margin.parameter.startswith("priority"):
        return str(value)
    return _text(value)


def _say_margins(tight: list[Margin], moved: list[Margin]) -> None:
    bounded = [margin for margin in tight if margin.limit is not None]
    if not bounded and not moved:
        return
    output.say("what breaks first, each alone:")
    for margin in bounded[:8]:
        whose = f" of '{margin.component}'" if margin.component else ""
        change = f" ({margin.change:.1%})" if margin.value else ""
        values = f"{_value(margin, margin.value)} can go to {_value(margin, margin.limit)}{change}"
        output.say(f"  {margin.parameter}{whose}: {values}; beyond, the {margin.breaks} misses its deadline")
    if len(bounded) > 8:
        output.say(f"  and {len(bounded) - 8} more (--json tells all)")
    for margin in moved:
        output.say(
            f"  {margin.parameter} of '{margin.component}' from {margin.value} to {margin.limit}: the {margin.breaks} "
            "misses its deadline"
        )


def _us(nanoseconds: int | None) -> float | int | None:
    if nanoseconds is None:
        return None
    return nanoseconds // 1000 if nanoseconds % 1000 == 0 else nanoseconds / 1000


def _promise_facts(promise: Promise, ideal: Promise) -> dict[str, Any]:
    return {
        "component": promise.component,
        "what": promise.what,
        "irq": promise.irq,
        "response": _us(promise.response),
        "response_without_kernel": _us(ideal.response),
        "deadline": _us(promise.deadline),
        "slack": _us(promise.slack),
        "stalls": promise.stalls,
        "holds": promise.holds,
        "reasons": list(promise.reasons),
        "file": promise.location.file,
        "line": promise.location.line,
    }


def _facts(model: Model, schedule: Schedule, ideal: Schedule, margins: list[Margin], source: str) -> dict[str, Any]:
    budgets, jobs, unlimited = _rates(model)

    def plain(margin: Margin, value: int | None) -> float | int | None:
        return value if margin.parameter.startswith("priority") else _us(value)

    return {
        "ok": schedule.holds,
        "kernel": {"time": _us(model.kernel), "source": source},
        "utilisation": {"budgets": budgets, "jobs": jobs, "unlimited": unlimited},
        "promises": [_promise_facts(*pair) for pair in zip(schedule.promises, ideal.promises, strict=True)],
        "interrupts": [
            {"component": one.component, "irq": one.irq, "latency": _us(one.time), "reason": one.reason}
            for one in schedule.latencies
        ],
        "silent": schedule.silent,
        "margins": [
            {
                "component": margin.component or None,
                "parameter": margin.parameter,
                "value": plain(margin, margin.value),
                "limit": plain(margin, margin.limit),
                "change": margin.change,
                "breaks": margin.breaks,
            }
            for margin in margins
        ],
    }

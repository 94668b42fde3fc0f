# SPDX-License-Identifier: BSD-2-Clause
"""Which parameter breaks a system first: how far each one can go, alone, until a deadline is missed; by bisection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tessera.analysis.model import Model, Part, with_ceilings
from tessera.analysis.schedulability import analyse

US = 1000
# How exact a bound is found: to a microsecond, or to this part of the value. Of large systems less exactly, so that it
# takes seconds.
PART, PART_OF_LARGE = 200, 20
LARGE = 16
# A need is not looked at beyond so many times of what it is.
LARGEST_FACTOR = 64


@dataclass(frozen=True)
class Margin:
    """How far one parameter can go. ``limit`` is the last value that was found to hold; None: it never breaks anything.

    ``change``: the distance to the limit as a part of the value. ``breaks``: what is missed beyond. Times in
    nanoseconds; priorities as they are.
    """

    component: str
    parameter: str
    value: int
    limit: int | None
    change: float
    breaks: str = ""


def margins(model: Model) -> list[Margin]:
    """The margin of every parameter, the tightest first. The model must hold as it is."""
    part = PART if len(model.parts) <= LARGE else PART_OF_LARGE
    found = [_margin(part, *each) for each in _parameters(model)]
    return sorted(found, key=lambda margin: (margin.limit is None, margin.change))


def priority_margins(model: Model) -> list[Margin]:
    """How far each component can be lowered and raised among the priorities that there are."""
    levels = sorted({part.priority for part in model.parts})
    found = []
    for part in model.parts:
        lower = [level for level in reversed(levels) if level < part.priority]
        higher = [level for level in levels if level > part.priority]
        for word, steps in (("priority, lowered", lower), ("priority, raised", higher)):
            # What calls may not do, ends the way; further on it only gets worse, so that the first level is bisected.
            allowed = [level for level in steps if _calls_upwards(_moved(model, part, level))]
            if not allowed or not _broken(_moved(model, part, allowed[-1])):
                continue
            good, bad = -1, len(allowed) - 1
            while bad - good > 1:
                middle = (good + bad) // 2
                good, bad = (good, middle) if _broken(_moved(model, part, allowed[middle])) else (middle, bad)
            broken = _broken(_moved(model, part, allowed[bad]))
            found.append(Margin(part.name, word, part.priority, allowed[bad], 0.0, broken))
    return found


def _moved(model: Model, part: Part, priority: int) -> Model:
    return with_ceilings(_with(model, part.name, priority=priority))


def _calls_upwards(model: Model) -> bool:
    return all(part.priority < model.part(callee).priority for part in model.parts for callee in part.callees)


def _with(model: Model, name: str, **changes: object) -> Model:
    changed = (replace(part, **changes) if part.name == name else part for part in model.parts)  # type: ignore[arg-type]
    return replace(model, parts=tuple(changed))


Change = Callable[[int], Model]


def _parameters(model: Model) -> Iterator[tuple[str, str, int, int, Change]]:
    """Every parameter: whose, which, its value, how far it is looked at, and the model with another value."""
    for part in model.parts:
        if not part.is_unlimited and part.runs_alone:
            yield part.name, "budget", part.budget, part.period - US, _setter(model, part, "budget")
            yield part.name, "period", part.period, part.budget + US, _setter(model, part, "period")
        for index, need in enumerate(part.jobs):
            word = f"wcet of interrupt {need.irq}" if need.irq is not None else "wcet"
            set_wcet = _need_setter(model, part, index)
            yield part.name, word, need.wcet, need.wcet * LARGEST_FACTOR, set_wcet
        if part.procedure is not None:
            longest = part.procedure.wcet * LARGEST_FACTOR
            yield part.name, "wcet of the procedure", part.procedure.wcet, longest, _procedure_setter(model, part)
    yield "", "kernel time", model.kernel, max(model.kernel, US) * LARGEST_FACTOR, _kernel_setter(model)


def _setter(model: Model, part: Part, field: str) -> Change:
    return lambda value: _with(model, part.name, **{field: value})


def _need_setter(model: Model, part: Part, index: int) -> Change:
    def change(value: int) -> Model:
        jobs = tuple(replace(n, wcet=value) if i == index else n for i, n in enumerate(part.jobs))
        return _with(model, part.name, jobs=jobs)

    return change


def _procedure_setter(model: Model, part: Part) -> Change:
    assert part.procedure is not None
    procedure = part.procedure
    return lambda value: _with(model, part.name, procedure=replace(procedure, wcet=value))


def _kernel_setter(model: Model) -> Change:
    return lambda value: replace(model, kernel=value)


def _broken(model: Model) -> str:
    """The first promise that is not kept; nothing if all are."""
    return next((p.label for p in analyse(model, until_missed=True).promises if not p.holds), "")


def _margin(part: int, name: str, parameter: str, value: int, end: int, change: Change) -> Margin:
    """Bisection between the value, which holds, and ``end``."""
    if (end - value) * (1 if parameter != "period" else -1) <= 0:
        return Margin(name, parameter, value, None, 0.0)
    broken = _broken(change(end))
    if not broken:
        return Margin(name, parameter, value, None, 0.0)
    good, bad = value, end
    while abs(bad - good) > max(US, min(good, bad) // part):
        middle = (good + bad) // 2 // US * US
        if middle in (good, bad):
            break
        found = _broken(change(middle))
        if found:
            bad, broken = middle, found
        else:
            good = middle
    return Margin(name, parameter, value, good, abs(good - value) / value if value else float(good), broken)

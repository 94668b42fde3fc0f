# SPDX-License-Identifier: BSD-2-Clause
"""What components need, beside a description: worst-case execution times, and when jobs and interrupts come.

    job control wcet 20ms every 100ms deadline 80ms calls sensor x2, log x1
    procedure sensor wcet 300us calls bus x1
    interrupt driver 10 wcet 20us every 1ms deadline 500us
    kernel 8us

``every`` is the least time between two; it is the component's period where it is left out. The deadline is ``every``
where it is left out. ``kernel`` is the kernel's time at each activation. A component with lines does nothing else; of a
component without, nothing is known but its budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tessera.analysis.lines import Cursor, Line, Word, unknown_name
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.collect import Collector, did_you_mean, one_of
from tessera.system.model import ProtectionDomain, System

_CALLS = "[calls SERVER xN, ...]"
FORMS = {
    "job": f"job COMPONENT wcet TIME [every TIME] [deadline TIME] {_CALLS}",
    "procedure": f"procedure COMPONENT wcet TIME {_CALLS}",
    "interrupt": f"interrupt COMPONENT NUMBER wcet TIME every TIME [deadline TIME] {_CALLS}",
    "kernel": "kernel TIME",
}
WORDS = {
    "job": ("wcet", "every", "deadline", "calls"),
    "procedure": ("wcet", "calls"),
    "interrupt": ("wcet", "every", "deadline", "calls"),
}


@dataclass(frozen=True)
class Call:
    """``count`` calls to ``server`` in each job."""

    server: str
    count: int
    location: Location


@dataclass(frozen=True)
class Need:
    """What one job, procedure or interrupt needs; times in nanoseconds. ``irq``: of an interrupt alone."""

    component: str
    wcet: int
    every: int
    deadline: int
    calls: tuple[Call, ...]
    location: Location
    irq: int | None = None


@dataclass
class Timing:
    """All lines. ``jobs`` holds jobs and interrupts by component; ``kernel`` is None where nothing is said."""

    jobs: dict[str, list[Need]] = field(default_factory=dict)
    procedures: dict[str, Need] = field(default_factory=dict)
    kernel: int | None = None
    kernel_location: Location | None = None


def read_timing(lines: Iterable[Line], system: System) -> Timing:
    """The needs that ``lines`` write down. Raises :class:`Diagnostic` or :class:`Diagnostics`."""
    errors = Collector()
    reader = _Reader(system)
    for line in lines:
        try:
            reader.line(line)
        except Diagnostic as error:
            errors.errors.append(error)
    errors.stop_if_any()
    reader.check_complete(errors)
    errors.stop_if_any()
    return reader.timing


class _Reader:
    def __init__(self, system: System) -> None:
        self.domains = {pd.name: pd for pd in system.domains()}
        self.callable = {
            name: [b.pd for c in system.channels for a, b in c.directions() if a.pd == name and a.pp]
            for name in self.domains
        }
        self.timing = Timing()
        self.lines: dict[tuple[str, str, int | None], Location] = {}

    def line(self, line: Line) -> None:
        word = Cursor(line, FORMS["job"]).keyword(tuple(FORMS), "the first word of a line")
        cursor = Cursor(line, FORMS[word.text])
        cursor.index = 1
        if word.text == "kernel":
            self.once(word, ("kernel", "", None), "the kernel's time")
            self.timing.kernel, self.timing.kernel_location = cursor.time("the kernel's time"), word.location
            cursor.end()
            return
        pd = self.component(cursor.name("the name of a component"))
        irq = self.interrupt(cursor, pd) if word.text == "interrupt" else None
        self.once(word, (word.text, pd.name, irq), f"the {word.text} of '{pd.name}'")
        need = self.need(word, cursor, pd, irq)
        if word.text == "procedure":
            self.timing.procedures[pd.name] = need
        else:
            self.timing.jobs.setdefault(pd.name, []).append(need)

    def once(self, word: Word, key: tuple[str, str, int | None], what: str) -> None:
        if key in self.lines:
            raise Diagnostic(
                "said-twice",
                word.location,
                f"{what} is said twice",
                why=f"it is also said at {self.lines[key]}",
                fix="remove one of the lines",
            )
        self.lines[key] = word.location

    def component(self, word: Word) -> ProtectionDomain:
        if word.text not in self.domains:
            raise unknown_name(word, "component", self.domains, "write the name of a component of the description")
        return self.domains[word.text]

    def interrupt(self, cursor: Cursor, pd: ProtectionDomain) -> int:
        word = cursor.following
        irq = cursor.count("the number of an interrupt")
        assert word is not None
        known = [each.irq for each in pd.irqs]
        if irq not in known:
            raise Diagnostic(
                "unknown-interrupt",
                word.location,
                f"'{pd.name}' does not have interrupt {irq}",
                why=f"it has {', '.join(map(str, known))}" if known else "it has none",
                fix=f"write {known[0]}" if known else "write a line 'job' instead",
            )
        return irq

    def need(self, first: Word, cursor: Cursor, pd: ProtectionDomain, irq: int | None) -> Need:
        times: dict[str, int] = {}
        calls: tuple[Call, ...] = ()
        while cursor.following is not None:
            word = cursor.keyword(WORDS[first.text], "what is said of it")
            if word.text in times or (word.text == "calls" and calls):
                raise Diagnostic(
                    "said-twice",
                    word.location,
                    f"'{word.text}' is said twice",
                    why="a line says each thing once",
                    fix="remove one of them",
                )
            if word.text == "calls":
                calls = self.calls(cursor, pd)
                continue
            at = cursor.here
            times[word.text] = cursor.time(f"a time for '{word.text}'")
            if times[word.text] == 0:
                raise Diagnostic(
                    "bad-time",
                    at,
                    f"'{word.text}' is no time at all",
                    why="nothing takes no time, and nothing comes all the time",
                    fix="write a longer time",
                )
        required = ("wcet", "every") if first.text == "interrupt" else ("wcet",)
        for each in required:
            if each not in times:
                raise cursor.incomplete(f"'{each}'")
        every = times.get("every", pd.period * 1000)
        return Need(pd.name, times["wcet"], every, times.get("deadline", every), calls, first.location, irq)

    def calls(self, cursor: Cursor, pd: ProtectionDomain) -> tuple[Call, ...]:
        found = []
        while True:
            word = cursor.name("the name of a server")
            self.component(word)
            known = self.callable[pd.name]
            if word.text not in known:
                raise Diagnostic(
                    "no-channel",
                    word.location,
                    f"'{pd.name}' cannot call '{word.text}'",
                    why=f"it can call {one_of(known)}" if known else 'it has no channel with pp="true"',
                    fix=did_you_mean(word.text, known) or "remove it, or add the channel to the description",
                )
            times = cursor.name("a number of calls, like x2")
            digits = times.text.removeprefix("x")
            if not times.text.startswith("x") or not digits.isascii() or not digits.isdecimal() or len(digits) > 6:
                raise Diagnostic(
                    "bad-count",
                    times.location,
                    f"'{times.text}' is not a number of calls",
                    why="it is the letter x and a whole number",
                    fix="write x1, for example",
                )
            found.append(Call(word.text, int(digits), word.location))
            if cursor.following is None or not cursor.following.is_sign(","):
                return tuple(found)
            cursor.sign(",")

    def check_complete(self, errors: Collector) -> None:
        """What is called must say how long it takes; what has lines must say how often its interrupts come."""
        for name, some in self.timing.jobs.items():
            for irq in self.domains[name].irqs:
                if irq.irq not in [need.irq for need in some]:
                    errors.error(
                        "interrupt-missing",
                        some[0].location,
                        f"'{name}' has interrupt {irq.irq}, and no line says how often it comes",
                        why="what a component with lines needs must be said completely",
                        fix=f"add a line: interrupt {name} {irq.irq} wcet TIME every TIME",
                    )
        needs = [*(need for some in self.timing.jobs.values() for need in some), *self.timing.procedures.values()]
        for need in needs:
            for call in need.calls:
                if call.server not in self.timing.procedures:
                    errors.error(
                        "procedure-missing",
                        call.location,
                        f"nothing says how long a call to '{call.server}' takes",
                        why=f"'{need.component}' waits for it",
                        fix=f"add a line: procedure {call.server} wcet TIME",
                    )

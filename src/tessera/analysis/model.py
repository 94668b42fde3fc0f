# SPDX-License-Identifier: BSD-2-Clause
"""A system as the analysis of time sees it: who runs on which budget at which priority, and who calls whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tessera.analysis.response import Server
from tessera.analysis.timing_file import Need, Timing
from tessera.lang.diagnostics import Location
from tessera.system.capdl import Distribution, SchedContext, Tcb
from tessera.system.model import System


@dataclass(frozen=True)
class Part:
    """A component. Times in nanoseconds. ``ceiling``: the highest priority at which its budget is used, by itself or in
    the passive components that it calls. ``runs_alone``: it has work of its own, beside what it is called for.
    """

    name: str
    priority: int
    budget: int
    period: int
    passive: bool
    ceiling: int
    callees: tuple[str, ...]
    runs_alone: bool
    interrupts: tuple[tuple[int, Location], ...]
    location: Location
    jobs: tuple[Need, ...] = ()
    procedure: Need | None = None

    @property
    def is_unlimited(self) -> bool:
        """Whether the budget is all of the period: nothing keeps it from running but higher priorities."""
        return self.budget >= self.period

    def server(self, kernel: int) -> Server:
        return Server(self.budget, self.period, 0 if self.is_unlimited else kernel)


@dataclass(frozen=True)
class Model:
    """All components. ``kernel``: the longest time for which it looks at neither clock nor interrupts (kernel-time.md).
    An activation costs no more; as much is kept at the end of each budget.
    """

    parts: tuple[Part, ...]
    kernel: int

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def callers(self, server: str) -> list[Part]:
        return [part for part in self.parts if server in part.callees]


def model_of(system: System, distribution: Distribution, timing: Timing, kernel: int) -> Model:
    """The model of a system. Budgets, periods and priorities are those of the kernel objects that it gets."""
    domains = system.domains()
    callees = {
        pd.name: tuple(b.pd for c in system.channels for a, b in c.directions() if a.pd == pd.name and a.pp)
        for pd in domains
    }
    threads: dict[str, Tcb] = {pd.name: distribution.by_name[f"{pd.name}.tcb"] for pd in domains}  # type: ignore[misc]
    notified = {b.pd for c in system.channels for a, b in c.directions() if a.notify}

    parts = []
    for pd in domains:
        context = distribution.by_name[threads[pd.name].sched_context.object]
        assert isinstance(context, SchedContext)
        parts.append(
            Part(
                name=pd.name,
                priority=threads[pd.name].priority,
                budget=context.budget * 1000,
                period=context.period * 1000,
                passive=pd.passive,
                ceiling=0,
                callees=callees[pd.name],
                runs_alone=not pd.passive or bool(pd.irqs) or pd.name in notified,
                interrupts=tuple((irq.irq, irq.location) for irq in pd.irqs),
                location=pd.location,
                jobs=tuple(timing.jobs.get(pd.name, ())),
                procedure=timing.procedures.get(pd.name),
            )
        )
    return with_ceilings(Model(tuple(parts), kernel))


def with_ceilings(model: Model) -> Model:
    """The same model; ceilings are as priorities and calls have them."""
    parts = {part.name: part for part in model.parts}

    def ceiling(part: Part) -> int:
        lent = [ceiling(parts[callee]) for callee in part.callees if parts[callee].passive]
        return max([part.priority, *lent])

    return replace(model, parts=tuple(replace(part, ceiling=ceiling(part)) for part in model.parts))

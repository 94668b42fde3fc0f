# SPDX-License-Identifier: BSD-2-Clause
"""`tessera schedule`: a control loop under an untrusted driver of higher priority, and the loop's deadlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.options import Config, Json, Verbose, exit_codes
from tessera.lang.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from tessera.suites.scheduling.run import Outcome

_JSON = """\b
The object that --json prints; times are in microseconds:
  ok            whether all deadlines of the examples were met
  profile, config  the kernel's
  examples      one object for each example and way of scheduling:
    name, scheduling  budgets (MCS), or a fixed partition
    loop, driver  {"budget": N, "period": N}
    jobs, missed  of the control loop, whose deadline is the end of its period
    jobs_before_malice  those done while the driver still served interrupts
    worst_response, textbook  measured, and computed
    interrupt_latency  {"worst": T, "mean": T}, from the interrupt to the driver's first instruction
  scales        smaller and smaller budgets of the driver: name, driver, kernel_share (per cent
                of the loop's budget), jobs, missed, worst_response, holds; or refused: the least budget
  smallest_scales  for each kernel_share the driver of the smallest scale that holds
  literal       2 us in 3 us, in simulated time: as an example, without interrupts

"""

EPILOG = _JSON + exit_codes((0, "not one deadline was missed"), (1, "a deadline was missed"))

SCALE = "scale"


def schedule(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="slow-loop, fast-loop, scale, literal; all without any."),
    ] = None,
    config: Annotated[Config, typer.Option("--config", help="Of the kernel: debug or release.")] = Config.release,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Run the scheduling examples of the literature: a driver turns malicious and spins, a control loop has deadlines.

    Examples run in QEMU, where an instruction takes a nanosecond, with budgets and under a fixed time partition.
    """
    from tessera.suites.scheduling import run as runs
    from tessera.suites.scheduling.simulation import LITERAL, simulate
    from tessera.suites.scheduling.systems import EXAMPLES

    known = [*(one.name for one in EXAMPLES), SCALE, LITERAL.name]
    for name in names or []:
        if name not in known:
            raise Diagnostic(
                "unknown-example",
                Location(name),
                "there is no scheduling example of this name",
                why=f"the examples are {', '.join(known)}",
                fix="name one of these, or none for all",
            )
    chosen = names or known
    tell = output.progress(verbose)
    examples = [one for one in EXAMPLES if one.name in chosen]
    pairs = runs.run_examples(examples, config=config.value, progress=tell) if examples else []
    scales = runs.run_scales(config=config.value, progress=tell) if SCALE in chosen else {}
    literal = simulate() if LITERAL.name in chosen else None
    outcomes = [one for pair in pairs for one in pair]
    ok = all(one.ok for one in [*outcomes, *([literal] if literal else [])])
    smallest = {share: runs.smallest_that_holds(some) for share, some in scales.items()}
    if as_json:
        output.emit_json(
            {
                "ok": ok,
                "profile": runs.PROFILE,
                "config": config,
                "examples": [_facts(one) for one in outcomes],
                "scales": [_scale_facts(one) for some in scales.values() for one in some],
                "smallest_scales": [
                    {"kernel_share": share, "driver": _driver(one) if one else None} for share, one in smallest.items()
                ],
                "literal": _facts(literal) if literal else None,
            }
        )
    _say_examples(outcomes, literal)
    for budgets, partition in pairs:
        output.say(
            f"{budgets.system.name}: interrupt latency at most {_time(budgets.worst_latency)} with budgets, "
            f"{_time(partition.worst_latency)} under the fixed partition"
        )
    for share, some in scales.items():
        _say_scales(share, some, smallest[share])
    if not ok:
        raise typer.Exit(1)


def _driver(one: Outcome) -> dict[str, int]:
    return {"budget": one.system.driver_budget, "period": one.system.driver_period}


def _facts(one: Outcome) -> dict[str, Any]:
    system = one.system
    facts: dict[str, Any] = {
        "name": system.name,
        "scheduling": "partition" if system.partitioned else "budgets",
        "loop": {"budget": system.loop_budget, "period": system.loop_period},
        "driver": _driver(one),
        "jobs": one.jobs,
        "missed": one.missed,
        "jobs_before_malice": one.calm_jobs,
        "worst_response": one.worst_response,
        "textbook": system.textbook,
    }
    if system.interrupts:
        facts["interrupt_latency"] = {"worst": one.worst_latency, "mean": round(one.mean_latency, 3)}
    return facts


def _scale_facts(one: Outcome) -> dict[str, Any]:
    facts = {"name": one.system.name, "driver": _driver(one), "kernel_share": one.system.kernel_share, "holds": one.ok}
    if one.refused is not None:
        return {**facts, "refused": one.refused}
    return {**facts, "jobs": one.jobs, "missed": one.missed, "worst_response": one.worst_response}


def _say_examples(outcomes: list[Outcome], literal: Outcome | None) -> None:
    row = "{:<10} {:<11} {:<16} {:<15} {:>10} {:>15} {:>9} {:>17} {:>10}"
    head = ("example", "scheduling", "control loop", "driver", "deadlines", "worst response", "textbook")
    output.say(row.format(*head, "interrupt: worst", "mean").rstrip())
    for one in [*outcomes, *([literal] if literal else [])]:
        system = one.system
        late = (_time(one.worst_latency), _time(one.mean_latency)) if system.interrupts else ("", "")
        scheduling = "simulated" if one is literal else "partition" if system.partitioned else "budgets"
        cells = (
            system.name,
            scheduling,
            f"{_time(system.loop_budget)} in {_time(system.loop_period)}",
            f"{_time(system.driver_budget)} in {_time(system.driver_period)}",
            f"{one.jobs - one.missed} of {one.jobs}",
            _time(one.worst_response),
            "none" if system.textbook is None else _time(system.textbook),
            *late,
        )
        output.say(row.format(*cells).rstrip())


def _say_scales(share: int, some: list[Outcome], smallest: Outcome | None) -> None:
    """The smallest scale that holds, and what the next one does."""
    head = f"slow-loop with {share} % of the loop's budget for the kernel: "
    if smallest is None:
        output.say(head + "no scale holds")
        return
    told = f"holds down to a driver of {_driver_text(smallest)} (worst response {_time(smallest.worst_response)})"
    following = some[some.index(smallest) + 1 :]
    if following and following[0].refused is not None:
        told += f"; the kernel refuses {_driver_text(following[0])}: the least budget is {following[0].refused} us"
    elif following:
        told += f"; with {_driver_text(following[0])} {following[0].missed} of {following[0].jobs} are missed"
    output.say(head + told)


def _driver_text(one: Outcome) -> str:
    return f"{_time(one.system.driver_budget)} in {_time(one.system.driver_period)}"


def _time(microseconds: float) -> str:
    """A time for a person."""
    return f"{microseconds / 1000:.4g} ms" if microseconds >= 1000 else f"{microseconds:.3g} us"

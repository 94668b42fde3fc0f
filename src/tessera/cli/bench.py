# SPDX-License-Identifier: BSD-2-Clause
"""`tessera bench`: instructions of kernel operations, beside the figures of reference."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.bench_core import JSON, Core, measure_core
from tessera.cli.options import Config, Json, Verbose, exit_codes

_JSON = """\b
The object that --json prints:
  ok            true
  config        debug or release
  profile       the kernel's profile
  unit          instructions
  kernel        SHA-256 of the kernel's file; conformance tells it too
  text          bytes of the kernel's code and constants
  floor         instructions of entry and exit: saving and restoring all registers of a thread
  results       one object for each operation, and for each again behind ".nosstc", without Sstc:
    name                 a short name that stays the same
    meaning              what is measured
    instructions         {"min": N, "median": N, "max": N}; those of the measurement itself are taken off
    samples              how many there are
    floor                what entry and exit take, as often as the kernel is entered
    kernel_instructions  the median without the instructions at user level that enter the kernel
    reference            seL4 16.0 with its fastpath, null if unknown
    reference_slow_path  seL4 16.0 without it, null if unknown
    bar, goal            what it may take at most, and what it should take; null if nothing is asked for
    ratio                median / reference, null if unknown

\b
With --breakdown it is:
  ok            true
  unit          instructions
  kernel        SHA-256 of the kernel's file
  operations    one object for each operation:
    name          as above
    instructions  what was measured in the round that was traced
    steps         [{"step": .., "instructions": N}, ...], the most costly first; the sum is "instructions"
    functions     the same by function: [{"function": .., "instructions": N}, ...]

"""

EPILOG = _JSON + JSON + exit_codes((0, "everything was measured"))


def bench(
    config: Annotated[
        Config, typer.Option("--config", help="debug: assertions, thread names, console; release: none of them.")
    ] = Config.release,
    breakdown: Annotated[
        bool, typer.Option("--breakdown", help="Trace operations on the release kernel, and tell what costs what.")
    ] = False,
    of: Annotated[
        list[str] | None,
        typer.Option("--of", metavar="NAME", help="With --breakdown: an operation; again for several. The round trip."),
    ] = None,
    core: Annotated[
        Core | None,
        typer.Option(
            "--core", help="Count cycles of round trips on a core's hardware description; builds for minutes."
        ),
    ] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Count the instructions of kernel operations in QEMU; two runs give the same numbers."""
    if core is not None:
        if breakdown or config is not Config.release:
            raise typer.BadParameter("the release kernel is measured, and nothing else", param_hint="--core")
        measure_core(verbose, as_json)
        return
    if of and not breakdown:
        raise typer.BadParameter("belongs to --breakdown", param_hint="--of")
    if breakdown and config is not Config.release:
        raise typer.BadParameter("the release kernel is traced", param_hint="--breakdown")
    if breakdown:
        break_down(of, verbose, as_json)
        return
    from tessera.suites.bench.run import run

    result = run(config.value, progress=output.progress(verbose))
    if as_json:
        output.emit_json(
            {
                "ok": True,
                "config": config,
                "profile": result.profile,
                "unit": "instructions",
                "kernel": result.kernel,
                "text": result.kernel_text,
                "floor": result.floor,
                "results": [
                    {
                        "name": item.operation.name,
                        "meaning": item.operation.meaning,
                        "instructions": {"min": min(item.samples), "median": item.median, "max": max(item.samples)},
                        "samples": len(item.samples),
                        "floor": result.floor * item.operation.entries,
                        "kernel_instructions": item.in_kernel,
                        "reference": item.operation.fast,
                        "reference_slow_path": item.operation.slow,
                        "bar": item.operation.bar,
                        "goal": item.operation.goal,
                        "ratio": item.ratio,
                    }
                    for item in result.measurements
                ],
            }
        )
        return
    output.say(f"kernel {config.value}, {output.size(result.kernel_text)} of code; instructions, seL4 16.0 beside them")
    output.say("floor: entry and exit, with all registers saved and restored")
    output.say(
        f"{'operation':<32}{'floor':>6}{'min':>6}{'median':>8}{'max':>7}{'seL4':>7}{'ratio':>7}{'bar':>7}{'goal':>7}"
    )
    for item in result.measurements:
        operation, ratio = item.operation, "" if item.ratio is None else f"{item.ratio:.2f}"
        fast, bar, goal = (_shown(value) for value in (operation.fast, operation.bar, operation.goal))
        output.say(
            f"{operation.name:<32}{result.floor * operation.entries:>6}"
            f"{min(item.samples):>6}{item.median:>8}{max(item.samples):>7}"
            f"{fast:>7}{ratio:>7}{bar:>7}{goal:>7}"
        )


def break_down(names: list[str] | None, verbose: bool, as_json: bool) -> None:
    """Tell what costs what of some operations."""
    from tessera.suites.bench.breakdown import ROUND_TRIP, run
    from tessera.suites.bench.steps import in_order

    result = run(names or ROUND_TRIP, progress=output.progress(verbose))
    if as_json:
        output.emit_json(
            {
                "ok": True,
                "unit": "instructions",
                "kernel": result.kernel,
                "operations": [
                    {
                        "name": one.name,
                        "instructions": one.measured,
                        "steps": [{"step": step, "instructions": count} for step, count in one.steps.items()],
                        "functions": [{"function": f, "instructions": count} for f, count in one.functions.items()],
                    }
                    for one in result.operations
                ],
            }
        )
        return
    operations = result.operations
    steps = in_order({step for one in operations for step in one.steps})
    output.say(f"{'step':<48}" + "".join(f"{one.name:>20}" for one in operations))
    for step in steps:
        output.say(f"{step:<48}" + "".join(f"{one.steps.get(step, ''):>20}" for one in operations))
    output.say(f"{'all, as measured':<48}" + "".join(f"{one.measured:>20}" for one in operations))


def _shown(value: Any) -> str:
    return "" if value is None else str(value)

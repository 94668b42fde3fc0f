# SPDX-License-Identifier: BSD-2-Clause
"""`tessera fuzz`: random system calls, the running kernel beside the abstract one."""

from __future__ import annotations

from typing import Annotated

import typer

from tessera.cli import output
from tessera.cli.options import Json, Verbose, exit_codes

_JSON = """\b
The object that --json prints:
  ok            whether the two kernels agree
  calls         system calls that were made
  succeeded     those that reached an object and were not refused
  events        calls, faults, interrupts
  stopped       how often a long operation stopped in between, and was called again
  abandoned     worlds that ended because another thread ran before it was
  failures      differences: world, event, attempt, differences, before
  invocation_error_pairs  reached, possible, missing, unexpected
  branch_coverage  null: it is not measured yet
  seconds       without the time to compile the kernel

"""

EPILOG = _JSON + exit_codes((0, "both kernels agree after every event"), (1, "they differ"))


def fuzz(
    calls: Annotated[int, typer.Option("--calls", min=1, metavar="N", help="How many system calls.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="S", help="The same seed makes the same calls.")] = 0,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Make random system calls, and compare the kernel's state with the specification's after every one.

    The kernel runs as native code in this process; the specification is the abstract kernel (docs/spec.md).
    """
    from tessera.suites.fuzz.run import run

    told = run(calls, seed, output.progress(verbose))
    if as_json:
        output.emit_json(told.facts())
    for failure in told.result.failures:
        output.say_all(str(failure).splitlines())
    facts = told.facts()
    pairs = facts["invocation_error_pairs"]
    output.say(
        f"{told.result.calls} calls, {told.result.succeeded} succeeded, {len(told.result.failures)} differences; "
        f"{pairs['reached']} of {pairs['possible']} pairs of invocation and error"
    )
    if told.result.failures:
        raise typer.Exit(1)

# SPDX-License-Identifier: BSD-2-Clause
"""`tessera fuzz`: random system calls, the running kernel beside the abstract one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tessera.cli import output
from tessera.cli.options import Json, Verbose, exit_codes

if TYPE_CHECKING:
    from tessera.suites.fuzz.campaign import Result

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
  branch_coverage  which part of the ways that branches of the kernel can go was taken, 0 to 1
  branches      outcomes: how many ways there are; untaken: those that were not taken
  invariants    checked: how many after every call; in_proofs_only: those that cannot be
  seconds       without the time to compile the kernel

"""

EPILOG = _JSON + exit_codes((0, "both kernels agree after every event"), (1, "they differ"))


def fuzz(
    calls: Annotated[int, typer.Option("--calls", min=1, metavar="N", help="How many system calls.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="S", help="The same seed makes the same calls.")] = 0,
    failures: Annotated[int, typer.Option("--failures", min=1, metavar="N", help="End after so many differences.")] = 1,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Make random system calls; after every one compare the state with the specification, and check all invariants.

    The kernel runs as native code in this process; the specification is the abstract kernel (docs/spec.md).
    """
    from tessera.suites.fuzz.run import run

    with _bar(calls) as tell:
        told = run(calls, seed, output.progress(verbose), failures, tell)
    if as_json:
        output.emit_json(told.facts())
    for failure in told.result.failures:
        output.say_all(str(failure).splitlines())
    facts = told.facts()
    pairs = facts["invocation_error_pairs"]
    output.say(
        f"{told.result.calls} calls, {told.result.succeeded} succeeded, {len(told.result.failures)} differences; "
        f"{pairs['reached']} of {pairs['possible']} pairs of invocation and error; "
        f"{facts['branch_coverage']:.1%} of the ways of branches; {facts['invariants']['checked']} invariants checked"
    )
    if verbose:
        output.say_all(f"never: {line}" for line in facts["branches"]["untaken"])
    if told.result.failures:
        raise typer.Exit(1)


@contextlib.contextmanager
def _bar(calls: int) -> Iterator[Callable[[Result], None] | None]:
    """How far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=calls)
        yield lambda result: bars.update(task, completed=result.calls)

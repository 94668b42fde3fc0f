# SPDX-License-Identifier: BSD-2-Clause
"""`tessera prove`: prove functions of the kernel, tell what fails, and keep the ledger of what is proved."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.options import Json, Verbose, exit_codes
from tessera.lang.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from tessera.proof.claims import Report, Result
    from tessera.proof.ledger import Ledger
    from tessera.proof.run import OnProgress, Progress
    from tessera.smt.session import World

_MORE = """\b
TARGET is a function, as in kernel/cspace.py:lookup or kernel.cspace.lookup, a
file of the kernel, which stands for its functions that are proved by
themselves, a group of --list, "core" for the groups that the rest rests on,
"refinement" for those that are compared with the abstract kernel, or "laws",
which are part of every run. Without TARGET everything under proof is
proved.

\b
The object that --json prints:
  ok            whether everything is proved, and nothing is lost (--check)
  obligations   how many there are
  proved        how many of them are proved
  failed        those that a solver refuted, each with name, function, file,
                line, rule, what, source (the line) and detail
  unknown       those that no solver proved within its limits, likewise
  unread        functions that the prover could not read, and why
  seconds       duration of the run
  cache_hits    obligations whose answer was known from an earlier run
  functions     one object for each function: obligations, proved, safe,
                keeps_invariants, reading_seconds, solver_seconds, relies_on, ...
  laws          likewise for the laws that proofs rest on
  ledger        with --ledger: one object for each function of the kernel
  regressions   with --check: what was proved before and is not any more
With --mutants: ok, mutants, refuted, equivalent (with reasons), unreadable,
survived (each with file, line, change, outcome), share, seconds.

"""

EPILOG = _MORE + exit_codes(
    (0, "everything is proved; with --mutants, every fault was noticed"),
    (1, "something is not proved, or no longer (--check); a fault was not noticed"),
)

# Failing obligations that are explained without being asked to.
EXPLAINED = 3


def prove(
    targets: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="What to prove.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="How many solvers run; one for each processor.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Run solvers on a Ray cluster: ray://HOST:PORT, auto for one that runs here, local to start one.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick/--full", help="Leave out functions that take long.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask everything anew, and keep nothing.")] = False,
    no_hints: Annotated[bool, typer.Option("--no-hints", help="Do not try first what earlier proofs used.")] = False,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Ask a second solver about everything; stop if they disagree.")
    ] = False,
    explain: Annotated[
        int | None,
        typer.Option("--explain", metavar="N", min=0, help=f"Explain up to N failures by an example; {EXPLAINED}."),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List what is under proof, and prove nothing.")] = False,
    show_ledger: Annotated[
        bool, typer.Option("--ledger", help="Print what is proved and assumed of every function of the kernel.")
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="With --ledger: write the ledger, the documents' tables, and hints.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the committed ledger: a proof that is lost is an error.")
    ] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Plant faults, and see that proofs notice each of them.")
    ] = False,
    count: Annotated[
        int, typer.Option("--count", metavar="N", min=1, help="With --mutants: how many faults are planted.")
    ] = 120,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Prove functions of the kernel: nothing undefined, promises kept, invariants preserved."""
    _check_options(bool(targets), quick, update, check, show_ledger)
    from tessera.proof import run
    from tessera.proof import targets as known

    world = run.the_kernel()
    known.check_groups(world)
    if show_list:
        _list(as_json)
        return
    chosen = known.resolve(world, targets) if targets else known.all_targets(quick)
    cache = None if no_cache else run.default_cache()
    if mutants:
        _try_mutants(world, chosen, count, workers or os.cpu_count() or 1, cache, verbose, as_json)
        return
    with _progress(verbose) as (on_progress, on_result):
        report = run.prove(
            chosen,
            world=world,
            workers=workers,
            cache=cache,
            cross_check=cross_check,
            hinted=not no_hints,
            cluster=cluster,
            on_progress=on_progress,
            on_result=on_result,
        )
    told = report.as_json()
    _tell_functions(report, verbose)
    _tell_failures(report, EXPLAINED if explain is None else explain)
    ok = report.ok
    if show_ledger or check:
        from tessera.proof import ledger as books
        from tessera.proof.ledger_tables import table

        current = books.ledger_of(report, world)
        if check:
            told["regressions"] = lost = _compare(current, None if not (targets or quick) else chosen)
            ok = not lost
        if show_ledger:
            told["ledger"] = current.as_json()
            if update:
                _update(report, current, cache)
            elif not as_json:
                print("\n".join(table(current)))
    output.say(_summary(report))
    if as_json:
        output.emit_json({**told, "ok": ok})
    if not ok:
        raise typer.Exit(1)


def _check_options(some: bool, quick: bool, update: bool, check: bool, ledger: bool) -> None:
    """Options that contradict each other are told before anything takes time."""
    wrong = ""
    if some and quick:
        wrong, fix = "--quick and a TARGET", "leave one of them out"
    elif update and not ledger:
        wrong, fix = "--update without --ledger", "write --ledger --update"
    elif update and (some or quick):
        wrong, fix = "--update after a run of a part", "leave TARGET and --quick out: the ledger is of the whole kernel"
    elif update and check:
        wrong, fix = "--update and --check", "check first, then update"
    if wrong:
        raise Diagnostic("usage", Location("command line"), wrong, why="they do not go together", fix=fix)


def _list(as_json: bool) -> None:
    from tessera.proof.targets import GROUPS

    if as_json:
        groups = [
            {"name": one.name, "title": one.title, "functions": one.functions, "slow": one.slow} for one in GROUPS
        ]
        output.emit_json({"ok": True, "groups": groups})
        return
    for group in GROUPS:
        output.say(f"{group.name}: {group.title}")
        output.say_all(f"  {name}{'  (slow)' if name in group.slow else ''}" for name in group.functions)


@contextlib.contextmanager
def _progress(verbose: bool) -> Iterator[tuple[OnProgress | None, Callable[[Result], None] | None]]:
    """A bar on a terminal; with ``verbose`` a line for each obligation; else nothing."""

    def line(result: Result) -> None:
        where = " (known)" if result.cached else f" {result.solver} {result.seconds:.2f} s"
        output.say(f"  {result.status:<8}{result.name}{where}")

    if verbose:
        yield None, line
        return
    if not sys.stderr.isatty():
        yield None, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.fields[functions]}"), BarColumn(), TextColumn("{task.fields[counts]}"))
    with Bars(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, functions="reading", counts="")

        def show(now: Progress) -> None:
            # Functions differ in length; what was read of the open ones counts too.
            bars.update(
                task,
                total=max(now.found, 1),
                completed=now.answered,
                functions=f"{now.functions_done}/{now.functions} functions",
                counts=f"{now.answered}/{now.found} obligations, {now.at}",
            )

        yield show, None


def _tell_functions(report: Report, verbose: bool) -> None:
    """With ``verbose`` a line for each function."""
    from tessera.proof.claims import short

    if verbose:
        for one in report.all():
            proved = sum(result.status == "proved" for result in one.results)
            how = "unchanged" if one.kept else f"read in {one.seconds:.2f} s, solvers {one.solver_seconds:.2f} s"
            output.say(f"{short(one.name)}: {proved} of {len(one.results)} proved, {how}")


def _tell_failures(report: Report, explained: int) -> None:
    """What is not proved: place, rule, what; the line; for the first ones an example."""
    from tessera.proof.claims import short

    for one in report.errors:
        output.say(f"{short(one.name)}: not proved: {one.error}")
    for number, result in enumerate(report.with_status("refuted", "unknown")):
        explanation = _explanation(result) if number < explained and result.function in report.names() else None
        if explanation is not None:
            output.say(explanation)
            continue
        what = f" {result.text}" if result.text else ""
        output.say(f"{result.file}:{result.line}: {result.rule}:{what} ({result.status}, in {short(result.function)})")
        output.say(f"    {result.source}")


def _explanation(result: Result) -> str | None:
    """A small state in which the obligation fails, and the test that was written for it."""
    from tessera.proof.counterexample import explain
    from tessera.proof.run import the_kernel

    directory = Path("build") / "counterexamples"
    directory.mkdir(parents=True, exist_ok=True)
    text: str = explain(the_kernel, result.function, result.name, directory).text()
    return text


def _try_mutants(
    world: World, chosen: list[str], count: int, workers: int, cache: Path | None, verbose: bool, as_json: bool
) -> None:
    """Plant faults; those that no obligation notices, and that are not known to mean the same, make the exit code 1."""
    from tessera.proof.mutant_runs import Tried, run_mutants

    def tell(one: Tried) -> None:
        if verbose:
            by = f", by {one.by}" if one.by else ""
            output.say(f"  {one.outcome:<11}{one.mutant.key}{by}")

    report = run_mutants(chosen, count, workers, tell, world=world, cache=cache)
    told = report.data()
    for one in told["survived"]:
        output.say(f"{one['file']}:{one['line']}: not noticed ({one['outcome']}): {one['change']}")
    output.say(
        f"{told['refuted']} of {report.counted} mutants refuted ({report.share:.1%}), {len(told['equivalent'])} more "
        f"are equivalent, {told['unreadable']} are no code; {told['seconds']} s"
    )
    ok = not told["survived"]
    if as_json:
        output.emit_json({"ok": ok, **told})
    if not ok:
        raise typer.Exit(1)


def _compare(current: Ledger, tried: list[str] | None) -> list[str]:
    from tessera.proof.claims import short
    from tessera.proof.ledger import read_ledger, regressions

    lost = regressions(read_ledger(), current, None if tried is None else [short(name) for name in tried])
    output.say_all(f"regression: {line}" for line in lost)
    return lost


def _update(report: Report, ledger: Ledger, cache: Path | None) -> None:
    from tessera.proof import hints
    from tessera.proof.ledger import LEDGER, write_ledger
    from tessera.proof.ledger_tables import update_documents
    from tessera.smt.cache import Cache

    write_ledger(ledger)
    hints.write_hints(report.names(), report.hints, Cache(cache) if cache is not None else None)
    output.say_all(f"written: {path}" for path in (LEDGER, *update_documents(ledger), hints.FILE))


def _summary(report: Report) -> str:
    figures: dict[str, Any] = report.as_json()
    missing = len(figures["failed"]) + len(figures["unknown"])
    known = f", {figures['cache_hits']} known from before" if figures["cache_hits"] else ""
    unread = f", {len(figures['unread'])} functions not read" if figures["unread"] else ""
    return (
        f"{figures['proved']} of {figures['obligations']} obligations proved"
        f"{f', {missing} not' if missing else ''}{unread} in {figures['seconds']:.1f} s{known}"
    )

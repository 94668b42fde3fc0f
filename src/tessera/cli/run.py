# SPDX-License-Identifier: BSD-2-Clause
"""`tessera run`: build if stale, boot, stream the console, and exit with the system's own result."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.answers import Answers
from tessera.cli.options import (
    DEFAULT_BOARD,
    Board,
    Config,
    ConfigOption,
    IgnorePolicy,
    Image,
    Json,
    Report,
    SearchPath,
    SystemFile,
    Verbose,
    check_search_path,
    check_system_file,
    exit_codes,
)

if TYPE_CHECKING:
    from tessera.build.watched import CapabilityCheck

EPILOG = exit_codes(
    (0, "the system ended with success"),
    (
        "1 to 255",
        "the system's own result, as it gave it to the board's test device;\n"
        '            then the last line says "result N", which tells it from the codes below',
    ),
    (124, "--timeout was over before the system ended"),
    (125, "the kernel stopped itself, or the system could not be started; the console says why"),
    (126, "--verify-caps found a difference, so that no component was started"),
)


def run(
    system: SystemFile,
    board: Board = DEFAULT_BOARD,
    config: ConfigOption = Config.debug,
    search_path: SearchPath = None,
    image: Image = None,
    report: Report = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0.0, help="Stop the system after this time; never if absent."),
    ] = None,
    icount: Annotated[
        bool, typer.Option("--icount", help="Count instructions exactly: one for each virtual nanosecond.")
    ] = False,
    verify_caps: Annotated[
        bool,
        typer.Option(
            "--verify-caps",
            help="Stop before the first instruction of a component, read all capabilities out of the machine's memory, "
            "and go on only if they are exactly those of the distribution.",
        ),
    ] = False,
    ignore_policy: IgnorePolicy = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Build a system if it is stale, boot it in QEMU, and exit with the system's result.

    The console goes to standard output, with --json to standard error.
    """
    start = time.monotonic()
    check_system_file(system)
    check_search_path(search_path or [])

    from tessera.build.image import build_system
    from tessera.build.run import SYSTEM_FAILED, boot

    folders = search_path or []
    answers = Answers(system, board, folders, ignore_policy=ignore_policy)
    progress = output.progress(verbose)
    built = build_system(system, board, config.value, folders, image, report, progress, answers=answers)
    output.say_all([*answers.warnings, *built.warnings])
    booted = time.monotonic()
    check = _capability_check(built.report, built.kernel.elf) if verify_caps else None
    stream = sys.stderr if as_json else sys.stdout
    with check.watch() if check is not None else nullcontext() as watch:
        result = boot(built.image, board, timeout=timeout, stream=stream, icount=icount, watch=watch)
    if check is not None and check.verdict is None:
        # Who asked for it must not take a result for a checked one.
        result = result or SYSTEM_FAILED
    end = time.monotonic()
    if as_json:
        output.emit_json(
            {
                "ok": result == 0,
                "result": result,
                "seconds": {"build": booted - start, "run": end - booted, "total": end - start},
                **({} if check is None else {"capabilities": _verdict_facts(check)}),
                "build": {**vars(built), "warnings": [*answers.warnings, *built.warnings]},
            }
        )
    else:
        if check is not None:
            _say_verdict(check)
        output.say(
            f"result {result}; build {booted - start:.2f} s{' (unchanged)' if built.cached else ''}, "
            f"run {end - booted:.2f} s, in all {end - start:.2f} s"
        )
    raise typer.Exit(result)


def _capability_check(report: Path, kernel: Path) -> CapabilityCheck:
    """What compares the booted machine with the distribution that the build has written."""
    from tessera.build.reports import distribution_file
    from tessera.build.watched import CapabilityCheck
    from tessera.system.capdl_read import read

    file = distribution_file(report)
    assert file is not None
    return CapabilityCheck(read(file.read_text(encoding="utf-8"), str(file)), kernel)


def _verdict_facts(check: CapabilityCheck) -> dict[str, Any]:
    if check.verdict is None:
        return {"exact": False, "problem": check.problem}
    return {"exact": check.verdict.exact, **vars(check.verdict)}


def _say_verdict(check: CapabilityCheck) -> None:
    verdict = check.verdict
    if verdict is None:
        output.say(f"capabilities were not compared: {check.problem}")
    elif verdict.exact:
        counts = f"{verdict.objects} objects, {verdict.capabilities} capabilities"
        output.say(f"capabilities are exactly those of the distribution ({counts})")
        output.say_all(f"  {note}" for note in verdict.notes)
    else:
        output.say(f"capabilities are not those of the distribution: {len(verdict.differences)} differences")
        output.say_all(f"  {difference}" for difference in verdict.differences)

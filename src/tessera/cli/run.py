# SPDX-License-Identifier: BSD-2-Clause
"""`tessera run`: build if stale, boot, stream the console, and exit with the system's own result."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from tessera.cli import output
from tessera.cli.options import (
    DEFAULT_BOARD,
    Board,
    Config,
    ConfigOption,
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

EPILOG = exit_codes(
    (0, "the system ended with success"),
    (
        "1 to 255",
        "the system's own result, as it gave it to the board's test device;\n"
        '            then the last line says "result N", which tells it from the codes below',
    ),
    (124, "--timeout was over before the system ended"),
    (125, "the kernel stopped itself, or the system could not be started; the console says why"),
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
    from tessera.build.run import boot

    built = build_system(system, board, config.value, search_path or [], image, report, output.progress(verbose))
    output.say_all(built.warnings)
    booted = time.monotonic()
    result = boot(built.image, board, timeout=timeout, stream=sys.stderr if as_json else sys.stdout, icount=icount)
    end = time.monotonic()
    if as_json:
        output.emit_json(
            {
                "ok": result == 0,
                "result": result,
                "seconds": {"build": booted - start, "run": end - booted, "total": end - start},
                "build": built,
            }
        )
    else:
        output.say(
            f"result {result}; build {booted - start:.2f} s{' (unchanged)' if built.cached else ''}, "
            f"run {end - booted:.2f} s, in all {end - start:.2f} s"
        )
    raise typer.Exit(result)

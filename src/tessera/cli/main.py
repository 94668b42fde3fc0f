# SPDX-License-Identifier: BSD-2-Clause
"""The command `tessera`: its commands, and the boundary at which every error becomes a message and an exit code.

Commands import what does the work when they are called, so that `tessera --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from tessera import __version__
from tessera.cli import (
    bench,
    build,
    check,
    conformance,
    doctor,
    fuzz,
    kernel,
    output,
    prove,
    run,
    schedule,
    sdk,
    swap,
    time,
)
from tessera.cli.options import INTERNAL, INTERRUPTED, MISTAKE, TERMINATED, exit_codes, spread_search_paths
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location

TRACEBACK = "TESSERA_TRACEBACK"
_FILE_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)

app = typer.Typer(
    name="tessera",
    help="Build, boot and examine systems of isolated components on the Tessera kernel.",
    epilog=exit_codes((0, "success"), (1, "the command ran and its answer is no; see its own --help")),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes break the table of exit codes, and cost a third of the time until help is shown
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command("build", short_help="Build the image of a system.", epilog=build.EPILOG)(build.build)
app.command("kernel", short_help="Build the kernel alone.", epilog=kernel.EPILOG)(kernel.kernel)
app.command("check", short_help="Decide who can reach whom in a system.", epilog=check.EPILOG)(check.check)
app.command("time", short_help="Decide whether a system will be in time.", epilog=time.EPILOG)(time.time)
app.command("run", short_help="Boot a system in QEMU; build it if stale.", epilog=run.EPILOG)(run.run)
app.command("swap-kernel", short_help="Put our kernel into an image of upstream's loader.", epilog=swap.EPILOG)(
    swap.swap_kernel
)
app.command("sdk", short_help="Lay out our kernel for upstream's Microkit tool.", epilog=sdk.EPILOG)(sdk.sdk)
app.command("prove", short_help="Prove functions of the kernel.", epilog=prove.EPILOG)(prove.prove)
app.command("conformance", short_help="Check the kernel against the manual.", epilog=conformance.EPILOG)(
    conformance.conformance
)
app.command("bench", short_help="Count instructions of kernel operations.", epilog=bench.EPILOG)(bench.bench)
app.command("schedule", short_help="Run the scheduling examples.", epilog=schedule.EPILOG)(schedule.schedule)
app.command("fuzz", short_help="Compare the kernel with its specification.", epilog=fuzz.EPILOG)(fuzz.fuzz)
app.command("doctor", short_help="Tell what is installed and what is missing.", epilog=doctor.EPILOG)(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tessera {__version__}")
        raise typer.Exit


@app.callback()
def tessera(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Only holds what stands before the name of a command."""


def main() -> None:
    """Run the command line. Leaves with an exit code; no traceback reaches a person who did not ask for one."""
    # A terminated command must still stop what it started, so that no QEMU stays behind.
    # The second of the two comes when the terminal is closed.
    signal.signal(signal.SIGTERM, _on_terminate)
    signal.signal(signal.SIGHUP, _on_terminate)
    # A stream that the caller has closed is none at all for Python; what goes there is lost, and nothing else.
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    as_json = "--json" in sys.argv[1:]
    try:
        code = int(app(spread_search_paths(sys.argv[1:]), prog_name="tessera", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (Diagnostic, Diagnostics) as error:
        code = _mistake(error, as_json)
    except OSError as error:
        told = _file_mistake(error)
        code = _mistake(told, as_json) if told else _internal(error, as_json)
    except ModuleNotFoundError as error:
        missing = doctor.missing_package(error.name or "")
        code = _mistake(missing, as_json) if missing else _internal(error, as_json)
    except Exception as error:
        code = _usage_mistake(error, as_json) if hasattr(error, "format_message") else _internal(error, as_json)
    sys.exit(code)


def _on_terminate(number: int, frame: object) -> None:
    raise SystemExit(TERMINATED)


def _mistake(error: Diagnostic | Diagnostics, as_json: bool) -> int:
    _traceback_if_wanted()
    output.print_diagnostics(error, as_json)
    return MISTAKE


def _usage_mistake(error: Any, as_json: bool) -> int:
    """An unknown option, a missing argument and the like, found by the library that reads the command line."""
    error.show()
    if as_json:
        told = Diagnostic("usage", Location("command line"), error.format_message(), fix="see tessera --help")
        output.emit_json({"ok": False, "errors": [told.as_json()]})
    return MISTAKE


def _file_mistake(error: OSError) -> Diagnostic | None:
    """The message for a file that cannot be used, or for a disk that is full; None for everything else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Diagnostic(
            "no-space",
            Location(str(error.filename or "standard output or a file")),
            error.strerror or "no room",
            why="the result could not be written",
            fix="make room on the disk, or write to another place",
        )
    if not error.filename or not isinstance(error, _FILE_ERRORS):
        return None
    return Diagnostic(
        "file-access",
        Location(str(error.filename)),
        error.strerror or type(error).__name__,
        why="the system refused access to this file",
        fix="check that it exists and that its permissions let you read or write it",
    )


def _internal(error: Exception, as_json: bool) -> int:
    _traceback_if_wanted()
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(innermost.filename).name}:{innermost.lineno}"
    told = " ".join(str(error).split()) or "no further message"
    message = f"{type(error).__name__} at {place}: {told}"
    output.say(f"tessera: internal error: {message} (set {TRACEBACK}=1 to see the traceback)")
    if as_json:
        output.emit_json({"ok": False, "internal_error": message})
    return INTERNAL


def _traceback_if_wanted() -> None:
    if os.environ.get(TRACEBACK):
        traceback.print_exc()

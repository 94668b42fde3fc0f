# SPDX-License-Identifier: BSD-2-Clause
"""`tessera sdk`: our kernel as upstream's Microkit tool expects it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tessera.cli import output
from tessera.cli.options import DEFAULT_BOARD, Board, Config, Json, Verbose, exit_codes
from tessera.lang.diagnostics import Diagnostic, Location

EPILOG = exit_codes((0, "the files are written"))


def sdk(
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="A new folder for our kernel and its files.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="SDK", help="An unpacked SDK of upstream that gets our kernel; the rest stays."),
    ] = None,
    board: Board = DEFAULT_BOARD,
    config: Annotated[
        list[Config] | None, typer.Option("--config", help="Which configurations; may be repeated. By default, both.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write to DIR though there are other files in it.")] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Lay out our kernel as upstream's Microkit tool expects it, in a folder of its own or in an SDK of upstream."""
    if (folder is None) == (into is None):
        raise Diagnostic(
            "sdk-place",
            Location("command line"),
            "one of -o and --into has to be given" if folder is None else "only one of -o and --into can be given",
            why="-o DIR writes a new folder; --into SDK puts our kernel into an SDK that is there",
            fix="tessera sdk -o DIR, or tessera sdk --into SDK",
        )
    from tessera.build.sdk import KEPT, lay_into, lay_out

    configs = list(dict.fromkeys(one.value for one in config)) if config else None
    progress = output.progress(verbose)
    if into is not None:
        built = lay_into(into, board, configs, progress)
    else:
        assert folder is not None
        built = lay_out(folder, board, configs, force=force, progress=progress)
    if as_json:
        output.emit_json({"ok": True, **vars(built)})
        return
    for one in built.folders:
        output.say(f"sdk     {one.folder}: {len(one.written)} files")
        if one.kept:
            output.say(f"kept    {len(one.kept)} files of upstream's kernel in {one.folder / KEPT}")
        if one.missing:
            output.say(
                f"needs   {', '.join(path.name for path in one.missing)} from upstream's SDK, in {one.folder / 'elf'}"
            )

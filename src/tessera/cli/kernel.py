# SPDX-License-Identifier: BSD-2-Clause
"""`tessera kernel`: the kernel alone, as an ELF file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tessera.cli import output
from tessera.cli.options import DEFAULT_BOARD, Board, Config, ConfigOption, Json, Verbose, exit_codes

EPILOG = exit_codes((0, "the kernel is written"))


def kernel(
    profile: Annotated[
        str, typer.Option("--profile", metavar="PROFILE", help="What user level sees: microkit, sel4test.")
    ] = "microkit",
    board: Board = DEFAULT_BOARD,
    config: ConfigOption = Config.debug,
    elf: Annotated[Path | None, typer.Option("--output", "-o", metavar="ELF", help="The file to write.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Build the kernel alone."""
    from tessera.build.kernel import build_kernel

    built = build_kernel(profile, board, config.value, elf, output.progress(verbose))
    if as_json:
        output.emit_json({"ok": True, **vars(built)})
        return
    state = "unchanged" if built.cached else f"built in {sum(built.phases.values()):.2f} s"
    output.say(f"kernel  {built.elf} ({state})")
    output.say(f"size    text {output.size(built.text)}, data {output.size(built.data)}, bss {output.size(built.bss)}")

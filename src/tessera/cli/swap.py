# SPDX-License-Identifier: BSD-2-Clause
"""`tessera swap-kernel`: our kernel in a loader image that upstream's build made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tessera.cli import output
from tessera.cli.options import DEFAULT_BOARD, Board, Config, ConfigOption, Json, exit_codes

EPILOG = exit_codes((0, "the image is written"))


def swap_kernel(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image of upstream's ELF loader.")],
    result: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="The image to write.")],
    kernel: Annotated[
        Path | None, typer.Option("--kernel", metavar="ELF", help="The kernel to put in, instead of one built now.")
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="PROFILE", help="What user level sees: microkit, sel4test.")
    ] = "sel4test",
    board: Board = DEFAULT_BOARD,
    config: ConfigOption = Config.debug,
    as_json: Json = False,
) -> None:
    """Put our kernel into a loader image that was built with upstream's kernel; the rest of it stays as it is."""
    from tessera.build.kernel import build_kernel
    from tessera.build.swap import swap_kernel as swap

    elf = kernel or build_kernel(profile, board, config.value).elf
    done = swap(image, elf, result)
    if as_json:
        output.emit_json({"ok": True, **vars(done), "kernel": elf})
        return
    output.say(f"image   {done.image}")
    output.say(
        f"kernel  {output.size(done.new)} instead of {output.size(done.old)}; room left {output.size(done.left)}"
    )

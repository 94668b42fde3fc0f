# SPDX-License-Identifier: BSD-2-Clause
"""`tessera build`: from a system description to an image that boots."""

from __future__ import annotations

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

EPILOG = exit_codes((0, "the image and the report are written"))


def build(
    system: SystemFile,
    board: Board = DEFAULT_BOARD,
    config: ConfigOption = Config.debug,
    search_path: SearchPath = None,
    image: Image = None,
    report: Report = None,
    ignore_policy: IgnorePolicy = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Build the image of a system: kernel, initialiser and components, and the report about it."""
    check_system_file(system)
    check_search_path(search_path or [])

    from tessera.build.image import build_system

    folders = search_path or []
    answers = Answers(system, board, folders, ignore_policy=ignore_policy)
    progress = output.progress(verbose)
    built = build_system(system, board, config.value, folders, image, report, progress, answers=answers)
    output.say_all([*answers.warnings, *built.warnings])
    if as_json:
        output.emit_json({"ok": True, **vars(built), "warnings": [*answers.warnings, *built.warnings]})
        return
    state = "unchanged" if built.cached else f"built in {sum(built.phases.values()):.2f} s"
    output.say(f"image   {built.image} ({state})")
    output.say(f"report  {built.report}")

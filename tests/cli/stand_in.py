# SPDX-License-Identifier: BSD-2-Clause
"""The real command line with a stand-in for the builder, run as a program of its own.

``STAND_IN`` in the environment picks what the builder does: the name of an error to raise, or the path of an image that
it pretends to have built.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tessera.cli.main import main
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location


@dataclass(frozen=True)
class Built:
    """What both builders return, as far as the command line reads it."""

    image: Path
    report: Path
    elf: Path
    phases: dict[str, float]
    cached: bool
    text: int = 100 << 10
    data: int = 12
    bss: int = 3 << 20
    warnings: tuple[str, ...] = ("a.system:1:2: warning: a warning",)


def build_system(
    system: Path,
    board: str,
    config: str,
    search_paths: list[Path],
    output: Path | None,
    report: Path | None,
    progress: Callable[[str, float], None],
    *,
    answers: object = None,
) -> Built:
    """The interface of tessera.build.image.build_system."""
    wanted = os.environ["STAND_IN"]
    first = Diagnostic("first-rule", Location(str(system), 3, 7), "the first", why="because", fix="do so")
    errors: dict[str, BaseException] = {
        "diagnostic": first,
        "diagnostics": Diagnostics([first, Diagnostic("second-rule", Location(str(system), 5), "the second")]),
        "bug": ValueError("two\nlines"),
        "permission": PermissionError(13, "Permission denied", "locked.img"),
        "package": ModuleNotFoundError("No module named 'elftools.elf'", name="elftools.elf"),
        "unknown-package": ModuleNotFoundError("No module named 'zzz'", name="zzz"),
        "interrupt": KeyboardInterrupt(),
    }
    if wanted in errors:
        raise errors[wanted]
    progress("compile", 0.25)
    print(f"{board} {config} {[str(path) for path in search_paths]} {output} {report}", file=sys.stderr)
    return Built(Path(wanted), Path("report.json"), Path(wanted), {"compile": 0.25}, False)


def build_kernel(
    profile: str, board: str, config: str, output: Path | None, progress: Callable[[str, float], None]
) -> Built:
    """The interface of tessera.build.kernel.build_kernel."""
    return build_system(Path(profile), board, config, [], output, None, progress)


if __name__ == "__main__":
    for function in (build_system, build_kernel):
        module = types.ModuleType(
            f"tessera.build.{function.__name__.removeprefix('build_').replace('system', 'image')}"
        )
        setattr(module, function.__name__, function)
        sys.modules[module.__name__] = module
    main()

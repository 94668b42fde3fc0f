# SPDX-License-Identifier: BSD-2-Clause
"""Our kernel as upstream's Microkit tool expects it: a folder ``board/BOARD/CONFIG`` of an SDK.

The tool reads the kernel's ELF file and what is said about it as JSON, and computes from them what the kernel will hand
out at boot. The rest of such a folder is upstream's: loader, monitor, initialiser, library and headers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# These answer no for names that the system does not take, such as too long ones.
from os.path import exists, isdir, isfile
from pathlib import Path

from tessera import __version__
from tessera.abi import layout, objects
from tessera.abi.boards import Board
from tessera.abi.boards import board as find_board
from tessera.abi.headers import header_texts
from tessera.abi.invocations import INVOCATIONS
from tessera.abi.kernel_options import options_json
from tessera.abi.profiles import MICROKIT, Profile
from tessera.build.kernel import CONFIGURATIONS, Progress, build_kernel
from tessera.build.outputs import writing
from tessera.lang.diagnostics import Diagnostic, Location

# What we write, below the folder of a board and configuration.
KERNEL = Path("elf") / "sel4.elf"
PLATFORM = Path("platform_gen.json")
LABELS = Path("invocations_all.json")
SIZES = Path("object_sizes.json")
ADDRESS_SPACE = Path("address_space_constants.json")
OPTIONS = Path("include") / "kernel" / "gen_config.json"
OPTIONS_HEADER = Path("include") / "kernel" / "gen_config.h"

# What only upstream's SDK has, and its tool asks for.
THEIRS = tuple(Path("elf") / name for name in ("loader.elf", "monitor.elf", "initialiser.elf"))

# Says that a folder is ours and may be written again; in the folder of a configuration, which kernel we put there.
MARK = "tessera-sdk.json"
# Where the files of upstream's kernel go that ours take the place of.
KEPT = "upstream-kernel"


@dataclass
class SdkFolder:
    """One configuration: what was written, what of upstream's was kept aside, and what the tool still needs."""

    config: str
    folder: Path
    written: list[Path]
    kept: list[Path]
    missing: list[Path]


@dataclass
class SdkBuild:
    """All that was laid out."""

    sdk: Path
    board: str
    profile: str
    folders: list[SdkFolder]


def sdk_texts(profile: Profile, board: Board, *, debug: bool) -> dict[Path, str]:
    """What is said about a kernel, by the path of the file."""
    return {
        PLATFORM: json.dumps(
            {
                "devices": [{"start": gap.start, "end": gap.end} for gap in board.device_gaps(profile.memory_size)],
                "memory": [{"start": ram.start, "end": ram.end} for ram in (board.memory(profile.memory_size),)],
            }
        ),
        LABELS: json.dumps({call.symbol: int(call.label) for call in INVOCATIONS}),
        SIZES: json.dumps(
            {
                "tcb": objects.TCB_BITS,
                "endpoint": objects.ENDPOINT_BITS,
                "notification": objects.NOTIFICATION_BITS,
                "small_page": objects.PAGE_BITS,
                "large_page": objects.MEGA_PAGE_BITS,
                "asid_pool": objects.ASID_POOL_BITS,
                "asid_table": objects.ASID_POOL_INDEX_BITS,
                "slot": objects.SLOT_BITS,
                "min_untyped_bits": objects.MIN_UNTYPED_BITS,
                "max_untyped_bits": objects.MAX_UNTYPED_BITS,
                "vspace": objects.VSPACE_BITS,
                "reply": objects.REPLY_BITS,
                "page_table": objects.PAGE_TABLE_BITS,
                "huge_page": objects.GIGA_PAGE_BITS,
            }
        ),
        ADDRESS_SPACE: json.dumps(
            {"page_table_index_bits": objects.PAGE_TABLE_INDEX_BITS, "vspace_user_top": layout.USER_TOP - 1}
        ),
        OPTIONS: options_json(profile, board, debug=debug),
        OPTIONS_HEADER: header_texts(profile, board, debug=debug)["kernel/gen_config.h"],
    }


def lay_out(
    output: Path, board: str, configs: Sequence[str] | None, *, force: bool = False, progress: Progress | None = None
) -> SdkBuild:
    """A folder with nothing but our kernel in it. Raises :class:`Diagnostic` when there is something else already."""
    place = find_board(board)
    _check_free(output, force)
    folders = [_write(output, place, config, progress) for config in configs or CONFIGURATIONS]
    with writing(output, "choose another folder with -o"):
        (output / MARK).write_text(json.dumps(_mark()) + "\n")
    return SdkBuild(output, place.name, MICROKIT.name, folders)


def lay_into(sdk: Path, board: str, configs: Sequence[str] | None, progress: Progress | None = None) -> SdkBuild:
    """Put our kernel into an SDK of upstream. Its own kernel is kept beside ours.

    Without ``configs``, all that both have. Raises :class:`Diagnostic` if this is no SDK for the board.
    """
    place = find_board(board)
    folder = sdk / "board" / place.name
    found = _folders(folder)
    if not found:
        raise _no_sdk(sdk, place)
    chosen = list(configs or [name for name in CONFIGURATIONS if name in found])
    for config in chosen or CONFIGURATIONS[:1]:
        if config not in found:
            raise Diagnostic(
                "sdk-config-missing",
                Location(str(folder)),
                f"this SDK has no configuration {config!r} of the board",
                why=f"it has {', '.join(found)}",
                fix="choose another with --config, or take an SDK that has it",
            )
        if not isfile(folder / config / KERNEL):
            raise Diagnostic(
                "sdk-kernel-missing",
                Location(str(folder / config)),
                f"there is no kernel here: {KERNEL} is missing",
                why="our kernel takes the place of upstream's; the rest of the SDK stays as it is",
                fix="name the top folder of an unpacked Microkit SDK of RISC-V boards",
            )
        _check_labels(folder / config / LABELS)
    return SdkBuild(
        sdk, place.name, MICROKIT.name, [_write(sdk, place, config, progress, keep=True) for config in chosen]
    )


def _check_labels(path: Path) -> None:
    """The library, monitor and initialiser of an SDK are compiled already: they ask our kernel with their numbers."""
    ours = {call.symbol: int(call.label) for call in INVOCATIONS}
    try:
        theirs = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        theirs = None
    if not isinstance(theirs, dict):
        what = "it cannot be read which numbers the programs of this SDK use for invocations"
    else:
        names = sorted(ours.keys() | theirs.keys(), key=lambda name: (ours.get(name, len(ours) + 1), name))
        other = next((name for name in names if theirs.get(name) != ours.get(name)), None)
        if other is None:
            return
        told = [
            "no number" if numbers.get(other) is None else f"the number {numbers[other]}" for numbers in (theirs, ours)
        ]
        what = (
            f"this SDK is for another version of seL4: the invocation {other} has {told[0]} there, and {told[1]} here"
        )
    raise Diagnostic(
        "sdk-interface",
        Location(str(path)),
        what,
        why="its library and all programs that are linked with it ask the kernel with these numbers",
        fix="take the SDK of Microkit 2.3, which is for seL4 16; with another one, link programs anew and use -o",
    )


def _write(sdk: Path, board: Board, config: str, progress: Progress | None, *, keep: bool = False) -> SdkFolder:
    folder = sdk / "board" / board.name / config
    kernel = build_kernel(MICROKIT.name, board.name, config, None, progress).elf
    texts = sdk_texts(MICROKIT, board, debug=config == "debug")
    written = [KERNEL, *texts]
    with writing(folder, "make the folder writable, or choose another one"):
        kept = _keep(folder, written) if keep and not _is_ours(folder) else []
        # First, so that an interrupted run never takes our kernel for upstream's.
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text(json.dumps(_mark() | {"kernel_sha256": _digest(kernel)}) + "\n")
        for path in written:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # Not over the old file: upstream's are read-only, and may be links to others.
            target.unlink(missing_ok=True)
            if path == KERNEL:
                shutil.copyfile(kernel, target)
            else:
                target.write_text(texts[path])
    return SdkFolder(config, folder, written, kept, [path for path in THEIRS if not isfile(folder / path)])


def _keep(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """Copy upstream's files aside. What was kept before is replaced when all is copied."""
    kept = [path for path in paths if isfile(folder / path)]
    aside, new = folder / KEPT, folder / f"{KEPT}.new"
    shutil.rmtree(new, ignore_errors=True)
    for path in kept:
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / path, new / path)
    shutil.rmtree(aside, ignore_errors=True)
    new.rename(aside)
    return kept


def _is_ours(folder: Path) -> bool:
    """Whether the kernel of a configuration is the one that we put there."""
    try:
        mark = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(mark, dict) and mark.get("kernel_sha256") == _digest(folder / KERNEL)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _mark() -> dict[str, str]:
    return {"tessera": __version__, "profile": MICROKIT.name}


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if isdir(entry)) if isdir(path) else []


def _check_free(output: Path, force: bool) -> None:
    if exists(output) and not isdir(output):
        raise Diagnostic(
            "output-is-file",
            Location(str(output)),
            "the SDK cannot be laid out here: this is a file",
            why="-o names the folder that the files go to",
            fix="name a new or an empty folder",
        )
    if isdir(output) and any(output.iterdir()) and not isfile(output / MARK) and not force:
        into = "; --into puts our kernel into an SDK of upstream" if isdir(output / "board") else ""
        raise Diagnostic(
            "output-not-empty",
            Location(str(output)),
            "there are other files in this folder already",
            why="the kernel of another SDK would be lost",
            fix=f"name a new or an empty folder, or add --force to write over what is there{into}",
        )


def _no_sdk(sdk: Path, board: Board) -> Diagnostic:
    boards = _folders(sdk / "board")
    if boards:
        return Diagnostic(
            "sdk-board-missing",
            Location(str(sdk / "board")),
            f"this SDK has nothing for the board {board.name}",
            why=f"it has {', '.join(boards[:8])}{', ...' if len(boards) > 8 else ''}",
            fix="take an SDK that has this board",
        )
    what = "this is no SDK of Microkit" if isdir(sdk) else "there is no such folder"
    return Diagnostic(
        "not-an-sdk",
        Location(str(sdk)),
        "this is a file, not the folder of an unpacked SDK" if isfile(sdk) else what,
        why="an SDK has a folder 'board' with a folder for each board in it",
        fix="name the top folder of an unpacked SDK; to lay out our kernel alone, use -o",
    )

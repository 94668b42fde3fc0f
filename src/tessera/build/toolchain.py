# SPDX-License-Identifier: BSD-2-Clause
"""C components: the compiler, its flags and include folders, and errors with their place in the source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import tessera.runtime
from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.headers import write_headers
from tessera.abi.profiles import MICROKIT, Profile
from tessera.arch.riscv64.target import USER
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.llvm.compile import compile_c, compiler_program

# The dialect of upstream's components. Static functions of headers that a component does not call are no mistake.
# A null pointer is an address like any other, at which nothing is mapped: using it has to be a fault that is told, not
# code that the compiler may leave out. Where it proves that a function cannot go on, the function traps.
DIALECT_FLAGS = ("-std=gnu11", "-nostdlib", "-Wno-unused-function")
CODE_FLAGS = ("-fno-delete-null-pointer-checks", "-mllvm", "-trap-unreachable")

_ERROR = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?:fatal )?error: (?P<what>.*)$", re.MULTILINE)
_WARNING = re.compile(r"^[^:\n]+:\d+:\d+: warning: .*$", re.MULTILINE)


def c_compiler() -> list[str]:
    """The beginning of a command that compiles C. Raises :class:`Diagnostic` if the compiler is missing."""
    return [compiler_program(), "clang"]


def linker() -> list[str]:
    """The beginning of a command that links ELF files. Raises :class:`Diagnostic` if the linker is missing."""
    return [compiler_program(), "ld.lld"]


def resource_folder() -> Path:
    """Where the compiler's own headers lie, in ``include``: stdint.h, stddef.h, stdbool.h and the like."""
    return Path(compiler_program()).parent / "lib"


def runtime_headers() -> Path:
    """The folder of the hand-written headers: microkit.h and sel4/sel4.h."""
    return Path(next(iter(tessera.runtime.__path__))) / "include"


def user_c_flags(headers: Path) -> list[str]:
    """Flags for the C source of a component; ``headers`` is the folder that :func:`write_headers` filled.

    No path of this machine gets into the object, so that the same sources give the same bytes everywhere.
    """
    folders = {"include": headers.resolve(), "runtime": runtime_headers(), "compiler": resource_folder()}
    flags = [*DIALECT_FLAGS, *CODE_FLAGS, "-resource-dir", str(folders["compiler"])]
    flags += [f"-I{folders['include']}", f"-I{folders['runtime']}"]
    flags += [f"-ffile-prefix-map={folder}={name}" for name, folder in folders.items()]
    return flags


def user_c_command(headers: Path, include: Iterable[Path] = ()) -> list[str]:
    """The command that compiles a component's source by hand, without the file names; for tests and documentation."""
    target = [f"--target={USER.triple}", f"-march={USER.march}", f"-mabi={USER.mabi}", *USER.flags]
    own = [f"-I{folder.resolve()}" for folder in include]
    return [*c_compiler(), *target, "-O2", "-ffreestanding", *own, *user_c_flags(headers)]


def prepare_headers(
    folder: Path, profile: Profile = MICROKIT, board: Board = QEMU_VIRT_RISCV64, *, debug: bool = True
) -> Path:
    """Write the generated headers below ``folder`` and give it back."""
    write_headers(folder, profile, board, debug=debug)
    return folder


def compile_component_source(
    source: Path,
    output: Path,
    *,
    headers: Path,
    include: Iterable[Path] = (),
    defines: Mapping[str, int | str] | None = None,
    optimise: int | str = 2,
    warnings: list[str] | None = None,
) -> Path:
    """Compile one C or assembly source of a component.

    Each warning is added to ``warnings`` as one line, with its place as seen from the source's folder.
    Raises :class:`Diagnostic` (rule ``c-compile``) at the line and column of an error, or several as
    :class:`Diagnostics`.
    """
    if not source.is_file():
        raise Diagnostic(
            "c-source-missing",
            Location(str(source)),
            f"there is no file {source.name!r}",
            why="a component's source is compiled when the system is built",
            fix="correct the path, or put the file there",
        )
    told: list[str] = []
    try:
        compile_c(
            source,
            output,
            target=USER,
            optimise=optimise,
            defines=defines,
            include=include,
            flags=user_c_flags(headers),
            warnings=told,
        )
    except Diagnostic as error:
        raise _located(error, source) from None
    if warnings is not None:
        warnings += _WARNING.findall("".join(told))
    return output


def _located(error: Diagnostic, source: Path) -> Diagnostic | Diagnostics:
    """The compiler's messages with their places; as they are if none is named."""
    found = [
        Diagnostic(
            "c-compile",
            # The compiler runs in the source's folder.
            Location(str(source.parent / each["file"]), int(each["line"]), int(each["column"])),
            each["what"],
            why=f"the C compiler rejects {source.name}",
            fix=_advice(each["what"]),
        )
        for each in _ERROR.finditer(error.why)
    ]
    if not found:
        return error
    return found[0] if len(found) == 1 else Diagnostics(found)


def _advice(message: str) -> str:
    header = re.match(r"'(?P<name>[^']+)' file not found", message)
    if header is not None:
        return f"give the folder that contains {header['name']!r} as a search path; there is no C library"
    return "correct the source at this place"

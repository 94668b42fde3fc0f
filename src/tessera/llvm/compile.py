# SPDX-License-Identifier: BSD-2-Clause
"""From LLVM IR, assembly and C to RV64 objects and linked images, with the clang and the linker of ``ziglang``.

The programs are started directly, without a shell. The same input gives the same bytes: IR comes in through a pipe,
and no path of this machine gets into an object.
"""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tessera.arch.riscv64.target import KERNEL, CodeTarget
from tessera.lang.diagnostics import Diagnostic, Location

# Values that may not be assumed about code that runs without an operating system.
_FREESTANDING = (
    "-ffreestanding",
    "-fno-builtin",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-ident",
    "-fno-addrsig",
)
TOLD_LINES = 40
_IR_FLAGS = ("-Wno-override-module", "-fno-unroll-loops", "-fno-vectorize", "-fno-slp-vectorize")


@cache
def compiler_program() -> str:
    """The path of the program that is clang, linker and archiver in one. Raises ``Diagnostic`` if it is missing."""
    package = importlib.util.find_spec("ziglang")
    program = Path(package.origin if package and package.origin else "ziglang/__init__.py").parent / "zig"
    if not program.exists():
        raise Diagnostic(
            "toolchain",
            Location(str(program.name)),
            "the compiler is missing",
            why="the Python package ziglang contains it, and the installed one is missing or has no program",
            fix="install the packages again: make distclean setup",
        )
    return str(program)


def _run(arguments: Sequence[str], told: str, stdin: str | None = None, directory: Path | None = None) -> str:
    """Run one of the programs, and give back its warnings; about text that we generated (``stdin``) they are errors."""
    done = subprocess.run(
        [compiler_program(), *arguments],
        input=stdin.encode() if stdin is not None else None,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        cwd=directory,
        check=False,
    )
    if done.returncode != 0 or (stdin is not None and b"warning:" in done.stderr):
        text = done.stderr.decode(errors="replace").strip() or f"the program ended with {done.returncode}"
        lines = text.splitlines()
        # What stands in front of the first error, such as how a header was reached, can be longer than the error.
        first = next((index for index, line in enumerate(lines) if "error" in line), 0)
        raise Diagnostic(
            "compile",
            Location(told),
            lines[first],
            why="\n".join(lines[first : first + TOLD_LINES]),
            fix="correct the source at the place that is named",
        )
    return done.stderr.decode(errors="replace")


def _target_flags(target: CodeTarget) -> list[str]:
    return [f"--target={target.triple}", f"-march={target.march}", f"-mabi={target.mabi}", *target.flags]


def _optimise_flag(optimise: int | str) -> str:
    if str(optimise) not in ("0", "1", "2", "3", "s", "z"):
        raise ValueError(f"no such level of optimisation: {optimise}")
    return f"-O{optimise}"


def compile_object(
    ir_text: str, output: Path, *, target: CodeTarget = KERNEL, optimise: int | str = 2, flags: Iterable[str] = ()
) -> Path:
    """Compile LLVM IR text (of :func:`tessera.llvm.emit.emit_module`) to an object; the same text, the same bytes.

    ``optimise`` is 0 to 3, ``"s"`` or ``"z"``; ``flags`` are further flags of clang. Raises ``Diagnostic``.
    """
    arguments = ["clang", *_target_flags(target), _optimise_flag(optimise), *_FREESTANDING, *_IR_FLAGS, *flags]
    _run([*arguments, "-x", "ir", "-c", "-o", str(output.absolute()), "-"], output.name, stdin=ir_text)
    return output


def assemble(
    source: Path,
    output: Path,
    *,
    target: CodeTarget = KERNEL,
    defines: Mapping[str, int | str] | None = None,
    include: Iterable[Path] = (),
    debug_info: bool = True,
) -> Path:
    """Assemble a ``.S`` file through the C preprocessor. Raises ``Diagnostic``."""
    return compile_c(source, output, target=target, optimise=2, defines=defines, include=include, debug_info=debug_info)


def compile_c(
    source: Path,
    output: Path,
    *,
    target: CodeTarget = KERNEL,
    optimise: int | str = 2,
    defines: Mapping[str, int | str] | None = None,
    include: Iterable[Path] = (),
    flags: Iterable[str] = (),
    debug_info: bool = True,
    warnings: list[str] | None = None,
) -> Path:
    """Compile one C or ``.S`` file for a freestanding program; what the compiler warns of is added to ``warnings``.

    Raises ``Diagnostic`` with the compiler's message.
    """
    directory = source.resolve().parent
    arguments = ["clang", *_target_flags(target), _optimise_flag(optimise), *_FREESTANDING, "-Wall", *flags]
    arguments += [f"-D{name}={value}" for name, value in (defines or {}).items()]
    arguments += [f"-I{path.resolve()}" for path in include]
    if debug_info:
        arguments += ["-g", "-gdwarf-4", "-fdebug-compilation-dir=."]
    # Started in the source's directory, and the file by its bare name: no absolute path reaches the object.
    arguments += [f"-ffile-prefix-map={directory}=.", "-c", source.name, "-o", str(output.absolute())]
    told = _run(arguments, str(source), directory=directory)
    if warnings is not None and told:
        warnings.append(told)
    return output


def link(
    objects: Iterable[Path],
    script: Path,
    output: Path,
    *,
    symbols: Mapping[str, int] | None = None,
    flags: Iterable[str] = (),
) -> Path:
    """Link objects with a linker script; what nothing refers to is left out. ``symbols`` are given to the script.

    Raises ``Diagnostic``.
    """
    arguments = [
        "ld.lld",
        "-m",
        "elf64lriscv",
        "--gc-sections",
        "--no-relax",
        "--discard-locals",
        "-z",
        "max-page-size=4096",
    ]
    arguments += ["--build-id=none", "--fatal-warnings", "--orphan-handling=error", *flags]
    arguments += [f"--defsym={name}={value:#x}" for name, value in (symbols or {}).items()]
    arguments += ["-T", str(script.absolute()), "-o", str(output.absolute())]
    _run([*arguments, *(str(path.absolute()) for path in objects)], output.name)
    return output


def size_of_sections(elf: Path) -> dict[str, int]:
    """Sizes in bytes of the sections of an ELF file that take memory, by name, in the order of the file."""
    sizes: dict[str, int] = {}
    with elf.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            if section["sh_flags"] & 2 and section["sh_size"]:  # 2 is SHF_ALLOC
                sizes[section.name] = sizes.get(section.name, 0) + int(section["sh_size"])
    return sizes

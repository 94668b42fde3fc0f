# SPDX-License-Identifier: BSD-2-Clause
"""Plugins of ours for QEMU that watch instructions: compiled for this machine, and a suite booted with one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tessera.build.cache import cached, digest
from tessera.build.run import qemu_command
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.llvm.compile import compiler_program
from tessera.suites.program import BOARD, SuiteImage

HEADER = Path(__file__).parent / "qemu_plugin.h"
# Of QEMU's interface for plugins: up to 8.2.3, and later ones.
PLUGIN_VERSIONS = (1, 2)

# What tells of a run that was not measured: what was missing, and why.
Failed = Callable[[str, str], Diagnostic]


def plugin(source: Path, version: int) -> Path:
    """A plugin, compiled for this machine and a version of QEMU's interface. Raises :class:`Diagnostic`."""
    name = f"{source.stem}.so"

    def compile_(work: Path) -> None:
        command = [compiler_program(), "cc", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", f"-DVERSION={version}"]
        done = subprocess.run(
            [*command, "-o", str(work / name), str(source)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"), "ZIG_LOCAL_CACHE_DIR": str(work / "zig")},
        )
        if done.returncode != 0:
            raise Diagnostic(
                source.stem,
                Location(str(source)),
                "the plugin that watches instructions cannot be compiled for this machine",
                why=done.stderr.strip() or f"the compiler ended with {done.returncode}",
            )

    return cached(source.stem, digest([str(version)], [source, HEADER]), compile_)[0] / name


def places(elf: Path, wanted: Callable[[int], bool]) -> list[int]:
    """The addresses of all instructions of 4 bytes in a program's code that are wanted."""
    found = []
    with elf.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".text")
        assert section is not None, f"{elf.name} has no code"
        start, code = int(section["sh_addr"]), section.data()
    at = 0
    while at + 4 <= len(code):
        word = int.from_bytes(code[at : at + 4], "little")
        is_long = word & 3 == 3
        if is_long and wanted(word):
            found.append(start + at)
        at += 4 if is_long else 2
    return found


def boot_with_plugin(
    image: SuiteImage, source: Path, arguments: Sequence[str], written: Path, failed: Failed, timeout: float
) -> tuple[str, str]:
    """Boot with exact instruction counts and a plugin; what the plugin has written, and the console.

    ``arguments`` are for the plugin, which gets ``out=written`` too; ``timeout`` in seconds. Raises what ``failed``
    gives if the run did not come to its end.
    """
    command = qemu_command(image.layout.path, BOARD, icount=True, memory_size=image.memory_size)
    for version in PLUGIN_VERSIONS:
        given = ["-plugin", ",".join([str(plugin(source, version)), f"out={written}", *arguments])]
        try:
            done = subprocess.run(
                [*command, *given],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            console = (expired.stdout or b"").decode(errors="replace")
            raise failed(f"there was no result after {timeout:g} s", console[-1000:]) from expired
        if "API version" not in done.stderr:
            break
    if done.returncode != 0 or not written.exists():
        told = [line for line in done.stdout.splitlines() if line.startswith(("DIFF|", "CASE|FAIL|"))]
        raise failed(f"exit code {done.returncode}", done.stderr or "\n".join(told) or done.stdout[-1000:])
    return written.read_text(), done.stdout

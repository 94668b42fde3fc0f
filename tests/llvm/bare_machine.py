# SPDX-License-Identifier: BSD-2-Clause
"""Builds a program that runs alone on QEMU's virt machine, and runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tessera.llvm.compile import assemble, compile_c, compile_object, link

BARE = Path(__file__).resolve().parent / "bare"


def build(directory: Path, ir_text: str, main: str) -> Path:
    """An ELF file of compiled IR and a C ``main``."""
    source = directory / "main.c"
    source.write_text(main)
    objects = [
        assemble(BARE / "head.S", directory / "head.o", defines={"STACK_SIZE": 65536}),
        compile_c(source, directory / "main.o", include=[BARE]),
        compile_object(ir_text, directory / "code.o"),
    ]
    return link(objects, BARE / "bare.ld", directory / "bare.elf")


def run(elf: Path) -> tuple[int, str]:
    """Exit code and console text. ``FileNotFoundError`` where QEMU is missing."""
    command = ["qemu-system-riscv64", "-machine", "virt", "-cpu", "rv64", "-bios", "none", "-display", "none"]
    command += ["-serial", "stdio", "-monitor", "none", "-kernel", str(elf)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode()

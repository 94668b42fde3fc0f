# SPDX-License-Identifier: BSD-2-Clause
"""A guest of a few instructions, for tests of what boots images and of what reports on runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent / "guest.S"
# Where the board's firmware enters an image.
ENTRY = "0x80200000"


def assemble_guest(folder: Path, message: bytes, exit_code: int | None) -> Path:
    """An ELF file in ``folder`` that prints ``message`` and exits with ``exit_code``, or never if that is None."""
    tool = [sys.executable, "-m", "ziglang"]
    escaped = "".join(f"\\{byte:03o}" for byte in message)
    definitions = [f'-DMESSAGE="{escaped}"', *([] if exit_code is None else [f"-DEXIT_CODE={exit_code}"])]
    made, elf = folder / "guest.o", folder / "guest.elf"
    target = ["--target=riscv64-unknown-elf", "-march=rv64imac", "-mcmodel=medany"]
    subprocess.run([*tool, "clang", *target, *definitions, "-c", "-o", str(made), str(SOURCE)], check=True)
    subprocess.run([*tool, "ld.lld", "-N", f"-Ttext={ENTRY}", "-e", "_start", "-o", str(elf), str(made)], check=True)
    return elf

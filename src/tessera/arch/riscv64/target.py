# SPDX-License-Identifier: BSD-2-Clause
"""What a compiler is told about this architecture: triple, data layout, instruction set, calling convention, model.

Kernel code has no floating point, so that a trap needs to save integer registers only; its code that saves and restores
the FPU is assembly under ``.option arch``. User code has the full general set.
"""

from __future__ import annotations

from dataclasses import dataclass

# Pointers and 128-bit integers as LLVM 22 lays them out; a test compares this with LLVM's own string.
DATA_LAYOUT = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
TRIPLE = "riscv64-unknown-elf"


@dataclass(frozen=True)
class CodeTarget:
    """One way to compile for this architecture.

    ``code_model`` is the module flag of LLVM (3 is medium: addresses relative to the program counter, so that code
    may be linked at any address). ``flags`` go to clang as they are.
    """

    name: str
    march: str
    mabi: str
    triple: str = TRIPLE
    data_layout: str = DATA_LAYOUT
    code_model: int = 3
    flags: tuple[str, ...] = ("-mcmodel=medany", "-mno-relax", "-fno-pic")


KERNEL = CodeTarget("kernel", "rv64imac", "lp64")
USER = CodeTarget("user", "rv64gc", "lp64d")

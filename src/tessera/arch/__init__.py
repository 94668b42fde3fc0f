# SPDX-License-Identifier: BSD-2-Clause
"""The architecture in use, under names that do not tell which it is."""

from tessera.arch.riscv64 import machine, paging, registers

__all__ = ["machine", "paging", "registers"]

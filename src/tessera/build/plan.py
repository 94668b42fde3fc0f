# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel will hand to the initialiser, known before the image is made."""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.abi.boards import Region
from tessera.abi.configuration import configuration
from tessera.abi.layout import BootPlan, BootPlanError, plan_boot, round_up
from tessera.abi.objects import PAGE_BITS
from tessera.build.boot_image import flatten
from tessera.lang.diagnostics import Diagnostic
from tessera.system.model import System


def plan_image(kernel: Path, initialiser: Path, distribution_bytes: int, system: System) -> BootPlan:
    """The kernel's plan for an image of these parts. Raises :class:`Diagnostic` when they do not fit."""
    core = flatten(kernel, physical=True)
    task = flatten(initialiser, physical=False)
    start = core.end
    end = round_up(start + task.end - task.start + distribution_bytes, PAGE_BITS)
    try:
        return plan_boot(
            configuration.board,
            configuration.profile,
            kernel=Region(core.start, core.end),
            kernel_boot_end=_physical_symbol(kernel, "ki_boot_end", core.end),
            image=Region(start, end),
            image_virtual=task.start,
        )
    except BootPlanError as error:
        raise Diagnostic(
            "image-too-large",
            system.location,
            f"the system's programs and contents do not fit the machine: {error}",
            why=f"they are loaded together with the kernel, and take {end - start} bytes",
            fix="make programs or the contents of memory regions smaller",
        ) from None


def _physical_symbol(kernel: Path, name: str, end: int) -> int:
    """The physical address of a symbol of the kernel, whose symbol ki_end is at the physical address ``end``."""
    with kernel.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        virtual = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}
    return virtual[name] - virtual["ki_end"] + end

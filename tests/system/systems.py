# SPDX-License-Identifier: BSD-2-Clause
"""Systems for tests: the greeter with made-up programs, and any description from a string."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tessera.abi.boards import QEMU_VIRT_RISCV64, Region
from tessera.abi.layout import BootPlan, plan_boot
from tessera.abi.profiles import MICROKIT
from tessera.lang.diagnostics import Location
from tessera.system import environment as env
from tessera.system.allocate import Allocation, allocate
from tessera.system.capdl import Distribution
from tessera.system.distribute import distribute
from tessera.system.elf import ProgramImage, read_program
from tessera.system.model import System
from tessera.system.sdf import parse
from tests.system.programs import program

GREETER = Path(__file__).parents[2] / "examples" / "greeter" / "greeter.system"
BOARD = QEMU_VIRT_RISCV64


def described(text: str) -> System:
    """The system that ``text``, the contents of the element `system`, describes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.system"
        path.write_text(f"<system>{text}</system>")
        return parse(path, shown_as="test.system")


def domain(name: str, contents: str = "", **attributes: object) -> str:
    """A protection domain with the image `name.elf`."""
    written = "".join(f' {key}="{value}"' for key, value in attributes.items())
    image = f'<program_image path="{name}.elf" />'
    return f'<protection_domain name="{name}"{written}>{image}{contents}</protection_domain>'


def image(*variables: str) -> ProgramImage:
    """A program with the platform's variables and ``variables``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.elf"
        path.write_bytes(program(*variables).elf())
        return read_program(path, env.USER_SPACE, Location("test.system", 1, 1))


def images(system: System) -> dict[str, ProgramImage]:
    """A program for every domain, with the variables that the description sets, and one for the monitor."""
    made = {pd.name: image(*(v.symbol for v in system.variables(pd))) for pd in system.domains()}
    return {**made, env.MONITOR_NAME: image()}


def distributed(text: str, *, benchmark: bool = False) -> Distribution:
    system = described(text)
    return distribute(system, images(system), benchmark=benchmark)


def boot_plan() -> BootPlan:
    """What the kernel hands out on the board, with a small kernel and initialiser."""
    kernel, initialiser = Region(0x8020_0000, 0x8024_0000), Region(0x8024_0000, 0x8030_0000)
    return plan_boot(
        BOARD,
        MICROKIT,
        kernel=kernel,
        kernel_boot_end=kernel.start + 0x4000,
        image=initialiser,
        image_virtual=0x40_0000,
    )


def allocated(distribution: Distribution, system: System) -> Allocation:
    plan = boot_plan()
    return allocate(distribution, system, plan.untypeds, slots=len(plan.empty), board=BOARD)

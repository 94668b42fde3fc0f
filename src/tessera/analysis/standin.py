# SPDX-License-Identifier: BSD-2-Clause
"""The capability distribution of a system of which only the description is there.

Which capabilities a component gets does not depend on its program, but for frames that hold the program and that nobody
else maps. So a stand-in of a page takes the program's place, with the variables that the description sets.
"""

from __future__ import annotations

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.layout import COMPONENT_IMAGE
from tessera.abi.profiles import MICROKIT, Profile
from tessera.system import environment as env
from tessera.system.capdl import Distribution
from tessera.system.distribute import distribute
from tessera.system.elf import ProgramImage, Segment, Symbol
from tessera.system.model import Permissions, ProtectionDomain, System
from tessera.system.patch import WORD, platform_variables


def distribution_of(system: System, *, board: Board = QEMU_VIRT_RISCV64, profile: Profile = MICROKIT) -> Distribution:
    """The distribution that a build would make, with stand-ins for programs. Raises :class:`Diagnostic`."""
    images = {pd.name: stand_in(pd, system) for pd in system.domains()}
    images[env.MONITOR_NAME] = _image({}, COMPONENT_IMAGE)
    return distribute(system, images, board=board, profile=profile)


def stand_in(pd: ProtectionDomain, system: System) -> ProgramImage:
    """A program that has every variable of the platform and of the description, where no memory region is mapped."""
    sizes = {name: len(value) for name, value in platform_variables(pd, system).items()}
    sizes |= {variable.symbol: WORD for variable in system.variables(pd)}
    space = env.USER_SPACE
    length = space.page_up(sum(-(-size // WORD) * WORD for size in sizes.values()) or 1)
    taken = sorted((m.vaddr, m.vaddr + system.region(m.mr).size) for m in pd.maps)
    for base in (COMPONENT_IMAGE, space.page):
        start = base
        for low, high in taken:
            if low < start + length and start < high:
                start = space.page_up(high)
        if start + length <= space.stack_bottom(pd.stack_size):
            break
    return _image(sizes, start)


def _image(sizes: dict[str, int], start: int) -> ProgramImage:
    symbols = {}
    address = start
    for name, size in sizes.items():
        symbols[name] = Symbol(name, address, size)
        address += -(-size // WORD) * WORD
    symbols["_start"] = Symbol("_start", start, 0)
    perms = Permissions.READ | Permissions.WRITE | Permissions.EXECUTE
    return ProgramImage("stand-in", start, (Segment(start, max(address - start, 1), b"", perms),), symbols)

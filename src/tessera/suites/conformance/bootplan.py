# SPDX-License-Identifier: BSD-2-Clause
"""The case that the host decides: the BootInfo of the booted kernel is what the boot plan says it has to be."""

from __future__ import annotations

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.abi.boards import Region
from tessera.abi.boards import board as find_board
from tessera.abi.layout import BootPlan, Slots, plan_boot
from tessera.abi.profiles import profile as find_profile
from tessera.suites.program import BOARD, SuiteImage

NAME = "bootinfo_is_the_boot_plan"
PROMISE = "All slots, regions and untypeds are where a tool can compute them to be (System Bootstrapping)."


def boot_plan(image: SuiteImage, profile: str) -> BootPlan:
    """The plan for an image, computed from its layout and from the kernel's own symbol for the end of its boot code."""
    layout = image.layout
    with image.kernel.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        virtual = {symbol.name: int(symbol["st_value"]) for symbol in symbols.iter_symbols()}
    window = virtual["ki_end"] - layout.kernel_end
    return plan_boot(
        find_board(BOARD),
        find_profile(profile),
        kernel=Region(layout.kernel_start, layout.kernel_end),
        kernel_boot_end=virtual["ki_boot_end"] - window,
        image=Region(layout.image_start, layout.image_end),
        image_virtual=layout.image_virtual,
    )


def expected_facts(plan: BootPlan, profile: str) -> dict[str, tuple[int, ...]]:
    """The facts that the root task has to print, by name."""

    def region(slots: Slots) -> tuple[int, ...]:
        return (slots.start, slots.end)

    return {
        "address": (plan.boot_info,),
        "extra_length": (0,),
        "node_id": (0,),
        "node_count": (1,),
        "ipc_buffer": (plan.ipc_buffer,),
        "init_thread_cnode_size_bits": (find_profile(profile).root_cnode_bits,),
        "init_thread_domain": (0,),
        "empty": region(plan.empty),
        "shared_frames": (0, 0),
        "image_frames": region(plan.image_frames),
        "page_tables": region(plan.page_tables),
        "io_space_caps": (0, 0),
        "sched_control": region(plan.sched_control),
        "untyped": region(plan.untyped),
    }


def compare(image: SuiteImage, profile: str, console: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the printed BootInfo agrees with the plan, and where it does not."""
    facts: dict[str, tuple[int, ...]] = {}
    untypeds: list[tuple[int, int, bool]] = []
    for line in console.splitlines():
        kind, *fields = line.split("|")
        if kind == "INFO":
            facts[fields[0]] = tuple(int(field, 16) for field in fields[1:])
        elif kind == "UNTYPED":
            address, bits, device = (int(field, 16) for field in fields)
            untypeds.append((address, bits, device != 0))
    plan = boot_plan(image, profile)
    differences = [
        f"{name}: expected {wanted}, got {facts.get(name)}"
        for name, wanted in expected_facts(plan, profile).items()
        if facts.get(name) != wanted
    ]
    extra = facts.get("extra_boot_info", (-1, -2))
    if len(set(extra)) != 1:
        differences.append(f"extra_boot_info: expected an empty region, got {extra}")
    wanted_untypeds = [(piece.paddr, piece.bits, piece.device) for piece in plan.untypeds]
    if untypeds != wanted_untypeds:
        pairs = zip(wanted_untypeds, untypeds, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), (len(wanted_untypeds), len(untypeds)))
        differences.append(f"untypeds: expected {first[0]}, got {first[1]}")
    return not differences, tuple(differences)

# SPDX-License-Identifier: BSD-2-Clause
"""Boards and profiles: consistent, like QEMU's own device tree, and chosen by name with a helpful message."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import fdt
import pytest

from tessera.abi.boards import BOARDS, GIB, MIB, QEMU_VIRT_RISCV64, Board, Region, board
from tessera.abi.profiles import MICROKIT, PROFILES, SEL4TEST, Profile, profile
from tessera.lang.diagnostics import Diagnostic, Location

WITH_SIZES = [(b, size) for b in BOARDS.values() for size in (GIB, 2 * GIB, 3 * GIB)]


@pytest.mark.parametrize("machine, size", WITH_SIZES)
def test_every_address_has_one_owner(machine: Board, size: int) -> None:
    """Device gaps, kernel devices and managed memory cover all addresses, once."""
    regions = sorted(
        (*machine.device_gaps(size), *machine.kernel_devices, machine.memory(size)), key=lambda region: region.start
    )
    assert regions[0].start == 0
    assert regions[-1].end == machine.device_top
    assert all(low.end == high.start for low, high in itertools.pairwise(regions))


@pytest.mark.parametrize("machine", BOARDS.values(), ids=BOARDS)
def test_devices_are_apart_and_can_be_handed_out(machine: Board) -> None:
    regions = [device.region for device in machine.devices]
    assert not any(a.overlaps(b) for a, b in itertools.combinations([*regions, *machine.kernel_devices], 2))
    gaps = machine.device_gaps()
    for device in machine.devices:
        assert device.region.size > 0
        assert device.region.start % 0x1000 == device.region.end % 0x1000 == 0
        assert any(gap.start <= device.region.start and device.region.end <= gap.end for gap in gaps), device.name
        assert all(1 <= number <= machine.last_device_interrupt for number in device.interrupts)
        assert machine.device(device.name) is device
        assert machine.device_at(device.region.end - 1) is device
    interrupts = [number for device in machine.devices for number in device.interrupts]
    assert len(set(interrupts)) == len(interrupts)
    assert machine.device_at(machine.memory_start) is None


@pytest.mark.parametrize("machine", BOARDS.values(), ids=BOARDS)
def test_the_kernel_is_loaded_behind_the_firmware(machine: Board) -> None:
    assert machine.firmware.start == machine.memory_start
    assert machine.firmware.end == machine.kernel_start
    assert machine.kernel_start % (2 * MIB) == 0
    assert all(region.start % (2 * MIB) == region.end % (2 * MIB) == 0 for region in machine.kernel_devices)
    assert machine.timer_interrupt == machine.last_device_interrupt + 1


def test_facts_of_qemu_virt() -> None:
    virt = QEMU_VIRT_RISCV64
    assert virt.memory(3 * GIB) == Region(0x8020_0000, 0x1_4000_0000, "RAM")
    assert virt.memory().end == 0x1_0000_0000
    assert (virt.timer_frequency, virt.timer_interrupt, virt.interrupt_context) == (10_000_000, 96, 1)
    assert virt.device("test").region.start == 0x10_0000
    assert virt.device("uart0").interrupts == (10,)
    assert [region.start for region in virt.kernel_devices] == [0x200_0000, 0xC00_0000]


def test_the_command_starts_the_machine_with_its_memory() -> None:
    command = QEMU_VIRT_RISCV64.qemu_command("image.elf", 3 * GIB)
    assert command[0] == "qemu-system-riscv64"
    assert command[command.index("-m") + 1] == "3072M"
    assert command[command.index("-kernel") + 1] == "image.elf"
    assert "2048M" in QEMU_VIRT_RISCV64.qemu_command("image.elf")


@pytest.mark.qemu
def test_devices_are_those_of_qemu(tmp_path: Path) -> None:
    """QEMU's device tree names the same registers, interrupts, memory and timer frequency."""
    virt = QEMU_VIRT_RISCV64
    target = tmp_path / "virt.dtb"
    command = [part for part in virt.qemu_command("unused") if part not in ("-kernel", "unused")]
    command[command.index("virt")] = f"virt,dumpdtb={target}"
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    tree = fdt.parse_dtb(target.read_bytes())
    found: dict[int, tuple[int, tuple[int, ...]]] = {}
    for path, nodes, _ in tree.walk(""):
        for node in nodes:
            item = tree.get_node(f"{path}/{node.name}")
            reg, interrupts = item.get_property("reg"), item.get_property("interrupts")
            if reg is None or len(reg.data) % 4:
                continue
            numbers = tuple(interrupts.data) if interrupts is not None else ()
            for high, low, size_high, size_low in _quads(list(reg.data)):
                found[high << 32 | low] = (size_high << 32 | size_low, numbers)
    for device in virt.devices:
        size, interrupts = found[device.region.start]
        assert size <= device.region.size, device.name
        assert device.name.startswith("pci") or interrupts == device.interrupts, device.name
    assert found[virt.memory_start][0] == virt.default_memory_size
    assert all(found[region.start][0] <= region.size for region in virt.kernel_devices)
    assert tree.get_node("/cpus").get_property("timebase-frequency").value == virt.timer_frequency


def _quads(words: list[int]) -> list[tuple[int, int, int, int]]:
    return [(words[i], words[i + 1], words[i + 2], words[i + 3]) for i in range(0, len(words), 4)]


@pytest.mark.parametrize("name", ["qemu_virt_riscv64", "qemu-riscv-virt"])
def test_a_board_has_two_names(name: str) -> None:
    assert board(name) is QEMU_VIRT_RISCV64


def test_profiles_are_known_by_name() -> None:
    assert profile("microkit") is MICROKIT
    assert profile("sel4test") is SEL4TEST
    assert all(name == entry.name for name, entry in PROFILES.items())


@pytest.mark.parametrize(
    "entry, facts",
    [
        (MICROKIT, (17, 16, 100, 2 * GIB)),
        (SEL4TEST, (13, 1, 2, 3 * GIB)),
    ],
    ids=["microkit", "sel4test"],
)
def test_facts_of_profiles(entry: Profile, facts: tuple[int, int, int, int]) -> None:
    assert (entry.root_cnode_bits, entry.domains, entry.domain_schedule_entries, entry.memory_size) == facts
    assert (entry.boot_time_slice_us, entry.max_bootinfo_untyped_caps, entry.retype_fan_out_limit) == (5000, 230, 256)
    assert (entry.priorities, entry.max_nodes, entry.min_budget_us) == (256, 1, 20)


def test_a_wrong_profile_is_told_with_the_close_one() -> None:
    with pytest.raises(Diagnostic) as caught:
        profile("microkitt", Location("kernel.toml", 3, 5))
    assert str(caught.value) == (
        "kernel.toml:3:5: error: there is no profile 'microkitt' [unknown-profile]\n"
        "  why: the known ones are: microkit, sel4test\n"
        "  fix: did you mean 'microkit'?"
    )


def test_a_wrong_board_is_told() -> None:
    with pytest.raises(Diagnostic) as caught:
        board("zcu102")
    assert str(caught.value) == (
        "command line: error: there is no board 'zcu102' [unknown-board]\n"
        "  why: the known ones are: qemu_virt_riscv64, qemu-riscv-virt\n"
        "  fix: name one of the known ones, such as 'qemu_virt_riscv64'"
    )

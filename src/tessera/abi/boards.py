# SPDX-License-Identifier: BSD-2-Clause
"""Boards as data: memory, devices, interrupts, timer, and how QEMU is started for one."""

from __future__ import annotations

from dataclasses import dataclass

from tessera.abi.choice import choose
from tessera.lang.diagnostics import Location

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Region:
    """Physical addresses from ``start`` up to, but not including, ``end``."""

    start: int
    end: int
    name: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    def overlaps(self, other: Region) -> bool:
        """Whether the two have a byte in common."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Device:
    """A device that user level may be given: its registers and its interrupts."""

    name: str
    region: Region
    interrupts: tuple[int, ...] = ()
    compatible: str = ""


@dataclass(frozen=True)
class Board:
    """What the kernel and the tools know of a machine. Addresses are physical, sizes in bytes, frequencies in hertz."""

    name: str
    aliases: tuple[str, ...]
    architecture: str
    # RAM as the hardware has it; the firmware's part is at its start, and the kernel is loaded right behind.
    memory_start: int
    firmware: Region
    kernel_start: int
    default_memory_size: int
    # Frames that only the kernel maps. They are withheld from user level in whole pieces of 2 MiB.
    kernel_devices: tuple[Region, ...]
    devices: tuple[Device, ...]
    # Device addresses are handed out up to here.
    device_top: int
    timer_frequency: int
    # Interrupts 1 .. last_device_interrupt come from the interrupt controller; the kernel's timer has the next number.
    last_device_interrupt: int
    # The interrupt controller's context of hart 0 in supervisor mode.
    interrupt_context: int
    qemu: tuple[str, ...]

    @property
    def timer_interrupt(self) -> int:
        """The number under which the kernel's own timer is reserved; also the greatest number there is."""
        return self.last_device_interrupt + 1

    def memory(self, size: int | None = None) -> Region:
        """RAM that the kernel manages: what lies behind the firmware, of a machine with ``size`` bytes of RAM."""
        return Region(
            self.kernel_start, self.memory_start + (self.default_memory_size if size is None else size), "RAM"
        )

    def device(self, name: str) -> Device:
        """The device of this name. Raises ``KeyError`` for a name that the board does not have."""
        for candidate in self.devices:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    def device_at(self, address: int) -> Device | None:
        """The device whose registers are at a physical address."""
        for candidate in self.devices:
            if candidate.region.start <= address < candidate.region.end:
                return candidate
        return None

    def device_gaps(self, memory_size: int | None = None) -> tuple[Region, ...]:
        """What user level receives as device memory: all addresses that are neither managed RAM nor the kernel's.

        The firmware's memory is part of it, as it is with upstream's kernel: the firmware protects itself.
        """
        taken = sorted((*self.kernel_devices, self.memory(memory_size)), key=lambda region: region.start)
        gaps = []
        start = 0
        for region in taken:
            if start < region.start:
                gaps.append(Region(start, region.start, "device"))
            start = region.end
        if start < self.device_top:
            gaps.append(Region(start, self.device_top, "device"))
        return tuple(gaps)

    def qemu_command(self, image: str, memory_size: int | None = None) -> list[str]:
        """The command that boots ``image`` (an ELF file entered in supervisor mode behind the firmware)."""
        size = self.default_memory_size if memory_size is None else memory_size
        return [*self.qemu, "-m", f"{size // MIB}M", "-kernel", image]


def _device(name: str, start: int, size: int, interrupts: tuple[int, ...] = (), compatible: str = "") -> Device:
    return Device(name, Region(start, start + size, name), interrupts, compatible)


QEMU_VIRT_RISCV64 = Board(
    name="qemu_virt_riscv64",
    aliases=("qemu-riscv-virt",),
    architecture="riscv64",
    memory_start=0x8000_0000,
    firmware=Region(0x8000_0000, 0x8020_0000, "firmware"),
    kernel_start=0x8020_0000,
    default_memory_size=2 * GIB,
    kernel_devices=(
        Region(0x0200_0000, 0x0220_0000, "CLINT"),
        Region(0x0C00_0000, 0x0C60_0000, "PLIC"),
    ),
    devices=(
        _device("test", 0x0010_0000, 0x1000, compatible="sifive,test0"),
        _device("rtc", 0x0010_1000, 0x1000, (11,), "google,goldfish-rtc"),
        _device("uart0", 0x1000_0000, 0x1000, (10,), "ns16550a"),
        *(_device(f"virtio{i}", 0x1000_1000 + i * 0x1000, 0x1000, (i + 1,), "virtio,mmio") for i in range(8)),
        _device("fw_cfg", 0x1010_0000, 0x1000, compatible="qemu,fw-cfg-mmio"),
        _device("flash0", 0x2000_0000, 0x200_0000, compatible="cfi-flash"),
        _device("flash1", 0x2200_0000, 0x200_0000, compatible="cfi-flash"),
        _device("pci_ecam", 0x3000_0000, 0x1000_0000, (32, 33, 34, 35), "pci-host-ecam-generic"),
    ),
    device_top=1 << 39,
    timer_frequency=10_000_000,
    last_device_interrupt=95,
    interrupt_context=1,
    qemu=("qemu-system-riscv64", "-machine", "virt", "-cpu", "rv64", "-smp", "1", "-nographic", "-bios", "default"),
)

# The test device: a 32-bit store to its first word ends the run. The exit status of a failure is in the upper half.
TEST_DEVICE_PASS = 0x5555
TEST_DEVICE_FAIL = 0x3333
TEST_DEVICE_RESET = 0x7777

BOARDS: dict[str, Board] = {board.name: board for board in (QEMU_VIRT_RISCV64,)}


def board(name: str, where: Location | None = None) -> Board:
    """The board of this name or alias. Raises :class:`Diagnostic` (``unknown-board``) that lists the known ones."""
    by_alias = {alias: known for known in BOARDS.values() for alias in known.aliases}
    return choose("board", name, {**BOARDS, **by_alias}, where)

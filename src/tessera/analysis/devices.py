# SPDX-License-Identifier: BSD-2-Clause
"""Devices behind memory regions: which device it is, and whether it can reach memory by itself (DMA)."""

from __future__ import annotations

from tessera.abi.boards import Board
from tessera.abi.profiles import Profile
from tessera.system.model import MemoryRegion, System

# Devices of which it is known that they never read or write memory by themselves. Every other one may: nothing on the
# board stands between a device and memory (there is no IOMMU).
WITHOUT_DMA = frozenset({"ns16550a", "google,goldfish-rtc", "sifive,test0", "cfi-flash"})
UNKNOWN = "unknown device"


def is_device(region: MemoryRegion, board: Board, profile: Profile) -> bool:
    """Whether the addresses of a region are not RAM."""
    memory = board.memory(profile.memory_size)
    return region.phys_addr is not None and not memory.start <= region.phys_addr < memory.end


def devices_of(region: MemoryRegion, board: Board) -> list[str]:
    """The devices that a region has registers of; ``UNKNOWN`` where the board has none at its addresses."""
    assert region.phys_addr is not None
    start, end = region.phys_addr, region.phys_addr + region.size
    found = [each for each in board.devices if each.region.start < end and start < each.region.end]
    covered = sum(min(end, each.region.end) - max(start, each.region.start) for each in found)
    return [each.name for each in found] + ([UNKNOWN] if covered < region.size else [])


def has_dma(device: str, board: Board) -> bool:
    """Whether a device may reach memory by itself."""
    return device == UNKNOWN or board.device(device).compatible not in WITHOUT_DMA


def device_of_interrupt(irq: int, board: Board) -> str:
    """The device that signals by an interrupt line."""
    return next((each.name for each in board.devices if irq in each.interrupts), UNKNOWN)


def dma_regions(system: System, board: Board, profile: Profile) -> dict[str, str]:
    """Memory regions whose owner can make a device reach memory, with the device's name."""
    found = {}
    for region in system.memory_regions:
        if is_device(region, board, profile):
            masters = [name for name in devices_of(region, board) if has_dma(name, board)]
            if masters:
                found[region.name] = masters[0]
    return found

# SPDX-License-Identifier: BSD-2-Clause
"""Device memory: pages at known physical addresses (manual: System Bootstrapping, Untyped Memory)."""

from __future__ import annotations

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.abi.capabilities import ALL_RIGHTS, EXECUTE_NEVER
from tessera.abi.objects import PAGE_BITS, ObjectType
from tessera.lang import compiled, range, u64
from tessera.runtime.memory import page_map
from tessera.suites.guest.console import SERIAL_WINDOW, TEST_WINDOW
from tessera.suites.guest.objects import VSPACE, guest, retype, take_slot
from tessera.suites.guest.report import done

# Physical addresses; the suites run on this board alone.
TEST_DEVICE = QEMU_VIRT_RISCV64.device("test").region.start
SERIAL_PORT = QEMU_VIRT_RISCV64.device("uart0").region.start


@compiled
def take_frame(untyped: u64, offset: u64, size_bits: u64) -> u64:
    """The page at an offset of untyped memory that nothing was made from; what lies before it becomes untypeds."""
    for i in range(size_bits - PAGE_BITS):
        bit = size_bits - 1 - i
        if (offset >> bit) & 1 != 0:
            done(b"divide device memory", retype(untyped, ObjectType.UNTYPED, bit, take_slot(), 1))
    slot = take_slot()
    error = retype(untyped, ObjectType.PAGE, 0, slot, 1)
    done(b"make a device frame", error)
    return slot


@compiled
def map_device(physical: u64, address: u64) -> None:
    """Map a page of device memory for the root task."""
    info = guest.boot_info
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        size_bits = u64(entry.size_bits)
        if entry.is_device != 0 and entry.paddr <= physical and physical - entry.paddr < u64(1) << size_bits:
            frame = take_frame(info.untyped.start + i, physical - entry.paddr, size_bits)
            error = page_map(frame, VSPACE, address, ALL_RIGHTS, EXECUTE_NEVER)
            done(b"map a device", error)


@compiled
def open_devices() -> None:
    """Map the serial port and the test device."""
    map_device(TEST_DEVICE, TEST_WINDOW)
    map_device(SERIAL_PORT, SERIAL_WINDOW)

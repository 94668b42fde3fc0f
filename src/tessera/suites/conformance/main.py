# SPDX-License-Identifier: BSD-2-Clause
"""The root task of the conformance suite: tells its BootInfo, runs the selected cases, and powers off."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo, SlotRegion
from tessera.abi.messages import IpcBuffer
from tessera.lang import at, compiled, range, u64
from tessera.runtime.sel4 import environment
from tessera.suites.conformance.catalogue import selection
from tessera.suites.guest.console import power_off, put, put_number
from tessera.suites.guest.devices import open_devices
from tessera.suites.guest.objects import clean_up, make_pool, set_up
from tessera.suites.guest.report import begin, end, true, verdict
from tessera.suites.guest.spaces import close_window
from tessera.suites.guest.threads import start_resting


@compiled
def tell(name: bytes, value: u64) -> None:
    """One fact of the BootInfo."""
    put(b"INFO|")
    put(name)
    put(b"|")
    put_number(value)
    put(b"\n")


@compiled
def tell_region(name: bytes, region: SlotRegion) -> None:
    """A region of slots of the BootInfo."""
    put(b"INFO|")
    put(name)
    put(b"|")
    put_number(region.start)
    put(b"|")
    put_number(region.end)
    put(b"\n")


@compiled
def tell_boot_info(info: BootInfo) -> None:
    """All of the BootInfo, for the host to compare with its own plan."""
    tell(b"extra_length", info.extra_length)
    tell(b"node_id", info.node_id)
    tell(b"node_count", info.node_count)
    tell(b"ipc_buffer", info.ipc_buffer)
    tell(b"init_thread_cnode_size_bits", info.init_thread_cnode_size_bits)
    tell(b"init_thread_domain", info.init_thread_domain)
    tell_region(b"empty", info.empty)
    tell_region(b"shared_frames", info.shared_frames)
    tell_region(b"image_frames", info.user_image_frames)
    tell_region(b"page_tables", info.user_image_paging)
    tell_region(b"io_space_caps", info.io_space_caps)
    tell_region(b"extra_boot_info", info.extra_boot_info_pages)
    tell_region(b"sched_control", info.sched_control)
    tell_region(b"untyped", info.untyped)
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        put(b"UNTYPED|")
        put_number(entry.paddr)
        put(b"|")
        put_number(u64(entry.size_bits))
        put(b"|")
        put_number(u64(entry.is_device))
        put(b"\n")


@compiled(symbol="main")
def main(boot_info: u64) -> None:
    """Run all cases. The exit code of QEMU is 0 if they passed."""
    info = at(BootInfo, boot_info)
    environment.ipc_buffer = at(IpcBuffer, info.ipc_buffer)
    set_up(info)
    open_devices()
    put(b"\n")
    tell(b"address", boot_info)
    tell_boot_info(info)
    start_resting()
    make_pool()
    for name, function in selection.cases:
        begin(name)
        close_window()
        function()
        true(b"everything can be deleted", clean_up())
        end(name)
    put(b"SUITE|END|")
    put_number(verdict.passed)
    put(b"|")
    put_number(verdict.failed)
    put(b"\n")
    power_off(verdict.failed == 0)

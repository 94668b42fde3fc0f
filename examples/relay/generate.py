# SPDX-License-Identifier: BSD-2-Clause
"""Writes relay.system: a token that goes through many stations, 60 components in all.

Run it with the number of stations, 56 if left out: ``python examples/relay/generate.py 56``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tessera.system.describe import System

STATIONS = 56
PAGE = 0x1000
IN, OUT = 0x400_0000, 0x500_0000
TEST_DEVICE = 0x10_0000


def relay(stations: int) -> System:
    """Each station shares one page with the station before it and one with the station behind it."""
    system = System("SPDX-License-Identifier: BSD-2-Clause\nWritten by generate.py: change that, and run it again.")
    pages = [system.memory_region(f"page_{index}", PAGE) for index in range(stations + 1)]
    device = system.memory_region("test_device", PAGE, phys_addr=TEST_DEVICE)

    power = system.protection_domain("power", "power.elf", priority=254)
    power.map(device, OUT, cached=False, setvar_vaddr="test_device_vaddr")
    counter = system.protection_domain("counter", "counter.elf", priority=200, passive=True)
    sink = system.protection_domain("sink", "sink.elf", priority=1)
    sink.map(pages[-1], IN, "r", setvar_vaddr="in_vaddr")
    start = system.protection_domain("start", "start.elf", priority=2)
    start.map(pages[0], OUT, setvar_vaddr="out_vaddr")

    before = start
    for index in range(stations):
        # A later station is more urgent, so that the token is never held up by one that it has left.
        station = system.protection_domain(f"station_{index}", "station.elf", priority=3 + index, stack_size=PAGE)
        station.map(pages[index], IN, "r", setvar_vaddr="in_vaddr")
        station.map(pages[index + 1], OUT, setvar_vaddr="out_vaddr")
        system.channel(before, station, notify="a", setvar_id_a="next_channel")
        system.channel(station, counter, pp="a", notify="none", setvar_id_a="counter_channel")
        before = station
    system.channel(before, sink, notify="a", setvar_id_a="next_channel")
    system.channel(sink, counter, pp="a", notify="none", setvar_id_a="counter_channel")
    system.channel(sink, power, notify="a", setvar_id_a="good_channel")
    system.channel(sink, power, notify="a", setvar_id_a="bad_channel")
    return system


if __name__ == "__main__":
    made = relay(int(sys.argv[1]) if len(sys.argv) > 1 else STATIONS)
    written = made.write(Path(__file__).with_name("relay.system"))
    print(f"relay.system: {len(written.domains())} components, {len(written.channels)} channels")

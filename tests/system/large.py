# SPDX-License-Identifier: BSD-2-Clause
"""A system with forty components: drivers, multiplexers, clients with their own queues, a supervisor with children."""

from __future__ import annotations

from tessera.system.model import System
from tests.system.systems import described, domain

CLIENTS = 26
CLASSES = ("net", "block", "serial", "timer")


def large_system() -> System:
    """4 drivers, 4 multiplexers, 26 clients, 1 supervisor with 4 children, and 1 logger: 40 domains."""
    regions, domains, channels = [], [], []

    def region(name: str, size: int, **attributes: str) -> None:
        written = "".join(f' {key}="{value}"' for key, value in attributes.items())
        regions.append(f'<memory_region name="{name}" size="{size:#x}"{written} />')

    def mapped(name: str, at: int, perms: str = "rw", **attributes: str) -> str:
        written = "".join(f' {key}="{value}"' for key, value in attributes.items())
        return f'<map mr="{name}" vaddr="{at:#x}" perms="{perms}"{written} />'

    used: dict[str, int] = {}

    def channel(a: str, b: str, call: bool = False, back: bool = True) -> None:
        ids = []
        for name in (a, b):
            ids.append(used.get(name, 1))
            used[name] = ids[-1] + 1
        first = f'<end pd="{a}" id="{ids[0]}"' + (' pp="true" notify="false" />' if call else " />")
        second = f'<end pd="{b}" id="{ids[1]}"' + (" />" if back else ' notify="false" />')
        channels.append(f"<channel>{first}{second}</channel>")

    for index, name in enumerate(CLASSES):
        region(f"{name}_registers", 0x1000, phys_addr=f"{0x1000_0000 + index * 0x1000:#x}")
        region(f"{name}_queue", 0x1000)
        region(f"{name}_data", 0x20_0000)
        irq = f'<irq irq="{10 if index == 0 else index}" id="0" />'
        own = mapped(f"{name}_registers", 0x1000_0000, cached="false") + mapped(f"{name}_queue", 0x2000_0000)
        own += mapped(f"{name}_data", 0x3000_0000) + irq
        domains.append(domain(f"{name}_driver", own, priority=200 + index, budget=2000, period=10000))
        shared = mapped(f"{name}_queue", 0x2000_0000) + mapped(f"{name}_data", 0x3000_0000, "r")
        if name != "timer":
            shared += "".join(
                mapped(f"{name}_queue_{n}", 0x4000_0000 + n * 0x1000) for n in range(CLIENTS) if n % 3 == index
            )
        passive = {"passive": "true"} if name == "timer" else {}
        domains.append(domain(f"{name}_multiplexer", shared, priority=180 + index, **passive))
        channel(f"{name}_driver", f"{name}_multiplexer")
    region("log", 0x1_0000)
    for number in range(CLIENTS):
        name = CLASSES[number % 3]
        region(f"{name}_queue_{number}", 0x2000)
        region(f"heap_{number}", 0x40_0000)
        own = mapped(f"{name}_queue_{number}", 0x2000_0000) + mapped(f"heap_{number}", 0x4000_0000)
        own += mapped("log", 0x5000_0000) if number % 6 == 0 else ""
        domains.append(domain(f"client_{number}", own, priority=100 - number, budget=500, period=10000 + 500 * number))
        channel(f"client_{number}", f"{name}_multiplexer")
        if number % 2 == 0:
            channel(f"client_{number}", "timer_multiplexer", call=True)
    children = "".join(domain(f"worker_{n}", id=n, priority=30, stack_size="0x10000") for n in range(4))
    domains.append(domain("supervisor", children, priority=60))
    domains.append(domain("logger", mapped("log", 0x5000_0000, "r"), priority=20))
    channel("supervisor", "logger", back=False)
    return described("".join(regions + domains + channels))

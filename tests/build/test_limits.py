# SPDX-License-Identifier: BSD-2-Clause
"""More channels and children than upstream's library knows: what the kernel does not forbid, ours can do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.build.run import boot
from tessera.system.describe import ProtectionDomain, System

BOARD = "qemu_virt_riscv64"
SYSTEMS = Path(__file__).parent / "systems"
CALLERS = 80

SERVER = """\
#include <microkit.h>

static unsigned long calls, sum;

void init(void) {}

void notified(microkit_channel ch)
{
    (void)ch;
}

microkit_msginfo protected(microkit_channel ch, microkit_msginfo info)
{
    (void)info;
    calls += 1;
    sum += ch;
    if (calls == %(callers)d && sum == %(sum)d) {
        microkit_dbg_puts("all have called\\n");
        microkit_notify(0);
    }
    microkit_mr_set(0, ch);
    return microkit_msginfo_new(0, 1);
}
"""

CLIENT = """\
#include <microkit.h>

void init(void)
{
    microkit_ppcall(5, microkit_msginfo_new(0, 0));
    if (microkit_mr_get(0) == 0) {
        microkit_dbg_puts("no answer\\n");
    }
}

void notified(microkit_channel ch)
{
    (void)ch;
}
"""

PARENT = """\
#include <microkit.h>

void init(void) {}

void notified(microkit_channel ch)
{
    (void)ch;
}

seL4_Bool fault(microkit_child child, microkit_msginfo info, microkit_msginfo *reply)
{
    (void)info;
    (void)reply;
    if (child == 309) {
        microkit_pd_stop(309);
        microkit_dbg_puts("the last child has failed\\n");
        microkit_notify(0);
    }
    return 0;
}
"""

CHILD = """\
#include <microkit.h>

void init(void)
{
    *(volatile int *)8 = 1;
}

void notified(microkit_channel ch)
{
    (void)ch;
}
"""


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


def lines_of(system: System, folder: Path, sources: dict[str, str]) -> list[str]:
    """Build and run a system whose component ``end`` ends the run when it is notified."""
    for name, text in sources.items():
        (folder / name).write_text(text)
    system.write(folder / "made.system")
    built = build_system(folder / "made.system", BOARD, "debug", [SYSTEMS], folder / "made.elf")
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=60, stream=console) == 0
    return console.getvalue().partition("INITIALISER|INFO")[2].splitlines()[1:]


def with_end(system: System) -> ProtectionDomain:
    device = system.memory_region("test_device", 0x1000, phys_addr=0x10_0000)
    end = system.protection_domain("end", "end.elf", priority=250)
    end.map(device, 0x500_0000, "rw", cached=False, setvar_vaddr="test_device_vaddr")
    return end


@pytest.mark.qemu
def test_a_server_has_more_callers_than_a_word_has_bits(tmp_path: Path) -> None:
    system = System()
    end = with_end(system)
    server = system.protection_domain("server", "server.elf", priority=200)
    system.channel(server, end, id_a=0)
    total = 0
    for index in range(CALLERS):
        client = system.protection_domain(f"client_{index}", "client.elf", priority=100)
        number = 60_000 + index if index >= 40 else index + 1
        total += number
        system.channel(client, server, id_a=5, id_b=number, pp="a", notify="none")
    sources = {"server.c": SERVER % {"callers": CALLERS, "sum": total}, "client.c": CLIENT}
    assert lines_of(system, tmp_path, sources) == ["all have called"]


@pytest.mark.qemu
def test_the_last_of_many_children_is_known_by_its_number(tmp_path: Path) -> None:
    system = System()
    end = with_end(system)
    parent = system.protection_domain("parent", "parent.elf", priority=200)
    system.channel(parent, end, id_a=0)
    for number in (0, 61, 62, 64, 309):
        parent.protection_domain(f"child_{number}", "child.elf", priority=100 - number // 10, id=number)
    sources = {"parent.c": PARENT, "child.c": CHILD}
    assert lines_of(system, tmp_path, sources) == ["the last child has failed"]

# SPDX-License-Identifier: BSD-2-Clause
"""The capability distribution: the environment that programs made for Microkit expect, and nothing beyond it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.abi.objects import ObjectType
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system import dump
from tessera.system import environment as env
from tessera.system.capdl import (
    Cap,
    CNode,
    Distribution,
    Frame,
    FrameMapping,
    IrqHandler,
    Rights,
    SchedContext,
    TableMapping,
    Tcb,
)
from tessera.system.distribute import distribute
from tessera.system.elf import read_program
from tessera.system.model import Permissions, Trigger
from tessera.system.patch import patched, platform_variables
from tessera.system.sdf import parse
from tests.system.programs import program
from tests.system.systems import GREETER, described, distributed, domain, image, images

READ, WRITE = Rights.READ, Rights.WRITE
CALL = Rights.WRITE | Rights.GRANT_REPLY
PPC = 1 << 63
FAULT = 1 << 62
RW = Permissions.READ | Permissions.WRITE


def greeter() -> Distribution:
    system = parse(GREETER)
    return distribute(system, images(system))


def slots(distribution: Distribution, owner: str) -> dict[int, Cap]:
    cnode = distribution.by_name[f"{owner}.cnode"]
    assert isinstance(cnode, CNode)
    return dict(cnode.slots)


def thread(distribution: Distribution, owner: str) -> Tcb:
    tcb = distribution.by_name[f"{owner}.tcb"]
    assert isinstance(tcb, Tcb)
    return tcb


def frames(distribution: Distribution, owner: str) -> dict[int, FrameMapping]:
    return {m.vaddr: m for m in distribution.mappings if m.vspace == f"{owner}.vspace"}


def common(owner: str, index: int, waits_on: str) -> dict[int, Cap]:
    return {
        1: Cap(waits_on, READ),
        2: Cap("monitor.endpoint", CALL, badge=index + 1),
        3: Cap(f"{owner}.vspace"),
        4: Cap(f"{owner}.reply"),
    }


def test_greeter_has_exactly_these_slots() -> None:
    made = greeter()
    assert {owner: slots(made, owner) for owner in ("server", "power", "intruder", "client", "visitor")} == {
        "server": common("server", 0, "server.endpoint"),
        "power": common("power", 1, "power.notification"),
        "intruder": common("intruder", 2, "intruder.notification"),
        "client": {
            **common("client", 3, "client.notification"),
            10 + 1: Cap("visitor.notification", WRITE, badge=1 << 1),
            10 + 2: Cap("power.notification", WRITE, badge=1 << 0),
            10 + 3: Cap("intruder.notification", WRITE, badge=1 << 0),
            10 + 4: Cap("power.notification", WRITE, badge=1 << 2),
            74 + 0: Cap("server.endpoint", CALL, badge=PPC | 0),
        },
        "visitor": {
            **common("visitor", 4, "visitor.notification"),
            10 + 1: Cap("client.notification", WRITE, badge=1 << 1),
            10 + 2: Cap("power.notification", WRITE, badge=1 << 1),
            10 + 3: Cap("power.notification", WRITE, badge=1 << 3),
            74 + 0: Cap("server.endpoint", CALL, badge=PPC | 1),
        },
    }
    assert slots(made, "monitor") == {
        1: Cap("monitor.endpoint", READ),
        3: Cap("monitor.vspace"),
        4: Cap("monitor.reply"),
        16: Cap("server.tcb"),
        19: Cap("power.tcb"),
        22: Cap("intruder.tcb"),
        25: Cap("client.tcb"),
        28: Cap("visitor.tcb"),
    }


def test_greeter_memory_is_shared_only_where_described() -> None:
    made = greeter()
    holders: dict[str, set[str]] = {}
    for mapping in made.mappings:
        holders.setdefault(mapping.frame, set()).add(mapping.vspace)
    assert holders["ring"] == {"client.vspace", "visitor.vspace"}
    assert holders["secret"] == {"server.vspace"}
    assert holders["test_device"] == {"power.vspace"}
    assert {frame for frame, spaces in holders.items() if len(spaces) > 1} == {"ring"}
    assert 0x400_0000 not in frames(made, "intruder")
    device = made.by_name["test_device"]
    assert (device.paddr, device.kind) == (0x10_0000, ObjectType.PAGE)
    assert not frames(made, "power")[0x500_0000].cached


def test_threads() -> None:
    made = greeter()
    client = thread(made, "client")
    assert client == Tcb(
        "client.tcb",
        cspace=Cap("client.cnode", guard=0, guard_bits=55),
        vspace=Cap("client.vspace"),
        ipc_buffer=Cap("client.ipc_buffer", READ | WRITE),
        ipc_buffer_address=0x3F_FFFF_E000,
        sched_context=Cap("client.sched_context"),
        bound_notification=Cap("client.notification", READ | WRITE),
        fault_endpoint=Cap("monitor.endpoint", CALL, badge=4),
        priority=120,
        max_priority=120,
        entry=0x20_0000,
        stack_pointer=0x3F_FFFF_D000,
        arguments=(),
        fpu=True,
        resume=True,
        thread_name="client",
    )
    monitor = thread(made, "monitor")
    assert (monitor.priority, monitor.fault_endpoint, monitor.bound_notification) == (255, None, None)
    times = {each.name: (each.budget, each.period, each.badge, each.size_bits) for each in made.of(SchedContext)}
    assert times["intruder.sched_context"] == (20_000, 100_000, 0x102, 8)
    assert times["client.sched_context"] == (1000, 1000, 0x103, 8)


def test_stack_lies_below_a_guard_page() -> None:
    made = distributed(domain("a", stack_size="0x4000"))
    high = [vaddr for vaddr in frames(made, "a") if vaddr >= 0x3F_0000_0000]
    assert high == [0x3F_FFFF_9000, 0x3F_FFFF_A000, 0x3F_FFFF_B000, 0x3F_FFFF_C000, 0x3F_FFFF_E000]


def test_children_fault_to_their_parent() -> None:
    made = distributed(domain("a", domain("b", domain("c", id=61), id=5)) + domain("d"))
    assert thread(made, "a").fault_endpoint == Cap("monitor.endpoint", CALL, badge=1)
    assert thread(made, "b").fault_endpoint == Cap("a.endpoint", CALL, badge=FAULT | 5)
    assert thread(made, "c").fault_endpoint == Cap("b.endpoint", CALL, badge=FAULT | 61)
    assert thread(made, "d").fault_endpoint == Cap("monitor.endpoint", CALL, badge=4)
    assert slots(made, "a")[202 + 5] == Cap("b.tcb")
    assert slots(made, "b")[202 + 61] == Cap("c.tcb")
    assert slots(made, "b")[2] == thread(made, "b").fault_endpoint
    assert slots(made, "b")[1] == Cap("b.endpoint", READ)
    assert slots(made, "c")[1] == Cap("c.notification", READ)


def test_passive_domains_are_made_so_by_the_monitor() -> None:
    made = distributed(domain("a") + domain("b", passive="true"))
    assert slots(made, "b")[5] == Cap("monitor.endpoint", WRITE, badge=2)
    assert 5 not in slots(made, "a")
    monitor = slots(made, "monitor")
    assert monitor[16 + 3 * 1 + 1] == Cap("b.sched_context")
    assert monitor[16 + 3 * 1 + 2] == Cap("b.notification", READ | WRITE)
    assert set(monitor) == {1, 3, 4, 16, 19, 20, 21}
    assert thread(made, "b").sched_context == Cap("b.sched_context")


def test_interrupts() -> None:
    made = distributed(domain("a", '<irq irq="10" id="9" trigger="edge" />'))
    assert slots(made, "a")[138 + 9] == Cap("a.irq.10")
    (handler,) = made.of(IrqHandler)
    assert handler == IrqHandler("a.irq.10", 10, Trigger.EDGE, Cap("a.notification", WRITE, badge=1 << 9))
    assert handler.memory_bits is None


def test_own_thread_only_for_benchmarks() -> None:
    assert 6 not in slots(distributed(domain("a")), "a")
    assert slots(distributed(domain("a"), benchmark=True), "a")[6] == Cap("a.tcb")


def test_large_pages_need_one_table_less() -> None:
    text = '<memory_region name="big" size="0x400000" />' + domain("a", '<map mr="big" vaddr="0x80000000" perms="r" />')
    made = distributed(text)
    mapped = frames(made, "a")
    assert mapped[0x8000_0000] == FrameMapping("a.vspace", 0x8000_0000, "big.0", Permissions.READ, True)
    assert mapped[0x8020_0000].frame == "big.1"
    assert made.by_name["big.1"].kind is ObjectType.MEGA_PAGE
    tables = [(t.level, t.vaddr) for t in made.tables if t.vspace == "a.vspace"]
    assert tables == [(1, 0), (1, 0x8000_0000), (1, 0x3F_C000_0000), (2, 0x20_0000), (2, 0x3F_FFE0_0000)]


def test_programs_get_their_pages_and_variables() -> None:
    region = '<memory_region name="ring" size="0x1000" />'
    made = distributed(region + domain("a", '<map mr="ring" vaddr="0x3000000" setvar_vaddr="ring_vaddr" />'))
    text, data, rest = (made.by_name[f"a.{name}"] for name in ("text.0", "data.0", "data.1"))
    assert isinstance(text, Frame)
    assert isinstance(data, Frame)
    assert isinstance(rest, Frame)
    assert [(fill.offset, fill.data) for fill in text.fills] == [(0, b"\x13\0\0\0\x13\0\0\0\x13\0\0\0\x13")]
    ((offset, contents),) = [(fill.offset, fill.data) for fill in data.fills]
    assert offset == 0
    assert contents[:16] == b"\xaa" * 16
    symbols = image("ring_vaddr").symbols
    name_at = symbols["microkit_name"].address - 0x20_1000
    assert contents[name_at : name_at + 2] == b"a\0"
    ring_at = symbols["ring_vaddr"].address - 0x20_1000
    assert int.from_bytes(contents[ring_at : ring_at + 8].ljust(8, b"\0"), "little") == 0x300_0000
    assert rest.fills == ()
    perms = {m.frame: m.perms for m in made.mappings if m.vspace == "a.vspace"}
    assert perms["a.text.0"] == Permissions.READ | Permissions.EXECUTE
    assert perms["a.data.1"] == perms["a.stack.0"] == perms["a.ipc_buffer"] == RW


def test_masks_of_the_platform() -> None:
    system = parse(GREETER)
    by_name = {pd.name: platform_variables(pd, system) for pd in system.domains()}

    def mask(owner: str, name: str) -> int:
        return int.from_bytes(by_name[owner][f"microkit_{name}"], "little")

    assert (mask("client", "notifications"), mask("client", "pps")) == (0b11110, 0b0001)
    assert (mask("visitor", "notifications"), mask("visitor", "pps")) == (0b01110, 0b0001)
    assert (mask("server", "notifications"), mask("server", "pps")) == (0, 0)


def test_a_name_needs_its_own_length_only(tmp_path: Path) -> None:
    system = described(domain("server"))
    (server,) = system.domains()
    path = tmp_path / "server.elf"
    for room, fits in ((64, True), (7, True), (6, False)):
        path.write_bytes(program(sizes={"microkit_name": room}).elf())
        made = read_program(path, env.USER_SPACE, Location("test.system", 1, 1))
        if not fits:
            with pytest.raises(Diagnostic, match="'microkit_name' of 'server.elf' has 6 bytes"):
                patched(server, made, system, {})
            continue
        start = made.symbols["microkit_name"].address - 0x20_1000
        data = patched(server, made, system, {}).segments[1].data
        assert data[start : start + room] == b"server".ljust(room, b"\0")


def test_a_physical_address_that_a_program_asks_for() -> None:
    regions = '<memory_region name="dma" size="0x3000" /><memory_region name="more" size="0x1000" />'
    variables = '<setvar symbol="dma_paddr" region_paddr="dma" /><setvar symbol="more_paddr" region_paddr="more" />'
    made = distributed(regions + domain("a", variables + '<map mr="dma" vaddr="0x3000000" />'))
    start = made.by_name["dma.0"].paddr
    assert start is not None
    assert [made.by_name[f"dma.{i}"].paddr for i in range(3)] == [start, start + 0x1000, start + 0x2000]
    assert made.by_name["more"].paddr == start - 0x1000
    data = made.by_name["a.data.0"]
    assert isinstance(data, Frame)
    at = image("dma_paddr").symbols["dma_paddr"].address - 0x20_1000
    assert data.fills[0].data[at : at + 8] == start.to_bytes(8, "little")


def test_text_and_json_are_canonical() -> None:
    first, second = greeter(), greeter()
    assert dump.text(first) == dump.text(second)
    assert "    74: server.endpoint (wp, badge 0x8000000000000000)\n" in dump.text(first)
    facts = json.loads(json.dumps(dump.as_json(first)))
    (client,) = [each for each in facts["objects"] if each["name"] == "client.cnode"]
    assert client["slots"]["12"] == {
        "object": "power.notification", "rights": "w", "badge": 1, "guard": 0, "guard_bits": 0,
    }  # fmt: skip
    assert len(facts["mappings"]) == len(first.mappings)


def referenced(distribution: Distribution) -> set[str]:
    caps = {cap.object for each in distribution.objects for cap in dump.held_caps(each).values()}
    mapped = {m.frame for m in distribution.mappings} | {t.table for t in distribution.tables}
    return caps | mapped | {m.vspace for m in distribution.mappings}


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 61)), min_size=1, max_size=6))
def test_any_distribution_is_closed(domains: list[tuple[bool, bool, int]]) -> None:
    """Every name leads to an object, every frame is reached through tables, and nobody holds a stranger's objects."""
    text = '<memory_region name="shared" size="0x1000" />'
    names = [f"p{i}" for i in range(len(domains))]
    for i, (passive, maps, _) in enumerate(domains):
        contents = '<map mr="shared" vaddr="0x3000000" />' if maps else ""
        text += domain(names[i], contents, priority=10 + i, passive=str(passive).lower())
    for i in range(1, len(domains)):
        a, b = domains[i - 1][2], (domains[i][2] + 1) % 62
        text += f'<channel><end pd="{names[i - 1]}" id="{a}" pp="true" /><end pd="{names[i]}" id="{b}" /></channel>'
    made = distributed(text)
    assert referenced(made) <= set(made.by_name)
    tables = {(t.vspace, t.level, t.vaddr) for t in made.tables}
    for m in made.mappings:
        assert (m.vspace, 1, m.vaddr >> 30 << 30) in tables
        assert (m.vspace, 2, m.vaddr >> 21 << 21) in tables
    seen: set[str] = set()
    for table in made.tables:
        assert isinstance(table, TableMapping)
        assert table.table not in seen
        seen.add(table.table)
    neighbours = {name: {name, "monitor"} for name in names}
    for i in range(1, len(names)):
        neighbours[names[i]].add(names[i - 1])
        neighbours[names[i - 1]].add(names[i])
    for name in names:
        assert {cap.object.split(".")[0] for cap in slots(made, name).values()} <= neighbours[name]


def test_described_systems_are_the_same_for_the_same_text() -> None:
    text = domain("a", priority=3)
    assert described(text) == described(text)

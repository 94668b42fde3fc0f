# SPDX-License-Identifier: BSD-2-Clause
"""The parts of the schema that few systems use: scheduling domains, shared capabilities, symbols from another image,
boot information; and the warnings about them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.system import environment as env
from tessera.system.capdl import CNode
from tessera.system.distribute import distribute
from tessera.system.dump import as_json, text
from tessera.system.elf import read_program
from tessera.system.holdings import Reach, holdings
from tessera.system.images import read_image
from tessera.system.locate import find, locate, search_folders
from tessera.system.model import CapKind, Permissions, System
from tests.system.programs import Program, program
from tests.system.systems import allocated, described, distributed, domain, image, images

SCHEDULE = """<domains>
<domain name="a" /><domain name="b" id="1" /><domain name="c" /><domain name="d" id="0" />
<domain_schedule{attributes}>{entries}</domain_schedule></domains>"""


def scheduled(*entries: str, attributes: str = "", domains: str = "a") -> System:
    """A system with a component in each of ``domains``."""
    said = "".join(
        f'<schedule_entry domain="{each[0]}" duration="{each[2:]}" />' if each else "<schedule_end_marker />"
        for each in entries
    )
    components = "".join(domain(f"in_{each}", domain=each) for each in domains)
    return described(SCHEDULE.format(attributes=attributes, entries=said) + components)


def rules(system: System) -> list[str]:
    return [warning.rule for warning in system.warnings]


def test_domains_without_a_number_get_the_smallest_that_are_free_in_order() -> None:
    schedule = scheduled("a 1 us").schedule
    assert schedule is not None
    assert {each.name: each.id for each in schedule.domains} == {"a": 2, "b": 1, "c": 3, "d": 0}


def test_the_schedule_in_the_kernels_terms() -> None:
    system = scheduled(
        "a 1_000 us", "", "b 7 ticks", "d 0x10 us", "", "c 1 us", attributes=' start_index="2" index_shift="5"'
    )
    found = distribute(system, images(system)).schedule
    assert found is not None
    assert found.start == 7
    assert [(each.index, each.domain, each.ticks) for each in found.entries] == [
        (5, 2, 10_000),
        (6, 0, 0),
        (7, 1, 7),
        (8, 0, 160),
        (9, 0, 0),
        (10, 3, 10),
    ]
    assert system.schedule is not None
    assert [each.domain for each in system.schedule.repeated()] == ["b", "d"]


def test_who_never_runs_is_told() -> None:
    assert rules(scheduled("d 1 us", "a 1 us", domains="ad")) == []
    assert rules(scheduled("a 1 us")) == ["monitor-never-runs"]
    system = scheduled("a 1 us", "b 1 us", "", "c 1 us", "d 1 us", attributes=' start_index="1"', domains="abc")
    assert rules(system) == ["never-runs", "never-runs", "monitor-never-runs"]
    assert "'in_a' never runs" in system.warnings[0].what
    assert "goes through 'b'" in system.warnings[0].why


def test_a_thread_is_put_into_its_domain() -> None:
    system = scheduled("a 1 us", "d 1 us", domains="ad")
    found = distribute(system, images(system))
    domains = {each.name: each.domain for each in found.of(type(found.by_name["in_a.tcb"]))}
    assert domains == {"monitor.tcb": 0, "in_a.tcb": 2, "in_d.tcb": 0}
    assert "domain: 2" in text(found)
    assert "schedule (start: 0) {\n  0: domain 2 for 10 ticks\n  1: domain 0 for 10 ticks\n}" in text(found)
    assert as_json(found)["schedule"]["entries"][0] == {"index": 0, "domain": 2, "ticks": 10}


def test_shared_capabilities_are_held_and_said() -> None:
    shared = '<cspace><cap_tcb slot="0x2" pd="b" /><cap_sc slot="1" pd="b" /><cap_vspace slot="3" pd="b" /></cspace>'
    own = '<cap_sc slot="4" pd="a" /></cspace>'
    system = described(domain("a", shared.replace("</cspace>", own)) + domain("b"))
    caps = system.domains()[0].caps
    assert [(cap.kind, cap.slot, cap.pd) for cap in caps[:2]] == [
        (CapKind.TCB, 2, "b"),
        (CapKind.SCHED_CONTEXT, 1, "b"),
    ]
    found = distribute(system, images(system))
    allocated(found, system)
    facts = {
        "components": [
            {"name": pd.name, "index": index, "priority": pd.priority} for index, pd in enumerate(system.domains())
        ],
        "distribution": as_json(found),
    }
    held = [each for each in holdings(facts)["a"] if each.shared]
    assert [(each.slot, each.object, each.reach) for each in held] == [
        (1, "b.sched_context", Reach.TIME),
        (2, "b.tcb", Reach.THREAD),
        (3, "b.vspace", Reach.SPACE),
        (4, "a.sched_context", None),
    ]
    assert not [each for each in holdings(facts)["b"] if each.shared]


def test_a_component_without_shared_capabilities_has_one_cnode() -> None:
    found = distributed(domain("a"))
    assert "a.cspace" not in found.by_name


@pytest.mark.parametrize("number", ["0x1f", "31", "3_1"])
def test_variables_for_numbers_take_every_notation(number: str) -> None:
    system = described(domain("a", f'<irq irq="10" id="{number}" setvar_id="line" />'))
    (variable,) = system.domains()[0].setvars
    assert (variable.symbol, variable.value) == ("line", 31)


def test_symbols_come_from_the_image_that_is_named(tmp_path: Path) -> None:
    full = program("buffer")
    (tmp_path / "full.elf").write_bytes(full.elf())
    (tmp_path / "a.elf").write_bytes(Program(segments=full.segments).elf())
    (pd,) = described(
        '<protection_domain name="a"><program_image path="a.elf" path_for_symbols="full.elf" /></protection_domain>'
    ).domains()
    found = read_image(pd, tmp_path / "a.elf", [tmp_path], env.USER_SPACE)
    whole = read_program(tmp_path / "full.elf", env.USER_SPACE, Location("a"))
    assert (found.file, found.segments, found.symbols) == ("a.elf", whole.segments, whole.symbols)
    assert "buffer" in found.symbols


def test_boot_information_of_which_there_is_none_is_told() -> None:
    system = described(
        '<memory_region name="tree" prefill_bootinfo="fdt" />' + domain("a", '<map mr="tree" vaddr="0x1000000" />')
    )
    assert rules(system) == ["bootinfo-absent"]
    region = system.region("tree")
    assert (region.size, region.prefill, region.bootinfo) == (0x1000, b"", "fdt")


def test_memory_can_be_executed_and_not_read() -> None:
    system = described(
        '<memory_region name="m" size="0x1000" />' + domain("a", '<map mr="m" vaddr="0x1000000" perms="x" />')
    )
    (mapping,) = system.domains()[0].maps
    assert mapping.perms == Permissions.EXECUTE
    found = distribute(system, images(system))
    (frame,) = [each for each in found.mappings if each.frame == "m"]
    assert (int(frame.rights), frame.executable) == (0, True)


def test_a_region_of_which_only_the_address_is_asked_is_used() -> None:
    region = '<memory_region name="m" size="0x1000" />'
    assert rules(described(region + domain("a", '<setvar symbol="s" region_paddr="m" />'))) == []
    assert rules(described(region + domain("a"))) == ["unused-region"]


def test_attributes_of_the_whole_system_are_ignored_aloud(tmp_path: Path) -> None:
    from tessera.system.sdf import parse

    path = tmp_path / "a.system"
    path.write_text(f'<system xmlns="urn:some" version="2">{domain("a")}</system>')
    assert rules(parse(path)) == ["unused-attribute", "unused-attribute"]


def test_mistakes_in_what_is_refused_are_told_too() -> None:
    with pytest.raises(Diagnostics) as caught:
        described(
            domain("a", '<virtual_machine name="vm" priorty="3"><vcpu id="70" /><map mr="m" /></virtual_machine>')
            + '<io_address_space name="card"><iomap mr="m" iovaddr="x" perms="w" /></io_address_space>'
        )
    found = sorted(error.rule for error in caught.value.errors)
    assert found == sorted(
        ["unknown-attribute", "id-range", "missing-attribute", "not-supported"]
        + ["missing-attribute", "missing-attribute", "bad-number", "not-supported"]
    )


def test_as_many_components_as_there_are_address_spaces() -> None:
    system = described("".join(domain(f"d{index}") for index in range(env.DOMAINS)))
    found = distribute(system, dict.fromkeys([*(pd.name for pd in system.domains()), env.MONITOR_NAME], image()))
    monitor = found.by_name["monitor.cnode"]
    assert isinstance(monitor, CNode)
    assert max(monitor.slots) < 1 << monitor.size_bits
    assert monitor.slots[env.monitor_slot(env.DOMAINS - 1, env.MONITOR_TCB)].object == f"d{env.DOMAINS - 1}.tcb"
    with pytest.raises(Diagnostic) as caught:
        described("".join(domain(f"d{index}") for index in range(env.DOMAINS + 1)))
    assert caught.value.rule == "too-many-domains"


def test_files_are_looked_for_in_the_current_directory_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("named", "own", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    named, system = tmp_path / "named", tmp_path / "own" / "a.system"
    assert search_folders([named], system) == [named, tmp_path / "own", Path(".")]
    assert search_folders([], Path("a.system")) == [Path(".")]
    assert search_folders([Path(".")], system) == [Path("."), tmp_path / "own"]
    (tmp_path / "here" / "deep").mkdir()
    (tmp_path / "here" / "deep" / "a.c").write_text("")
    assert find("deep/a.c", search_folders([named], system)) == Path("deep/a.c")
    with pytest.raises(Diagnostic, match=r"nor a source deep/b\.c or deep/b\.py"):
        locate(described(domain("a").replace("a.elf", "deep/b.elf")).domains()[0], search_folders([named], system))

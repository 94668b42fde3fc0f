# SPDX-License-Identifier: BSD-2-Clause
"""The report, the fault map, and finding programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tessera.lang.diagnostics import Diagnostic
from tessera.system.distribute import distribute
from tessera.system.faultmap import AreaKind, FaultMap, fault_map
from tessera.system.locate import Kind, Program, locate
from tessera.system.report import as_text, report
from tessera.system.sdf import parse
from tests.system.systems import GREETER, allocated, described, domain, images


@pytest.fixture
def faults() -> FaultMap:
    system = parse(GREETER)
    return fault_map(system, images(system))


@pytest.mark.parametrize(
    "component, address, told",
    [
        ("intruder", 0x400_0000, "in the memory region 'secret', which is mapped by 'server' only"),
        ("intruder", 0x400_0FFF, "in the memory region 'secret', which is mapped by 'server' only"),
        ("intruder", 0x400_1000, "where nothing is mapped"),
        ("server", 0x300_0008, "in the memory region 'ring', which is mapped by 'client' only"),
        ("client", 0x20_0000, "in the text of 'client', which it may use as 'rx' only"),
        ("client", 0x300_0000, "in the memory region 'ring' of 'client', which it may use as 'rw' only"),
        ("client", 0x3F_FFFF_AFF8, "in the guard page below the stack of 'client'"),
        ("client", 0x3F_FFFF_D000, "in the guard page above the stack of 'client'"),
        ("client", 0x3F_FFFF_C000, "in the stack of 'client', which it may use as 'rw' only"),
        ("client", 0x3F_FFFF_E000, "in the IPC buffer of 'client', which it may use as 'rw' only"),
        ("client", 0, "where nothing is mapped"),
    ],
)
def test_addresses_are_told_in_names(faults: FaultMap, component: str, address: int, told: str) -> None:
    assert faults.explain(component, address) == told


def test_badges_are_those_of_the_distribution(faults: FaultMap) -> None:
    system = parse(GREETER)
    made = distribute(system, images(system))
    for component in faults.components:
        assert made.by_name[f"{component.name}.tcb"].fault_endpoint.badge == component.badge  # type: ignore[attr-defined]


def test_every_mapping_is_in_the_fault_map_with_its_permissions(faults: FaultMap) -> None:
    system = parse(GREETER)
    made = distribute(system, images(system))
    for mapping in made.mappings:
        owner = mapping.vspace.removesuffix(".vspace")
        if owner != "monitor":
            area = faults.component(owner).area_at(mapping.vaddr)
            assert area is not None
            assert area.perms == mapping.perms
    for component in faults.components:
        for low, high in zip(component.areas, component.areas[1:], strict=False):
            assert low.end <= high.start


def test_a_region_below_the_stack_takes_the_guard_page() -> None:
    system = described(
        '<memory_region name="r" size="0x1000" />' + domain("a", '<map mr="r" vaddr="0x3fffffa000" />', passive="true")
    )
    (component,) = fault_map(system, images(system)).components
    assert component.passive
    assert [area.name for area in component.areas if area.kind is AreaKind.GUARD] == ["guard page above the stack"]


def test_children_fault_to_their_parent() -> None:
    system = described(domain("a", domain("b", id=1)))
    parent, child = fault_map(system, images(system)).components
    assert (parent.badge, parent.parent) == (1, None)
    assert (child.badge, child.parent) == (None, "a")


def test_report() -> None:
    system = parse(GREETER, shown_as="greeter.system")
    programs = images(system)
    made = distribute(system, programs)
    facts = json.loads(json.dumps(report(system, programs, made, allocated(made, system))))
    assert [component["name"] for component in facts["components"]][0] == "server"
    (ring,) = [region for region in facts["memory_regions"] if region["name"] == "ring"]
    assert [use["component"] for use in ring["mapped_by"]] == ["client", "visitor"]
    totals = {each["type"]: each["count"] for each in facts["objects"]}
    assert (totals["tcb"], totals["vspace"], totals["endpoint"]) == (6, 6, 2)
    assert facts["memory"]["used"] == sum(facts["memory_by_owner"].values())
    text = as_text(facts)
    assert "ring         4 KiB  4 KiB  anywhere  client rw at 0x3000000, visitor rw at 0x3200000\n" in text
    assert "client (0)   server (0)    call      -\n" in text


def test_programs_are_found_in_the_order_of_the_folders(tmp_path: Path) -> None:
    (pd,) = described(domain("a")).domains()
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (second / "a.py").write_text("")
    assert locate(pd, [first, second]) == Program(Kind.PYTHON, second / "a.py")
    (second / "a.py").unlink()
    (second / "a.c").write_text("")
    assert locate(pd, [first, second]) == Program(Kind.C, second / "a.c")
    (first / "a.elf").write_text("")
    assert locate(pd, [first, second]) == Program(Kind.ELF, first / "a.elf")


def test_a_missing_program_lists_the_folders(tmp_path: Path) -> None:
    (pd,) = described(domain("a")).domains()
    with pytest.raises(Diagnostic) as caught:
        locate(pd, [tmp_path / "x", tmp_path / "y"])
    assert f"{tmp_path / 'x'}, {tmp_path / 'y'}" in caught.value.why
    assert caught.value.location == pd.image_location

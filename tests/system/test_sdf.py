# SPDX-License-Identifier: BSD-2-Clause
"""What a description means: values, defaults and places in the model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.abi.profiles import MICROKIT
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.system.collect import Collector
from tessera.system.environment import USER_SPACE
from tessera.system.model import Permissions, System, Trigger, Variable
from tessera.system.sdf import parse
from tessera.system.values import Values
from tessera.system.xmltree import Element
from tests.system.systems import GREETER, domain


def read(tmp_path: Path, text: str) -> System:
    path = tmp_path / "test.system"
    path.write_text(f"<system>{text}</system>")
    return parse(path, search_path=[tmp_path], shown_as="test.system")


def test_greeter() -> None:
    system = parse(GREETER)
    assert [pd.name for pd in system.domains()] == ["server", "power", "intruder", "client", "visitor"]
    assert [region.name for region in system.memory_regions] == ["ring", "secret", "test_device"]
    assert len(system.channels) == 8
    assert system.warnings == ()


def test_defaults(tmp_path: Path) -> None:
    system = read(tmp_path, '<memory_region name="r" size="0x1_000" />' + domain("a", '<map mr="r" vaddr="4_096" />'))
    (pd,) = system.protection_domains
    assert (pd.priority, pd.budget, pd.period, pd.passive, pd.stack_size, pd.fpu) == (
        0,
        1000,
        1000,
        False,
        0x2000,
        True,
    )
    (m,) = pd.maps
    assert (m.vaddr, m.perms, m.cached) == (4096, Permissions.READ | Permissions.WRITE, True)
    assert system.memory_regions[0].size == 4096


def test_period_follows_budget(tmp_path: Path) -> None:
    (pd,) = read(tmp_path, domain("a", budget=2000)).protection_domains
    assert (pd.budget, pd.period) == (2000, 2000)


def test_children_come_behind_their_parent(tmp_path: Path) -> None:
    grandchild = domain("c", id=7, setvar_id="c_id")
    system = read(tmp_path, domain("a", domain("b", grandchild, id=3)) + domain("d"))
    domains = system.domains()
    assert [(pd.name, pd.id, pd.parent) for pd in domains] == [
        ("a", None, None),
        ("b", 3, "a"),
        ("c", 7, "b"),
        ("d", None, None),
    ]
    assert [(v.symbol, v.kind, v.value) for v in domains[1].setvars] == [("c_id", Variable.ID, 7)]
    assert [pd.name for pd in domains if system.receives_calls(pd)] == ["a", "b"]


def test_interrupts_and_variables(tmp_path: Path) -> None:
    text = (
        '<memory_region name="uart" size="0x1000" phys_addr="0x10000000" />'
        + domain(
            "a",
            '<map mr="uart" vaddr="0x3000000" setvar_vaddr="base" setvar_size="length" cached="false" />'
            '<irq irq="10" id="4" trigger="edge" setvar_id="line" /><setvar symbol="where" region_paddr="uart" />',
        )
        + domain("b")
        + '<channel><end pd="a" id="1" setvar_id="to_b" /><end pd="b" id="2" /></channel>'
    )
    system = read(tmp_path, text)
    a = system.domains()[0]
    (irq,) = a.irqs
    assert (irq.irq, irq.id, irq.trigger) == (10, 4, Trigger.EDGE)
    found = {v.symbol: (v.kind, v.value, v.region) for v in system.variables(a)}
    assert found == {
        "base": (Variable.VADDR, 0x300_0000, "uart"),
        "length": (Variable.SIZE, None, "uart"),
        "line": (Variable.ID, 4, None),
        "where": (Variable.REGION_PADDR, None, "uart"),
        "to_b": (Variable.ID, 1, None),
    }


@pytest.mark.parametrize(
    "attributes, vaddrs, page_size",
    [
        ('size="0x400000"', ["0x4000000"], 0x20_0000),
        ('size="0x400000"', ["0x4000000", "0x4800000"], 0x20_0000),
        ('size="0x400000"', ["0x4001000"], 0x1000),
        ('size="0x400000"', ["0x4000000", "0x8001000"], 0x1000),
        ('size="0x201000"', ["0x4000000"], 0x1000),
        ('size="0x400000" page_size="0x1000"', ["0x4000000"], 0x1000),
        ('size="0x400000" phys_addr="0x20001000"', ["0x4000000"], 0x1000),
        ('size="0x400000" phys_addr="0x20000000"', ["0x4000000"], 0x20_0000),
    ],
)
def test_pages_are_as_large_as_every_place_allows(
    tmp_path: Path, attributes: str, vaddrs: list[str], page_size: int
) -> None:
    text = f'<memory_region name="r" {attributes} />'
    text += "".join(domain(f"p{i}", f'<map mr="r" vaddr="{vaddr}" />') for i, vaddr in enumerate(vaddrs))
    assert read(tmp_path, text).memory_regions[0].page_size == page_size


def test_a_region_takes_its_size_from_its_contents(tmp_path: Path) -> None:
    (tmp_path / "font.bin").write_bytes(b"x" * 5000)
    text = '<memory_region name="font" prefill_path="font.bin" />'
    (region,) = read(tmp_path, text + domain("a", '<map mr="font" vaddr="0x3000000" perms="r" />')).memory_regions
    assert (region.size, len(region.prefill)) == (0x2000, 5000)


def test_warnings(tmp_path: Path) -> None:
    text = '<memory_region name="r" size="0x1000" /><memory_region name="s" size="0x1000" />'
    system = read(tmp_path, text + domain("a", '<map mr="s" vaddr="0x3fffffa000" />'))
    assert [warning.rule for warning in system.warnings] == ["unused-region", "no-stack-guard"]


def test_places_count_characters_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "test.system"
    path.write_text(
        '<system>\n<!-- Grüße -->\n  <protection_domain\n    name="ä"  prio="1">\n</protection_domain></system>'
    )
    with pytest.raises(Diagnostics) as caught:
        parse(path, shown_as="t")
    assert [error.location for error in caught.value.errors] == [Location("t", 3, 3), Location("t", 4, 15)]


@given(st.integers(0, 2**64 - 1), st.sampled_from(["{}", "{:#x}", "{:_}", "{:#_x}"]))
def test_numbers_are_read_in_every_notation(value: int, notation: str) -> None:
    errors = Collector()
    element = Element("map", {"vaddr": notation.format(value)}, Location("t", 1, 1))
    assert Values(errors, USER_SPACE, MICROKIT).number(element, "vaddr") == value
    assert errors.errors == []


PAGE = 0x1000


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 3)), min_size=1, max_size=5),
)
def test_mappings_are_accepted_exactly_when_they_are_disjoint(places: list[tuple[int, int]]) -> None:
    """A page set says which mappings overlap; the check must agree with it."""
    pages = [page for start, count in places for page in range(start, start + count)]
    disjoint = len(pages) == len(set(pages))
    regions = "".join(
        f'<memory_region name="r{i}" size="{count * PAGE}" page_size="0x1000" />' for i, (_, count) in enumerate(places)
    )
    maps = "".join(f'<map mr="r{i}" vaddr="{0x300_0000 + start * PAGE}" />' for i, (start, _) in enumerate(places))
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder), regions + domain("a", maps))
            accepted = True
        except (Diagnostic, Diagnostics) as error:
            accepted = False
            found = error.errors if isinstance(error, Diagnostics) else [error]
            assert {each.rule for each in found} == {"map-overlap"}
    assert accepted == disjoint

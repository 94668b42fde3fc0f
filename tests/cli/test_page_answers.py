# SPDX-License-Identifier: BSD-2-Clause
"""The page of a report: answers, the memory of the machine, links to the description, and what the filter reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from tessera.cli.answers import Answers, proof_facts
from tessera.cli.time import report_facts
from tessera.system.distribute import distribute
from tessera.system.html import as_html
from tessera.system.picture_machine import machine_parts
from tessera.system.report import report
from tessera.system.sdf import parse
from tests.system.systems import allocated, images

BOARD = "qemu_virt_riscv64"


def facts_of(path: Path) -> dict[str, Any]:
    """A report with answers, of a system whose programs are stand-ins."""
    system = parse(path)
    programs = images(system)
    made = distribute(system, programs)
    facts = report(system, programs, made, allocated(made, system))
    facts["answers"] = Answers(path, BOARD, [], ignore_policy=True).facts()
    facts["description"] = path.read_text()
    return facts


def body_of(page: str) -> Element:
    return fromstring(page[page.index("<body") : page.index("</body>") + len("</body>")])


def picture(body: Element, class_: str) -> Element:
    (found,) = [each for each in body.iter() if each.tag.endswith("svg") and each.get("class") == class_]
    return found


def having(root: Element, class_: str) -> list[Element]:
    return [each for each in root.iter() if class_ in (each.get("class") or "").split()]


@pytest.fixture(scope="module")
def vehicle(repository: Path) -> dict[str, Any]:
    return facts_of(repository / "tests" / "analysis" / "systems" / "vehicle.system")


@pytest.fixture(scope="module")
def greeter(repository: Path) -> dict[str, Any]:
    return facts_of(repository / "examples" / "greeter" / "greeter.system")


@pytest.mark.parametrize("which", ["vehicle", "greeter"])
def test_every_link_has_its_place(which: str, request: pytest.FixtureRequest) -> None:
    facts = request.getfixturevalue(which)
    page = as_html(facts)
    body = body_of(page)
    places = {each.get("id") for each in body.iter()}
    links = {str(each.get("href")) for each in body.iter() if (each.get("href") or "").startswith("#")}
    links |= {f"#L{each.get('data-line')}" for each in body.iter() if each.get("data-line")}
    assert {link.removeprefix("#") for link in links} <= places
    # Components, channels and regions lead to the lines that say them.
    lines = facts["description"].splitlines()
    for component in facts["components"]:
        assert f'name="{component["name"]}"' in lines[component["line"] - 1]
        assert f"#L{component['line']}" in links
    for region in facts["memory_regions"]:
        assert f'name="{region["name"]}"' in lines[region["line"] - 1]
    for channel in facts["channels"]:
        assert "<channel" in lines[channel["line"] - 1]
        assert f"#L{channel['line']}" in links


def test_what_the_filter_reads_names_what_there_is(greeter: dict[str, Any]) -> None:
    body = body_of(as_html(greeter))
    known = {c["name"] for c in greeter["components"]} | {r["name"] for r in greeter["memory_regions"]}
    known |= {"monitor"}
    others = {f"virtio{n}" for n in range(8)} | {"test", "uart0", "rtc", "flash0", "flash1"}
    marked = [(each, each.get("data-c", "").split()) for each in body.iter() if each.get("data-c")]
    assert {name for _, names in marked for name in names} - others == known
    options = [each.get("value") for each in body.iter("option")]
    kinds = ("components", "memory_regions")
    assert options == [each["name"] for kind in kinds for each in greeter[kind]]
    # Every channel, box, row of a table and address space can be found by its component.
    drawn = picture(body, "components")
    assert [names for each, names in marked if each in having(drawn, "channel")] == [
        each.get("data-c", "").split() for each in having(drawn, "channel")
    ]
    client = [each for each, names in marked if "client" in names]
    assert {each.tag.rpartition("}")[2] for each in client} >= {"g", "tr", "figure", "details", "text"}


def test_the_policy_is_told_line_by_line(greeter: dict[str, Any]) -> None:
    body = body_of(as_html(greeter))
    (listed,) = having(body, "policy")
    assert [mark.text for mark in listed.iter("b")] == ["yes"] * 10
    broken = {**greeter["answers"]["policy"], "ignored": True}
    broken["lines"] = [{**broken["lines"][0], "holds": False}]
    facts = {**greeter, "answers": {**greeter["answers"], "policy": broken}}
    page = as_html(facts)
    (listed,) = having(body_of(page), "policy")
    assert [mark.text for mark in listed.iter("b")] == ["no"]
    assert "0 of 1 lines of greeter.policy hold. The system was built all the same (--ignore-policy)." in page


def test_responses_are_bars_beside_their_deadlines(vehicle: dict[str, Any]) -> None:
    times = vehicle["answers"]["time"]
    drawn = picture(body_of(as_html(vehicle)), "responses")
    rows = having(drawn, "response")
    assert len(rows) == len(times["promises"]) > 3
    deadline = float(re.findall(r"M([\d.]+)", next(e.get("d", "") for e in having(drawn, "limit")))[0])
    for row, promise in zip(rows, times["promises"], strict=True):
        (bar,) = having(row, "part")
        end = float(bar.get("x", "")) + float(bar.get("width", ""))
        assert (end <= deadline) == promise["holds"]
        assert ("late" in (row.get("class") or "").split()) == (not promise["holds"])


def test_a_promise_without_bound_has_no_bar(greeter: dict[str, Any]) -> None:
    (promise,) = greeter["answers"]["time"]["promises"]
    assert promise["response"] is None
    (row,) = having(picture(body_of(as_html(greeter)), "responses"), "response")
    assert having(row, "slant") and not having(row, "part")


def test_times_that_cannot_be_computed_are_said(repository: Path) -> None:
    facts = facts_of(repository / "examples" / "domains" / "domains.system")
    assert "the time of a system with a domain schedule is not analysed" in facts["answers"]["time"]["problem"]
    assert "Times were not computed" in as_html(facts)


def test_the_memory_of_the_machine_has_every_device_and_region_once(greeter: dict[str, Any]) -> None:
    parts = machine_parts(greeter)
    assert all(a["end"] <= b["start"] for a, b in zip(parts, parts[1:], strict=False))
    (device,) = [part for part in parts if part["name"] == "test"]
    assert (device["regions"], device["whom"]) == (["test_device"], ["power"])
    drawn = picture(body_of(as_html(greeter)), "machine")
    assert len(having(drawn, "area")) == len(parts)


def test_regions_in_ram_are_told_in_the_memory_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "a.system").write_text(
        '<system><memory_region name="dma" size="0x2000" phys_addr="0x90000000" />'
        '<protection_domain name="driver"><program_image path="a.elf" />'
        '<map mr="dma" vaddr="0x3000000" /></protection_domain></system>'
    )
    parts = machine_parts(facts_of(tmp_path / "a.system"))
    (index,) = [n for n, part in enumerate(parts) if part["name"] == "dma"]
    assert (parts[index]["start"], parts[index]["end"], parts[index]["whom"]) == (0x9000_0000, 0x9000_2000, ["driver"])
    assert [parts[index - 1]["kind"], parts[index + 1]["kind"]] == ["free", "free"]


def test_the_ledger_is_that_of_this_kernel(greeter: dict[str, Any]) -> None:
    proofs = proof_facts()
    assert proofs is not None and len(proofs["functions"]) > 400
    assert greeter["answers"]["proofs"] == proofs
    page = as_html({**greeter, "answers": {**greeter["answers"], "proofs": {**proofs, "changed": []}}})
    assert "written for exactly the sources of the kernel in this image" in page
    page = as_html({**greeter, "answers": {**greeter["answers"], "proofs": {**proofs, "changed": ["ipc.py"]}}})
    assert "ipc.py of this kernel have changed since" in page
    page = as_html({**greeter, "answers": {**greeter["answers"], "proofs": None}})
    assert "There is no ledger of proofs" in page


def test_a_report_has_the_same_times_as_the_command(repository: Path) -> None:
    path = repository / "tests" / "analysis" / "systems" / "vehicle.system"
    facts = report_facts(parse(path), BOARD, path.with_suffix(".timing"))
    assert facts["ok"] is True
    assert sum(part["share"] for part in facts["parts"] if not part["unlimited"]) == pytest.approx(
        facts["utilisation"]["budgets"]
    )

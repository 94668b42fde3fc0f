# SPDX-License-Identifier: BSD-2-Clause
"""The report as a page: everything that is in the report is in the pictures, and names are only text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

import pytest

from tessera.system import environment as env
from tessera.system.distribute import distribute
from tessera.system.html import as_html
from tessera.system.html_script import SCRIPT
from tessera.system.markup import shortened, text_width
from tessera.system.model import System
from tessera.system.picture_components import channel_says
from tessera.system.report import report
from tessera.system.sdf import parse
from tests.system.large import large_system
from tests.system.systems import GREETER, allocated, described, domain, images

Facts = Mapping[str, Any]
SVG = "{http://www.w3.org/2000/svg}"
SYSTEMS = {"greeter": lambda: parse(GREETER, shown_as="greeter.system"), "large": large_system}


def facts_of(system: System) -> dict[str, Any]:
    """The report's facts, as they are in its JSON form."""
    programs = images(system)
    made = distribute(system, programs)
    facts: dict[str, Any] = json.loads(json.dumps(report(system, programs, made, allocated(made, system))))
    return facts


def body_of(facts: Facts) -> Element:
    """The page's body; it must be well-formed XML."""
    page = as_html(facts)
    return ElementTree.fromstring(page[page.index("<body>") : page.index("</body>") + len("</body>")])


def picture(body: Element, class_: str) -> Element:
    (found,) = (each for each in body.iter(f"{SVG}svg") if each.get("class") == class_)
    return found


def groups(drawn: Element, class_: str) -> list[Element]:
    return [each for each in drawn.iter() if class_ in (each.get("class") or "").split()]


def title(drawn: Element) -> str:
    found = drawn.find(f"{SVG}title")
    assert found is not None
    return "".join(found.itertext())


def words(drawn: Element) -> list[str]:
    """The texts of a picture, each in full."""
    found = []
    for each in drawn.iter(f"{SVG}text"):
        full = each.find(f"{SVG}title")
        found.append((full if full is not None else each).text or "")
    return found


@pytest.fixture(params=SYSTEMS, scope="module")
def facts(request: pytest.FixtureRequest) -> Facts:
    return facts_of(SYSTEMS[request.param]())


@pytest.fixture(scope="module")
def body(facts: Facts) -> Element:
    return body_of(facts)


def test_there_are_forty_components() -> None:
    assert len(large_system().domains()) == 40


def test_every_component_is_a_box_and_the_highest_priority_is_on_top(facts: Facts, body: Element) -> None:
    boxes = groups(picture(body, "components"), "box")
    ordered = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    assert [words(box)[0] for box in boxes] == [env.MONITOR_NAME, *(each["name"] for each in ordered)]
    for box, each in zip(boxes[1:], ordered, strict=True):
        assert words(box)[1] == f"priority {each['priority']}"
        assert each["program"] in words(box)[2]
    rects = [(float(box[0].get("y", "")), float(box[0].get("height", ""))) for box in boxes]
    assert all(y + height < below for (y, height), (below, _) in zip(rects, rects[1:], strict=False))


def test_every_channel_is_a_line_with_its_numbers_and_arrow_heads(facts: Facts, body: Element) -> None:
    drawn = picture(body, "components")
    channels = groups(drawn, "channel")
    assert [title(each) for each in channels] == [channel_says(channel) for channel in facts["channels"]]
    boxes = {words(box)[0]: words(box) for box in groups(drawn, "box")}
    for shown, channel in zip(channels, facts["channels"], strict=True):
        ends = channel["ends"]
        heads = [head.get("class") for head in groups(shown, "head")]
        assert heads.count("head call") == sum(end["may_call"] for end in ends)
        assert heads.count("head notify") == sum(end["may_notify"] for end in ends)
        for end, other in (ends, ends[::-1]):
            told = boxes[end["component"]]
            assert any(
                text[2:] == other["component"] and told[place + 1] == str(end["id"]) for place, text in enumerate(told)
            )


def _head(head: Element) -> tuple[str, float]:
    """What kind of arrow head it is, and the height of its tip."""
    height = float(head.get("d", "").split("l")[0].split()[1])
    return ("notify", height + 5) if "notify" in head.get("class", "") else ("call", height)


def test_lines_end_at_the_numbers_of_their_channels(facts: Facts, body: Element) -> None:
    drawn = picture(body, "components")
    pills: dict[tuple[str, str], str] = {}
    for box in groups(drawn, "box"):
        for number in groups(box, "id"):
            pills[words(box)[0], number.text or ""] = f"{float(number.get('y', '')) - 4:g}"
    for shown, channel in zip(groups(drawn, "channel"), facts["channels"], strict=True):
        (wire,) = groups(shown, "wire")
        heights = {pills[end["component"], str(end["id"])] for end in channel["ends"]}
        path = wire.get("d", "")
        start, end = path[1:].split("H")[0].split()[1], path.rsplit("H", 1)[0].split()[-1]
        assert {start, end} == heights
        assert path[1:].split()[0] == path.rsplit("H", 1)[1], "both ends are at the edge of the boxes"
        arrivals = set()
        for sender, receiver in (channel["ends"], channel["ends"][::-1]):
            height = float(pills[receiver["component"], str(receiver["id"])])
            arrivals |= {(kind, height) for kind in ("call", "notify") if sender[f"may_{kind}"]}
        assert {_head(head) for head in groups(shown, "head")} == arrivals


def test_every_region_is_shown_with_who_maps_it(facts: Facts, body: Element) -> None:
    drawn = picture(body, "components")
    items = {words(item)[0]: title(item) for item in groups(drawn, "item")}
    boxes = {words(box)[0]: words(box) for box in groups(drawn, "box")}
    for region in facts["memory_regions"]:
        users = {use["component"] for use in region["mapped_by"]}
        for use in region["mapped_by"]:
            assert f"{use['perms']} {region['name']}" in boxes[use["component"]]
            if len(users) > 1 or region["device"]:
                assert f"{use['component']} maps {region['name']} as {use['perms']}" in items[region["name"]]
        if len(users) == 1 and not region["device"]:
            assert region["name"] not in items


def test_every_interrupt_is_shown(facts: Facts, body: Element) -> None:
    items = [title(item) for item in groups(picture(body, "components"), "item")]
    for component in facts["components"]:
        for irq in component["interrupts"]:
            assert f"interrupt {irq['irq']} notifies {component['name']} on channel {irq['channel']}" in items


def test_every_area_of_every_address_space_is_shown_from_the_top(facts: Facts, body: Element) -> None:
    spaces = {
        title(each).removeprefix("the address space of "): each for each in body.iter() if each.get("class") == "space"
    }
    assert set(spaces) == {component["name"] for component in facts["components"]}
    for name, areas in facts["memory_map"].items():
        shown = groups(spaces[name], "area")
        expected = [(f"{a['name']} ({a['kind']}): {a['start']:#x} to {a['end']:#x}") for a in reversed(areas)]
        assert [title(area).rsplit(", ", 2)[0] for area in shown] == expected
        tops = [float(area[1].get("y", "")) for area in shown]
        assert tops == sorted(tops)


def test_shared_memory_has_one_colour_everywhere(facts: Facts, body: Element) -> None:
    shared = {r["name"] for r in facts["memory_regions"] if len({use["component"] for use in r["mapped_by"]}) > 1}
    colours: dict[str, set[str | None]] = {}
    for each in [*groups(body, "area"), *groups(body, "item")]:
        if "shared" in each.get("class", "") and (told := words(each)):
            colours.setdefault(told[0], set()).add(each.get("style"))
    assert set(colours) == shared
    assert all(len(found) == 1 and None not in found for found in colours.values())
    assert len({str(found) for found in colours.values()}) == len(shared)


def test_every_slot_is_in_a_table_with_rights_and_badge(facts: Facts, body: Element) -> None:
    tables = {}
    for holder in groups(body, "holders")[0]:
        rows = [["".join(cell.itertext()) for cell in row] for row in holder.iter("tr")][1:]
        tables[holder[0].text] = [row[:4] for row in rows]
        assert all(row[4] for row in rows), "every capability is for something"
    expected = {}
    for each in facts["distribution"]["objects"]:
        if each["type"] == "cnode":
            expected[each["name"].removesuffix(".cnode")] = [
                [slot, cap["object"], cap["rights"], f"{cap['badge']:#x}" if cap["badge"] else ""]
                for slot, cap in each["slots"].items()
            ]
    assert tables == expected


def test_the_picture_of_capabilities_agrees_with_the_channels(facts: Facts, body: Element) -> None:
    told = {title(cell) for cell in picture(body, "authority").iter(f"{SVG}g")}
    for channel in facts["channels"]:
        for end, other in (channel["ends"], channel["ends"][::-1]):
            for right, does in (("may_call", "calls it"), ("may_notify", "notifies it")):
                if end[right]:
                    (cell,) = (t for t in told if t.startswith(f"{end['component']} → {other['component']}: "))
                    assert does in cell
    faults = {(c["name"], c["faults_to"]) for c in facts["components"]}
    assert {f"{a} → {b}" for a, b in faults} == {t.split(":")[0] for t in told if "its faults are told to it" in t}


def test_letters_are_in_the_row_of_the_holder_and_the_column_of_the_owner(facts: Facts, body: Element) -> None:
    drawn = picture(body, "authority")
    own = groups(drawn, "own")
    names = [
        env.MONITOR_NAME,
        *(c["name"] for c in sorted(facts["components"], key=lambda c: (-c["priority"], c["index"]))),
    ]
    assert len(own) == len(names)
    for cell in drawn.iter(f"{SVG}g"):
        holder, owner = title(cell).partition(": ")[0].split(" → ")
        row, column = own[names.index(holder)], own[names.index(owner)]
        for letter in cell.iter(f"{SVG}text"):
            across = float(letter.get("x", "")) - float(column.get("x", ""))
            down = float(letter.get("y", "")) - float(row.get("y", ""))
            assert 0 < across < float(column.get("width", ""))
            assert 0 < down < float(row.get("height", ""))


def test_every_budget_is_a_bar(facts: Facts, body: Element) -> None:
    bars = groups(picture(body, "budgets"), "bar")
    ordered = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    for bar, each in zip(bars, ordered, strict=True):
        told = words(bar)
        assert told[:2] == [each["name"], str(each["priority"])]
        assert ("passive" in told[2]) == each["passive"]
        (whole,), part = groups(bar, "whole"), groups(bar, "part")
        if each["passive"]:
            assert not part
        else:
            share = float(part[0].get("width", "")) / float(whole.get("width", ""))
            assert share == pytest.approx(each["budget"] / each["period"], abs=0.01)


def test_totals_and_image(facts: Facts) -> None:
    image = {
        "kernel": {"start": 0, "end": 188 << 10, "text": 77 << 10},
        "initialiser": {"start": 0, "end": 3 << 20, "distribution_bytes": 99 << 10},
        "programs": {"client": {"source": "somewhere/client.c"}},
    }
    body = body_of({**facts, "image": image, "configuration": {"board": "some_board", "config": "release"}})
    cells = ["".join(cell.itertext()) for cell in body.iter("td")]
    for text in ("188 KiB", "77 KiB", "3 MiB", "99 KiB", "somewhere/client.c", "some_board", "release"):
        assert text in cells
    for each in facts["objects"]:
        assert each["type"].replace("_", " ") in cells
    assert {words(bar)[0] for bar in groups(picture(body, "owners"), "bar")} == set(facts["memory_by_owner"])


def test_children_passive_components_and_idle_channels() -> None:
    ends = '<end pd="a" id="1" notify="false" /><end pd="b" id="3" notify="false" />'
    system = described(
        '<memory_region name="unused" size="0x1000" />'
        + domain("a", domain("b", id=7, budget=1500, period=10000), passive="true", priority=9)
        + f"<channel>{ends}</channel>"
    )
    drawn = picture(body_of(facts_of(system)), "components")
    a, b = groups(drawn, "box")[1:]
    assert words(a)[2] == "a.elf · passive"
    assert words(b)[2] == "b.elf · 1.5 ms in 10 ms · child 7 of a"
    assert [title(each) for each in groups(drawn, "faults")] == ["faults go to monitor", "faults go to a"]
    assert [title(each) for each in groups(drawn, "idle") if each.tag == f"{SVG}g"] == [
        "a channel 1 – b channel 3: nothing is allowed"
    ]
    assert "unused is mapped by nobody" in [title(each) for each in groups(drawn, "item")]


def test_names_are_text_and_nothing_else() -> None:
    evil, region, program = "</title><script>alert('1')</script>", '"&amp;<b onload="x">', "]]><img src=x>"
    system = described(
        f'<memory_region name={quoteattr(region)} size="0x1000" />'
        + "".join(
            f"<protection_domain name={quoteattr(name)}><program_image path={quoteattr(program)} />"
            f'<map mr={quoteattr(region)} vaddr="0x3000000" /></protection_domain>'
            for name in (evil, "other")
        )
        + f'<channel><end pd={quoteattr(evil)} id="0" /><end pd="other" id="0" /></channel>'
    )
    facts = {**facts_of(system), "system": "a\x00\udcffb</title>.system"}
    page = as_html(facts).replace(f"<script>{SCRIPT}</script>", "")
    body = body_of(facts)
    for tag in ("<script", "<b onload", "<img"):
        assert tag not in page
    assert page.count("</title>") == page.count("<title>")
    assert "\x00" not in page
    page.encode()
    assert any(evil in text for text in words(picture(body, "components")))
    assert any(region in text for text in words(picture(body, "components")))


def test_long_names_are_shortened_and_told_in_full() -> None:
    name = "component_" + "x" * 50
    boxes = groups(picture(body_of(facts_of(described(domain(name)))), "components"), "box")
    (shown,) = groups(boxes[1], "name")
    assert "…" in (shown.text or "")
    assert words(boxes[1])[0] == name
    assert text_width(shown.text or "", 14) < float(boxes[1][0].get("width", ""))


@pytest.mark.parametrize("text", ["", "a", "abcdef", "漢字漢字漢字"])
def test_shortened_text_fits(text: str) -> None:
    told = shortened(text, 22, 12)
    assert len(told) <= 2 or text_width(told, 12) <= 22
    assert shortened(text, 1000, 12) == text


def test_the_page_needs_nothing_else(facts: Facts) -> None:
    page = as_html(facts).replace('xmlns="http://www.w3.org/2000/svg"', "")
    for word in ("http:", "https:", "<link", "src=", "url(", "@import", "fetch(", "XMLHttp", "import("):
        assert word not in page
    assert page.count("<script") == 1 and page.partition("<script>")[2].startswith(SCRIPT)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_equal_facts_give_equal_pages(facts: Facts, tmp_path: Path) -> None:
    """In another process too, where sets have another order."""
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    code = (
        "import json, sys; from tessera.system.html import as_html\n"
        "sys.stdout.buffer.write(as_html(json.load(open(sys.argv[1]))).encode())"
    )
    pages = {as_html(facts).encode()}
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        command = [sys.executable, "-c", code, str(tmp_path / "facts.json")]
        pages.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(pages) == 1

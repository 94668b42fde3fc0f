# SPDX-License-Identifier: BSD-2-Clause
"""The picture of the machine's physical memory: low addresses at the bottom, not to scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from tessera.system.collect import size_text
from tessera.system.html_parts import about
from tessera.system.markup import label, node, number, picture, text_width

WIDTH = 250
ROW = 34
GAP = 17
SIZE, SMALL = 12, 11
WORDS = {"firmware": "the firmware's", "ram": "", "kernel": "the kernel's", "device": "device"}


def machine_parts(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is where, from low addresses to high ones; of RAM the parts that are known, each with who uses it."""
    parts: list[dict[str, Any]] = []
    for part in facts.get("machine", []):
        used = [r for r in facts["memory_regions"] if _overlaps(r, part)]
        whom = sorted({use["component"] for region in used for use in region["mapped_by"]})
        if part["kind"] == "ram":
            parts += _ram(facts, part)
        else:
            parts.append({**part, "regions": [r["name"] for r in used], "whom": whom})
    return parts


def _overlaps(region: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    start = region["phys_addr"]
    return start is not None and start < part["end"] and part["start"] < start + region["size"]


def _ram(facts: Mapping[str, Any], ram: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    image = facts.get("image")
    known: list[tuple[int, int, str, list[str], list[str]]] = []
    if image is not None:
        known.append((image["kernel"]["start"], image["kernel"]["end"], "kernel", [], []))
        known.append(
            (image["initialiser"]["start"], image["initialiser"]["end"], "initialiser, until it has ended", [], [])
        )
    for region in facts["memory_regions"]:
        if _overlaps(region, ram):
            whom = [use["component"] for use in region["mapped_by"]]
            known.append(
                (region["phys_addr"], region["phys_addr"] + region["size"], region["name"], [region["name"]], whom)
            )
    at = ram["start"]
    for start, end, name, regions, whom in sorted(known):
        if start > at:
            yield _free(at, start)
        yield {"name": name, "kind": "ram", "start": start, "end": end, "regions": regions, "whom": whom}
        at = max(at, end)
    if at < ram["end"]:
        yield _free(at, ram["end"])


def _free(start: int, end: int) -> dict[str, Any]:
    name = "for objects and memory regions"
    return {"name": name, "kind": "free", "start": start, "end": end, "regions": [], "whom": []}


def machine_picture(facts: Mapping[str, Any]) -> Element:
    """A column, high addresses on top; beside each part who maps it."""
    drawn = []
    parts = machine_parts(facts)
    y, above = 1.0, None
    texts = [_aside(part) for part in parts]
    for part, aside in zip(reversed(parts), reversed(texts), strict=True):
        if above is not None and part["end"] < above:
            gap = f"⋮ {size_text(above - part['end'])} ⋮"
            drawn.append(label(WIDTH / 2, y + 12, gap, size=SMALL, class_="gap", anchor="middle"))
            y += GAP
        drawn.append(_part(part, aside, y))
        y += ROW
        above = part["start"]
    width = WIDTH + 14 + max((text_width(text, SMALL) for text in texts), default=0)
    return picture(width, y + 1, *drawn, class_="machine", says="the machine's physical memory")


def _aside(part: Mapping[str, Any]) -> str:
    if part["whom"]:
        return f"{', '.join(part['regions'])}: {', '.join(part['whom'])}"
    return ", ".join(part["regions"])


def _part(part: Mapping[str, Any], aside: str, y: float) -> Element:
    kind = {"kernel": "program", "device": "device" if part["regions"] else "idle", "free": "idle", "ram": "program"}
    size = size_text(part["end"] - part["start"])
    says = f"{part['name']}: {part['start']:#x} to {part['end']:#x}, {size} {WORDS.get(part['kind'], '')}".rstrip()
    drawn = node("g", node("title", says), class_=f"area {kind.get(part['kind'], 'guard')}")
    if part["whom"] or part["regions"]:
        drawn.set("data-c", about(*part["whom"], *part["regions"]))
    drawn.append(node("rect", x=0.5, y=number(y), width=WIDTH - 1, height=ROW))
    drawn.append(label(8, y + 14, part["name"], size=SIZE, width=WIDTH - 16, class_="name"))
    drawn.append(label(8, y + ROW - 6, size, size=SMALL, class_="muted"))
    drawn.append(label(WIDTH - 8, y + ROW - 6, f"{part['start']:#x}", size=SMALL, class_="muted", anchor="end"))
    drawn.append(label(WIDTH + 12, y + ROW / 2 + 4, aside, size=SMALL))
    return drawn

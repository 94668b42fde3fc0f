# SPDX-License-Identifier: BSD-2-Clause
"""Pictures of address spaces: one column for each component, high addresses on top, not to scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from tessera.system.collect import size_text
from tessera.system.faultmap import AreaKind
from tessera.system.markup import label, node, number, picture
from tessera.system.picture_components import region_hues, region_kind, tint

WIDTH = 212
GAP = 17  # what is not mapped
GUARD = 17
SIZE, SMALL = 12, 11


def spaces(facts: Mapping[str, Any]) -> list[tuple[str, Element]]:
    """The name and the picture of each component's address space, the highest priority first."""
    hues = region_hues(facts)
    kinds = {region["name"]: region_kind(region, hues) for region in facts["memory_regions"]}
    ordered = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    return [(c["name"], space_picture(c["name"], facts["memory_map"][c["name"]], kinds, hues)) for c in ordered]


def area_height(size: int) -> int:
    """Larger areas are higher: 34 for a page of 4 KiB, and 4 more each time the size doubles, up to 110."""
    return min(110, 34 + 4 * max(0, math.ceil(math.log2(size / 4096))))


def space_picture(
    name: str, areas: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], hues: Mapping[str, int]
) -> Element:
    """One address space. ``kinds`` and ``hues``: those of the memory regions."""
    drawn = []
    y = 1.0
    above: int | None = None
    for area in sorted(areas, key=lambda each: -each["start"]):
        if above is not None and area["end"] < above:
            drawn.append(
                label(
                    WIDTH / 2,
                    y + 12,
                    f"⋮ {size_text(above - area['end'])} ⋮",
                    size=SMALL,
                    class_="gap",
                    anchor="middle",
                )
            )
            y += GAP
        guard = area["kind"] == AreaKind.GUARD.value
        height = GUARD if guard else area_height(area["end"] - area["start"])
        drawn.append(_area(area, y, height, kinds, hues))
        y += height
        above = area["start"]
    return picture(WIDTH, y + 1, *drawn, class_="space", says=f"the address space of {name}")


def pattern(x: float, y: float, width: float, height: float) -> Element:
    """Slanted lines across a rectangle."""
    lines = []
    for start in range(0, int(width + height), 7):
        low, high = max(0.0, start - width), min(start, height)
        lines.append(f"M{number(x + start - low)} {number(y + low)}L{number(x + start - high)} {number(y + high)}")
    return node("path", d="".join(lines), class_="slant")


def _area(
    area: Mapping[str, Any], y: float, height: float, kinds: Mapping[str, str], hues: Mapping[str, int]
) -> Element:
    name, size = area["name"], size_text(area["end"] - area["start"])
    region = area["kind"] == AreaKind.REGION.value
    if region:
        kind = kinds[name]
    else:
        kind = {AreaKind.GUARD.value: "guard", AreaKind.PROGRAM.value: "program"}.get(area["kind"], "stack")
    says = f"{name} ({area['kind']}): {area['start']:#x} to {area['end']:#x}, {size}, {area['perms'] or 'no access'}"
    drawn = node("g", node("title", says), class_=f"area {kind}", style=tint(hues.get(name)) if region else None)
    drawn.append(node("rect", x=0.5, y=number(y), width=WIDTH - 1, height=number(height)))
    if kind == "guard":
        drawn.append(pattern(1, y, WIDTH - 2, height))
        drawn.append(label(8, y + 12, f"guard {size}", size=SMALL, class_="muted over"))
        drawn.append(label(WIDTH - 8, y + 12, f"{area['start']:#x}", size=SMALL, class_="muted over", anchor="end"))
        return drawn
    drawn.append(label(8, y + 14, name, size=SIZE, width=WIDTH - 56, class_="name"))
    drawn.append(label(WIDTH - 8, y + 14, area["perms"], size=SIZE, class_="perms", anchor="end"))
    drawn.append(label(8, y + height - 6, size, size=SMALL, class_="muted"))
    drawn.append(label(WIDTH - 8, y + height - 6, f"{area['start']:#x}", size=SMALL, class_="muted", anchor="end"))
    return drawn

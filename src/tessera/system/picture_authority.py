# SPDX-License-Identifier: BSD-2-Clause
"""The picture of who reaches whom: the graph of capabilities as a table, because tables of forty rows can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from xml.etree.ElementTree import Element

from tessera.system.holdings import REACH_TEXT, Holding, Reach
from tessera.system.html_parts import about
from tessera.system.markup import label, node, number, picture, text_width

SIZE = 12
ROW = 22
LETTER = 10
LONGEST = 200  # the widest name that is not shortened


def authority_picture(held: Mapping[str, Sequence[Holding]]) -> Element:
    """A row for each holder, a column for each owner of objects; letters are values of :class:`Reach`."""
    names = list(held)
    cells = _cells(held)
    head = min(LONGEST, max(text_width(name, SIZE) for name in names)) + 12
    columns = {name: _column(name, cells) for name in names}
    edges = list(accumulate(columns.values(), initial=head))
    drawn = []
    for index, (name, left) in enumerate(zip(names, edges, strict=False)):
        y = head + index * ROW
        side = label(head - 8, y + ROW / 2 + 4, name, size=SIZE, width=LONGEST, anchor="end")
        side.set("data-c", name)
        drawn.append(side)
        turned = label(0, 4, name, size=SIZE, width=LONGEST)
        turned.set("data-c", name)
        turned.set("transform", f"translate({number(left + columns[name] / 2)} {number(head - 6)}) rotate(-90)")
        drawn.append(turned)
        drawn.append(node("rect", x=number(left), y=number(y), width=columns[name], height=ROW, class_="own"))
    width, height = edges[-1] + 1, head + ROW * len(names) + 1
    rows = "".join(f"M{number(head)} {number(head + ROW * n)}H{number(edges[-1])}" for n in range(len(names) + 1))
    drawn.append(node("path", d=rows, class_="grid"))
    down = "".join(f"M{number(edge)} {number(head)}V{number(height - 1)}" for edge in edges)
    drawn.append(node("path", d=down, class_="grid"))
    for (holder, owner), reaches in cells.items():
        x = edges[names.index(owner)] + columns[owner] / 2 - (len(reaches) - 1) * LETTER / 2
        y = head + names.index(holder) * ROW + ROW / 2 + 4
        says = "; ".join(f"{holder} → {owner}: {REACH_TEXT[reach]}" for reach in reaches)
        cell = node("g", node("title", says), data_c=about(holder, owner))
        for place, reach in enumerate(reaches):
            letter = f"letter {reach.name.lower()}"
            cell.append(label(x + place * LETTER, y, reach.value, size=SIZE, class_=letter, anchor="middle"))
        drawn.append(cell)
    return picture(width, height, *drawn, class_="authority", says="who holds capabilities to whose objects")


def reaches_used(held: Mapping[str, Sequence[Holding]]) -> set[Reach]:
    """What occurs in the picture."""
    return {reach for reaches in _cells(held).values() for reach in reaches}


def _column(owner: str, cells: Mapping[tuple[str, str], Sequence[Reach]]) -> int:
    """The width of an owner's column: room for the letters of one holder."""
    return max(
        ROW, LETTER * max((len(reaches) for (_, each), reaches in cells.items() if each == owner), default=0) + 8
    )


def _cells(held: Mapping[str, Sequence[Holding]]) -> dict[tuple[str, str], list[Reach]]:
    """What each holder can do to each owner, each thing once and in the order of :class:`Reach`."""
    cells: dict[tuple[str, str], list[Reach]] = {}
    for holder, capabilities in held.items():
        for reach in Reach:
            for each in capabilities:
                there = cells.get((holder, each.owner), [])
                if each.reach is reach and reach not in there:
                    cells[holder, each.owner] = [*there, reach]
    return cells

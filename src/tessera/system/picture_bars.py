# SPDX-License-Identifier: BSD-2-Clause
"""Pictures made of bars: the processor time of each component, and memory by owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from tessera.system.collect import size_text
from tessera.system.markup import label, node, number, picture, text_width
from tessera.system.picture_components import time_text

ROW = 24
SIZE, SMALL = 12, 11
NAME = 200  # the widest name that is not shortened
BAR = 260


def budgets_picture(facts: Mapping[str, Any]) -> Element:
    """What part of the processor each component may take, the highest priority first."""
    ordered = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    rows = [
        (c["name"], str(c["priority"]), c["budget"] / c["period"], _budget_text(c), "passive" if c["passive"] else "")
        for c in ordered
    ]
    return _bars(rows, "budgets", "the budget of each component", heads=("priority", "part of the processor"))


def memory_picture(facts: Mapping[str, Any]) -> Element:
    """RAM by component and memory region, the most first."""
    usage = facts["memory_by_owner"]
    most = max(usage.values(), default=1)
    rows = [(name, "", size / most, size_text(size), "memory") for name, size in usage.items()]
    return _bars(rows, "owners", "memory by component and memory region")


def _budget_text(component: Mapping[str, Any]) -> str:
    budget, period = component["budget"], component["period"]
    amount = f"{time_text(budget)} in every {time_text(period)}"
    if component["passive"]:
        return f"passive: runs on its callers' time; {amount} for its init"
    return f"{amount}, no limit" if budget >= period else f"{amount} ({100 * budget / period:.3g} %)"


def _bars(
    rows: list[tuple[str, str, float, str, str]], class_: str, says: str, heads: tuple[str, str] | None = None
) -> Element:
    """Rows of (name, second column, part of the whole bar, text, class of the bar)."""
    name_width = min(NAME, max((text_width(row[0], SIZE) for row in rows), default=0))
    second = name_width + 14
    bar = second + (max(text_width(text, SMALL) for text in (heads[0], *(row[1] for row in rows))) + 14 if heads else 0)
    width = bar + BAR + 12 + max((text_width(row[3], SMALL) for row in rows), default=0)
    drawn = []
    top = 0
    if heads:
        drawn = [label(x, 13, text, size=SMALL, class_="muted") for x, text in ((second, heads[0]), (bar, heads[1]))]
        top = 18
    for index, (name, aside, part, text, kind) in enumerate(rows):
        y = top + index * ROW
        row = node("g", class_="bar " + kind if kind else "bar", data_c=name)
        row.append(label(0, y + 16, name, size=SIZE, width=NAME, class_="name"))
        if aside:
            row.append(label(second, y + 16, aside, size=SMALL))
        row.append(node("rect", x=number(bar), y=y + 5, width=BAR, height=14, rx=2, class_="whole"))
        if part > 0 and kind != "passive":
            row.append(
                node(
                    "rect",
                    x=number(bar),
                    y=y + 5,
                    width=number(max(1.5, min(part, 1) * BAR)),
                    height=14,
                    rx=2,
                    class_="part",
                )
            )
        row.append(label(bar + BAR + 12, y + 16, text, size=SMALL, class_="muted"))
        drawn.append(row)
    return picture(width, top + ROW * len(rows), *drawn, class_=class_, says=says)

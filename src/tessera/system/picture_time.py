# SPDX-License-Identifier: BSD-2-Clause
"""Pictures of times: what part of the processor may be taken, and responses beside deadlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from tessera.system.html_parts import about
from tessera.system.markup import label, node, number, picture, text_width
from tessera.system.picture_components import time_text
from tessera.system.picture_spaces import pattern

ROW = 26
SIZE, SMALL = 12, 11
NAME = 220
BAR = 320
# A response may be drawn up to this multiple of its deadline.
BEYOND = 1.25


def utilisation_picture(times: Mapping[str, Any]) -> Element:
    """One bar for all budgets that are limits, with a part for each; below, what jobs need. The frame is all time."""
    parts = [part for part in times["parts"] if not part["unlimited"]]
    total = sum(part["share"] for part in parts)
    whole = max(1.0, total)
    drawn = [label(0, 17, "budgets", size=SIZE, class_="name"), *_stacked(90, 4, parts, whole)]
    text = f"{100 * total:.3g} %"
    unlimited = times["utilisation"]["unlimited"]
    if unlimited:
        text += f", and {len(unlimited)} without a limit"
    drawn.append(label(90 + BAR + 12, 17, text, size=SMALL, class_="muted"))
    height = ROW
    jobs = times["utilisation"]["jobs"]
    if jobs:
        drawn.append(label(0, ROW + 17, "jobs", size=SIZE, class_="name"))
        drawn += [_frame(90, ROW + 4), _bar(90, ROW + 4, jobs / whole, "part")]
        drawn.append(label(90 + BAR + 12, ROW + 17, f"{100 * jobs:.3g} %", size=SMALL, class_="muted"))
        height += ROW
    if whole > 1:
        x = 90 + BAR / whole
        drawn.append(node("path", d=f"M{number(x)} 0V{height}", class_="limit"))
    width = 90 + BAR + 12 + text_width(text, SMALL)
    return picture(width, height, *drawn, class_="utilisation", says="what part of the processor may be taken")


def _stacked(x: float, y: float, parts: Sequence[Mapping[str, Any]], whole: float) -> list[Element]:
    drawn = [_frame(x, y)]
    at = x
    for index, part in enumerate(parts):
        width = part["share"] / whole * BAR
        says = node("title", f"{part['component']}: {100 * part['share']:.3g} %")
        shade = "part" if index % 2 == 0 else "part other"
        drawn.append(
            node(
                "rect", says, x=number(at), y=y, width=number(width), height=16, class_=shade, data_c=part["component"]
            )
        )
        at += width
    return drawn


def _frame(x: float, y: float) -> Element:
    return node("rect", x=number(x), y=y, width=BAR, height=16, class_="whole")


def _bar(x: float, y: float, part: float, class_: str) -> Element:
    return node("rect", x=number(x), y=y, width=number(max(1.5, part * BAR)), height=16, class_=class_)


def responses_picture(promises: Sequence[Mapping[str, Any]]) -> Element:
    """A bar for each promise: the response as a part of the deadline, which is the line that all have in common."""
    labels = [_what(promise) for promise in promises]
    left = min(NAME, max(text_width(text, SIZE) for text in labels)) + 14
    deadline = left + BAR / BEYOND
    texts = [_text(promise) for promise in promises]
    drawn = [label(deadline, 12, "deadline", size=SMALL, class_="muted", anchor="middle")]
    for index, (promise, what, text) in enumerate(zip(promises, labels, texts, strict=True)):
        y = 18 + index * ROW
        row = node("g", class_="response" if promise["holds"] else "response late", data_c=about(promise["component"]))
        row.append(label(0, y + 16, what, size=SIZE, width=left - 14, class_="name"))
        row.append(node("rect", x=number(left), y=y + 4, width=BAR, height=16, class_="whole"))
        if promise["response"] is None:
            row.append(pattern(left, y + 4, BAR, 16))
        else:
            part = min(1.0, promise["response"] / promise["deadline"] / BEYOND)
            row.append(_bar(left, y + 4, part, "part"))
            without = promise["response_without_kernel"]
            if without is not None and without < promise["response"]:
                x = left + min(1.0, without / promise["deadline"] / BEYOND) * BAR
                row.append(node("path", d=f"M{number(x)} {y + 4}v16", class_="without"))
        row.append(label(left + BAR + 12, y + 16, text, size=SMALL, class_="muted"))
        drawn.append(row)
    height = 18 + ROW * len(promises)
    drawn.append(node("path", d=f"M{number(deadline)} 16V{height}", class_="limit"))
    width = left + BAR + 12 + max(text_width(text, SMALL) for text in texts)
    return picture(width, height, *drawn, class_="responses", says="the longest responses beside their deadlines")


def _what(promise: Mapping[str, Any]) -> str:
    what = promise["what"] if promise["irq"] is None else f"interrupt {promise['irq']}"
    return f"{promise['component']}: {what}"


def _text(promise: Mapping[str, Any]) -> str:
    if promise["response"] is None:
        return f"no bound; deadline {time_text(promise['deadline'])}"
    verdict = "" if promise["holds"] else ": may be missed"
    return f"{time_text(promise['response'])} of {time_text(promise['deadline'])}{verdict}"

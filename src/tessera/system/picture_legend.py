# SPDX-License-Identifier: BSD-2-Clause
"""What lines, boxes and letters in the pictures mean: small pictures, each with its words behind it."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tessera.system.holdings import REACH_TEXT, Reach
from tessera.system.markup import node
from tessera.system.picture_components import hue, tint
from tessera.system.picture_spaces import pattern

_LINES = (
    ("channel call", "may call (protected procedure)", "M0 9H26", "M36 9l-10 -5v10z", "head call"),
    ("channel notify", "may notify", "M0 9H36", "M29 4l7 5l-7 5", "head notify"),
    ("item private", "maps, may write", "M0 9H36", "", ""),
    ("item private", "maps, read only", "M0 9H36", "", ""),
    ("faults", "faults go to", "M0 9H27", "M36 9l-9 -4v8z", "head"),
)
_BOXES = (
    ("item shared", "memory that several components map"),
    ("item device", "device"),
    ("item interrupt", "interrupt"),
)
_AREAS = (
    ("area shared", "memory that several components map"),
    ("area private", "memory of one"),
    ("area device", "device"),
    ("area program", "program"),
    ("area stack", "stack, IPC buffer"),
    ("area guard", "guard: any access is a fault"),
)


def components_legend() -> Element:
    """For the picture of components and channels."""
    shown = []
    for class_, text, line, head, head_class in _LINES:
        group = node("g", node("path", d=line, class_="wire read" if "only" in text else "wire"), class_=class_)
        if head:
            group.append(node("path", d=head, class_=head_class))
        shown.append(_entry(_sample(38, group), text))
    for class_, text in _BOXES:
        group = node("g", class_=class_, style=_shared_tint(class_))
        group.append(node("rect", x=1, y=2, width=26, height=14, rx=7 if "interrupt" in class_ else 2))
        shown.append(_entry(_sample(28, group), text))
    return node("p", *shown, class_="legend")


def spaces_legend() -> Element:
    """For the pictures of address spaces."""
    shown = []
    for class_, text in _AREAS:
        group = node("g", node("rect", x=1, y=2, width=26, height=14), class_=class_, style=_shared_tint(class_))
        if "guard" in class_:
            group.append(pattern(1, 2, 26, 14))
        shown.append(_entry(_sample(28, group), text))
    return node("p", *shown, class_="legend")


def authority_legend(used: set[Reach]) -> Element:
    """For the picture of who reaches whom: the letters that occur in it."""
    shown = [
        _entry(node("b", reach.value, class_=f"letter {reach.name.lower()}"), REACH_TEXT[reach])
        for reach in Reach
        if reach in used
    ]
    return node("p", *shown, class_="legend")


def _shared_tint(class_: str) -> str | None:
    return tint(hue(0)) if "shared" in class_ else None


def _sample(width: int, drawn: Element) -> Element:
    return node("svg", drawn, xmlns="http://www.w3.org/2000/svg", width=width, height=18, aria_hidden="true")


def _entry(sample: Element, text: str) -> Element:
    return node("span", sample, " " + text)

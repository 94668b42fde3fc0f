# SPDX-License-Identifier: BSD-2-Clause
"""Elements of HTML and SVG. The standard library's element tree escapes whatever a user has called something."""

from __future__ import annotations

import re
import unicodedata
from xml.etree.ElementTree import Element, tostring

# What XML forbids even as a character reference; it could come from the name of a file.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# These begin a line of their own in the file, so that two reports can be compared line by line.
_OWN_LINE = frozenset({"section", "figure", "svg", "g", "rect", "path", "table", "tr", "p", "h2", "h3", "ul", "li"})
_MONOSPACE = 0.605  # width of a character in relation to the size of the font; common fonts have 0.55 to 0.602


def node(tag: str, *content: Element | str | None, **attributes: object) -> Element:
    """An element with text and other elements in it. An attribute ``stroke_width`` is written ``stroke-width``,
    ``class_`` is written ``class``; what is None is left out.
    """
    made = Element(tag)
    for key, value in attributes.items():
        if value is not None:
            made.set(key.rstrip("_").replace("_", "-"), clean(str(value)))
    for each in content:
        append(made, each)
    return made


def append(parent: Element, content: Element | str | None) -> None:
    """Put text or an element behind what ``parent`` already holds."""
    if content is None:
        return
    if isinstance(content, Element):
        if content.tag in _OWN_LINE:
            content.tail = "\n"
        parent.append(content)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + clean(content)
    else:
        parent.text = (parent.text or "") + clean(content)


def clean(text: str) -> str:
    """The text without characters that a page cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def markup(element: Element) -> str:
    """The element as text that is both HTML and well-formed XML."""
    return tostring(element, encoding="unicode", short_empty_elements=False)


def text_width(text: str, size: int) -> float:
    """How wide monospaced text is, at most, in the unit of the font's size."""
    cells = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return cells * size * _MONOSPACE


def shortened(text: str, width: float, size: int) -> str:
    """The text, with its middle left out if it is wider than ``width``. Beginning and end tell most names apart."""
    kept = len(text)
    told = text
    while kept > 1 and text_width(told, size) > width:
        kept -= 1
        told = text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]
    return told


def label(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    width: float | None = None,
    class_: str = "",
    anchor: str = "start",
) -> Element:
    """Text in a picture, its baseline at ``y``. What is wider than ``width`` is shortened, with a tooltip."""
    told = text if width is None else shortened(text, width, size)
    full = node("title", text) if told != text else None
    return node(
        "text",
        told,
        full,
        x=number(x),
        y=number(y),
        font_size=size,
        class_=class_ or None,
        text_anchor=None if anchor == "start" else anchor,
    )


def number(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{round(value, 1):g}" if abs(value) < 100_000 else f"{value:.0f}"


def picture(width: float, height: float, *content: Element, class_: str, says: str) -> Element:
    """An SVG picture. ``says`` is read out where it cannot be seen."""
    return node(
        "svg",
        node("title", says),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        class_=class_,
        role="img",
        width=number(width),
        height=number(height),
        viewBox=f"0 0 {number(width)} {number(height)}",
    )

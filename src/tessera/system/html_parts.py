# SPDX-License-Identifier: BSD-2-Clause
"""What the parts of the page are made of: tables, what can be filtered, and links to lines of the description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from tessera.system.markup import append, node

Cell = str | int | Element
# A line of a table, and the names that it is about.
Row = tuple[Sequence[Cell], Sequence[str]]


def about(*names: str) -> str:
    """The attribute ``data_c`` of what is about these components and memory regions; the filter reads it."""
    return "\n".join(dict.fromkeys(names))


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    code: Sequence[int] = (),
    numbers: Sequence[int] = (),
    names: Sequence[Sequence[str]] | None = None,
) -> Element:
    """``code`` and ``numbers``: columns of addresses and names of objects, columns that are aligned to the right.
    ``names``: whom each row is about.
    """

    def class_of(column: int) -> str | None:
        return "code" if column in code else "number" if column in numbers else None

    made = node("table")
    if any(heads):
        append(
            made,
            node("tr", *(node("th", head, class_="number" if n in numbers else None) for n, head in enumerate(heads))),
        )
    for index, row in enumerate(rows):
        cells = (cell if isinstance(cell, Element) else str(cell) for cell in row)
        whom = None if names is None else about(*names[index])
        tds = (node("td", cell, class_=class_of(n)) for n, cell in enumerate(cells))
        append(made, node("tr", *tds, data_c=whom))
    return made


def folded(
    title: str, content: Element, count: int, note: str = "", *, is_open: bool = True, whom: str = ""
) -> Element:
    """Something under its title that can be folded away; what is open is on paper too."""
    aside = node("span", f" {count} {note}".rstrip(), class_="muted")
    made = node("details", node("summary", title, aside), content, open="open" if is_open else None)
    if whom:
        made.set("data-c", whom)
    return made


def source_link(line: int | None, text: str | None = None) -> Element | str:
    """A link to a line of the description; its number, or ``text``. Without a line, the text alone."""
    if not line:
        return text or ""
    return node("a", text if text is not None else str(line), href=f"#L{line}", class_="line")

# SPDX-License-Identifier: BSD-2-Clause
"""The report as one page with pictures, from what ``report`` gives. It loads nothing else and has no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from xml.etree.ElementTree import Element

from tessera import __version__
from tessera.system.collect import size_text
from tessera.system.holdings import Holding, Thread, holdings, threads
from tessera.system.html_style import STYLE
from tessera.system.markup import append, markup, node
from tessera.system.picture_authority import authority_picture, reaches_used
from tessera.system.picture_bars import budgets_picture, memory_picture
from tessera.system.picture_components import channel_says, components_picture
from tessera.system.picture_legend import authority_legend, components_legend, spaces_legend
from tessera.system.picture_spaces import spaces

Cell = str | int | Element
SECTIONS = (
    ("components", "Components and channels"),
    ("memory", "Address spaces"),
    ("capabilities", "Capabilities"),
    ("budgets", "Budgets"),
    ("totals", "Objects, memory and image"),
)


def as_html(facts: Mapping[str, Any]) -> str:
    """The page. Equal facts give equal pages."""
    title = PurePath(facts["system"]).stem or facts["system"]
    links: list[Element | str] = []
    for name, heading in SECTIONS:
        links += [node("a", heading, href=f"#{name}"), " "]
    body = node("body", node("h1", title), _summary(facts), node("nav", *links), _warnings(facts))
    parts = (_components, _memory, _capabilities, _budgets, _totals)
    for (name, heading), part in zip(SECTIONS, parts, strict=True):
        append(body, node("section", node("h2", heading), *part(facts), id=name))
    append(body, node("footer", f"Tessera {__version__}. The same facts are in the report's JSON form."))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{markup(node('title', f'{title}: report'))}\n<style>{STYLE}</style>\n</head>\n{markup(body)}\n</html>\n"
    )


def _summary(facts: Mapping[str, Any]) -> Element:
    counts = [
        _count(len(facts["components"]), "component"),
        _count(len(facts["channels"]), "channel"),
        _count(len(facts["memory_regions"]), "memory region"),
        f"{size_text(facts['memory']['used'])} of {size_text(facts['memory']['total'])} used",
    ]
    counts += [f"{key} {value}" for key, value in _configuration(facts)]
    return node("p", node("code", facts["system"]), " · " + " · ".join(counts), class_="subtitle")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _configuration(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the system was built for, as far as it is known."""
    known = facts.get("configuration", {})
    return [(key, str(value)) for key, value in known.items()]


def _warnings(facts: Mapping[str, Any]) -> Element | None:
    if not facts["warnings"]:
        return None
    told = [
        node(
            "li",
            node("code", f"{w['file']}:{w['line']}"),
            f" {w['what']}",
            *(f"; {w[k]}" for k in ("why", "fix") if w.get(k)),
        )
        for w in facts["warnings"]
    ]
    return node("section", node("h3", "Warnings"), node("ul", *told), class_="warnings")


def _components(facts: Mapping[str, Any]) -> list[Element | None]:
    rows: list[Sequence[Cell]] = []
    for channel in facts["channels"]:
        a, b = channel["ends"]
        does = channel_says(channel).partition(": ")[2]
        rows.append((a["component"], a["id"], b["component"], b["id"], does))
    regions: list[Sequence[Cell]] = [
        (
            region["name"],
            size_text(region["size"]),
            size_text(region["page_size"]),
            "anywhere" if region["phys_addr"] is None else f"{region['phys_addr']:#x}",
            ", ".join(f"{use['component']} {use['perms']} at {use['start']:#x}" for use in region["mapped_by"])
            or "nobody",
        )
        for region in facts["memory_regions"]
    ]
    return [
        node(
            "p",
            "Components are ordered by priority. Numbers at their right edge are the channels as their programs know "
            "them. Arrow heads are where a call or a notification arrives. Point at a line to follow it.",
        ),
        components_legend(),
        node("figure", components_picture(facts)),
        _folded("Channels", _table(("from", "channel", "to", "channel", "what is allowed"), rows), len(rows)),
        _folded(
            "Memory regions",
            _table(("name", "size", "pages", "physical address", "mapped by"), regions, code=(3,)),
            len(regions),
        ),
    ]


def _memory(facts: Mapping[str, Any]) -> list[Element | None]:
    columns = [node("figure", node("figcaption", name), drawn) for name, drawn in spaces(facts)]
    return [
        node(
            "p",
            "Every component sees only its own column. High addresses are on top; the height grows with the size, but "
            "not to scale. The address is the first one of an area. Memory of the same colour is the same memory.",
        ),
        spaces_legend(),
        node("div", *columns, class_="columns"),
    ]


def _capabilities(facts: Mapping[str, Any]) -> list[Element | None]:
    held = holdings(facts)
    running = threads(facts)
    return [
        node(
            "p",
            "Besides its memory, this is all that a component can reach: it has no other capabilities than these, and "
            "can make none. In the picture, who holds is on the left, and whose objects they are is on top. Rights: r "
            "receive or read, w send or write, g pass capabilities on, p let the receiver answer.",
        ),
        authority_legend(reaches_used(held)),
        node("figure", authority_picture(held)),
        node("div", *(_holder(name, each, running[name]) for name, each in held.items()), class_="holders"),
    ]


def _holder(name: str, held: Sequence[Holding], thread: Thread) -> Element:
    rows: list[Sequence[Cell]] = [
        (each.slot, each.object, each.rights, _badge(each.badge), each.meaning) for each in held
    ]
    table = _table(("slot", "object", "rights", "badge", "what for"), rows, code=(1, 2, 3), numbers=(0,))
    its = node("p", "Its thread has:", class_="thread")
    for place, target, rights, badge in thread.caps:
        told = f"{target} {rights} {_badge(badge)}".rstrip()
        for part in (f" {place} ", node("code", told), "." if place == thread.caps[-1][0] else ";"):
            append(its, part)
    return _folded(name, node("div", table, its), len(held), f"of {thread.slots} slots")


def _badge(badge: int) -> str:
    return f"{badge:#x}" if badge else ""


def _budgets(facts: Mapping[str, Any]) -> list[Element | None]:
    return [
        node(
            "p",
            "The component with the highest priority that is ready runs. Within each period it runs for its budget at "
            "most; what the others can count on is what those above them leave.",
        ),
        node("figure", budgets_picture(facts)),
        *_schedule(facts),
    ]


def _schedule(facts: Mapping[str, Any]) -> list[Element | None]:
    """The domain schedule, where there is one."""
    schedule = facts["schedule"]
    if schedule is None:
        return []
    rows: list[Sequence[Cell]] = [
        (each["domain"], each["ticks"], ", ".join(each["components"]) or "nobody") for each in schedule["repeated"]
    ]
    told = "Domains take turns: in each part of the schedule only the components of its domain run. It begins again"
    table = _table(("domain", "ticks of the timer", "who runs"), rows, numbers=(1,))
    return [node("h3", "Domain schedule"), node("p", f"{told} at the end."), table]


def _totals(facts: Mapping[str, Any]) -> list[Element | None]:
    memory = facts["memory"]
    objects: list[Sequence[Cell]] = [
        (each["type"].replace("_", " "), each["count"], size_text(each["bytes"])) for each in facts["objects"]
    ]
    sizes: list[Sequence[Cell]] = [
        ("memory in use", size_text(memory["used"])),
        ("memory left", size_text(memory["left"])),
        ("memory of the machine", size_text(memory["total"])),
        ("capabilities at the start", facts["slots"]),
        *_image_sizes(facts.get("image")),
    ]
    programs: list[Sequence[Cell]] = [
        (name, each["source"]) for name, each in (facts.get("image") or {}).get("programs", {}).items()
    ]
    cards = [
        node("div", node("h3", "Kernel objects"), _table(("type", "number", "memory"), objects, numbers=(1, 2))),
        node("div", node("h3", "Sizes"), _table(("what", "size"), sizes, numbers=(1,))),
        node("div", node("h3", "Configuration"), _table(("", ""), _configuration(facts)))
        if _configuration(facts)
        else None,
        node("div", node("h3", "Programs"), _table(("component", "made from"), programs, code=(1,)))
        if programs
        else None,
    ]
    return [
        node("div", *cards, class_="cards"),
        node("h3", "Memory by component and memory region"),
        node("figure", memory_picture(facts)),
    ]


def _image_sizes(image: Mapping[str, Any] | None) -> list[Sequence[Cell]]:
    if image is None:
        return []
    kernel, initialiser = image["kernel"], image["initialiser"]
    return [
        ("kernel", size_text(kernel["end"] - kernel["start"])),
        ("of it, code", size_text(kernel["text"])),
        ("initialiser with the distribution", size_text(initialiser["end"] - initialiser["start"])),
        ("of it, the distribution", size_text(initialiser["distribution_bytes"])),
    ]


def _folded(title: str, table: Element, count: int, note: str = "") -> Element:
    """A table under its title that can be folded away; it is open, so that it is on paper too."""
    aside = node("span", f" {count} {note}".rstrip(), class_="muted")
    return node("details", node("summary", title, aside), table, open="open")


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, code: Sequence[int] = (), numbers: Sequence[int] = ()
) -> Element:
    """``code`` and ``numbers``: columns of addresses and names of objects, columns that are aligned to the right."""

    def class_of(column: int) -> str | None:
        return "code" if column in code else "number" if column in numbers else None

    made = node("table")
    if any(heads):
        append(
            made,
            node("tr", *(node("th", head, class_="number" if n in numbers else None) for n, head in enumerate(heads))),
        )
    for row in rows:
        cells = (cell if isinstance(cell, Element) else str(cell) for cell in row)
        append(made, node("tr", *(node("td", cell, class_=class_of(n)) for n, cell in enumerate(cells))))
    return made

# SPDX-License-Identifier: BSD-2-Clause
"""The report as one page with pictures, from what ``report`` gives. It loads nothing else.

A small script filters by name and opens what is linked to; without it everything is there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from xml.etree.ElementTree import Element

from tessera import __version__
from tessera.system.collect import size_text
from tessera.system.holdings import Holding, Thread, holdings, threads
from tessera.system.html_answers import answers_parts, proofs_parts
from tessera.system.html_parts import Cell, folded, source_link, table
from tessera.system.html_script import SCRIPT
from tessera.system.html_style import STYLE
from tessera.system.markup import append, markup, node
from tessera.system.picture_authority import authority_picture, reaches_used
from tessera.system.picture_bars import budgets_picture, memory_picture
from tessera.system.picture_components import channel_says, components_picture, time_text
from tessera.system.picture_legend import authority_legend, components_legend, spaces_legend
from tessera.system.picture_machine import machine_picture
from tessera.system.picture_spaces import spaces

SECTIONS = (
    ("components", "Components and channels"),
    ("answers", "Answers"),
    ("memory", "Memory of the components"),
    ("machine", "Memory of the machine"),
    ("capabilities", "Capabilities"),
    ("budgets", "Priorities and budgets"),
    ("totals", "Objects and image"),
    ("proofs", "Proofs of the kernel"),
    ("source", "Description"),
)
KINDS = (("call", "calls"), ("notify", "notifications"), ("faults", "faults"), ("item", "memory and interrupts"))


def as_html(facts: Mapping[str, Any]) -> str:
    """The page. Equal facts give equal pages."""
    title = PurePath(facts["system"]).stem or facts["system"]
    links: list[Element | str] = []
    for name, heading in SECTIONS:
        links += [node("a", heading, href=f"#{name}"), " "]
    body = node("body", node("h1", title), _summary(facts), node("nav", *links), _filter(facts), _warnings(facts))
    parts = (
        _components,
        answers_parts,
        _memory,
        _machine,
        _capabilities,
        _budgets,
        _totals,
        proofs_parts,
        _source,
    )
    for (name, heading), part in zip(SECTIONS, parts, strict=True):
        append(body, node("section", node("h2", heading), *part(facts), id=name))
    append(body, node("footer", f"Tessera {__version__}. The same facts are in the report's JSON form."))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{markup(node('title', f'{title}: report'))}\n<style>{STYLE}</style>\n"
        f"<script>{SCRIPT}</script>\n</head>\n{markup(body)}\n</html>\n"
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


def _filter(facts: Mapping[str, Any]) -> Element:
    """Where a name is typed; it is not there on paper, nor without the script."""
    names = [component["name"] for component in facts["components"]]
    names += [region["name"] for region in facts["memory_regions"]]
    box = node("input", id="filter", type="search", list="names", placeholder="component or memory region")
    box.set("autocomplete", "off")
    return node(
        "form",
        node("label", "Show only ", box),
        node("datalist", *(node("option", value=name) for name in dict.fromkeys(names)), id="names"),
        node("button", "all", type="button", id="all"),
        node("output", id="found", class_="muted"),
        class_="filter",
        onsubmit="return false",
    )


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
        row = (a["component"], a["id"], b["component"], b["id"], does)
        rows.append((*row, source_link(channel.get("line"))))
    ends = [[end["component"] for end in channel["ends"]] for channel in facts["channels"]]
    regions: list[Sequence[Cell]] = [
        (
            region["name"],
            size_text(region["size"]),
            size_text(region["page_size"]),
            "anywhere" if region["phys_addr"] is None else f"{region['phys_addr']:#x}",
            ", ".join(f"{use['component']} {use['perms']} at {use['start']:#x}" for use in region["mapped_by"])
            or "nobody",
            source_link(region.get("line")),
        )
        for region in facts["memory_regions"]
    ]
    users = [[r["name"], *(use["component"] for use in r["mapped_by"])] for r in facts["memory_regions"]]
    kinds = [
        node("label", node("input", type="checkbox", checked="checked", data_kind=kind), f" {word}")
        for kind, word in KINDS
    ]
    heads = ("from", "channel", "to", "channel", "what is allowed", "line")
    return [
        node(
            "p",
            "Components are ordered by priority. Numbers at their right edge are the channels as their programs know "
            "them. Arrow heads are where a call or a notification arrives. Point at a line to follow it; click on a "
            "component to see it and its neighbours alone, and on a line or memory region for its place in the "
            "description.",
        ),
        components_legend(),
        node("p", "Draw ", *kinds, class_="kinds"),
        node("figure", components_picture(facts)),
        folded("Channels", table(heads, rows, names=ends), len(rows)),
        folded(
            "Memory regions",
            table(("name", "size", "pages", "physical address", "mapped by", "line"), regions, code=(3,), names=users),
            len(regions),
        ),
    ]


def _memory(facts: Mapping[str, Any]) -> list[Element | None]:
    columns = [node("figure", node("figcaption", name), drawn, data_c=name) for name, drawn in spaces(facts)]
    return [
        node(
            "p",
            "Every component sees only its own column. High addresses are on top; the height grows with the size, but "
            "not to scale. The address is the first one of an area. Memory of the same colour is the same memory.",
        ),
        spaces_legend(),
        node("div", *columns, class_="columns"),
    ]


def _machine(facts: Mapping[str, Any]) -> list[Element | None]:
    return [
        node(
            "p",
            "Physical addresses, high ones on top, not to scale. Beside a part is the memory region that is there, and "
            "who maps it. Regions without an address of their own and the kernel's objects are made from what is free.",
        ),
        node("figure", machine_picture(facts)),
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
    made = table(("slot", "object", "rights", "badge", "what for"), rows, code=(1, 2, 3), numbers=(0,))
    its = node("p", "Its thread has:", class_="thread")
    for place, target, rights, badge in thread.caps:
        told = f"{target} {rights} {_badge(badge)}".rstrip()
        for part in (f" {place} ", node("code", told), "." if place == thread.caps[-1][0] else ";"):
            append(its, part)
    return folded(name, node("div", made, its), len(held), f"of {thread.slots} slots", whom=name)


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
        folded("Components", _component_table(facts), len(facts["components"])),
        *_schedule(facts),
    ]


def _component_table(facts: Mapping[str, Any]) -> Element:
    ordered = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    rows: list[Sequence[Cell]] = [
        (
            c["name"],
            c["priority"],
            time_text(c["budget"]),
            time_text(c["period"]),
            "passive" if c["passive"] else "",
            c["program"],
            size_text(c["stack_size"]),
            c["faults_to"],
            source_link(c.get("line")),
        )
        for c in ordered
    ]
    heads = ("name", "priority", "budget", "period", "", "program", "stack", "faults go to", "line")
    return table(heads, rows, code=(5,), numbers=(1, 2, 3, 6), names=[[c["name"]] for c in ordered])


def _schedule(facts: Mapping[str, Any]) -> list[Element | None]:
    """The domain schedule, where there is one."""
    schedule = facts["schedule"]
    if schedule is None:
        return []
    rows: list[Sequence[Cell]] = [
        (each["domain"], each["ticks"], ", ".join(each["components"]) or "nobody") for each in schedule["repeated"]
    ]
    told = "Domains take turns: in each part of the schedule only the components of its domain run. It begins again"
    made = table(("domain", "ticks of the timer", "who runs"), rows, numbers=(1,))
    return [node("h3", "Domain schedule"), node("p", f"{told} at the end."), made]


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
        node("div", node("h3", "Kernel objects"), table(("type", "number", "memory"), objects, numbers=(1, 2))),
        node("div", node("h3", "Sizes"), table(("what", "size"), sizes, numbers=(1,))),
        node("div", node("h3", "Configuration"), table(("", ""), _configuration(facts)))
        if _configuration(facts)
        else None,
        node("div", node("h3", "Programs"), table(("component", "made from"), programs, code=(1,)))
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


def _source(facts: Mapping[str, Any]) -> list[Element | None]:
    """The description, line by line, as what links lead to."""
    text = facts.get("description")
    if text is None:
        return [node("p", "The description is not in this report.")]
    listing = node("pre", class_="source")
    for number, line in enumerate(text.splitlines(), 1):
        append(listing, node("span", node("i", str(number)), line + "\n", id=f"L{number}"))
    return [node("p", node("code", facts["system"])), listing]

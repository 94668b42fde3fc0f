# SPDX-License-Identifier: BSD-2-Clause
"""The picture of components, channels, memory regions, interrupts and faults, from a report's facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from tessera.system import environment as env
from tessera.system.collect import size_text
from tessera.system.html_parts import about
from tessera.system.markup import label, node, number, picture, text_width
from tessera.system.picture_layout import (
    HEADER,
    ITEM_HEIGHT,
    MARGIN,
    Box,
    FaultLine,
    Item,
    Layout,
    Line,
    Port,
    Use,
    channel_kind,
    layout,
)

ITEM_WIDTH = 190
LANE, NARROW = 12, 8  # the distance of lanes; narrow where there are many
MANY = 12
PILL = 24  # width of a channel's number at the edge of a box
HEADS = 22  # room for two arrow heads
PORT_TEXT = 190  # the widest text of a port
NAME_SIZE, TEXT_SIZE, SMALL = 14, 12, 11


def time_text(microseconds: int) -> str:
    """A time as a person writes it: ``20 ms``."""
    for scale, unit in ((1_000_000, "s"), (1000, "ms")):
        if microseconds >= scale:
            return f"{microseconds / scale:.6g} {unit}"
    return f"{microseconds} us"


def hue(number_of_region: int) -> int:
    """Colours of neighbours differ most when one turns by the golden angle."""
    return round(205 + number_of_region * 137.508) % 360


def region_hues(facts: Mapping[str, Any]) -> dict[str, int]:
    """A colour, in degrees, for each memory region that more than one component maps."""
    shared = [r["name"] for r in facts["memory_regions"] if len({use["component"] for use in r["mapped_by"]}) > 1]
    return {name: hue(index) for index, name in enumerate(shared)}


def region_kind(region: Mapping[str, Any], hues: Mapping[str, int]) -> str:
    """``device``, ``shared`` or ``private``."""
    if region["device"]:
        return "device"
    return "shared" if region["name"] in hues else "private"


def tint(hue_of: int | None) -> str | None:
    """The style that gives a region its colour; how light it is depends on the page."""
    return None if hue_of is None else f"--h:{hue_of}"


@dataclass(frozen=True)
class _Columns:
    """Where things are from left to right: items, their lanes, boxes, faults, lanes of channels."""

    item_lane: int  # distance between lanes
    box: float
    text: float  # width of the left half of a box's rows
    width: float
    faults: float
    lanes: float
    lane: int
    end: float

    @property
    def right(self) -> float:
        """The right edge of the boxes."""
        return self.box + self.width

    def item_line(self, lane: int) -> float:
        return self.box - PILL - 10 - lane * self.item_lane

    def fault_line(self, lane: int) -> float:
        return self.faults + lane * LANE

    def channel_line(self, lane: int) -> float:
        return self.lanes + lane * self.lane


def components_picture(facts: Mapping[str, Any]) -> Element:
    """The picture. Its length grows with the number of components, its width with that of channels side by side."""
    made = layout(facts, _items(facts))
    columns = _columns(made)
    drawn = [
        *(_faults(fault, columns) for fault in made.faults),
        *(_channel(line, columns) for line in made.lines),
        *(_item(item, columns) for item in made.items),
        *(_box(box, columns) for box in made.boxes),
    ]
    says = f"{len(facts['components'])} components, and what connects each with others"
    return picture(columns.end, made.height, *drawn, class_="components", says=says)


def _columns(made: Layout) -> _Columns:
    left = max((_port_width(port) for box in made.boxes for port in box.left), default=0)
    right = max((_port_width(port) for box in made.boxes for port in box.right), default=0)
    header = max(text_width(box.name, NAME_SIZE) for box in made.boxes) + 130
    about_width = max(text_width(_about(box.facts), SMALL) for box in made.boxes) + 110
    width = max(260, left + right + 44, min(max(header, about_width), 420))
    item_lanes = 1 + max((item.lane for item in made.items if item.lane is not None), default=-1)
    item_lane = LANE if item_lanes <= MANY else NARROW
    box = MARGIN + (ITEM_WIDTH + 14 + item_lanes * item_lane + PILL if made.items else 0)
    faults = box + width + PILL + HEADS + LANE
    lanes = faults + LANE * (1 + max((fault.lane for fault in made.faults), default=-1))
    number_of_lanes = 1 + max((line.lane for line in made.lines), default=-1)
    lane = LANE if number_of_lanes <= MANY else NARROW
    return _Columns(item_lane, box, left, width, faults, lanes, lane, lanes + lane * number_of_lanes + MARGIN)


def _items(facts: Mapping[str, Any]) -> list[tuple[Item, list[Use]]]:
    hues = region_hues(facts)
    made: list[tuple[Item, list[Use]]] = []
    for region in facts["memory_regions"]:
        name, mapped_by = region["name"], region["mapped_by"]
        place = "" if region["phys_addr"] is None else f" at {region['phys_addr']:#x}"
        item = Item(name, size_text(region["size"]) + place, region_kind(region, hues), hues.get(name))
        item.inside = item.kind == "private" and bool(mapped_by)
        item.line, item.users = region.get("line", 0), [use["component"] for use in mapped_by]
        item.says = [f"{use['component']} maps {name} as {use['perms']}" for use in mapped_by]
        if not mapped_by:
            item.detail += ", mapped by nobody"
        uses = [Use(u["component"], f"{u['perms']} {name}", writes="w" in u["perms"]) for u in mapped_by]
        made.append((item, uses))
    for component in facts["components"]:
        for irq in component["interrupts"]:
            name = f"interrupt {irq['irq']}"
            says = f"{name} notifies {component['name']} on channel {irq['channel']}"
            item = Item(name, irq["trigger"], "interrupt", says=[says])
            item.line, item.users = irq.get("line", 0), [component["name"]]
            made.append((item, [Use(component["name"], name, irq["channel"])]))
    return made


def _port_width(port: Port) -> float:
    return min(text_width(port.text, TEXT_SIZE), PORT_TEXT)


def _box(box: Box, columns: _Columns) -> Element:
    facts, x, width, right = box.facts, columns.box, columns.width, columns.right
    drawn = node("g", class_="box" if facts else "box monitor", data_c=box.name, data_name=box.name)
    drawn.append(node("rect", x=number(x), y=number(box.y), width=number(width), height=number(box.height), rx=6))
    priority = f"priority {facts['priority'] if facts else env.MONITOR_PRIORITY}"
    space = width - 24 - text_width(priority, SMALL) - 12
    drawn.append(label(x + 12, box.y + 20, box.name, size=NAME_SIZE, width=space, class_="name"))
    drawn.append(label(right - 12, box.y + 20, priority, size=SMALL, class_="muted", anchor="end"))
    where = f"line {facts['line']}" if facts and facts.get("line") else ""
    space = width - 24 - (text_width(where, SMALL) + 12 if where else 0)
    drawn.append(label(x + 12, box.y + 38, _about(facts), size=SMALL, width=space, class_="muted"))
    if where:
        told = label(right - 12, box.y + 38, where, size=SMALL, class_="line", anchor="end")
        drawn.append(node("a", told, href=f"#L{facts['line']}"))
    if box.left or box.right:
        drawn.append(node("path", d=f"M{number(x)} {number(box.y + HEADER - 1)}h{number(width)}", class_="rule"))
    for port in box.left:
        drawn.append(label(x + 12, port.y + 4, port.text, width=columns.text, class_=f"port {port.kind}"))
        _pill(drawn, port, x - PILL)
    for port in box.right:
        place, kind = right - 10, f"port {port.kind}"
        drawn.append(label(place, port.y + 4, port.text, width=PORT_TEXT, class_=kind, anchor="end"))
        _pill(drawn, port, right)
    return drawn


def _pill(drawn: Element, port: Port, x: float) -> None:
    """The number of a channel, at the edge of a box."""
    if port.id is not None:
        shape = node("rect", x=number(x), y=number(port.y - 7), width=PILL, height=14, class_=f"pill {port.kind}")
        drawn.append(shape)
        drawn.append(label(x + PILL / 2, port.y + 4, str(port.id), size=SMALL, class_="id", anchor="middle"))


def _about(facts: Mapping[str, Any]) -> str:
    if not facts:
        return "receives faults"
    said = [facts["program"]]
    if facts["passive"]:
        said.append("passive")
    elif facts["budget"] < facts["period"]:
        said.append(f"{time_text(facts['budget'])} in {time_text(facts['period'])}")
    if facts["domain"]:
        said.append(f"domain {facts['domain']}")
    if facts["parent"]:
        said.append(f"child {facts['child_id']} of {facts['parent']}")
    return " · ".join(said)


def _channel(line: Line, columns: _Columns) -> Element:
    """From the number at one box to the lane, along it, and back to the number at the other box."""
    kind = channel_kind(line.facts["ends"])
    start, upper, lower = columns.right + PILL, line.ports[0].y, line.ports[1].y
    lane = columns.channel_line(line.lane)
    path = f"M{number(start)} {number(upper)}{_elbow(lane, upper, lower)}H{number(start)}"
    whom = about(*(end["component"] for end in line.facts["ends"]))
    where = line.facts.get("line") or None
    drawn = node("g", node("title", channel_says(line.facts)), class_=f"channel {kind}", data_c=whom, data_line=where)
    drawn.append(node("path", d=path, class_="reach"))
    drawn.append(node("path", d=path, class_="wire"))
    for port, (called, notified) in zip(line.ports, line.arrivals, strict=True):
        at = start
        if called:
            drawn.append(node("path", d=f"M{number(at)} {number(port.y)}l10 -5v10z", class_="head call"))
            at += 11
        if notified:
            drawn.append(node("path", d=f"M{number(at + 7)} {number(port.y - 5)}l-7 5l7 5", class_="head notify"))
    return drawn


def channel_says(channel: Mapping[str, Any]) -> str:
    """The channel as a sentence."""
    a, b = channel["ends"]
    said = [
        f"{end['component']} {verb} {other['component']}"
        for end, other in ((a, b), (b, a))
        for verb, right in (("calls", "may_call"), ("notifies", "may_notify"))
        if end[right]
    ]
    ends = f"{a['component']} channel {a['id']} – {b['component']} channel {b['id']}"
    return f"{ends}: {', '.join(said) or 'nothing is allowed'}"


def _elbow(lane: float, start: float, end: float) -> str:
    """To the lane, along it to the height ``end``, with round corners."""
    radius = min(5.0, abs(end - start) / 2)
    step = radius if end >= start else -radius
    return (
        f"H{number(lane - radius)}Q{number(lane)} {number(start)} {number(lane)} {number(start + step)}"
        f"V{number(end - step)}Q{number(lane)} {number(end)} {number(lane - radius)} {number(end)}"
    )


def _item(item: Item, columns: _Columns) -> Element:
    """A memory region or an interrupt: its box, a line to its lane and along it, and a branch to each user."""
    x, top = float(MARGIN), item.y - ITEM_HEIGHT / 2
    says = "; ".join(item.says) or f"{item.name} is mapped by nobody"
    whom = about(item.name, *item.users)
    drawn = node("g", node("title", says), class_=f"item {item.kind}", style=tint(item.hue), data_c=whom)
    if item.line:
        drawn.set("data-line", str(item.line))
    start = lane = x + ITEM_WIDTH
    if item.lane is not None:
        lane = columns.item_line(item.lane)
        heights = [item.y, *(port.y for port in item.ports)]
        trunk = f"M{number(start)} {number(item.y)}H{number(lane)}M{number(lane)} {number(min(heights))}"
        _wire(drawn, trunk + f"V{number(max(heights))}", any(port.writes for port in item.ports))
    for port in item.ports:
        end = columns.box - (PILL if port.id is not None else 0)
        _wire(drawn, f"M{number(lane)} {number(port.y)}H{number(end)}", port.writes)
        if item.kind == "interrupt":
            drawn.append(node("path", d=f"M{number(end - 7)} {number(port.y - 5)}l7 5l-7 5", class_="head notify"))
        elif len(item.ports) > 1:
            drawn.append(node("circle", cx=number(lane), cy=number(port.y), r=2.5))
    rounded = ITEM_HEIGHT // 2 if item.kind == "interrupt" else 3
    drawn.append(node("rect", x=number(x), y=number(top), width=ITEM_WIDTH, height=ITEM_HEIGHT, rx=rounded))
    for height, text, size, class_ in ((17, item.name, TEXT_SIZE, "name"), (32, item.detail, SMALL, "muted")):
        middle, width = x + ITEM_WIDTH / 2, ITEM_WIDTH - 16
        drawn.append(label(middle, top + height, text, size=size, width=width, class_=class_, anchor="middle"))
    return drawn


def _wire(drawn: Element, path: str, writes: bool) -> None:
    """A line, and a broader one that cannot be seen, so that one can point at it. It is dashed for reading only."""
    drawn.append(node("path", d=path, class_="reach"))
    drawn.append(node("path", d=path, class_="wire" if writes else "wire read"))


def _faults(fault: FaultLine, columns: _Columns) -> Element:
    """From every component to its handler. The line is dotted, because it is for what should not happen."""
    edge, lane = columns.right, columns.fault_line(fault.lane)
    drawn = node("g", node("title", f"faults go to {fault.handler}"), class_="faults")
    heights = [fault.target, *(height for _, height in fault.sources)]
    trunk = f"M{number(lane)} {number(max(heights))}V{number(min(heights))}"
    whom = about(fault.handler, *(name for name, _ in fault.sources))
    path = f"{trunk}M{number(lane)} {number(fault.target)}H{number(edge + 9)}"
    drawn.append(node("path", d=path, class_="wire", data_c=whom))
    for name, height in fault.sources:
        said = node("title", f"faults of {name} go to {fault.handler}")
        path = f"M{number(edge)} {number(height)}H{number(lane)}"
        drawn.append(node("path", said, d=path, class_="wire", data_c=about(fault.handler, name)))
    drawn.append(node("path", d=f"M{number(edge)} {number(fault.target)}l9 -4v8z", class_="head", data_c=whom))
    return drawn

# SPDX-License-Identifier: BSD-2-Clause
"""Where everything is in the picture of components and channels: numbers only, see ``picture_components``.

Components are boxes one below the other, the highest priority on top. Each channel is a line on their right that runs
in a lane of its own; each memory region and interrupt is a box on their left, with one line to all who use it. So
nothing runs through a box, and the picture only grows in length with the number of components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tessera.system import environment as env
from tessera.system.lanes import assign_lanes, spread

MARGIN = 6
HEADER = 48
ROW = 18
FOOT = 6
BOX_GAP = 24
ITEM_HEIGHT = 40
ITEM_GAP = 8


@dataclass(frozen=True)
class Use:
    """What ``component`` does with an item: ``text`` is written in its box, ``id`` is the channel of an interrupt."""

    component: str
    text: str
    id: int | None = None
    writes: bool = True


@dataclass
class Port:
    """Where a line meets a box: ``y`` is its height in the picture. ``id`` is a channel's number."""

    id: int | None
    text: str
    kind: str
    writes: bool = True
    y: float = 0


@dataclass
class Box:
    """A component, or the monitor, for which ``facts`` is empty."""

    name: str
    facts: Mapping[str, Any]
    y: float = 0
    height: float = 0
    left: list[Port] = field(default_factory=list)
    right: list[Port] = field(default_factory=list)


@dataclass
class Line:
    """A channel: its ends as ports, the upper first, and what arrives at each."""

    facts: Mapping[str, Any]
    lane: int
    ports: list[Port]
    arrivals: list[tuple[bool, bool]]  # (calls, notifications)


@dataclass
class Item:
    """A memory region or an interrupt, with the ports of its users. ``lane`` is None for a straight line.

    Where it is ``inside``, it has no box of its own, and is only written in that of its user.
    """

    name: str
    detail: str
    kind: str  # shared, private, device, interrupt
    hue: int | None = None
    inside: bool = False
    ports: list[Port] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    line: int = 0  # of the description
    y: float = 0
    lane: int | None = None


@dataclass
class FaultLine:
    """All whose faults go to one handler. Heights in the picture."""

    handler: str
    lane: int
    target: float
    sources: list[tuple[str, float]]  # (name, height)


@dataclass
class Layout:
    boxes: list[Box]
    lines: list[Line]
    items: list[Item]
    faults: list[FaultLine]
    height: float


def layout(facts: Mapping[str, Any], items: Sequence[tuple[Item, Sequence[Use]]]) -> Layout:
    """The picture of a report's facts. ``items``: each with its uses."""
    ordered = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    boxes = [Box(env.MONITOR_NAME, {}), *(Box(each["name"], each) for each in ordered)]
    place = {box.name: index for index, box in enumerate(boxes)}
    lines = _lines(facts, boxes, place)
    placed = _item_ports(items, boxes, place)
    y = float(MARGIN)
    for box in boxes:
        box.y = y
        rows = max(len(box.left), len(box.right))
        box.height = HEADER + rows * ROW + (FOOT if rows else 0)
        for ports in (box.left, box.right):
            for row, port in enumerate(ports):
                port.y = y + HEADER + row * ROW + ROW / 2
        y += box.height + BOX_GAP
    bottom = _place_items(placed, y)
    return Layout(boxes, lines, placed, _faults(boxes, place), max(y - BOX_GAP, bottom) + MARGIN)


def _lines(facts: Mapping[str, Any], boxes: list[Box], place: Mapping[str, int]) -> list[Line]:
    """The channels, and their ports in the order that makes lines cross least: those that lead up first, the nearest
    lane on top; then those that lead down, the farthest lane on top.
    """
    pairs = [sorted(channel["ends"], key=lambda end: place[end["component"]]) for channel in facts["channels"]]
    spans = [(place[upper["component"]], place[lower["component"]]) for upper, lower in pairs]
    lanes = assign_lanes([(high, max(low, high + 0.5)) for high, low in spans])
    lines = []
    up: dict[int, list[tuple[int, Port]]] = {}
    down: dict[int, list[tuple[int, Port]]] = {}
    for channel, (upper, lower), (high, low), lane in zip(facts["channels"], pairs, spans, lanes, strict=True):
        ports = [_channel_port(upper, lower), _channel_port(lower, upper)]
        down.setdefault(high, []).append((-lane, ports[0]))
        up.setdefault(low, []).append((lane, ports[1]))
        arrivals = [(other["may_call"], other["may_notify"]) for other in (lower, upper)]
        lines.append(Line(channel, lane, ports, arrivals))
    for index, box in enumerate(boxes):
        for ports_there in (up.get(index, []), down.get(index, [])):
            box.right += [port for _, port in sorted(ports_there, key=lambda pair: pair[0])]
    return lines


def _channel_port(end: Mapping[str, Any], other: Mapping[str, Any]) -> Port:
    leaves = end["may_call"] or end["may_notify"]
    arrives = other["may_call"] or other["may_notify"]
    arrow = {(True, True): "⇄", (True, False): "→", (False, True): "←", (False, False): "–"}[leaves, arrives]
    return Port(end["id"], f"{arrow} {other['component']}", channel_kind((end, other)))


def channel_kind(ends: Sequence[Mapping[str, Any]]) -> str:
    """``call`` where one end may call, else ``notify``, or ``idle`` where neither end may do anything."""
    for kind in ("call", "notify"):
        if any(end[f"may_{kind}"] for end in ends):
            return kind
    return "idle"


def _item_ports(items: Sequence[tuple[Item, Sequence[Use]]], boxes: list[Box], place: Mapping[str, int]) -> list[Item]:
    """The items with boxes of their own, from top to bottom: by the middle of their users, at the end what nobody uses.
    What is inside the boxes of components is below all other ports there.
    """

    def key(entry: tuple[Item, Sequence[Use]]) -> tuple[bool, float]:
        users = [place[use.component] for use in entry[1]]
        return entry[0].inside, sum(users) / len(users) if users else len(boxes)

    ordered = sorted(items, key=key)
    for item, uses in ordered:
        for use in uses:
            port = Port(use.id, use.text, "inside" if item.inside else item.kind, use.writes)
            item.ports.append(port)
            boxes[place[use.component]].left.append(port)
    return [item for item, _ in ordered if not item.inside]


def _place_items(items: list[Item], bottom: float) -> float:
    """Give each item its height and lane; the end of the last one is returned."""
    half = ITEM_HEIGHT / 2
    wishes = [(sum(p.y for p in item.ports) / len(item.ports) if item.ports else bottom) - half for item in items]
    starts = spread(wishes, [ITEM_HEIGHT] * len(items), ITEM_GAP)
    spans: list[tuple[float, float]] = []
    bent = []
    for item, start in zip(items, starts, strict=True):
        item.y = max(start, MARGIN) + half
        if len(item.ports) == 1 and abs(item.y - item.ports[0].y) < ITEM_GAP / 2:
            item.y = item.ports[0].y
        elif item.ports:
            # Ports are at odd multiples of 3: so no line of one item lies on that of another.
            item.y = round(item.y / 6) * 6.0
            heights = [item.y, *(port.y for port in item.ports)]
            spans.append((min(heights) - 2, max(heights) + 2))
            bent.append(item)
    for item, lane in zip(bent, assign_lanes(spans), strict=True):
        item.lane = lane
    return max((item.y + half for item in items), default=0)


def _faults(boxes: list[Box], place: Mapping[str, int]) -> list[FaultLine]:
    handlers = dict.fromkeys(box.facts["faults_to"] for box in boxes if box.facts)
    spans = []
    for handler in handlers:
        there = [place[box.name] for box in boxes if box.facts and box.facts["faults_to"] == handler]
        spans.append((min(*there, place[handler]) - 0.1, max(*there, place[handler]) + 0.1))
    made = []
    for handler, lane in zip(handlers, assign_lanes(spans), strict=True):
        sources = [(b.name, b.y + HEADER / 3) for b in boxes if b.facts and b.facts["faults_to"] == handler]
        made.append(FaultLine(handler, lane, boxes[place[handler]].y + HEADER * 2 / 3, sources))
    return made

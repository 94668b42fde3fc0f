# SPDX-License-Identifier: BSD-2-Clause
"""Who holds which capability, in which slot, and what for: read from a report's facts, told in the user's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tessera.system import environment as env
from tessera.system.dump import TCB_CAPS


class Reach(Enum):
    """What a capability lets its holder do to another component. The value is the letter in the picture."""

    CALL = "C"
    NOTIFY = "N"
    FAULT = "F"
    INIT_DONE = "I"
    THREAD = "T"
    TIME = "S"
    SPACE = "V"
    OTHER = "?"


REACH_TEXT = {
    Reach.CALL: "calls it",
    Reach.NOTIFY: "notifies it",
    Reach.FAULT: "its faults are told to it",
    Reach.INIT_DONE: "tells it that its init has returned (passive components)",
    Reach.THREAD: "controls its thread",
    Reach.TIME: "controls its scheduling context",
    Reach.SPACE: "controls its address space",
    Reach.OTHER: "has another capability to an object of it",
}


@dataclass(frozen=True)
class Holding:
    """One capability. ``owner`` is whose object it is; ``reach`` is None for a holder's own objects. ``shared``: the
    description gives it in a ``cspace`` element, and the slot is one of the root of the holder's capability space.
    """

    holder: str
    slot: int
    object: str
    type: str
    rights: str
    badge: int
    owner: str
    reach: Reach | None
    meaning: str
    shared: bool = False


@dataclass(frozen=True)
class Thread:
    """What a thread has besides its CNode's slots: place and capability, as (place, object, rights, badge)."""

    component: str
    slots: int
    priority: int
    budget: int
    period: int
    caps: tuple[tuple[str, str, str, int], ...]


def holders(facts: Mapping[str, Any]) -> list[str]:
    """The monitor, then every component, the highest priority first."""
    components = sorted(facts["components"], key=lambda each: (-each["priority"], each["index"]))
    return [env.MONITOR_NAME, *(each["name"] for each in components)]


def holdings(facts: Mapping[str, Any]) -> dict[str, list[Holding]]:
    """The capabilities of each component by its name, in the order of :func:`holders` and of slots."""
    objects = {each["name"]: each for each in facts["distribution"]["objects"]}
    names = holders(facts)
    held = {}
    for name in names:
        slots = objects[f"{name}.cnode"]["slots"]
        held[name] = [
            _holding(facts, name, int(slot), cap, objects[cap["object"]], names)
            for slot, cap in sorted(slots.items(), key=lambda item: int(item[0]))
        ]
        root = objects.get(f"{name}.cspace")
        if root is not None:
            shared = sorted((int(slot), cap) for slot, cap in root["slots"].items() if int(slot) != 0)
            held[name] += [_shared(name, slot, cap, objects[cap["object"]], names) for slot, cap in shared]
    return held


def threads(facts: Mapping[str, Any]) -> dict[str, Thread]:
    """The thread of each component, by the component's name."""
    objects = {each["name"]: each for each in facts["distribution"]["objects"]}
    made = {}
    for name in holders(facts):
        tcb = objects[f"{name}.tcb"]
        time = objects[tcb["sched_context"]["object"]]
        caps = [(place.replace("_", " "), tcb[place]) for place in TCB_CAPS if tcb[place] is not None]
        told = tuple((place, cap["object"], cap["rights"], cap["badge"]) for place, cap in caps)
        slots = 1 << objects[f"{name}.cnode"]["size_bits"]
        made[name] = Thread(name, slots, tcb["priority"], time["budget"], time["period"], told)
    return made


def owner(name: str, names: list[str]) -> str:
    """The component whose object this is. Names of components may have dots in them too."""
    return max((each for each in names if name.startswith(each + ".")), key=len, default=name)


def _holding(
    facts: Mapping[str, Any],
    holder: str,
    slot: int,
    cap: Mapping[str, Any],
    target: Mapping[str, Any],
    names: list[str],
) -> Holding:
    whose = owner(cap["object"], names)
    use, meaning = _monitor_use(slot) if holder == env.MONITOR_NAME else _use(slot, target)
    reach = None if whose == holder else use
    return Holding(holder, slot, cap["object"], target["type"], cap["rights"], cap["badge"], whose, reach, meaning)


_SHARED = {
    "tcb": (Reach.THREAD, "controls its thread"),
    "sched_context": (Reach.TIME, "controls its scheduling context"),
    "vspace": (Reach.SPACE, "controls its address space"),
}


def _shared(holder: str, slot: int, cap: Mapping[str, Any], target: Mapping[str, Any], names: list[str]) -> Holding:
    """A capability of a ``cspace`` element. It may be one of the holder's own thread."""
    whose = owner(cap["object"], names)
    reach, meaning = _SHARED[target["type"]]
    said = f"cspace slot {slot}: {meaning}"
    mine = None if whose == holder else reach
    return Holding(holder, slot, cap["object"], target["type"], cap["rights"], cap["badge"], whose, mine, said, True)


_OWN = {
    env.SLOT_VSPACE: "its address space",
    env.SLOT_REPLY: "whom it answers",
    env.SLOT_TCB: "its own thread",
}


def _use(slot: int, target: Mapping[str, Any]) -> tuple[Reach, str]:
    """What a component does with a slot; the ranges are those of ``environment``."""
    if slot == env.SLOT_INPUT:
        return Reach.OTHER, "where it waits"
    if slot == env.SLOT_FAULT_ENDPOINT:
        return Reach.FAULT, "where its faults go"
    if slot == env.SLOT_MONITOR_ENDPOINT:
        return Reach.INIT_DONE, "tells that its init has returned"
    if slot in _OWN:
        return Reach.OTHER, _OWN[slot]
    if slot >= env.SLOT_CHILD_TCB:
        return Reach.THREAD, f"child {slot - env.SLOT_CHILD_TCB}: controls its thread"
    if slot >= env.SLOT_IRQ:
        return Reach.OTHER, f"channel {slot - env.SLOT_IRQ}: interrupt {target.get('irq')}"
    if slot >= env.SLOT_OUTPUT_ENDPOINT:
        return Reach.CALL, f"channel {slot - env.SLOT_OUTPUT_ENDPOINT}: calls"
    if slot >= env.SLOT_OUTPUT_NOTIFICATION:
        return Reach.NOTIFY, f"channel {slot - env.SLOT_OUTPUT_NOTIFICATION}: notifies"
    return Reach.OTHER, ""


_MONITORED = {
    env.MONITOR_TCB: (Reach.THREAD, "stops the thread, reads its state"),
    env.MONITOR_SCHED_CONTEXT: (Reach.TIME, "takes it from the passive thread"),
    env.MONITOR_NOTIFICATION: (Reach.NOTIFY, "binds the scheduling context to it"),
}


def _monitor_use(slot: int) -> tuple[Reach, str]:
    if slot == env.SLOT_INPUT:
        return Reach.OTHER, "where it waits for faults"
    if slot in _OWN:
        return Reach.OTHER, _OWN[slot]
    if slot >= env.MONITOR_SLOT_COMPONENTS:
        return _MONITORED[(slot - env.MONITOR_SLOT_COMPONENTS) % env.MONITOR_SLOTS_EACH]
    return Reach.OTHER, ""

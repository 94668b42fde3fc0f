# SPDX-License-Identifier: BSD-2-Clause
"""Whether the running kernel and the abstract one are in the same state."""

from __future__ import annotations

from typing import Any

from tessera.abi.objects import PAGE_BITS, PAGE_TABLE_INDEX_BITS
from tessera.lang import Memory
from tessera.spec.describe import describe
from tessera.spec.objects import Node, Object
from tessera.spec.state import Kernel
from tessera.suites.fuzz.abstraction import Picture
from tessera.suites.fuzz.lifting import lift


def kind_of(thing: Object) -> tuple[str, int]:
    """What a picture has to know of an object."""
    return type(thing).__name__, thing.radix if isinstance(thing, Node) else 0


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """Where two descriptions differ: the path to each place, what the specification says, and what the kernel has."""
    if expected == found:
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        told = []
        for key in [*expected, *(key for key in found if key not in expected)]:
            told += differences(expected.get(key), found.get(key), f"{where}/{_text(key)}")
        return told
    if isinstance(expected, tuple) and isinstance(found, tuple) and len(expected) == len(found):
        told = []
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            told += differences(one, other, f"{where}/{index}")
        return told
    return [f"{where}: specified {_text(expected)}, found {_text(found)}"]


def _text(value: Any) -> str:
    return hex(value) if type(value) is int and value > 4096 else str(value)


def frame_pages(objects: dict[int, Any]) -> set[int]:
    """The pages of all frames that there are capabilities to."""
    slots = [slot for row in objects.values() if row[0] in ("Thread", "Node") for slot in row[-1]]
    frames = {cap[1:3] for _, cap, _ in slots if cap is not None and cap[0] == "FrameCap" and not cap[3]}
    return {(base >> PAGE_BITS) + i for base, level in frames for i in range(1 << PAGE_TABLE_INDEX_BITS * level)}


def picture(memory: Memory, known: dict[int, tuple[str, int]]) -> dict[str, Any]:
    """The running kernel's state, described."""
    return Picture(memory).describe(known)


def compare(k: Kernel, memory: Memory) -> list[str]:
    """Everything that differs between the abstract state and the running kernel's."""
    known = {name: kind_of(thing) for name, thing in k.objects.items()}
    expected, found = describe(k), picture(memory, known)
    # Nobody sees memory to which there is no frame any more; the kernel clears it some time.
    pages = frame_pages(found["objects"])
    expected["memory"] = {at: word for at, word in expected["memory"].items() if at >> PAGE_BITS in pages}
    return differences(expected, found)


def abstract(memory: Memory, known: dict[int, tuple[str, int]]) -> Kernel:
    """The abstract state of a running kernel in which ``known`` objects, by name, lead to all others."""
    return lift(picture(memory, known))

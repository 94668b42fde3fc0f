# SPDX-License-Identifier: BSD-2-Clause
"""Writing capability distributions in upstream's language, so that upstream's tools accept them (capDL 1.1).

Names there consist of letters, digits and ``-_@.`` and begin with a letter. Every other byte of ours is written as
``@`` and two hexadecimal digits. What the language has no word for stands in comments that begin with ``--@``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tessera.system.capdl_model import (
    FRAME,
    TCB,
    TCB_SLOT_NAMES,
    WITHOUT_OBJECT,
    Fill,
    Place,
    Spec,
    SpecCap,
    SpecObject,
)

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_RESERVED = {"objects", "caps", *WITHOUT_OBJECT}
# In front of a name that could not begin so, or that is a word of the language.
_PREFIX = "x@@"
_TCB_NUMBERS = ("addr", "ip", "sp", "prio", "max_prio", "affinity")
_HEXADECIMAL = ("addr", "ip", "sp", "data", "paddr", "asid_high")


def identifier(name: str) -> str:
    """A name of ours as an identifier of the language; :func:`name_of` is the way back."""
    plain = "".join(chr(byte) if byte in _PLAIN else f"@{byte:02x}" for byte in name.encode("utf-8", "surrogateescape"))
    return plain if re.match("[a-zA-Z]", plain) and plain not in _RESERVED else _PREFIX + plain


def name_of(identifier: str) -> str:
    """The name that an identifier stands for; one that was not written by :func:`identifier` is its own."""
    plain = identifier.removeprefix(_PREFIX)
    if re.search("@(?![0-9a-f]{2})", plain):
        return identifier
    encoded = re.sub("@([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), plain)
    return encoded.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def text(spec: Spec, comments: Iterable[str] = ()) -> str:
    """The text. Equal specifications have equal texts. ``comments`` are lines for its beginning."""
    lines = [*(f"-- {line}" for line in comments), f"arch {spec.architecture}", "", "objects {"]
    lines += [f"  {_object(each)}" for each in spec.objects.values()]
    lines += ["}", "", "caps {"]
    for each in spec.objects.values():
        if each.slots:
            lines.append(f"  {identifier(each.name)} {{")
            lines += [f"    {_slot(each, slot)}: {_cap(each, cap)}" for slot, cap in sorted(each.slots.items())]
            lines.append("  }")
    lines += ["}", "", "irq maps {"]
    lines += [f"  {number}: {identifier(name)}" for number, name in sorted(spec.irqs.items())]
    lines += ["}", "", "cdt {"]
    for parent, children in _families(spec.parents):
        lines.append(f"  {_place(spec, parent)} {{")
        lines += [f"    {_place(spec, child)}" for child in children]
        lines.append("  }")
    lines.append("}")
    if spec.schedule is not None:
        pairs = ", ".join(f"({domain}, {ticks})" for domain, ticks in spec.schedule.entries)
        start = "no_start" if spec.schedule.start is None else spec.schedule.start
        lines += ["", "domains {", f"  schedule: [{pairs}]", f"  domain_set_start: {start}"]
        lines += [f"  index_shift: {spec.schedule.index_shift}", "}"]
    return "\n".join([*lines, ""])


def _object(each: SpecObject) -> str:
    said = ", ".join(_parameters(each))
    notes = ", ".join(f"{key}: {value}" for key, value in each.notes.items())
    made = f"{identifier(each.name)} = {each.kind}" + (f" ({said})" if said else "")
    return f"{made} --@ {notes}" if notes else made


def _parameters(each: SpecObject) -> list[str]:
    found = []
    for key, value in each.parameters.items():
        if key == "size" and each.kind == FRAME:
            found.append(f"{value >> 20}M" if value >> 20 << 20 == value else f"{value >> 10}k")
        elif key == "bits":
            found.append(f"{value} bits")
        elif key == "fill":
            found.append(f"fill: [{', '.join(_fill(fill) for fill in value)}]")
        else:
            found.append(f"{key}: {_value(key, value)}")
    return found


def _value(key: str, value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(f"{word:#x}" for word in value) + "]"
    return f"{value:#x}" if key in _HEXADECIMAL and not isinstance(value, bool) else str(value)


def _fill(fill: Fill) -> str:
    """As upstream's loader has it: place and length in the frame, and where the bytes come from."""
    return f'{{{fill.offset} {fill.length} CDL_FrameFill_FileData "{_file(fill.file)}" {fill.file_offset}}}'


def _file(name: str) -> str:
    """A file's name without what would end it: blanks, quotes and braces."""
    return re.sub(r'[\s"{}%]', lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def _slot(each: SpecObject, slot: int) -> str:
    return TCB_SLOT_NAMES.get(slot, str(slot)) if each.kind == TCB else f"{slot:#x}"


def _cap(holder: SpecObject, cap: SpecCap) -> str:
    said = []
    if cap.core is not None:
        said.append(f"core: {cap.core}")
    if cap.rights:
        said.append(cap.rights)
    if cap.badge:
        said.append(f"badge: {cap.badge:#x}")
    if cap.guard_size:
        said += [f"guard: {cap.guard:#x}", f"guard_size: {cap.guard_size}"]
    if not cap.cached:
        said.append("uncached")
    if cap.mapping is not None:
        said.append(f"mapping: ({identifier(cap.mapping[0])}, {cap.mapping[1]:#x})")
    name = cap.object if cap.object in WITHOUT_OBJECT and cap.core is not None else identifier(cap.object)
    return name + (f" ({', '.join(said)})" if said else "")


def _place(spec: Spec, place: Place) -> str:
    name, slot = place
    return f"({identifier(name)}, {_slot(spec.objects[name], slot)})"


def _families(parents: dict[Place, Place]) -> list[tuple[Place, list[Place]]]:
    found: dict[Place, list[Place]] = {}
    for child, parent in parents.items():
        found.setdefault(parent, []).append(child)
    return list(found.items())

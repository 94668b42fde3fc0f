# SPDX-License-Identifier: BSD-2-Clause
"""A capability distribution as text and as JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from tessera.system.capdl import Cap, CNode, Distribution, IrqHandler, KernelObject, Rights, Tcb, VSpace
from tessera.system.model import Permissions

TCB_CAPS = ("cspace", "vspace", "ipc_buffer", "sched_context", "bound_notification", "fault_endpoint")


def text(distribution: Distribution) -> str:
    """The canonical text. Equal distributions have equal texts; of a fill's bytes only place and number are told."""
    lines = [f"arch {distribution.architecture}", "", "objects {"]
    for each in distribution.objects:
        said = ", ".join(f"{key}: {value}" for key, value in each.properties().items())
        lines.append(f"  {each.name} = {each.word}" + (f" ({said})" if said else ""))
    lines += ["}", "", "caps {"]
    for each in distribution.objects:
        held = held_caps(each)
        if held:
            lines.append(f"  {each.name} {{")
            lines += [f"    {slot}: {cap.text()}" for slot, cap in held.items()]
            lines.append("  }")
    lines += ["}", "", "spaces {"]
    for space in distribution.of(VSpace):
        lines.append(f"  {space.name} {{")
        tables = [table for table in distribution.tables if table.vspace == space.name]
        lines += [f"    {table.vaddr:#x}: {table.table} (level {table.level})" for table in tables]
        for m in distribution.mappings:
            if m.vspace == space.name:
                lines.append(f"    {m.vaddr:#x}: {m.frame} ({m.perms}{'' if m.cached else ', uncached'})")
        lines.append("  }")
    if distribution.schedule is not None:
        lines += ["}", "", f"schedule (start: {distribution.schedule.start}) {{"]
        lines += [f"  {e.index}: domain {e.domain} for {e.ticks} ticks" for e in distribution.schedule.entries]
    return "\n".join([*lines, "}", ""])


def as_json(distribution: Distribution) -> dict[str, Any]:
    """The same facts as plain dictionaries and lists. Of a fill's bytes only the number is told."""
    described = []
    for each in distribution.objects:
        described.append({"type": each.word, "memory_bits": each.memory_bits, **_plain_fields(each)})
    return {
        "architecture": distribution.architecture,
        "objects": described,
        "tables": [_plain_fields(table) for table in distribution.tables],
        "mappings": [_plain_fields(mapping) for mapping in distribution.mappings],
        "schedule": None if distribution.schedule is None else _plain_fields(distribution.schedule),
    }


def held_caps(each: KernelObject) -> dict[str, Cap]:
    """The capabilities inside an object, by the name of their place."""
    if isinstance(each, CNode):
        return {str(slot): cap for slot, cap in each.slots.items()}
    if isinstance(each, Tcb):
        return {name: cap for name in TCB_CAPS if (cap := getattr(each, name)) is not None}
    if isinstance(each, IrqHandler):
        return {"notification": each.notification}
    return {}


def _plain_fields(value: Any) -> dict[str, Any]:
    return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, Rights):
        return value.letters()
    if isinstance(value, Permissions):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes):
        return len(value)
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value

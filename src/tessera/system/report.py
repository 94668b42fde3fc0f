# SPDX-License-Identifier: BSD-2-Clause
"""The report of a build: components, channels, memory map, objects and their sizes. As JSON and as text; ``html`` makes
a page with pictures of the same facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board, Region
from tessera.abi.configuration import configuration
from tessera.abi.profiles import MICROKIT, Profile
from tessera.system import dump
from tessera.system.allocate import Allocation, owner_of
from tessera.system.capdl import Distribution
from tessera.system.collect import size_text
from tessera.system.elf import ProgramImage
from tessera.system.faultmap import FaultMap, fault_map
from tessera.system.model import ChannelEnd, System
from tessera.system.report_schema import SCHEMA


def report(
    system: System,
    images: Mapping[str, ProgramImage],
    distribution: Distribution,
    allocation: Allocation,
    *,
    board: Board = QEMU_VIRT_RISCV64,
    profile: Profile = MICROKIT,
) -> dict[str, Any]:
    """The whole report as plain dictionaries and lists. Sizes in bytes, times in microseconds, addresses as numbers."""
    faults = fault_map(system, images)
    memory = board.memory(profile.memory_size)
    return {
        "schema": SCHEMA,
        "system": system.file,
        "components": [
            {
                "name": pd.name,
                "index": index,
                "program": pd.program_image,
                "priority": pd.priority,
                "budget": pd.budget,
                "period": pd.period,
                "passive": pd.passive,
                "stack_size": pd.stack_size,
                "parent": pd.parent,
                "child_id": pd.id,
                "faults_to": pd.parent or "monitor",
                "domain": pd.domain,
                "line": pd.location.line,
                "shared_caps": [{"slot": cap.slot, "kind": cap.kind.value, "of": cap.pd} for cap in pd.caps],
                "interrupts": [
                    {"irq": irq.irq, "channel": irq.id, "trigger": irq.trigger.value, "line": irq.location.line}
                    for irq in pd.irqs
                ],
            }
            for index, pd in enumerate(system.domains())
        ],
        "schedule": _schedule(system),
        "channels": [
            {"ends": [_end(channel.a), _end(channel.b)], "line": channel.location.line} for channel in system.channels
        ],
        "memory_regions": [
            {
                "name": region.name,
                "size": region.size,
                "page_size": region.page_size,
                "phys_addr": region.phys_addr,
                "device": region.phys_addr is not None and not memory.start <= region.phys_addr < memory.end,
                "mapped_by": _mapped_by(faults, region.name),
                "line": region.location.line,
            }
            for region in system.memory_regions
        ],
        "memory_map": {
            component.name: [
                {
                    "start": area.start,
                    "end": area.end,
                    "kind": area.kind.value,
                    "name": area.name,
                    "perms": str(area.perms),
                }
                for area in component.areas
            ]
            for component in faults.components
        },
        "objects": _object_totals(distribution),
        "memory_by_owner": _memory_by_owner(system, distribution),
        "machine": _machine(board, memory),
        "memory": {"total": allocation.total, "used": allocation.used, "left": allocation.left},
        "slots": allocation.slots,
        "warnings": [warning.as_json() for warning in system.warnings],
        "distribution": dump.as_json(distribution),
    }


def _machine(board: Board, memory: Region) -> list[dict[str, Any]]:
    """What is where in the machine's physical memory, from low addresses to high ones."""
    parts = [(board.firmware, "firmware", "firmware"), (memory, "RAM", "ram")]
    parts += [(region, region.name, "kernel") for region in board.kernel_devices]
    parts += [(device.region, device.name, "device") for device in board.devices]
    return [
        {"name": name, "kind": kind, "start": region.start, "end": region.end}
        for region, name, kind in sorted(parts, key=lambda part: part[0].start)
    ]


def _schedule(system: System) -> dict[str, Any] | None:
    """The domains, the part of the schedule that is repeated, and who runs in it. Times in ticks of the timer."""
    schedule = system.schedule
    if schedule is None:
        return None
    return {
        "domains": [{"name": domain.name, "id": domain.id} for domain in schedule.domains],
        "repeated": [
            {
                "domain": entry.domain,
                "ticks": entry.ticks(configuration.ticks_per_us),
                "components": [pd.name for pd in system.domains() if pd.domain == entry.domain],
            }
            for entry in schedule.repeated()
        ],
    }


def as_text(facts: Mapping[str, Any]) -> str:
    """The report for a person to read, from what :func:`report` gives."""
    parts = [f"System {facts['system']}", ""]
    rows: list[tuple[str, ...]] = [
        (
            c["name"],
            c["program"],
            str(c["priority"]),
            f"{c['budget']} of {c['period']} us" + (" (passive)" if c["passive"] else ""),
            size_text(c["stack_size"]),
            c["faults_to"],
        )
        for c in facts["components"]
    ]
    parts += _table("Components", ("name", "program", "priority", "budget", "stack", "faults go to"), rows)
    if facts["schedule"] is not None:
        rows = [
            (e["domain"], f"{e['ticks']} ticks", ", ".join(e["components"]) or "nobody")
            for e in facts["schedule"]["repeated"]
        ]
        parts += _table("Domain schedule, again and again", ("domain", "time", "who runs"), rows)
    rows = [_channel_row(channel["ends"]) for channel in facts["channels"]]
    parts += _table("Channels", ("from", "to", "from may", "to may"), rows)
    rows = [
        (
            r["name"],
            size_text(r["size"]),
            size_text(r["page_size"]),
            "anywhere" if r["phys_addr"] is None else f"{r['phys_addr']:#x}",
            ", ".join(f"{use['component']} {use['perms']} at {use['start']:#x}" for use in r["mapped_by"]) or "nobody",
        )
        for r in facts["memory_regions"]
    ]
    parts += _table("Memory regions", ("name", "size", "pages", "physical", "mapped by"), rows)
    for name, areas in facts["memory_map"].items():
        rows = [(f"{a['start']:#x}", f"{a['end']:#x}", a["perms"] or "-", a["name"]) for a in areas]
        parts += _table(f"Address space of {name}", ("from", "to", "may", "what"), rows)
    rows = [(o["type"], str(o["count"]), size_text(o["bytes"])) for o in facts["objects"]]
    parts += _table("Kernel objects", ("type", "number", "memory"), rows)
    rows = [(name, size_text(size)) for name, size in facts["memory_by_owner"].items()]
    parts += _table("Memory by component and region", ("owner", "memory"), rows)
    parts += _policy_text(facts)
    memory = facts["memory"]
    parts += [
        f"Memory: {size_text(memory['used'])} of {size_text(memory['total'])} used, {size_text(memory['left'])} left.",
        f"Capabilities at the start: {facts['slots']}.",
    ]
    parts += [f"warning: {w['file']}:{w['line']}: {w['what']}" for w in facts["warnings"]]
    return "\n".join([*parts, ""])


def _policy_text(facts: Mapping[str, Any]) -> list[str]:
    """The lines of the policy with their answers, where there is one."""
    policy = (facts.get("answers") or {}).get("policy")
    if policy is None:
        return []
    rows = [("yes" if line["holds"] else "NO", line["line"], line["reason"]) for line in policy["lines"]]
    told = "Policy of " + policy["file"]
    if policy["ignored"]:
        told += ", which the system breaks: it was built with --ignore-policy"
    return _table(told, ("holds", "line", "because"), rows)


def _end(end: ChannelEnd) -> dict[str, Any]:
    return {"component": end.pd, "id": end.id, "may_call": end.pp, "may_notify": end.notify}


def _mapped_by(faults: FaultMap, region: str) -> list[dict[str, Any]]:
    return [
        {"component": use.component, "start": use.start, "perms": str(use.perms)}
        for use in faults.uses
        if use.region == region
    ]


def _object_totals(distribution: Distribution) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    for each in distribution.objects:
        counts[each.word] += 1
        memory[each.word] += 0 if each.memory_bits is None else 1 << each.memory_bits
    return [{"type": word, "count": counts[word], "bytes": memory[word]} for word in sorted(counts)]


def _memory_by_owner(system: System, distribution: Distribution) -> dict[str, int]:
    """RAM by component and memory region, the most first. Memory at fixed addresses is not counted."""
    usage: Counter[str] = Counter()
    for each in distribution.objects:
        if each.memory_bits is not None and each.paddr is None:
            usage[owner_of(each.name, system)] += 1 << each.memory_bits
    return dict(usage.most_common())


def _channel_row(ends: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    named = [f"{end['component']} ({end['id']})" for end in ends]
    allowed = [" and ".join(word for word in ("call", "notify") if end[f"may_{word}"]) or "-" for end in ends]
    return (*named, *allowed)


def _table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A table in plain text, with a blank line behind it; nothing where there are no rows."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows)
    ]
    return [title, *(line.rstrip() for line in lines), ""]

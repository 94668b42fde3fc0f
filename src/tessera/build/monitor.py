# SPDX-License-Identifier: BSD-2-Clause
"""The monitor's tables, as bytes in the layouts of ``runtime.fault_tables``, and its program with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath

from tessera.build.layouts import Blob, pack
from tessera.build.places import Place, code_of, places_of
from tessera.lang import size_of
from tessera.runtime import fault_tables as layout
from tessera.system.elf import ProgramImage, Segment
from tessera.system.environment import MONITOR_STACK, USER_SPACE
from tessera.system.faultmap import Area, AreaKind, FaultMap
from tessera.system.model import Permissions, ProtectionDomain, System

AREA_KINDS = {
    AreaKind.REGION: layout.AREA_REGION,
    AreaKind.PROGRAM: layout.AREA_PROGRAM,
    AreaKind.STACK: layout.AREA_STACK,
    AreaKind.IPC_BUFFER: layout.AREA_IPC_BUFFER,
    AreaKind.GUARD: layout.AREA_GUARD,
}
PERMISSIONS = {
    Permissions.READ: layout.PERM_READ,
    Permissions.WRITE: layout.PERM_WRITE,
    Permissions.EXECUTE: layout.PERM_EXECUTE,
}


def with_tables(image: ProgramImage, content: bytes) -> ProgramImage:
    """The monitor's program with its tables, which are a segment of their own and can only be read."""
    segment = Segment(layout.TABLES_ADDRESS, len(content), content, Permissions.READ)
    assert segment.end <= USER_SPACE.stack_bottom(MONITOR_STACK)
    variable = image.symbols[layout.TABLES_VARIABLE]
    image = image.with_variable(variable, layout.TABLES_ADDRESS.to_bytes(variable.size, "little"))
    return replace(image, segments=tuple(sorted([*image.segments, segment], key=lambda each: each.vaddr)))


def encode(system: System, facts: FaultMap, images: Mapping[str, ProgramImage]) -> bytes:
    """The tables of a system; ``images`` are its programs by the name of the domain."""
    blob = Blob(int(size_of(layout.FaultTables)))
    components = [_component(blob, system, facts, pd, images[pd.name]) for pd in system.domains()]
    uses = _uses(blob, facts)
    return blob.finish(
        pack(
            layout.FaultTables,
            file=blob.text(PurePath(system.file).name),
            components=blob.table(components),
            uses=blob.table(uses),
        )
    )


# The rows


def _component(blob: Blob, system: System, facts: FaultMap, pd: ProtectionDomain, image: ProgramImage) -> bytes:
    known = facts.component(pd.name)
    return pack(
        layout.ComponentEntry,
        name=blob.text(pd.name),
        line=pd.location.line,
        passive=int(pd.passive),
        floating_point=int(pd.fpu),
        stack=USER_SPACE.stack_bottom(pd.stack_size),
        stack_size=pd.stack_size,
        budget=pd.budget,
        period=pd.period,
        areas=blob.table([_area(blob, pd, area) for area in known.areas]),
        channels=blob.table(_channels(blob, system, pd)),
        lines=blob.table([_line(blob, place) for place in places_of(image)]),
        functions=blob.table(_functions(blob, image)),
    )


def _area(blob: Blob, pd: ProtectionDomain, area: Area) -> bytes:
    is_region = area.kind is AreaKind.REGION
    line = next(m.location.line for m in pd.maps if m.vaddr == area.start) if is_region else 0
    perms = sum(bit for permission, bit in PERMISSIONS.items() if permission in area.perms)
    return pack(
        layout.AreaEntry,
        start=area.start,
        end=area.end,
        name=blob.text(area.name),
        line=line,
        kind=AREA_KINDS[area.kind],
        perms=perms,
    )


def _line(blob: Blob, place: Place) -> bytes:
    function = blob.text(place.function) if place.function else 0
    return pack(layout.LineEntry, pc=place.pc, file=blob.text(place.file), line=place.line, function=function)


def _channels(blob: Blob, system: System, pd: ProtectionDomain) -> list[bytes]:
    rows: list[tuple[int, int, str]] = [(irq.id, layout.CHANNEL_INTERRUPT, "") for irq in pd.irqs]
    for channel in system.channels:
        for end, other in channel.directions():
            if end.pd == pd.name:
                flags = layout.CHANNEL_NOTIFY * end.notify | layout.CHANNEL_CALL * end.pp
                rows.append((end.id, flags, other.pd))
    return [
        pack(layout.ChannelEntry, number=number, flags=flags, peer=blob.text(peer))
        for number, flags, peer in sorted(rows)
    ]


def _functions(blob: Blob, image: ProgramImage) -> list[bytes]:
    """Named stretches of code; a name of the language is told without its module. Of several names for one address,
    the first in alphabetical order is taken.
    """
    code = code_of(image)
    found: dict[int, tuple[int, str]] = {}
    for symbol in sorted(image.symbols.values(), key=lambda symbol: (symbol.address, symbol.name)):
        if symbol.size and any(start <= symbol.address < end for start, end in code):
            end = min(symbol.address + symbol.size, 1 << USER_SPACE.word_bits - 1)
            found.setdefault(symbol.address, (end, symbol.name.rpartition(".")[2]))
    return [
        pack(layout.FunctionEntry, start=start, end=end, name=blob.text(name)) for start, (end, name) in found.items()
    ]


def _uses(blob: Blob, facts: FaultMap) -> list[bytes]:
    numbers = {component.name: component.index for component in facts.components}
    return [
        pack(
            layout.UseEntry,
            start=use.start,
            end=use.end,
            component=numbers[use.component],
            region=blob.text(use.region),
        )
        for use in facts.uses
    ]

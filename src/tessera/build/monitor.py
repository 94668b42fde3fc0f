# SPDX-License-Identifier: BSD-2-Clause
"""The monitor's program with its tables: the fault map of a system in the binary form of runtime/monitor_tables.py."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tessera.build.layouts import Blob, pack
from tessera.runtime import monitor_tables as tables
from tessera.system import environment
from tessera.system.elf import LineRow, ProgramImage, Segment
from tessera.system.faultmap import STACK_GUARD, Area, AreaKind, ComponentMap, FaultMap
from tessera.system.model import Permissions, System

TABLES_VARIABLE = "monitor_tables"

_KINDS = {
    AreaKind.REGION: tables.Area.REGION,
    AreaKind.PROGRAM: tables.Area.PROGRAM,
    AreaKind.STACK: tables.Area.STACK,
    AreaKind.IPC_BUFFER: tables.Area.IPC_BUFFER,
    AreaKind.GUARD: tables.Area.GUARD,
}


def encode(system: System, faults: FaultMap, images: Mapping[str, ProgramImage]) -> bytes:
    """The tables for a system; ``images`` are the programs by the name of the domain."""
    blob = Blob(tables.MonitorTables.__struct__.layout().size)  # type: ignore[attr-defined]
    stacks = {pd.name: pd.stack_size for pd in system.domains()}
    numbers = {component.name: component.index for component in faults.components}
    components = [_component(each, stacks[each.name], images[each.name], blob) for each in faults.components]
    uses = [
        pack(
            tables.UseEntry,
            component=numbers[use.component],
            start=use.start,
            end=use.end,
            region=blob.text(use.region),
        )
        for use in faults.uses
    ]
    head = pack(
        tables.MonitorTables,
        system=blob.text(Path(system.file).name),
        components=blob.table(components),
        uses=blob.table(uses),
    )
    return blob.finish(head)


def _component(each: ComponentMap, stack_size: int, image: ProgramImage, blob: Blob) -> bytes:
    return pack(
        tables.ComponentEntry,
        name=blob.text(each.name),
        stack_size=stack_size,
        areas=blob.table([_area(area, blob) for area in each.areas]),
        lines=blob.table([_line(row, blob) for row in each.lines]),
        functions=blob.table(
            [
                pack(tables.FunctionEntry, start=start, end=end, name=blob.text(name))
                for start, end, name in functions_of(image)
            ]
        ),
    )


def _area(area: Area, blob: Blob) -> bytes:
    kind = tables.Area.GUARD_BELOW_STACK if area.name == STACK_GUARD else _KINDS[area.kind]
    allowed = (
        (Permissions.READ, tables.READ),
        (Permissions.WRITE, tables.WRITE),
        (Permissions.EXECUTE, tables.EXECUTE),
    )
    permissions = sum(bit for permission, bit in allowed if permission in area.perms)
    return pack(
        tables.AreaEntry,
        start=area.start,
        end=area.end,
        kind=kind,
        name=blob.text(area.name),
        permissions=permissions,
    )


def _line(row: LineRow, blob: Blob) -> bytes:
    return pack(tables.LineEntry, pc=row.pc, file=blob.text(row.file), line=row.line)


def functions_of(image: ProgramImage) -> list[tuple[int, int, str]]:
    """The functions of a program as (start, end, name), in the order of addresses.

    Only symbols that stand for code and have a size count. A name of the language is told without its module.
    """
    found: dict[int, tuple[int, int, str]] = {}
    code = [segment for segment in image.segments if Permissions.EXECUTE in segment.perms]
    starts = [segment.vaddr for segment in code]
    for symbol in image.symbols.values():
        index = bisect_right(starts, symbol.address) - 1
        if index >= 0 and symbol.size and symbol.address < code[index].end:
            name = symbol.name.rsplit(".", 1)[-1]
            found[symbol.address] = (symbol.address, symbol.address + symbol.size, name)
    return [found[address] for address in sorted(found)]


def with_tables(image: ProgramImage, content: bytes) -> ProgramImage:
    """The monitor's program with the tables in a segment of their own."""
    segment = Segment(tables.TABLES_ADDRESS, len(content), content, Permissions.READ)
    symbol = image.symbols[TABLES_VARIABLE]
    patched = image.with_variable(symbol, tables.TABLES_ADDRESS.to_bytes(symbol.size, "little"))
    ordered = sorted([*patched.segments, segment], key=lambda each: each.vaddr)
    assert segment.end <= environment.USER_SPACE.stack_bottom(environment.MONITOR_STACK)
    return replace(patched, segments=tuple(ordered))

# SPDX-License-Identifier: BSD-2-Clause
"""Calls in a program that the compiler replaced by the called function itself (DWARF: inlined subroutines).

A line table names the innermost line alone, which for a call into the run-time is a line of the run-time. With these,
the line of the user's program that the code comes from is known too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.descriptions import describe_form_class
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.ranges import BaseAddressEntry, RangeEntry
from elftools.elf.elffile import ELFFile

# What reading a damaged file, or forms that the library does not know, can end with: it checks much, and trusts the
# rest.
DAMAGE = (
    *(ELFError, DWARFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, MemoryError, RecursionError, NotImplementedError),
)

FileName = Callable[[Mapping[str, object], int], str]


@dataclass(frozen=True)
class InlinedCall:
    """Addresses ``start`` up to, but not including, ``end`` hold code of ``function``, which is called at ``line`` of
    ``file``. Of several calls at an address the one with the greatest ``depth`` is the innermost.
    """

    start: int
    end: int
    depth: int
    function: str
    file: str
    line: int


def inlined_calls(elf: ELFFile, file_name: FileName, name: str = "DW_AT_name") -> list[InlinedCall]:
    """All such calls. ``file_name`` gives the name of a file from the header of a line table and its number there;
    ``name`` is the attribute that functions are named by.

    A program without this information, or with such that cannot be read, has none.
    """
    if not elf.has_dwarf_info():
        return []
    found: list[InlinedCall] = []
    try:
        dwarf = elf.get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            if program is not None:
                _collect(dwarf, unit, unit.get_top_DIE(), 0, partial(file_name, program.header), name, found)
    except DAMAGE:
        return []
    return [call for call in found if can_be(call.line, call.start) and can_be(call.line, call.end)]


def can_be(line: int, address: int) -> bool:
    """Whether a line number and an address that a file names are ones at all."""
    return 0 <= line < 1 << 32 and 0 <= address < 1 << 64


def _collect(
    dwarf: DWARFInfo,
    unit: CompileUnit,
    parent: DIE,
    depth: int,
    name_of: Callable[[int], str],
    name: str,
    found: list[InlinedCall],
) -> None:
    for die in parent.iter_children():
        inner = depth
        if die.tag == "DW_TAG_inlined_subroutine" and "DW_AT_call_line" in die.attributes:
            inner = depth + 1
            file = name_of(die.attributes["DW_AT_call_file"].value)
            line = die.attributes["DW_AT_call_line"].value
            for start, end in _ranges(dwarf, unit, die):
                found.append(InlinedCall(start, end, inner, _function(die, name), file, line))
        _collect(dwarf, unit, die, inner, name_of, name, found)


def _function(die: DIE, attribute: str) -> str:
    origin = die.get_DIE_from_attribute("DW_AT_abstract_origin")
    if "DW_AT_specification" in origin.attributes:
        origin = origin.get_DIE_from_attribute("DW_AT_specification")
    name = origin.attributes.get(attribute)
    return name.value.decode(errors="replace") if name is not None else ""


def _ranges(dwarf: DWARFInfo, unit: CompileUnit, die: DIE) -> Iterator[tuple[int, int]]:
    attributes = die.attributes
    if "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
        low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
        yield low, high.value if describe_form_class(high.form) == "address" else low + high.value
    elif "DW_AT_ranges" in attributes:
        lists = dwarf.range_lists()
        low_pc = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
        base = low_pc.value if low_pc is not None else 0
        if lists is None:
            return
        for entry in lists.get_range_list_at_offset(attributes["DW_AT_ranges"].value, cu=unit):
            if isinstance(entry, BaseAddressEntry):
                base = entry.base_address
            elif isinstance(entry, RangeEntry):
                offset = 0 if entry.is_absolute else base
                yield offset + entry.begin_offset, offset + entry.end_offset

# SPDX-License-Identifier: BSD-2-Clause
"""Bit fields of packed values, tags, and membership in enumerations."""

from __future__ import annotations

from typing import Any

from tessera.ir.values import width_of
from tessera.lang.packed import BitField
from tessera.llvm.code import Code
from tessera.llvm.types import is_reference


def get_bits(code: Code, raw: str, width: int, field: BitField) -> str:
    """The value of a field of a word of ``width`` bits."""
    target = width_of(field.type)
    value = _extract(code, raw, width, field.low, field.width, field.signed)
    value = _shifted(code, _resized(code, value, width, target, field.signed), target, field.shift)
    return code.value(f"inttoptr i64 {value} to ptr") if is_reference(field.type) else value


def set_bits(code: Code, raw: str, width: int, field: BitField, value: str) -> str:
    """The word with a field changed; in checked code a value that does not fit tells a violation."""
    source = width_of(field.type)
    if is_reference(field.type):
        value = code.value(f"ptrtoint ptr {value} to i64")
    if field.shift >= source:
        stored = "0"
    else:
        stored = code.value(f"lshr i{source} {value}, {field.shift}") if field.shift else value
    mask = (1 << field.width) - 1
    bits = _resized(code, stored, source, width, signed=False)
    bits = code.value(f"and i{width} {bits}, {mask}")
    if code.checked:
        back = _extract(code, bits, width, 0, field.width, field.signed)
        back = _shifted(code, _resized(code, back, width, source, field.signed), source, field.shift)
        code.require(code.value(f"icmp eq i{source} {back}, {value}"), "field")
    if field.low:
        bits = code.value(f"shl i{width} {bits}, {field.low}")
    kept = ((1 << width) - 1) & ~(mask << field.low)
    return code.value(f"or i{width} {code.value(f'and i{width} {raw}, {kept}')}, {bits}")


def tag_of(code: Code, raw: str, type_: Any) -> str:
    """The tag's bits of a packed value, as its word."""
    base = type_.__packed__.base.__packed__
    tag = base.fields()[base.tag]
    return _extract(code, raw, base.word.width, tag.low, tag.width, signed=False)


def _extract(code: Code, raw: str, width: int, low: int, size: int, signed: bool) -> str:
    """``size`` bits from bit ``low``, extended to the whole word."""
    if signed:
        top = width - low - size
        value = code.value(f"shl i{width} {raw}, {top}") if top else raw
        return code.value(f"ashr i{width} {value}, {width - size}") if size < width else value
    value = code.value(f"lshr i{width} {raw}, {low}") if low else raw
    if low + size < width:
        value = code.value(f"and i{width} {value}, {(1 << size) - 1}")
    return value


def _resized(code: Code, value: str, source: int, target: int, signed: bool) -> str:
    if source == target:
        return value
    if source > target:
        return code.value(f"trunc i{source} {value} to i{target}")
    return code.value(f"{'sext' if signed else 'zext'} i{source} {value} to i{target}")


def _shifted(code: Code, value: str, width: int, amount: int) -> str:
    if amount == 0:
        return value
    return code.value(f"shl i{width} {value}, {amount}") if amount < width else ("false" if width == 1 else "0")


def require_member(code: Code, value: str, width: int, enumeration: Any) -> None:
    """Tell a violation unless a word of ``width`` bits is a member of the enumeration."""
    members = sorted({int(member) for member in enumeration if int(member) < 1 << width})
    if not members:
        code.require("false", "enum")
        return
    first, last = members[0], members[-1]
    if len(members) == last - first + 1:
        if len(members) < 1 << width:
            offset = code.value(f"sub i{width} {value}, {first}") if first else value
            code.require(code.value(f"icmp ule i{width} {offset}, {last - first}"), "enum")
        return
    following, violation = code.label("ok"), code.violation_block("enum")
    cases = " ".join(f"i{width} {member}, label %{following}" for member in members)
    code.do(f"switch i{width} {value}, label %{violation} [ {cases} ]")
    code.start(following)

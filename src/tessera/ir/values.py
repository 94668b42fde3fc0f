# SPDX-License-Identifier: BSD-2-Clause
"""Values of the language as raw numbers, and back: how readers that work on bits talk to CPython.

A raw value is an ``int`` for every scalar (a bool is 0 or 1, a reference its address, ``None`` is 0), a tuple of raw
values for a record or tuple, ``bytes`` for constant text, and ``None`` where there is no result.
"""

from __future__ import annotations

from typing import Any, NoReturn

from tessera.lang.packed import BitField
from tessera.lang.structs import from_stored, to_stored
from tessera.lang.types import TEXT, TupleType, is_enum, is_packed, is_record, is_word


def component_types(type_: Any) -> tuple[Any, ...] | None:
    """The types of the components of a record or tuple, in order; ``None`` for any other type."""
    if isinstance(type_, TupleType):
        return type_.items
    if is_record(type_):
        return tuple(type_.__record__.fields().values())
    return None


def to_raw(type_: Any, value: Any) -> Any:
    """The raw form of a CPython value; :class:`TypeError` when it is not of the type."""
    if type_ is None or type_ is NoReturn:
        return None
    parts = component_types(type_)
    if parts is not None:
        values = (
            value if isinstance(value, tuple) else tuple(getattr(value, name) for name in type_.__record__.fields())
        )
        if len(values) != len(parts):
            raise TypeError(f"{value!r} has not {len(parts)} components")
        return tuple(to_raw(part, item) for part, item in zip(parts, values, strict=True))
    if type_ is TEXT:
        return bytes(value)
    return to_stored(type_, value)


def from_raw(type_: Any, raw: Any) -> Any:
    """The CPython value of a raw one. Raises ``Violation`` for bits that mean nothing in the type."""
    if type_ is None or type_ is NoReturn:
        return None
    parts = component_types(type_)
    if parts is not None:
        values = tuple(from_raw(part, item) for part, item in zip(parts, raw, strict=True))
        return values if isinstance(type_, TupleType) else type_(*values)
    if type_ is TEXT:
        return TEXT(raw)
    return from_stored(type_, raw)


def width_of(type_: Any) -> int:
    """Bits of a scalar; 64 for references."""
    if is_word(type_):
        return int(type_.width)
    if is_enum(type_):
        return int(type_.__word__.width)
    if is_packed(type_):
        return int(type_.__packed__.word.width)
    return 1 if type_ is bool else 64


def mask_of(type_: Any) -> int:
    """All bits of a scalar."""
    return (1 << width_of(type_)) - 1


def signed(value: int, width: int) -> int:
    """A word read as two's complement."""
    return value - (value >> width - 1 << width)


def tag_of(type_: Any, raw: int) -> int:
    """The tag's bits of a packed value."""
    info = type_.__packed__.base.__packed__
    tag = info.fields()[info.tag]
    return int(raw >> tag.low & (1 << tag.width) - 1)


def field_number(field: BitField, stored: int) -> int:
    """The number that the stored bits of a packed field stand for."""
    if field.signed:
        stored = signed(stored, field.width)
    return stored << field.shift & mask_of(field.type)

# SPDX-License-Identifier: BSD-2-Clause
"""Values of the language as raw numbers, and back: how readers that work on bits talk to CPython.

A raw value is an ``int`` for every scalar (a bool is 0 or 1, a reference its address, ``None`` is 0), a tuple of raw
values for a record or tuple, ``bytes`` for constant text, and ``None`` where there is no result.
"""

from __future__ import annotations

from typing import Any, NoReturn

from tessera.lang.structs import from_stored, to_stored
from tessera.lang.types import TEXT, TupleType, is_record


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

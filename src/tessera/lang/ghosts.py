# SPDX-License-Identifier: BSD-2-Clause
"""Ghost fields: values of objects that only contracts and ghost code read. They take no room in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tessera.lang.memory import memory
from tessera.lang.types import (
    OptionalReference,
    UnknownType,
    coerce,
    is_enum,
    is_mathematical,
    is_struct,
    is_word,
    resolve,
    type_name,
)
from tessera.lang.words import word_type


class GhostTypes(Mapping[str, Any]):
    """Types of ghost fields by name, resolved when they are asked for: proofs may name what code does not import."""

    def __init__(self, cls: Any, annotations: dict[str, Any]) -> None:
        self._cls = cls
        self._annotations = annotations
        self._types: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._types:
            self._types[name] = self._resolve(name)
        return self._types[name]

    def _resolve(self, name: str) -> Any:
        where = f"ghost field {self._cls.__name__}.{name}"
        if self._annotations[name] in ("int", int):
            raise UnknownType(f"{where}: int has no meaning here; use integer, or a word")
        try:
            type_ = resolve(self._annotations[name], self._cls.__module__)
        except UnknownType as error:
            raise UnknownType(f"{where}: {error}") from None
        if is_struct(type_):
            raise UnknownType(f"{where}: it is None until it is written, so its type is {type_name(type_)} | None")
        scalar = is_word(type_) or type_ is bool or is_enum(type_) or is_mathematical(type_)
        if not scalar and not isinstance(type_, OptionalReference):
            raise UnknownType(f"{where}: {type_name(type_)} cannot be the type of a ghost field")
        return type_

    def __contains__(self, name: object) -> bool:
        return name in self._annotations

    def __iter__(self) -> Iterator[str]:
        return iter(self._annotations)

    def __len__(self) -> int:
        return len(self._annotations)


class GhostAccess:
    """A data descriptor for one ghost field: its values lie beside the current memory, per object."""

    def __init__(self, cls: Any, name: str) -> None:
        self.cls = cls
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        values = memory().ghosts
        key = self.cls, self.name, instance._address
        return values[key] if key in values else unwritten(ghosts_of(self.cls)[self.name])

    def __set__(self, instance: Any, value: Any) -> None:
        type_ = ghosts_of(self.cls)[self.name]
        memory().ghosts[self.cls, self.name, instance._address] = coerce(type_, value)


def unwritten(type_: Any) -> Any:
    """What a ghost field reads as before it is written: zero, ``False``, ``None`` or the member 0."""
    if isinstance(type_, OptionalReference):
        return None
    return type_(word_type(64)(0)) if is_enum(type_) else type_(0)


def ghosts_of(cls: Any) -> Mapping[str, Any]:
    """The types of a struct's ghost fields by name. Looking one up may raise :class:`UnknownType`."""
    return cls.__struct__.layout().ghosts  # type: ignore[no-any-return]

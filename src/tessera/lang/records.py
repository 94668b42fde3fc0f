# SPDX-License-Identifier: BSD-2-Clause
"""Records: a few named values as one result. They live in registers, never in memory, and are immutable."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar, dataclass_transform

from tessera.lang.types import NAMED, coerce, resolve

S = TypeVar("S")


class RecordInfo:
    """The field types of a record class, resolved on first use, in order."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self._fields: dict[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """Types by name."""
        if self._fields is None:
            self._fields = {n: resolve(a, self.cls.__module__) for n, a in self.cls.__annotations__.items()}
        return self._fields


def _construct(self: Any, *values: Any, **named: Any) -> None:
    fields = type(self).__record__.fields()
    names = list(fields)
    given = dict(zip(names, values, strict=False)) | named
    if len(values) > len(names) or set(given) != set(names) or len(values) + len(named) != len(names):
        raise TypeError(f"{type(self).__name__} needs exactly {', '.join(names)}")
    for name in names:
        object.__setattr__(self, name, coerce(fields[name], given[name]))


def _immutable(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is immutable")


@dataclass_transform(frozen_default=True)
def record(cls: type[S]) -> type[S]:
    """Make a class a record: ``Found(slot, bits_left)``, read as ``found.slot``."""
    target: Any = cls
    target.__annotations__ = inspect.get_annotations(target)
    target.__record__ = RecordInfo(cls)
    target.__init__ = _construct
    target.__setattr__ = _immutable
    target.__eq__ = lambda self, other: (
        type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in target.__annotations__)
    )
    target.__hash__ = None
    target.__repr__ = lambda self: (
        f"{target.__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in target.__annotations__)})"
    )
    NAMED[cls.__name__] = cls
    return cls

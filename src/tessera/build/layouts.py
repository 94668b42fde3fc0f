# SPDX-License-Identifier: BSD-2-Clause
"""Writing structures of the language as bytes, from the layouts that the readers on the target use."""

from __future__ import annotations

from typing import Any

from tessera.lang.structs import Inline, size_of_stored
from tessera.lang.types import ArrayType


def pack(cls: Any, **values: Any) -> bytes:
    """One structure as bytes; fields that are not given are zero.

    A structure in place takes a dictionary, an array a sequence. Raises ``KeyError`` for a field that does not exist.
    """
    layout = cls.__struct__.layout()
    data = bytearray(layout.size)
    for name, value in values.items():
        field = layout.fields[name]
        content = _stored(field.type, value)
        data[field.offset : field.offset + len(content)] = content
    return bytes(data)


def _stored(type_: Any, value: Any) -> bytes:
    if isinstance(type_, Inline):
        return pack(type_.struct, **value)
    if isinstance(type_, ArrayType):
        if len(value) > type_.length:
            raise ValueError(f"{len(value)} values for an array of {type_.length}")
        return b"".join(_stored(type_.element, item) for item in value)
    return int(value).to_bytes(size_of_stored(type_), "little")


class Blob:
    """Bytes in the making, in which parts refer to each other by offset from the start."""

    def __init__(self, head: int) -> None:
        """``head`` bytes are left free at the start, for :meth:`finish`."""
        self.data = bytearray(head)
        self._texts: dict[str, int] = {}

    def add(self, content: bytes, *, alignment: int = 8, phase: int = 0) -> int:
        """Append bytes at an offset that is ``phase`` modulo ``alignment``, and return the offset."""
        self.data += bytes((phase - len(self.data)) % alignment)
        offset = len(self.data)
        self.data += content
        return offset

    def text(self, text: str) -> int:
        """The offset of a text that ends with a zero byte; equal texts are kept once."""
        if text not in self._texts:
            self._texts[text] = self.add(text.encode() + b"\0", alignment=1)
        return self._texts[text]

    def table(self, entries: list[bytes]) -> dict[str, int]:
        """Append entries of one size, and return where they are, as fields of a ``Table``."""
        return {"offset": self.add(b"".join(entries)), "count": len(entries)}

    def finish(self, head: bytes) -> bytes:
        """Put the head in place, and return everything."""
        self.data[: len(head)] = head
        return bytes(self.data)

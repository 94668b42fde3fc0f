# SPDX-License-Identifier: BSD-2-Clause
"""Packed values: named bit fields in one word, and kinds of it told apart by a tag.

``@packed(u128, tag="kind")`` declares the common part; ``@variant(Kind.ENDPOINT)`` a kind of it. Values are immutable:
``cap.replace(badge=b)`` gives a changed copy. A ``match`` with class patterns, or ``isinstance``, tells kinds apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

from tessera.lang.functions import compile_methods
from tessera.lang.structs import from_stored, to_stored
from tessera.lang.types import NAMED, OptionalReference, UnknownType, is_enum, is_struct, is_word, resolve, type_name
from tessera.lang.words import Violation, word_type

S = TypeVar("S")
P = TypeVar("P", bound="Packed")


@dataclass(frozen=True)
class BitField:
    """``width`` bits from bit ``low``; the value is stored shifted right by ``shift`` and may be sign-extended."""

    name: str
    type: Any
    low: int
    width: int
    shift: int
    signed: bool


@dataclass(frozen=True)
class _Bits:
    low: int
    width: int
    shift: int
    signed: bool


def bits(low: int, width: int, *, shift: int = 0, signed: bool = False) -> Any:
    """Field default: where the field lies in the word.

    ``shift`` low bits of the value are not stored and must be zero; ``signed`` copies the top stored bit upwards when
    the field is read (canonical addresses). A field that is not given when a value is built is zero.
    """
    return _Bits(low, width, shift, signed)


class PackedInfo:
    """What a packed class knows: its word, fields, and the kinds by tag (kept at the base)."""

    def __init__(self, cls: Any, word: Any, base: Any, tag: str | None, tag_value: int | None) -> None:
        self.cls = cls
        self.word = word
        self.base = base
        self.tag = tag
        self.tag_value = tag_value
        self.variants: dict[int, Any] = {}
        self._fields: dict[str, BitField] | None = None

    def fields(self) -> dict[str, BitField]:
        """All fields by name, the base's first."""
        if self._fields is None:
            found: dict[str, BitField] = {}
            if self.cls is not self.base:
                found.update(self.base.__packed__.fields())
            for name, spec in self.cls.__bits__.items():
                try:
                    type_ = resolve(self.cls.__annotations__[name], self.cls.__module__)
                except UnknownType as error:
                    raise UnknownType(f"field {self.cls.__name__}.{name}: {error}") from None
                if not (type_ is bool or is_word(type_) or is_enum(type_) or is_struct(type_)) and not isinstance(
                    type_, OptionalReference
                ):
                    raise UnknownType(f"field {self.cls.__name__}.{name}: {type_name(type_)} cannot be packed")
                if spec.low + spec.width > self.word.width:
                    raise UnknownType(f"field {self.cls.__name__}.{name} ends above bit {self.word.width - 1}")
                found[name] = BitField(name, type_, spec.low, spec.width, spec.shift, spec.signed)
            self._fields = found
        return self._fields

    def unpack(self, raw: int) -> Any:
        """The value with these bits, as its kind where the tag names one."""
        info = self.base.__packed__
        cls = info.cls
        if info.tag is not None:
            tag = info.fields()[info.tag]
            cls = info.variants.get(raw >> tag.low & (1 << tag.width) - 1, cls)
        return _make(cls, raw)

    def read(self, field: BitField, raw: int) -> Any:
        """A field of a value with these bits."""
        value = raw >> field.low & (1 << field.width) - 1
        if field.signed and value >> field.width - 1:
            value |= -1 << field.width
        return from_stored(field.type, value << field.shift & _mask_of(field.type))

    def write(self, field: BitField, raw: int, value: Any) -> int:
        """The bits with one field changed. Raises :class:`Violation` when the value does not fit."""
        number = to_stored(field.type, value)
        mask = (1 << field.width) - 1
        stored = number >> field.shift & mask
        if int_of(self.read_bits(field, stored), field) != number:
            raise Violation("field", f"{number:#x} in {self.cls.__name__}.{field.name}")
        return raw & ~(mask << field.low) | stored << field.low

    @staticmethod
    def read_bits(field: BitField, stored: int) -> int:
        """The number that stored bits stand for, before it is given its type."""
        if field.signed and stored >> field.width - 1:
            stored |= -1 << field.width
        return stored << field.shift


def _mask_of(type_: Any) -> int:
    if is_word(type_):
        return int(type_.maximum)
    if is_enum(type_):
        return int(type_.__word__.maximum)
    return (1 << 64) - 1


def int_of(number: int, field: BitField) -> int:
    """Cut to the width of the field's type."""
    return number & _mask_of(field.type)


def _make(cls: Any, raw: int) -> Any:
    value = object.__new__(cls)
    object.__setattr__(value, "_raw", raw)
    return value


class _BitAccess:
    """A read-only descriptor for one packed field."""

    def __init__(self, cls: Any, name: str) -> None:
        self.cls = cls
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        info = self.cls.__packed__
        return info.read(info.fields()[self.name], instance._raw)


def _construct(self: Any, **named: Any) -> None:
    info = type(self).__packed__
    raw = 0
    if info.tag is not None and info.tag_value is None:
        raise TypeError(f"{type(self).__name__} has kinds: build one of them, or use from_word")
    if info.tag_value is not None:
        raw = info.tag_value << info.fields()[info.tag].low
    object.__setattr__(self, "_raw", _changed(info, raw, named))


def _changed(info: PackedInfo, raw: int, named: dict[str, Any]) -> int:
    for name, value in named.items():
        if name not in info.fields():
            raise TypeError(f"{info.cls.__name__} has no field {name!r}")
        raw = info.write(info.fields()[name], raw, value)
    return raw


def _immutable(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is immutable: use .replace({name}=...)")


def _prepare(cls: Any, word: Any, base: Any, tag: str | None, tag_value: int | None) -> None:
    own = inspect.get_annotations(cls)
    cls.__annotations__ = own
    cls.__bits__ = {name: cls.__dict__[name] for name in own if isinstance(cls.__dict__.get(name), _Bits)}
    for name in own:
        if name not in cls.__bits__:
            raise TypeError(f"{cls.__name__}.{name}: a packed field needs its place: = bits(low, width)")
    compile_methods(cls)
    for name in own:
        setattr(cls, name, _BitAccess(cls, name))
    cls.__packed__ = PackedInfo(cls, word, base, tag, tag_value)
    cls.__init__ = _construct
    cls.__setattr__ = _immutable
    cls.__eq__ = lambda self, other: isinstance(other, type(self).__packed__.base) and bool(self._raw == other._raw)
    cls.__hash__ = lambda self: hash(self._raw)
    cls.__repr__ = lambda self: f"{type(self).__name__}({self._raw:#x})"
    NAMED[cls.__name__] = cls


class Packed:
    """Base of packed classes."""

    _raw: int

    def replace(self: P, **changes: Any) -> P:
        """A copy with some fields changed."""
        info: PackedInfo = type(self).__packed__  # type: ignore[attr-defined]
        return info.unpack(_changed(info, self._raw, changes))  # type: ignore[no-any-return]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def packed(word: type[int], *, tag: str | None = None) -> Callable[[type[S]], type[S]]:
    """Make a class a packed value of this word; ``tag`` names the field that tells kinds apart."""

    def make(cls: type[S]) -> type[S]:
        if not issubclass(cls, Packed):
            raise TypeError(f"{cls.__name__}: a packed class inherits from Packed, which has replace")
        _prepare(cls, word, cls, tag, None)
        return cls

    return make


@dataclass_transform(frozen_default=True, kw_only_default=True)
def variant(tag_value: int) -> Callable[[type[S]], type[S]]:
    """Make a subclass of a packed class one of its kinds: the one whose tag has this value."""

    def make(cls: Any) -> Any:
        base = cls.__mro__[1].__packed__.base
        info = base.__packed__
        if int(tag_value) in info.variants:
            raise TypeError(f"{cls.__name__}: tag {int(tag_value)} is {info.variants[int(tag_value)].__name__} already")
        _prepare(cls, info.word, base, info.tag, int(tag_value))
        info.variants[int(tag_value)] = cls
        return cls

    return make


def to_word(value: Any) -> int:
    """The bits of a packed value, as its word."""
    return word_type(type(value).__packed__.word.width)(value._raw)


def from_word(cls: type[S], raw: int) -> S:
    """The packed value with these bits, as its kind; a ``variant`` violation if ``cls`` is another kind."""
    value = cls.__packed__.unpack(int(raw))  # type: ignore[attr-defined]
    if not isinstance(value, cls):
        raise Violation("variant", f"{int(raw):#x} is not {cls.__name__}")
    return value

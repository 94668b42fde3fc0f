# SPDX-License-Identifier: BSD-2-Clause
"""What an annotation of the language means: one resolver for fields, parameters, results and locals.

A resolved type is one of: a :class:`Word` class, ``bool``, an ``IntEnum`` class with a storage word, a struct class
(a reference to it), :class:`OptionalReference` (a reference that may be ``None``), a packed class, a record class,
:class:`TupleType`, :class:`ArrayType`, :data:`TEXT` (bytes) or ``None`` (no result); in contracts and ghost code also
:data:`INTEGER` and :data:`RATIONAL`.
"""

from __future__ import annotations

import sys
import types
import typing
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any, NoReturn

from tessera.lang.words import Violation, Word, word_type

# Struct, packed and record classes by name: modules refer to each other's types without importing in a circle.
NAMED: dict[str, Any] = {}


@dataclass(frozen=True)
class OptionalReference:
    """A reference to ``target`` or ``None``."""

    target: Any

    def __repr__(self) -> str:
        return f"{type_name(self.target)} | None"


@dataclass(frozen=True)
class TupleType:
    """A fixed tuple of types, as a result of a function."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class ArrayType:
    """``length`` elements laid side by side; structs are stored in place."""

    element: Any
    length: int


class ArrayOf:
    """The annotation ``Array[T]``; the length comes from ``array(n)``."""

    def __init__(self, element: Any) -> None:
        self.element = element


class Text(bytes):
    """A constant byte string: ``len`` and indexing give words."""

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= int(index) < bytes.__len__(self):
            raise Violation("index", f"{int(index)} of {bytes.__len__(self)}")
        return word_type(8)(bytes.__getitem__(self, int(index)))


TEXT = Text


class _Integer:
    """Integers without bounds. Calling it converts a word, a bool or a number to a Python ``int``."""

    def __new__(cls, value: int = 0) -> int:  # type: ignore[misc]
        return int(value)


class _Rational:
    """Exact fractions. Calling it converts an integer or a fraction to a :class:`fractions.Fraction`."""

    def __new__(cls, value: int | Fraction = 0) -> Fraction:  # type: ignore[misc]
        return value if isinstance(value, Fraction) else Fraction(int(value))


# The numbers of contracts and ghost code. They have no width, so no code that runs holds one.
INTEGER: Any = _Integer
RATIONAL: Any = _Rational
INTEGER.__name__, RATIONAL.__name__ = "integer", "rational"


def is_mathematical(type_: Any) -> bool:
    """Whether this is :data:`INTEGER` or :data:`RATIONAL`."""
    return type_ is INTEGER or type_ is RATIONAL


class UnknownType(Exception):
    """An annotation that is not a type of the language; the text says which and why."""


def is_word(type_: Any) -> bool:
    """Whether this is u8 ... u128."""
    return isinstance(type_, type) and issubclass(type_, Word)


def is_enum(type_: Any) -> bool:
    """Whether this is an enumeration with a storage word."""
    return isinstance(type_, type) and issubclass(type_, IntEnum) and hasattr(type_, "__word__")


def is_struct(type_: Any) -> bool:
    """Whether this is a class made by ``@struct``."""
    return isinstance(type_, type) and "__struct__" in type_.__dict__


def is_packed(type_: Any) -> bool:
    """Whether this is a class made by ``@packed`` or ``@variant``."""
    return isinstance(type_, type) and hasattr(type_, "__packed__")


def is_record(type_: Any) -> bool:
    """Whether this is a class made by ``@record``."""
    return isinstance(type_, type) and "__record__" in type_.__dict__


def type_name(type_: Any) -> str:
    """How a type is written in a message."""
    if type_ is None:
        return "None"
    if type_ is TEXT:
        return "bytes"
    if isinstance(type_, TupleType):
        return f"tuple[{', '.join(type_name(item) for item in type_.items)}]"
    if isinstance(type_, ArrayType):
        return f"Array[{type_name(type_.element)}]"
    return getattr(type_, "__name__", repr(type_))


class _Names(dict[str, Any]):
    """Module globals, with named language types as a fallback."""

    def __missing__(self, name: str) -> Any:
        if name in NAMED:
            return NAMED[name]
        raise KeyError(name)


def resolve(annotation: Any, module: str) -> Any:
    """The type that an annotation (a string or an object) of a module means; :class:`UnknownType` otherwise."""
    if isinstance(annotation, str):
        scope = _Names(vars(sys.modules[module])) if module in sys.modules else _Names()
        try:
            annotation = eval(annotation, {"__builtins__": vars(__import__("builtins"))}, scope)
        except NameError as error:
            raise UnknownType(f"the name {error.name!r} is not known here") from None
        except Exception as error:
            raise UnknownType(f"the annotation {annotation!r} cannot be read: {error}") from None
    return canonical(annotation)


def canonical(annotation: Any) -> Any:
    """The resolved form of an evaluated annotation."""
    if annotation is None or annotation is type(None):
        return None
    if annotation is NoReturn:
        return NoReturn
    if annotation is bytes:
        return TEXT
    if annotation is bool or is_word(annotation) or is_enum(annotation):
        return annotation
    if is_mathematical(annotation):
        return annotation
    if is_struct(annotation) or is_packed(annotation) or is_record(annotation):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        members = [item for item in typing.get_args(annotation) if item is not type(None)]
        if len(members) == 1 and is_struct(members[0]):
            return OptionalReference(members[0])
        if members and all(is_packed(item) for item in members):
            return members[0].__packed__.base
        raise UnknownType(f"only `Struct | None` may be a union, not {annotation}")
    if typing.get_origin(annotation) is tuple:
        return TupleType(tuple(canonical(item) for item in typing.get_args(annotation)))
    if isinstance(annotation, ArrayOf):
        return annotation
    if annotation is int:
        raise UnknownType("int has no width; use u8, u16, u32, u64 or u128")
    if annotation is Fraction:
        raise UnknownType("Fraction is Python's own; use rational where only proofs read it")
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        raise UnknownType(f"the enumeration {annotation.__name__} has no storage word; decorate it with @word(u64)")
    raise UnknownType(f"{type_name(annotation)} is not a type of the language")


def coerce(type_: Any, value: Any) -> Any:
    """A Python value as a value of the type; :class:`TypeError` when it is not one."""
    if type_ is None:
        return None
    if is_word(type_):
        if type(value) is type_:
            return value
        if isinstance(value, int) and not isinstance(value, (Word, bool)):
            return type_(value)
    elif type_ is bool:
        if isinstance(value, bool):
            return value
    elif type_ is INTEGER:
        if isinstance(value, int) and not isinstance(value, (Word, bool)):
            return int(value)
    elif type_ is RATIONAL:
        if isinstance(value, (int, Fraction)) and not isinstance(value, (Word, bool)):
            return RATIONAL(value)
    elif isinstance(type_, OptionalReference):
        if value is None or isinstance(value, type_.target):
            return value
    elif isinstance(type_, TupleType):
        if isinstance(value, tuple) and len(value) == len(type_.items):
            return tuple(coerce(item, part) for item, part in zip(type_.items, value, strict=True))
    elif type_ is TEXT:
        if isinstance(value, bytes):
            return Text(value)
    elif isinstance(type_, type) and isinstance(value, type_):
        return value
    elif value is None and is_struct(type_):
        raise Violation("null", type_name(type_))
    raise TypeError(f"{value!r} is not {type_name(type_)}")

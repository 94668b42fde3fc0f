# SPDX-License-Identifier: BSD-2-Clause
"""Structs: objects in memory, and references to them as ordinary Python values.

A field ``x: u64`` is stored in place, ``x: Tcb | None`` and ``x: Tcb`` store a reference, ``x: Context = inline()``
stores the struct itself, ``x: Array[u64] = array(32)`` stores 32 words, ``x: integer = ghost_field()`` is for proofs
only.
Fields are laid out in order with natural alignment, as a C compiler does.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from tessera.lang.functions import compile_methods
from tessera.lang.ghosts import GhostAccess, GhostTypes
from tessera.lang.memory import MEMORY_BASE, StaticObject, memory, reserve_static
from tessera.lang.types import (
    NAMED,
    ArrayOf,
    ArrayType,
    OptionalReference,
    UnknownType,
    coerce,
    is_enum,
    is_mathematical,
    is_packed,
    is_struct,
    is_word,
    resolve,
    type_name,
)
from tessera.lang.words import Violation, word_type

T = TypeVar("T")
S = TypeVar("S")


class Array(Generic[T]):
    """A fixed number of elements side by side in memory; indexing is bounds-checked."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, element: Any) -> ArrayOf:
            return ArrayOf(element)

    def __init__(self, type_: ArrayType, address: int) -> None:
        self._type = type_
        self._address = address

    def _place(self, index: int) -> int:
        if not 0 <= int(index) < self._type.length:
            raise Violation("index", f"{int(index)} of {self._type.length}")
        return self._address + int(index) * size_of_stored(self._type.element)

    def __getitem__(self, index: int) -> T:
        return load(self._type.element, self._place(index))  # type: ignore[no-any-return]

    def __setitem__(self, index: int, value: T) -> None:
        store(self._type.element, self._place(index), value)

    def __len__(self) -> int:
        return self._type.length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and (self._address, self._type) == (other._address, other._type)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class _Spec:
    """What stands to the right of a field's annotation."""

    kind: str
    length: Any = 0


def array(length: int) -> Any:
    """Field default: this many elements, stored in place."""
    return _Spec("array", length)


def inline() -> Any:
    """Field default: the struct itself is stored in place, not a reference to it."""
    return _Spec("inline")


def ghost_field() -> Any:
    """Field default: a value for proofs; it takes no room, and only contracts and ghost code read it.

    Its type is a word, ``bool``, an enumeration, ``Struct | None``, ``integer`` or ``rational``. Under CPython a field
    that was never written reads as 0, ``False``, the member 0 or ``None``.
    """
    return _Spec("ghost")


@dataclass(frozen=True)
class Field:
    """A field of a struct: ``offset`` in bytes; ``inline`` for a struct or array stored in place."""

    name: str
    type: Any
    offset: int
    inline: bool


@dataclass(frozen=True)
class Inline:
    """The stored form of a struct that lies inside another object."""

    struct: Any


@dataclass
class Layout:
    """Size and alignment in bytes, the fields in order, and the types of the ghost fields by name."""

    size: int
    alignment: int
    fields: dict[str, Field]
    ghosts: Mapping[str, Any]


class StructInfo:
    """What ``@struct`` keeps about a class; the layout is computed on first use."""

    def __init__(self, cls: Any, size: int | None, alignment: int | None) -> None:
        self.cls = cls
        self.fixed_size = size
        self.fixed_alignment = alignment
        self._layout: Layout | None = None
        self.instances: dict[int, Any] = {}

    def layout(self) -> Layout:
        if self._layout is None:
            self._layout = self._compute()
        return self._layout

    def _compute(self) -> Layout:
        offset, alignment = 0, self.fixed_alignment or 1
        fields: dict[str, Field] = {}
        ghosts: dict[str, Any] = {}
        for name, annotation in self.cls.__annotations__.items():
            spec = self.cls.__specs__.get(name)
            if spec is not None and spec.kind == "ghost":
                ghosts[name] = annotation
                continue
            try:
                type_ = resolve(annotation, self.cls.__module__)
            except UnknownType as error:
                raise UnknownType(f"field {self.cls.__name__}.{name}: {error}") from None
            if isinstance(type_, ArrayOf):
                if spec is None or spec.kind != "array":
                    raise UnknownType(f"field {self.cls.__name__}.{name}: an array needs its length: = array(n)")
                element = resolve(type_.element, self.cls.__module__)
                type_ = ArrayType(Inline(element) if is_struct(element) else element, int(spec.length))
            elif spec is not None and spec.kind == "inline":
                type_ = Inline(type_)
            align = alignment_of_stored(type_)
            offset = -(-offset // align) * align
            fields[name] = Field(name, type_, offset, isinstance(type_, (Inline, ArrayType)))
            offset += size_of_stored(type_)
            alignment = max(alignment, align)
        size = -(-offset // alignment) * alignment
        if self.fixed_size is not None:
            if size > self.fixed_size:
                raise UnknownType(f"{self.cls.__name__} takes {size} bytes, more than its size of {self.fixed_size}")
            size = self.fixed_size
        return Layout(size, alignment, fields, GhostTypes(self.cls, ghosts))


def size_of_stored(type_: Any) -> int:
    """Bytes that a value of the type takes in memory."""
    if is_word(type_):
        return int(type_.width) // 8
    if type_ is bool:
        return 1
    if is_enum(type_):
        return size_of_stored(type_.__word__)
    if isinstance(type_, OptionalReference) or is_struct(type_):
        return 8
    if is_packed(type_):
        return size_of_stored(type_.__packed__.word)
    if isinstance(type_, ArrayType):
        return type_.length * size_of_stored(type_.element)
    if isinstance(type_, Inline):
        return int(type_.struct.__struct__.layout().size)
    if is_mathematical(type_):
        raise UnknownType(f"{type_name(type_)} has no width; only a ghost_field() has this type")
    raise UnknownType(f"{type_name(type_)} cannot be stored in memory")


def alignment_of_stored(type_: Any) -> int:
    """Alignment in bytes of a stored value."""
    if isinstance(type_, ArrayType):
        return alignment_of_stored(type_.element)
    if isinstance(type_, Inline):
        return int(type_.struct.__struct__.layout().alignment)
    return size_of_stored(type_)


def load(type_: Any, address: int) -> Any:
    """Read a stored value."""
    if isinstance(type_, Inline):
        return reference(type_.struct, address)
    if isinstance(type_, ArrayType):
        return Array(type_, address)
    raw = memory().load(address, size_of_stored(type_))
    return from_stored(type_, raw)


def from_stored(type_: Any, raw: int) -> Any:
    """The value whose stored bits are ``raw``. Raises :class:`Violation` for bits that mean nothing."""
    if is_word(type_):
        return type_(raw)
    if type_ is bool:
        return raw != 0
    if is_enum(type_):
        try:
            return type_(raw)
        except ValueError:
            raise Violation("enum", f"{raw} in {type_name(type_)}") from None
    if isinstance(type_, OptionalReference):
        return reference(type_.target, raw) if raw else None
    if is_struct(type_):
        if raw == 0:
            raise Violation("null", type_name(type_))
        return reference(type_, raw)
    return type_.__packed__.unpack(raw)


def to_stored(type_: Any, value: Any) -> int:
    """The bits that a value is stored as; :class:`TypeError` when it is not of the type."""
    value = coerce(type_, value)
    if value is None:
        return 0
    if isinstance(type_, OptionalReference) or is_struct(type_):
        return int(value._address)
    if is_packed(type_):
        return int(value._raw)
    return int(value)


def store(type_: Any, address: int, value: Any) -> None:
    """Write a stored value."""
    if isinstance(type_, (Inline, ArrayType)):
        raise TypeError("a struct or array that is stored in place cannot be assigned as a whole")
    memory().store(address, size_of_stored(type_), to_stored(type_, value))


def reference(cls: Any, address: int) -> Any:
    """The one Python object that stands for the struct at this address, so that ``is`` compares references."""
    instances = cls.__struct__.instances
    found = instances.get(int(address))
    if found is None:
        found = object.__new__(cls)
        object.__setattr__(found, "_address", int(address))
        instances[int(address)] = found
    return found


class FieldAccess:
    """A data descriptor that reads and writes one field through the current memory."""

    def __init__(self, cls: Any, name: str) -> None:
        self.cls = cls
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        field = self.cls.__struct__.layout().fields[self.name]
        return load(field.type, instance._address + field.offset)

    def __set__(self, instance: Any, value: Any) -> None:
        field = self.cls.__struct__.layout().fields[self.name]
        store(field.type, instance._address + field.offset, value)


def _no_new_fields(self: Any, name: str, value: Any) -> None:
    if not isinstance(type(self).__dict__.get(name), (FieldAccess, GhostAccess)):
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")
    object.__setattr__(self, name, value)


def _no_instances(self: Any, *arguments: Any, **named: Any) -> None:
    raise TypeError(f"{type(self).__name__} lives in memory: use static({type(self).__name__}) or at(...)")


@overload
def struct(cls: type[S]) -> type[S]: ...
@overload
def struct(*, size: int | None = None, alignment: int | None = None) -> Callable[[type[S]], type[S]]: ...
def struct(cls: Any = None, *, size: int | None = None, alignment: int | None = None) -> Any:
    """Make a class a struct of the language. ``size`` (bytes) pads to a fixed size and refuses more."""

    def make(target: Any) -> Any:
        annotations = inspect.get_annotations(target)
        target.__annotations__ = annotations
        target.__specs__ = {n: target.__dict__[n] for n in annotations if isinstance(target.__dict__.get(n), _Spec)}
        compile_methods(target)
        for name in annotations:
            spec = target.__specs__.get(name)
            ghost = spec is not None and spec.kind == "ghost"
            setattr(target, name, GhostAccess(target, name) if ghost else FieldAccess(target, name))
        target.__struct__ = StructInfo(target, size, alignment)
        target.__setattr__ = _no_new_fields
        target.__init__ = _no_instances
        target.__repr__ = lambda self: f"{target.__name__}@{self._address:#x}"
        NAMED[target.__name__] = target
        return target

    return make if cls is None else make(cls)


def size_of(cls: type[Any]) -> int:
    """Bytes that a struct takes."""
    return word_type(64)(cls.__struct__.layout().size)


def offset_of(cls: type[Any], field: str) -> int:
    """Offset in bytes of a field in a struct; for assembly and tables, at build time."""
    return int(cls.__struct__.layout().fields[field].offset)


def at(cls: type[S], address: int) -> S:
    """The struct at an address; ``null`` violation for address 0."""
    if int(address) == 0:
        raise Violation("null", f"at({cls.__name__}, 0)")
    return reference(cls, int(address))  # type: ignore[no-any-return]


def at_or_none(cls: type[S], address: int) -> S | None:
    """The struct at an address, ``None`` for address 0."""
    return reference(cls, int(address)) if int(address) else None


def address_of(item: Any) -> int:
    """The address of a struct as a u64; 0 for ``None``."""
    return word_type(64)(0 if item is None else item._address)


_STATIC_BY_ADDRESS: dict[int, StaticObject] = {}


def static(cls: type[S], *, alignment: int | None = None, name: str = "") -> S:
    """A module-level object, zero at start: ``state = static(KernelState)``. ``alignment`` in bytes."""
    layout = cls.__struct__.layout()  # type: ignore[attr-defined]
    module = str(sys._getframe(1).f_globals.get("__name__", ""))
    entry = reserve_static(cls, layout.size, max(16, alignment or 1, layout.alignment), name, module)
    address = MEMORY_BASE + entry.offset
    _STATIC_BY_ADDRESS[address] = entry
    return reference(cls, address)  # type: ignore[no-any-return]


def static_entry(item: Any) -> StaticObject | None:
    """The static object that a reference stands for, if any."""
    return _STATIC_BY_ADDRESS.get(item._address)

# SPDX-License-Identifier: BSD-2-Clause
"""Where objects lie: which there is only one of, which lie inside others, and how a place becomes an index of a map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import z3

from tessera.ir.nodes import Expression, Program
from tessera.lang.memory import StaticObject
from tessera.lang.structs import Field, Inline, size_of_stored
from tessera.lang.types import ArrayType, OptionalReference, is_packed, is_struct
from tessera.smt import terms
from tessera.smt.heap import Key
from tessera.smt.terms import INT, Term
from tessera.smt.values import Component, components_of, sort_of
from tessera.smt.walk import expressions_of


@dataclass(frozen=True)
class OnlyObject:
    """A reference to the only object of its struct."""

    static: StaticObject


@dataclass(frozen=True)
class FieldPlace:
    """A scalar or packed value in memory: ``struct.name`` at an index."""

    struct: Any
    name: str
    type: Any
    index: tuple[Term, ...]


@dataclass(frozen=True)
class ArrayPlace:
    """An array in memory, before an element is chosen."""

    struct: Any
    field: Field
    index: tuple[Term, ...]


Reference = Any
# The operations that tell of structs.
_TELLING = frozenset(("static", "field_place", "at", "at_or_none", "begin_lives", "end_lives"))


class Objects:
    """What is known of a program's structs.

    A struct is *single* if its only object is a static one and no reference to it comes from anywhere else; it is
    *placed* if its objects lie in arrays of single or placed ones only, so that a reference to it is always good.
    """

    def __init__(self, program: Program) -> None:
        nodes = [
            node
            for function in program.functions.values()
            for node in expressions_of(function)
            if node.operation in _TELLING
        ]
        referred = set(_made_from_numbers(nodes))
        entries = _statics_of(nodes)
        statics: dict[Any, list[StaticObject]] = {}
        for entry in entries:
            statics.setdefault(entry.type, []).append(entry)
        # Every struct that the program knows.
        known: set[Any] = set()
        stored = set(_stored_references(nodes, entries, known))
        self.single = {
            cls for cls, entries in statics.items() if len(entries) == 1 and cls not in referred and cls not in stored
        }
        self.placed: set[Any] = set()
        waiting = list(self.single)
        while waiting:
            for field in waiting.pop().__struct__.layout().fields.values():
                inner = _inline_struct(field.type)
                if inner is not None and inner not in referred | stored and inner not in statics:
                    if inner not in self.placed:
                        self.placed.add(inner)
                        waiting.append(inner)
        # Structs whose objects come into being and end.
        self.mortal = sorted(
            (cls for cls in referred | stored if self.needs_life(cls)), key=lambda cls: str(cls.__name__)
        )
        self.structs = sorted(known | referred, key=lambda cls: str(cls.__name__))
        self.statics = {id(entry): entry for entries in statics.values() for entry in entries}

    def needs_life(self, struct: Any) -> bool:
        """Whether a reference to such an object could be stale."""
        return struct not in self.single and struct not in self.placed

    def static(self, entry: StaticObject) -> Reference:
        """A reference to a static object."""
        if entry.type in self.single:
            return OnlyObject(entry)
        return z3.Int(f"static.{entry.name or entry.offset}")

    def field(self, struct: Any, reference: Reference, field: Field) -> Any:
        """The place of a field."""
        index = () if isinstance(reference, OnlyObject) else (reference,)
        if isinstance(field.type, ArrayType):
            return ArrayPlace(struct, field, index)
        if isinstance(field.type, Inline):
            return self._inside(struct, reference, field, None)
        return FieldPlace(struct, field.name, field.type, index)

    def element(self, array: ArrayPlace, index: Term) -> Any:
        """The place of an element."""
        element = array.field.type.element
        if isinstance(element, Inline):
            return self._inside(array.struct, array.index[0] if array.index else None, array.field, index)
        return FieldPlace(array.struct, array.field.name, element, (*array.index, index))

    def _inside(self, struct: Any, reference: Reference, field: Field, index: Term | None) -> Reference:
        """A struct that lies in another object: by number where the outer one has an address, by name otherwise."""
        if struct in self.single or struct in self.placed:
            inputs = [] if struct in self.single else [reference]
            if index is not None:
                inputs.append(index)
            return place_function(struct, field, len(inputs))(*inputs)
        place = terms.add(reference, terms.number(field.offset))
        if index is None:
            return place
        return terms.add(place, terms.mul(index, terms.number(size_of_stored(field.type.element))))

    def keys(self, place: FieldPlace) -> Iterator[tuple[Key, Component | None]]:
        """The maps that hold what is at a place: one, or one for each component."""
        yield from keys_of(place.struct, place.name, place.type, len(place.index))

    def field_keys(self, struct: Any, field: Field) -> Iterator[Key]:
        """All maps of a field; an inline struct's own fields included."""
        arity = 0 if struct in self.single else 1
        type_ = field.type
        if isinstance(type_, ArrayType):
            type_ = type_.element
            arity += 1
        if isinstance(type_, Inline):
            yield from self.struct_keys(type_.struct)
        else:
            for key, _ in keys_of(struct, field.name, type_, arity):
                yield key

    def struct_keys(self, struct: Any) -> Iterator[Key]:
        """All maps of a struct's fields, without ghosts."""
        for field in struct.__struct__.layout().fields.values():
            yield from self.field_keys(struct, field)

    def own_keys(self, struct: Any) -> Iterator[Key]:
        """The maps of a struct's fields and ghost fields, without those of structs that lie in it."""
        layout = struct.__struct__.layout()
        for field in layout.fields.values():
            yield from (key for key in self.field_keys(struct, field) if key.struct == struct.__name__)
        for name, type_ in layout.ghosts.items():
            yield self.ghost_key(struct, name, type_)

    def ghost_key(self, struct: Any, name: str, type_: Any) -> Key:
        """The map of a ghost field."""
        return Key(struct.__name__, f"{name}°", Key.sort_name(sort_of(type_)), 0 if struct in self.single else 1, type_)


def place_function(struct: Any, field: Field, arity: int) -> Any:
    """The address of what lies in a field that has no number of its own."""
    return z3.Function(f"place.{struct.__name__}.{field.name}", *[INT] * arity, INT)


def keys_of(struct: Any, name: str, type_: Any, arity: int) -> Iterator[tuple[Key, Component | None]]:
    """The maps of values of a type."""
    if is_packed(type_):
        base = type_.__packed__.base
        for component in components_of(base).values():
            label = f"{name}.{component.name}"
            yield Key(struct.__name__, label, Key.sort_name(component.sort), arity, (base, component)), component
    else:
        yield Key(struct.__name__, name, Key.sort_name(sort_of(type_)), arity, type_), None


@dataclass(frozen=True)
class Part:
    """``count`` objects of a struct side by side, ``offset`` bytes from the start of the object that they lie in."""

    struct: Any
    offset: int
    count: int

    @property
    def size(self) -> int:
        return int(self.struct.__struct__.layout().size)


def stride_of(struct: Any) -> int:
    """From one object to the next, in bytes; objects without size are aligned only."""
    layout = struct.__struct__.layout()
    return int(layout.size or layout.alignment)


def parts_of(struct: Any) -> Iterator[Part]:
    """The structs that lie in an object, at any depth."""
    for field in struct.__struct__.layout().fields.values():
        array = isinstance(field.type, ArrayType)
        inner = field.type.element if array else field.type
        if not isinstance(inner, Inline):
            continue
        count = field.type.length if array else 1
        yield Part(inner.struct, field.offset, count)
        for part in parts_of(inner.struct):
            for number in range(count):
                yield Part(part.struct, field.offset + number * stride_of(inner.struct) + part.offset, part.count)


def live_key(struct: Any) -> Key:
    """The map that says which addresses are those of live objects of a struct."""
    return Key(struct.__name__, "live", "bool", 1, bool)


def _inline_struct(type_: Any) -> Any:
    if isinstance(type_, ArrayType):
        type_ = type_.element
    return type_.struct if isinstance(type_, Inline) else None


def _made_from_numbers(nodes: list[Expression]) -> Iterator[Any]:
    """Structs that a reference is made to from a number, or whose objects come into being."""
    for node in nodes:
        if node.operation in ("at", "at_or_none"):
            yield target_of(node.type)
        elif node.operation in ("begin_lives", "end_lives"):
            yield from (struct for struct in node.data if struct is not None)


def _statics_of(nodes: list[Expression]) -> list[StaticObject]:
    """The static objects that the program speaks of, in the order of their addresses."""
    found = {node.data.offset: node.data for node in nodes if node.operation == "static"}
    return [found[offset] for offset in sorted(found)]


def _stored_references(nodes: list[Expression], statics: list[StaticObject], seen: set[Any]) -> Iterator[Any]:
    """Structs that a reference to is kept in memory or in a packed value; ``seen`` gets all that were looked at."""
    for entry in statics:
        yield from _references_in(entry.type, seen)
    for node in nodes:
        if node.operation == "field_place":
            yield from _references_in(target_of(node.operands[0].type), seen)


def _references_in(struct: Any, seen: set[Any]) -> Iterator[Any]:
    if struct in seen:
        return
    seen.add(struct)
    for field in struct.__struct__.layout().fields.values():
        type_ = field.type.element if isinstance(field.type, ArrayType) else field.type
        if isinstance(type_, Inline):
            yield from _references_in(type_.struct, seen)
        elif is_packed(type_):
            base = type_.__packed__.base
            for cls in (base, *base.__packed__.variants.values()):
                for bit_field in cls.__packed__.fields().values():
                    if is_reference(bit_field.type):
                        yield target_of(bit_field.type)
        elif is_reference(type_):
            yield target_of(type_)


def is_reference(type_: Any) -> bool:
    """Whether values of a type refer to objects."""
    return isinstance(type_, OptionalReference) or is_struct(type_)


def target_of(type_: Any) -> Any:
    """The struct that a reference type refers to."""
    return type_.target if isinstance(type_, OptionalReference) else type_


def reference_operand(node: Expression) -> Any:
    """The struct of the object that a place expression's field belongs to."""
    return target_of(node.operands[0].type)

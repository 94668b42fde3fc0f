# SPDX-License-Identifier: BSD-2-Clause
"""A proposed state in the words of the source: Python expressions for its values, statements that build it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tessera.ir.values import component_types
from tessera.lang.memory import STATICS
from tessera.lang.structs import Field
from tessera.lang.types import (
    NAMED,
    ArrayType,
    OptionalReference,
    is_enum,
    is_packed,
    is_struct,
)
from tessera.proof.search import Model
from tessera.proof.small_state import Thing, static_name
from tessera.proof.unknowns import Cell
from tessera.smt import values

# Numbers from here on are written in hexadecimal.
HEXADECIMAL = 1 << 12


class Words:
    """Writes values as expressions; collects what they need to be imported."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.imports: set[tuple[str, str]] = set()
        self.referred: set[Thing] = set()

    def name(self, item: Any) -> str:
        """The name of a class or function, which is imported."""
        self.imports.add((item.__module__, item.__name__))
        return str(item.__name__)

    def reference(self, struct: Any, address: int) -> str:
        """An object."""
        if address == 0:
            return "None"
        thing = self.model.universe.active.get(struct.__name__, {}).get(address)
        if thing is None:
            self.imports.add(("tessera.lang", "at"))
            return f"at({self.name(struct)}, {address:#x})"
        return self.thing(thing)

    def thing(self, thing: Thing) -> str:
        """An object of the state."""
        root = thing.text.partition(".")[0]
        for other in self.model.universe.everything():
            if other.text == root:
                self.referred.add(other)
                if other.static:
                    entry = next(e for e in STATICS if e.type is other.struct and static_name(e) == root)
                    self.imports.add((entry.module, root))
        return thing.text

    def value(self, type_: Any, value: Any) -> str:
        """A value of a type; a packed one comes as its components."""
        parts = component_types(type_)
        if parts is not None:
            items = [self.value(part, one) for part, one in zip(parts, value, strict=True)]
            if hasattr(type_, "__record__"):
                return f"{self.name(type_)}({', '.join(items)})"
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if isinstance(value, dict):
            return self.packed(type_.__packed__.base, value)
        if isinstance(type_, OptionalReference):
            return self.reference(type_.target, value)
        if is_struct(type_):
            return self.reference(type_, value)
        if is_enum(type_):
            return f"{self.name(type_)}.{type_(value).name}"
        if isinstance(value, Fraction):
            if value.denominator == 1:
                return str(value.numerator)
            self.imports.add(("fractions", "Fraction"))
            return f"Fraction({value.numerator}, {value.denominator})"
        if isinstance(value, bool):
            return str(value)
        return f"{value:#x}" if value >= HEXADECIMAL else str(value)

    def packed(self, base: Any, components: dict[values.Component, Any]) -> str:
        """A packed value as its kind, with the fields that are not zero."""
        info = base.__packed__
        cls = base
        if info.tag is not None:
            tag = components.get(values.tag_component(base), 0)
            cls = info.variants[tag]
        fields = []
        for name, field in cls.__packed__.fields().items():
            value = components.get(values.component_of(field, base), 0)
            if name != info.tag and value:
                fields.append(f"{name}={self.value(field.type, value)}")
        return f"{self.name(cls)}({', '.join(fields)})"


def contents(model: Model) -> dict[tuple[str, int | None], dict[str, tuple[Any, Any]]]:
    """By struct and address (``None``: the only object), the fields with their types and values.

    A field is written as it is read: ``registers[3]``. Packed ones are dictionaries by component.
    """
    found: dict[tuple[str, int | None], dict[str, tuple[Any, Any]]] = {}
    for cell, value in model.cells.items():
        key = cell.key
        if key.name == "live":
            continue
        address, element = _place(model, cell)
        fields = found.setdefault((key.struct, address), {})
        if key.name.endswith("°"):
            fields[key.name[:-1]] = key.type, value
            continue
        name = key.name.partition(".")[0]
        field: Field = NAMED[key.struct].__struct__.layout().fields[name]
        type_ = field.type.element if isinstance(field.type, ArrayType) else field.type
        shown = name if element is None else f"{name}[{element}]"
        if is_packed(type_):
            known = fields.setdefault(shown, (type_, {}))
            known[1][key.type[1]] = value
        else:
            fields[shown] = type_, value
    return found


def _place(model: Model, cell: Cell) -> tuple[int | None, int | None]:
    elements = model.universe.elements(cell.key)
    if elements is None:
        return (cell.index[0] if cell.index else None), None
    return (cell.index[0] if len(cell.index) == 2 else None), cell.index[-1]


def owner(model: Model, struct: str, address: int | None) -> Thing:
    """The object of a struct at an address."""
    things = model.universe.active[struct]
    return next(iter(things.values())) if address is None else things[address]


def assignments(model: Model, words: Words) -> Iterator[tuple[Thing, str, str]]:
    """What has to be written into zeroed memory: object, field, value."""
    for (struct, address), fields in contents(model).items():
        thing = owner(model, struct, address)
        if not lives(model, thing):
            continue
        for name, (type_, value) in fields.items():
            if is_default(type_, value):
                continue
            yield thing, name, words.value(type_, value)


def is_default(type_: Any, value: Any) -> bool:
    """Whether a value is what zeroed memory holds."""
    if not isinstance(value, dict):
        return not value
    info = type_.__packed__.base.__packed__
    cls = info.base
    if info.tag is not None:
        tag = value.get(values.tag_component(info.base), 0)
        cls = info.variants[tag]
    return not any(value.get(values.component_of(one, info.base), 0) for one in cls.__packed__.fields().values())


def lives(model: Model, thing: Thing) -> bool:
    """Whether an object is live in a state; if nothing says so it is not, unless it is static."""
    if thing.static:
        return True
    root = thing.text.partition(".")[0]
    for cell, value in model.cells.items():
        if cell.key.name == "live" and value:
            found = model.universe.active[cell.key.struct][cell.index[0]]
            if found.text in (root, thing.text):
                return True
    return False


def short(value: str) -> str:
    """A value's text for a person; long ones are cut."""
    return value if len(value) < 100 else f"{value[:97]}..."

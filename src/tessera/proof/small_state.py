# SPDX-License-Identifier: BSD-2-Clause
"""A few objects at fixed addresses: the small world in which a failing obligation is searched for a concrete state.

Static objects stand at the addresses that they have under CPython, so that the state can be built and run there. Of
long arrays only some elements are considered; all others hold zeros.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tessera.lang.memory import MEMORY_BASE, STATICS, StaticObject, static_size
from tessera.lang.structs import Inline, size_of_stored
from tessera.lang.types import NAMED, ArrayType
from tessera.smt.heap import Key
from tessera.smt.objects import Objects

# What formulas about all words are tried for.
WORDS = (0, 1, 2, 3, 63, 64, 255)
# Arrays up to this length are considered whole.
WHOLE_ARRAY = 4
# Where objects begin that are not static: behind the statics of whatever else is imported when the test is run.
FIRST_OBJECT = MEMORY_BASE + (1 << 24)


@dataclass(frozen=True)
class Thing:
    """One object: ``text`` is the Python expression that names it; ``inner``: it lies in another object."""

    struct: Any
    address: int
    text: str
    static: bool
    inner: bool


@dataclass(frozen=True)
class Span:
    """Objects in the background: elements of an array, or one object, that live as long as their owner does."""

    start: int
    stride: int
    count: int
    # The struct's name and the address of the object that it lies in; ``None`` for static ones, which always live.
    owner: tuple[str, int] | None = None


@dataclass
class Universe:
    """Objects by the names of their structs. ``active`` ones have contents; those in the ``background`` hold zeros."""

    active: dict[str, dict[int, Thing]] = field(default_factory=dict)
    background: dict[str, list[Span]] = field(default_factory=dict)
    statics: dict[str, int] = field(default_factory=dict)
    end: int = 0

    def things(self, struct: str) -> list[Thing]:
        """The objects of a struct that have contents."""
        return list(self.active.get(struct, {}).values())

    def everything(self) -> Iterator[Thing]:
        """All objects that have contents."""
        for found in self.active.values():
            yield from found.values()

    def places(self) -> list[int]:
        """The addresses of all objects that have contents, and those behind them."""
        found: dict[int, None] = {}
        for thing in self.everything():
            found[thing.address] = None
            found[thing.address + int(thing.struct.__struct__.layout().size)] = None
        return list(found)

    def cells(self, key: Key) -> list[tuple[int, ...]]:
        """The indexes at which a map has contents."""
        if key.arity == 0:
            return [()]
        elements = self.elements(key)
        if elements is None:
            return [(address,) for address in self.active.get(key.struct, {})]
        if key.arity == 1:
            return [(index,) for index in elements]
        return [(address, index) for address in self.active.get(key.struct, {}) for index in elements]

    def elements(self, key: Key) -> list[int] | None:
        """The elements of an array that are considered; ``None`` for a map that is no array's."""
        name = key.name.partition(".")[0]
        entry = NAMED[key.struct].__struct__.layout().fields.get(name)
        if entry is None or not isinstance(entry.type, ArrayType):
            return None
        return chosen_elements(entry.type.length)


def chosen_elements(length: int) -> list[int]:
    """The elements of an array that are considered: all of a short one, else the first two and the last."""
    return list(range(length)) if length <= WHOLE_ARRAY else [0, 1, length - 1]


def static_name(entry: StaticObject) -> str:
    """The name of the module's variable that holds a static object; empty if there is none."""
    address = MEMORY_BASE + entry.offset
    for name, value in sorted(vars(sys.modules[entry.module]).items() if entry.module in sys.modules else ()):
        if type(value) is entry.type and value._address == address:
            return name
    return ""


def make_universe(objects: Objects, counts: Mapping[str, int], deep: bool, wanted: set[str]) -> Universe:
    """``counts`` objects of each struct behind the static ones.

    ``deep``: structs that lie in others have contents, too. ``wanted``: the prover's names of the static objects that
    have contents though they are not the only ones of their struct.
    """
    universe = Universe()
    for entry in STATICS:
        address = MEMORY_BASE + entry.offset
        known = f"static.{entry.name or entry.offset}"
        universe.statics[known] = address
        name = static_name(entry) or entry.name or f"static{entry.offset}"
        if entry.type in objects.single or known in wanted:
            _add(universe, objects, Thing(entry.type, address, name, True, False), deep)
        else:
            _background(universe, entry.type, address, 1, None)
    place = FIRST_OBJECT
    assert static_size() <= FIRST_OBJECT - MEMORY_BASE, "static objects leave no room"
    for struct in sorted((NAMED[name] for name in counts), key=lambda one: -int(one.__struct__.layout().size)):
        layout = struct.__struct__.layout()
        if not objects.needs_life(struct):
            continue
        # As the kernel's memory: an object is aligned to its size, and a few of them together to theirs.
        size = 1 << max(int(layout.size) - 1, layout.alignment - 1, 0).bit_length()
        group = size << max(counts[struct.__name__] - 1, 0).bit_length()
        place = -(-place // group) * group
        for number in range(counts[struct.__name__]):
            text = f"{_snake(struct.__name__)}{number + 1}"
            _add(universe, objects, Thing(struct, place, text, False, False), deep)
            place += -(-int(layout.size) // layout.alignment) * layout.alignment
    universe.end = place
    return universe


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _add(universe: Universe, objects: Objects, thing: Thing, deep: bool) -> None:
    universe.active.setdefault(thing.struct.__name__, {})[thing.address] = thing
    owner = None if thing.static else (thing.struct.__name__, thing.address)
    for name, one in thing.struct.__struct__.layout().fields.items():
        place = thing.address + one.offset
        length = one.type.length if isinstance(one.type, ArrayType) else 0
        inner = one.type.element if isinstance(one.type, ArrayType) else one.type
        if not isinstance(inner, Inline):
            continue
        _background(universe, inner.struct, place, max(length, 1), owner)
        if not deep and objects.needs_life(inner.struct):
            continue
        for index in chosen_elements(length) if length else [0]:
            text = f"{thing.text}.{name}" + (f"[{index}]" if length else "")
            where = place + index * size_of_stored(inner)
            _add(universe, objects, Thing(inner.struct, where, text, thing.static, True), deep)


def _background(universe: Universe, struct: Any, start: int, count: int, owner: tuple[str, int] | None) -> None:
    layout = struct.__struct__.layout()
    universe.background.setdefault(struct.__name__, []).append(Span(start, int(layout.size), count, owner))
    for one in layout.fields.values():
        length = one.type.length if isinstance(one.type, ArrayType) else 1
        inner = one.type.element if isinstance(one.type, ArrayType) else one.type
        if isinstance(inner, Inline):
            for number in range(count):
                _background(universe, inner.struct, start + number * int(layout.size) + one.offset, length, owner)


def inner_structs(struct: Any) -> Iterator[Any]:
    """The structs that lie in a struct, at any depth."""
    for one in struct.__struct__.layout().fields.values():
        inner = one.type.element if isinstance(one.type, ArrayType) else one.type
        if isinstance(inner, Inline):
            yield inner.struct
            yield from inner_structs(inner.struct)


def parts_of(owner: Any, struct: Any) -> Iterator[Any]:
    """An object and what lies in it, as far as it is of a struct; of long arrays some elements."""
    if type(owner) is struct:
        yield owner
    for name, one in type(owner).__struct__.layout().fields.items():
        if isinstance(one.type, Inline):
            yield from parts_of(getattr(owner, name), struct)
        elif isinstance(one.type, ArrayType) and isinstance(one.type.element, Inline):
            for index in chosen_elements(one.type.length):
                yield from parts_of(getattr(owner, name)[index], struct)


def contains(outer: Any, start: int, struct: Any, address: int) -> bool:
    """Whether an object has a struct of this class at this address: itself, or in place."""
    layout = outer.__struct__.layout()
    if outer is struct and start == address:
        return True
    for one in layout.fields.values():
        count = one.type.length if isinstance(one.type, ArrayType) else 1
        inner = one.type.element if isinstance(one.type, ArrayType) else one.type
        if isinstance(inner, Inline):
            size = size_of_stored(inner)
            offset = address - start - one.offset
            if 0 <= offset < count * size:
                first = start + one.offset + offset // size * size
                return contains(inner.struct, first, struct, address)
    return False

# SPDX-License-Identifier: BSD-2-Clause
"""The state in which a program begins: memory is zero, and the only live objects are static ones.

One function begins there. It may assume no invariant, and so shows that all of them hold where it first calls a
function that relies on them: that is the base of the induction over all later entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import z3

from tessera.lang.memory import StaticObject
from tessera.lang.structs import Inline
from tessera.lang.types import ArrayType
from tessera.smt import terms, values
from tessera.smt.heap import Fixed, Key, Map, State
from tessera.smt.objects import Objects, Part, live_key, parts_of, place_function
from tessera.smt.session import World
from tessera.smt.terms import Term

TOP = 1 << 64


@dataclass(frozen=True)
class First:
    """``function`` is the one that begins; static objects lie at addresses from ``statics_start`` on."""

    function: str
    statics_start: int


class Statics(Map):
    """Which addresses are those of static objects of a struct, or of one that lies in a static object."""

    def __init__(self, objects: Objects, struct: Any) -> None:
        super().__init__()
        self.places = list(_places(objects, struct))
        self.arrays = list(_arrays(objects, struct))

    def _read(self, index: tuple[Term, ...]) -> Term:
        address = index[0]
        one_of = [terms.equal(address, place) for place in self.places]
        for place, count in self.arrays:
            inverse = z3.Function(f"index0.{place.name()}", terms.INT, terms.INT)(address)
            one_of.append(z3.And(address == place(inverse), 0 <= inverse, inverse < count))
        return terms.disjunction(one_of)


def first_state(world: World) -> State:
    """The state, with all that was never shown to fulfil the invariants: everything."""
    assert world.first is not None
    objects = world.objects
    state = State()
    for struct in objects.structs:
        for key in objects.own_keys(struct):
            state.replace(key, Fixed(_zero(key)))
    for struct in objects.mortal:
        state.replace(live_key(struct), Statics(objects, struct))
    for fact in _where_statics_are(objects, world.first.statics_start):
        state.assume(fact)
    return state


def _zero(key: Key) -> Term:
    if isinstance(key.type, tuple):
        return values.packed_constant(key.type[0], 0).get(key.type[1])
    return terms.FALSE if key.sort == "bool" else z3.RealVal(0) if key.sort == "real" else terms.ZERO


def _mortal(objects: Objects) -> list[StaticObject]:
    """The static objects that have addresses."""
    return [entry for entry in objects.statics.values() if entry.type not in objects.single]


def _places(objects: Objects, struct: Any) -> Iterator[Term]:
    for entry in _mortal(objects):
        for part in (Part(entry.type, 0, 1), *parts_of(entry.type)):
            if part.struct is struct:
                for number in range(part.count):
                    offset = part.offset + number * part.size
                    yield terms.add(objects.static(entry), terms.number(offset))


def _arrays(objects: Objects, struct: Any) -> Iterator[tuple[Any, int]]:
    """Of a struct whose objects lie in an object that has no address: the function that names their places."""
    for owner in sorted(objects.single, key=lambda one: str(one.__name__)):
        for field in owner.__struct__.layout().fields.values():
            type_ = field.type
            if isinstance(type_, ArrayType) and isinstance(type_.element, Inline) and type_.element.struct is struct:
                yield place_function(owner, field, 1), type_.length


def _where_statics_are(objects: Objects, start: int) -> Iterator[Term]:
    """Aligned, behind the start of the image and before the last address, and apart."""
    entries = _mortal(objects)
    for position, entry in enumerate(entries):
        place, layout = objects.static(entry), entry.type.__struct__.layout()
        yield z3.And(place >= start, place + layout.size < TOP, place % entry.alignment == 0)
        for other in entries[:position]:
            behind = objects.static(other)
            size = other.type.__struct__.layout().size
            yield z3.Or(place + layout.size <= behind, behind + size <= place)
    for struct in objects.mortal:
        layout = struct.__struct__.layout()
        for place, count in _arrays(objects, struct):
            index = z3.Int("i0")
            one = place(index)
            inside = z3.And(one >= start, one + layout.size < TOP, one % layout.alignment == 0)
            claim = z3.Implies(z3.And(0 <= index, index < count), inside)
            yield z3.ForAll([index], claim, patterns=[one])


__all__ = ["First", "first_state"]

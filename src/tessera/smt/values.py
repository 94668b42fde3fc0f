# SPDX-License-Identifier: BSD-2-Clause
"""Symbolic values: terms for scalars, components for packed values, tuples for records.

A packed value is not a bit-vector but the numbers that its bit fields stand for (:class:`PackedValue`). Fields of
different kinds that lie at the same bits in the same way are one component. That reading a changed field gives what was
put there, and that others keep theirs, are the pack/unpack laws, proved as bit-vectors (:mod:`tessera.smt.laws`).
A component is meaningful only in a value of a kind that has such a field; the front end lets nothing else be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import z3

from tessera.ir.values import component_types, field_number, mask_of, width_of
from tessera.lang.packed import BitField
from tessera.lang.types import INTEGER, RATIONAL, TEXT, OptionalReference, is_enum, is_packed, is_struct, is_word
from tessera.lang.words import WORDS
from tessera.smt import quick, terms
from tessera.smt.terms import BOOL, INT, REAL, Term

_fresh = itertools.count()


def reset_names() -> None:
    """Begin names anew, so that the same function gives the same text whatever was proved before."""
    global _fresh
    _fresh = itertools.count()


def fresh_name(purpose: str) -> str:
    """A name that nothing else has."""
    return f"{purpose}!{next(_fresh)}"


@dataclass(frozen=True)
class Component:
    """One group of bits of a packed class, under the name of a field that lies there."""

    name: str
    low: int
    width: int
    shift: int
    signed: bool
    is_bool: bool

    @property
    def sort(self) -> Any:
        """Bool for a flag, Int for everything else."""
        return BOOL if self.is_bool else INT

    def read(self, raw: int) -> Term:
        """The component of known bits."""
        stored = raw >> self.low & (1 << self.width) - 1
        if self.is_bool:
            return z3.BoolVal(bool(stored))
        field = BitField(self.name, WORDS[64], self.low, self.width, self.shift, self.signed)
        return terms.number(field_number(field, stored))

    def bounds(self) -> Callable[[Term], Term]:
        """What holds of every value of this component."""
        top = (1 << self.width) - 1 << self.shift

        def holds(term: Term) -> Term:
            if self.is_bool:
                return terms.TRUE
            if self.signed:
                half = 1 << self.width - 1
                high = (1 << 64) - half
                inside = z3.Or(z3.And(term >= 0, term < half), z3.And(term >= high, term < 1 << 64))
            else:
                inside = z3.And(term >= 0, term <= top)
            return z3.And(inside, term % (1 << self.shift) == 0) if self.shift else inside

        return holds


def _key(field: BitField) -> tuple[int, int, int, bool, bool]:
    return field.low, field.width, field.shift, field.signed, field.type is bool


@cache
def components_of(packed: Any) -> dict[tuple[int, int, int, bool, bool], Component]:
    """The components of a packed class with all its kinds."""
    base = packed.__packed__.base
    classes = [base, *base.__packed__.variants.values()]
    found: dict[tuple[int, int, int, bool, bool], Component] = {}
    names: set[str] = set()
    for cls in classes:
        for field in cls.__packed__.fields().values():
            key = _key(field)
            if key not in found:
                name = field.name if field.name not in names else f"{field.name}.{field.low}"
                names.add(name)
                found[key] = Component(name, *key)
    return found


def component_of(field: BitField, packed: Any) -> Component:
    """The component that a field is."""
    return components_of(packed.__packed__.base)[_key(field)]


def tag_component(packed: Any) -> Component:
    """The component that tells kinds apart."""
    info = packed.__packed__.base.__packed__
    return component_of(info.fields()[info.tag], packed)


class PackedValue:
    """A packed value by components, each computed when it is asked for."""

    def __init__(self, base: Any, read: Callable[[Component], Term], word: Term | None = None) -> None:
        self.base = base
        self._read = read
        self._known: dict[Component, Term] = {}
        # The whole word, where the value was made from one or is constant.
        self.word = word

    def get(self, component: Component) -> Term:
        """One component."""
        if component not in self._known:
            self._known[component] = self._read(component)
        return self._known[component]

    def changed(self, component: Component, term: Term) -> PackedValue:
        """The value with one component changed."""
        return PackedValue(self.base, lambda other: term if other == component else self.get(other))

    def all(self) -> Iterator[tuple[Component, Term]]:
        """Every component with its term."""
        for component in components_of(self.base).values():
            yield component, self.get(component)

    @property
    def tag(self) -> Term:
        """The tag's bits."""
        return self.get(tag_component(self.base))


Value = Any


def sort_of(type_: Any) -> Any:
    """The sort of a scalar type."""
    if type_ is bool:
        return BOOL
    return REAL if type_ is RATIONAL else INT


def is_scalar(type_: Any) -> bool:
    """Whether one term stands for a value of the type."""
    return (
        type_ in (bool, INTEGER, RATIONAL)
        or is_word(type_)
        or is_enum(type_)
        or is_struct(type_)
        or isinstance(type_, OptionalReference)
    )


def packed_constant(type_: Any, raw: int) -> PackedValue:
    """A packed value whose bits are known."""
    return PackedValue(type_.__packed__.base, lambda component: component.read(raw), terms.number(raw))


# The components of packed values made from words, by the names of their functions in queries.
PARTS: dict[str, tuple[Any, Component]] = {}


def part_function(base: Any, component: Component) -> Any:
    """The function from a word to a component of the packed value that it is."""
    name = f"{base.__name__}.{component.name}"
    PARTS[name] = (base, component)
    return z3.Function(name, INT, component.sort)


def packed_from_word(type_: Any, word: Term) -> PackedValue:
    """A packed value made from a word: each component is a function of it."""
    known = terms.constant_of(word)
    if known is not None:
        return packed_constant(type_, known)
    base = type_.__packed__.base
    if quick.kind(word) == z3.Z3_OP_ITE:
        # What was written may be a word whose bits are known.
        then, otherwise = (packed_from_word(type_, word.arg(side)) for side in (1, 2))
        condition = word.arg(0)
        return PackedValue(
            base, lambda component: terms.choice(condition, then.get(component), otherwise.get(component)), word
        )
    return PackedValue(base, lambda component: part_function(base, component)(word), word)


def fresh(type_: Any, purpose: str) -> Value:
    """An unknown value of a type."""
    if type_ is None or type_ is NoReturn:
        return None
    parts = component_types(type_)
    name = fresh_name(purpose)
    if parts is not None:
        return tuple(fresh(part, f"{purpose}.{index}") for index, part in enumerate(parts))
    if is_packed(type_):
        base, kind = type_.__packed__.base, type_.__packed__.tag_value
        # Where the type says which kind it is, that is no question.
        tag = tag_component(base) if kind is not None else None
        return PackedValue(
            base,
            lambda component: (
                terms.number(kind) if component == tag else z3.Const(f"{name}.{component.name}", component.sort)
            ),
        )
    if type_ is TEXT:
        raise NotImplementedError("constant text as an unknown value")
    return z3.Const(name, sort_of(type_))


def merged(condition: Term, then: Value, otherwise: Value) -> Value:
    """One of two values of a type."""
    if then is otherwise:
        return then
    if isinstance(then, tuple) and isinstance(otherwise, tuple):
        return tuple(merged(condition, a, b) for a, b in zip(then, otherwise, strict=True))
    if isinstance(then, PackedValue):
        if quick.is_true(condition):
            return then
        word = None
        if then.word is not None and otherwise.word is not None:
            word = terms.choice(condition, then.word, otherwise.word)
        return PackedValue(
            then.base, lambda component: terms.choice(condition, then.get(component), otherwise.get(component)), word
        )
    if then is None or isinstance(then, bytes):
        return then
    return terms.choice(condition, then, otherwise)


def type_facts(type_: Any, value: Value) -> list[Term]:
    """What holds of every value of a type: ranges of words, members of enumerations, bits of fields."""
    parts = component_types(type_) if type_ is not None and type_ is not NoReturn else None
    if parts is not None:
        return [fact for part, one in zip(parts, value, strict=True) for fact in type_facts(part, one)]
    if isinstance(value, PackedValue):
        facts = []
        for component, term in value.all():
            if terms.constant_of(term) is None and not component.is_bool:
                facts.append(component.bounds()(term))
        tagged = value.base.__packed__.tag is not None
        return [*facts, members(tag_type(value.base), value.tag)] if tagged else facts
    return scalar_facts(type_, value)


def tag_type(base: Any) -> Any:
    """The enumeration of a packed class's kinds."""
    return base.__packed__.fields()[base.__packed__.tag].type


def scalar_facts(type_: Any, term: Term) -> list[Term]:
    """The range of a scalar."""
    if value_is_constant(term) or type_ in (None, NoReturn, bool, INTEGER, RATIONAL, TEXT):
        return []
    if is_enum(type_):
        return [members(type_, term)]
    bits = width_of(type_)
    return [z3.And(term >= 0, term < z3.IntVal(1 << bits))]


def takes_any_bits(type_: Any) -> bool:
    """Whether whatever bits lie in memory or in a word are a value of the type."""
    if is_packed(type_):
        base = type_.__packed__.base
        classes = [base, *base.__packed__.variants.values()]
        return base.__packed__.tag is None and all(
            takes_any_bits(one.type) for cls in classes for one in cls.__packed__.fields().values()
        )
    return is_word(type_) or type_ is bool or isinstance(type_, OptionalReference) or is_struct(type_)


def may_hold(type_: Any, value: Term) -> bool:
    """Whether a number or truth value is one of a type, or of a component ``(packed class, component)``."""
    if z3.is_bool(value) or z3.is_real(value):
        return True
    if isinstance(type_, tuple):
        base, component = type_
        tagged = base.__packed__.tag is not None and tag_component(base) == component
        fact = members(tag_type(base), value) if tagged else component.bounds()(value)
    else:
        fact = members(type_, value) if is_enum(type_) else terms.TRUE
    return bool(quick.is_true(z3.simplify(fact)))


def value_is_constant(term: Any) -> bool:
    """Whether a term is a number."""
    return terms.constant_of(term) is not None


def members(enumeration: Any, term: Term) -> Term:
    """That a number is a member of an enumeration."""
    if not is_enum(enumeration):
        return z3.And(term >= 0, term <= mask_of(enumeration))
    numbers = sorted({int(member) for member in enumeration})
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return z3.And(term >= numbers[0], term <= numbers[-1])
    return terms.disjunction([term == one for one in numbers])

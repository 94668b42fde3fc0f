# SPDX-License-Identifier: BSD-2-Clause
"""Terms of the prover as numbers: what a formula says of a concrete state, every function meaning what it stands for.

The axioms are tested and proved elsewhere; here the functions of :mod:`tessera.smt.algebra` are the real ones, fields
are read from memory, and unknown constants have given values. So a formula is simply true or false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import z3

from tessera.lang.memory import MEMORY_BASE, STATICS, Memory
from tessera.lang.structs import size_of_stored
from tessera.lang.types import NAMED, ArrayType
from tessera.smt import values
from tessera.smt.algebra import PREFIX, Numbers
from tessera.smt.heap import SYMBOLS, Key

NUMBERS = Numbers()


class NoValue(Exception):
    """A term that has no value in a concrete state: a quantifier, or an unknown that nothing was said of."""


@dataclass
class Concrete:
    """A state: unknown constants by name, memory, and the addresses of live objects by struct."""

    constants: Mapping[str, Any] = field(default_factory=dict)
    memory: Memory | None = None
    live: Mapping[str, frozenset[int]] = field(default_factory=dict)
    # Of words made of packed values: the components.
    words: Mapping[str, list[tuple[values.Component, Any]]] = field(default_factory=dict)
    # Of names that were given to terms: the terms.
    named: Mapping[str, Any] = field(default_factory=dict)

    def constant(self, name: str) -> Any:
        """The value of an unknown constant."""
        if name in self.constants:
            return self.constants[name]
        if name.startswith("static."):
            return MEMORY_BASE + next(one.offset for one in STATICS if (one.name or str(one.offset)) == name[7:])
        if name in SYMBOLS and SYMBOLS[name].label == name:
            return self.field(SYMBOLS[name], ())
        if name.startswith("place."):
            return self.call(name, [])
        raise NoValue(name)

    def call(self, name: str, arguments: list[Any]) -> Any:
        """The value of a function."""
        if name.startswith(PREFIX):
            return getattr(NUMBERS, name[len(PREFIX) :])(*arguments)
        if name in SYMBOLS and SYMBOLS[name].label == name:
            return self.field(SYMBOLS[name], tuple(arguments))
        if name in values.PARTS:
            return number_of(values.PARTS[name][1].read(arguments[0]))
        if name.startswith("place."):
            struct, field_name = name[len("place.") :].split(".")
            one = NAMED[struct].__struct__.layout().fields[field_name]
            inner = size_of_stored(one.type.element) if isinstance(one.type, ArrayType) else 0
            index = arguments[-1] * inner if inner else 0
            outer = arguments[0] if len(arguments) > (1 if inner else 0) else only(struct)
            return outer + one.offset + index
        raise NoValue(name)

    def field(self, key: Key, index: tuple[int, ...]) -> Any:
        """What memory holds in a field; of addresses outside of it, anything."""
        if key.name == "live":
            return index[0] in self.live.get(key.struct, ())
        component = key.type[1] if isinstance(key.type, tuple) else None
        raw = self.raw(key, index)
        if component is not None:
            return number_of(component.read(raw))
        return bool(raw & 1) if key.sort == "bool" else raw

    def is_meaningful(self, key: Key, index: tuple[int, ...]) -> bool:
        """Whether a component belongs to the kind that the packed value in memory has."""
        return not isinstance(key.type, tuple) or key.type[1] in meaningful(key.type[0], self.raw(key, index))

    def raw(self, key: Key, index: tuple[int, ...]) -> int:
        """The bits of the whole field that a map is of; of places outside of memory and of arrays, zero."""
        struct = NAMED[key.struct]
        name = key.name[: -len(key.type[1].name) - 1] if isinstance(key.type, tuple) else key.name
        if name.endswith("°"):
            raise NoValue(f"{key.label}: ghost fields have no place in memory")
        one = struct.__struct__.layout().fields[name]
        type_ = one.type.element if isinstance(one.type, ArrayType) else one.type
        has_object = len(index) == (2 if isinstance(one.type, ArrayType) else 1)
        address = (index[0] if has_object else only(key.struct)) + one.offset
        if isinstance(one.type, ArrayType):
            if not 0 <= index[-1] < one.type.length:
                return 0
            address += index[-1] * size_of_stored(type_)
        assert self.memory is not None
        inside = MEMORY_BASE <= address < MEMORY_BASE + len(self.memory.data)
        return self.memory.load(address, size_of_stored(type_)) if inside else 0


def meaningful(type_: Any, raw: int) -> dict[values.Component, Any]:
    """The components of a packed value's own kind, and their numbers."""
    base = type_.__packed__.base
    info = base.__packed__
    fields = list(info.fields().values())
    if info.tag is not None:
        tag = int(number_of(values.tag_component(base).read(raw)))
        kind = info.variants.get(tag)
        fields += list(kind.__packed__.fields().values()) if kind is not None else []
    components = [values.component_of(one, base) for one in fields]
    return {one: number_of(one.read(raw)) for one in components}


def only(struct: str) -> int:
    """The address of the only object of a struct."""
    (entry,) = (one for one in STATICS if one.type is NAMED[struct])
    return MEMORY_BASE + entry.offset


def bits_of(component: values.Component, number: Any) -> int:
    """Where a component lies in its word."""
    return (int(number) >> component.shift & (1 << component.width) - 1) << component.low


def number_of(term: Any) -> Any:
    """The value of a constant term."""
    return z3.is_true(term) if z3.is_bool(term) else term.as_long()


def _divided(a: Any, b: Any) -> Any:
    if b == 0:
        return 0  # no value is given; a rule is broken where this matters
    return a // b if b > 0 else -(a // -b)


def _chosen(condition: Any, then: Any, otherwise: Any) -> Any:
    return then if condition else otherwise


_OPERATIONS: dict[int, Callable[..., Any]] = {
    z3.Z3_OP_TRUE: lambda: True,
    z3.Z3_OP_FALSE: lambda: False,
    z3.Z3_OP_EQ: lambda a, b: a == b,
    z3.Z3_OP_DISTINCT: lambda *all_: len(set(all_)) == len(all_),
    z3.Z3_OP_ITE: _chosen,
    z3.Z3_OP_AND: lambda *all_: all(all_),
    z3.Z3_OP_OR: lambda *all_: any(all_),
    z3.Z3_OP_NOT: lambda a: not a,
    z3.Z3_OP_IMPLIES: lambda a, b: b or not a,
    z3.Z3_OP_LE: lambda a, b: a <= b,
    z3.Z3_OP_GE: lambda a, b: a >= b,
    z3.Z3_OP_LT: lambda a, b: a < b,
    z3.Z3_OP_GT: lambda a, b: a > b,
    z3.Z3_OP_ADD: lambda *all_: sum(all_),
    z3.Z3_OP_SUB: lambda a, *rest: a - sum(rest),
    z3.Z3_OP_UMINUS: lambda a: -a,
    z3.Z3_OP_IDIV: _divided,
    z3.Z3_OP_MOD: lambda a, b: a % abs(b) if b else 0,
    z3.Z3_OP_TO_REAL: Fraction,
}


class Evaluation:
    """The values of terms in one concrete state; each term is computed once."""

    def __init__(self, state: Concrete) -> None:
        self.state = state
        self._values: dict[int, tuple[Any, Any]] = {}

    def value(self, root: Any) -> Any:
        """The value of a term: a number or a truth value."""
        todo = [root]
        known = self._values
        while todo:
            term = todo[-1]
            if term.get_id() in known:
                todo.pop()
                continue
            if not z3.is_app(term):
                raise NoValue(str(term))
            missing = [child for child in term.children() if child.get_id() not in known]
            if missing:
                todo += missing
                continue
            known[term.get_id()] = term, self._apply(term, [known[child.get_id()][1] for child in term.children()])
            todo.pop()
        return known[root.get_id()][1]

    def holds(self, terms: Iterable[Any]) -> bool:
        """Whether all formulas are true."""
        return all(self.value(term) for term in terms)

    def _apply(self, term: Any, arguments: list[Any]) -> Any:
        kind = term.decl().kind()
        if kind == z3.Z3_OP_UNINTERPRETED:
            name = term.decl().name()
            if name in self.state.named:
                return self.value(self.state.named[name])
            if name in self.state.words:
                return sum(bits_of(one, Evaluation(self.state).value(part)) for one, part in self.state.words[name])
            return self.state.call(name, arguments) if arguments else self.state.constant(name)
        if kind == z3.Z3_OP_ANUM:
            return term.as_long() if z3.is_int_value(term) else term.as_fraction()
        if kind == z3.Z3_OP_MUL:
            product = 1
            for one in arguments:
                product *= one
            return product
        return _OPERATIONS[kind](*arguments)

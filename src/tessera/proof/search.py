# SPDX-License-Identifier: BSD-2-Clause
"""The search for a small state in which an obligation fails: the solver's part. What it finds is run afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import z3

from tessera.ir.values import component_types
from tessera.lang.types import NAMED, RATIONAL, OptionalReference, is_struct
from tessera.proof.choices import Scalar, is_symbolic
from tessera.proof.finite import Table, TooLarge
from tessera.proof.forms import PARTS_OF_ONE
from tessera.proof.small_state import Universe, make_universe
from tessera.proof.unknowns import Cell
from tessera.smt import terms, values
from tessera.smt.algebra import PREFIX
from tessera.smt.heap import SYMBOLS
from tessera.smt.session import Obligation, Session, subterms
from tessera.smt.text import maps_in
from tessera.smt.values import PackedValue
from tessera.smt.verify import Reading

# How many objects of the structs in question there are, whether those that lie in others have contents, and whether
# only words near zero and near the largest one are considered.
SIZES = (
    (1, False, True),
    (2, False, True),
    (3, False, True),
    (2, False, False),
    (4, False, True),
    (1, True, True),
    (3, False, False),
    (2, True, True),
)
# Milliseconds of a solver for one universe; seconds for making a state plain, and milliseconds of a step of that.
# Contents of the state are made plain in the order of their ranks, the query's own constants last.
SOLVER_LIMIT = 10_000
LAST_RANK = 4
PLAIN_LIMIT, PLAIN_STEP = 8.0, 1500


@dataclass
class Model:
    """A state that the solver proposes: contents of cells, and values of the query's constants by name."""

    universe: Universe
    cells: dict[Cell, Any]
    constants: dict[str, Any]
    arguments: dict[str, Any]


@dataclass
class Formulas:
    """An obligation's parts: the path, the negated goal, and the invariants chosen."""

    plain: list[Any]
    negated: Any
    invariants: list[Any]
    about_constants: list[Any] = field(default_factory=list)

    def all(self) -> list[Any]:
        """Everything in the order in which it should be read: what is certain first."""
        return [*self.plain, self.negated, *self.about_constants, *self.invariants]


def formulas_of(session: Session, obligation: Obligation, extra: set[str]) -> Formulas:
    """What must hold together in a state where the obligation fails.

    Of the invariants those that speak of fields in question, and those named in ``extra``.
    """
    plain = [fact.term for fact in obligation.facts if not fact.invariant]
    negated = terms.negation(obligation.goal)
    about = maps_in(negated).union(*(maps_in(one) for one in plain if not z3.is_quantifier(one)))
    chosen = [
        fact.term
        for fact in obligation.facts
        if fact.invariant and (fact.invariant in extra or maps_in(fact.term) & about)
    ]
    found = Formulas(plain, negated, chosen)
    done: set[int] = set()
    todo = list(subterms(found.all()))
    while todo:
        new = []
        for term in todo:
            known = session.of_constants.get(term.get_id())
            if known is not None and term.get_id() not in done:
                done.add(term.get_id())
                new += known[1]
        found.about_constants += new
        todo = list(subterms(new))
    return found


class Search:
    """One universe, one set of formulas; :meth:`models` gives states until there are no more."""

    def __init__(self, reading: Reading, formulas: Formulas, size: tuple[int, bool, bool], end: float) -> None:
        count, deep, small = size
        self.reading = reading
        self.end = end
        every = list(subterms(formulas.all()))
        near = _structs(subterms([*formulas.plain, formulas.negated]))
        near |= {target for _, type_ in reading.function.parameters for target in _targets(type_)}
        counts = {name: count if name in near else 1 for name in near | _structs(every)}
        wanted = {
            one.decl().name()
            for one in subterms([*formulas.plain, formulas.negated])
            if z3.is_const(one) and one.decl().name().startswith("static.")
        }
        self.universe = make_universe(reading.session.objects, counts, deep, wanted)
        self.table = Table(self.universe, any(_is_wide(one) for one in every), small, end)
        known = reading.session.of_constants
        self.table.known_words = {
            one.decl().name() for one in every if z3.is_const(one) and one.sort() == terms.INT and one.get_id() in known
        }
        self._find_references(every)
        self._name_arguments()
        assertions = [self.table.truth(one) for one in formulas.all() if not self.table.define(one)]
        self.solver = z3.SolverFor("QF_BV")
        self.solver.add(*assertions, *self.table.constraints)

    def _find_references(self, every: list[Any]) -> None:
        """The constants that memory is read at are references."""
        for one in every:
            key = SYMBOLS.get(one.decl().name()) if z3.is_app(one) else None
            if key is None:
                continue
            count = key.arity if self.universe.elements(key) is None else key.arity - 1
            for child in one.children()[:count]:
                if z3.is_const(child) and child.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    self.table.refers.setdefault(child.decl().name(), set()).add(key.struct)

    def _name_arguments(self) -> None:
        words = []
        for name, type_ in self.reading.function.parameters:
            for one_type, term in _scalars(type_, self.reading.arguments[name]):
                if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    value = self.table.typed(term.decl().name(), one_type, term.sort())
                    if z3.is_bv(value):
                        words.append(value)
        self.table.words = words

    def models(self, attempts: int) -> Iterator[Model]:
        """At most so many states that differ in their objects, references or arguments."""
        for _ in range(attempts):
            self.solver.set("timeout", max(1, min(SOLVER_LIMIT, int(1000 * (self.end - time.monotonic())))))
            if self.solver.check() != z3.sat:
                return
            model = self._plain(self.solver.model())
            yield self._read(model)
            places = [self.table.expression(one) for one in self._skeleton()]
            if not places:
                return
            self.solver.add(z3.Not(z3.And(*(place == model.eval(place, True) for place in places))))

    def _skeleton(self) -> list[Any]:
        """What tells states apart: which objects live, references, and arguments."""
        found = []
        for cell, value in self.table.cells.items():
            type_ = cell.key.type
            if is_symbolic(value) and (cell.key.name == "live" or isinstance(type_, OptionalReference)):
                found.append(value)
        return [*found, *(value for value in self.table.constants.values() if is_symbolic(value))]

    def _plain(self, model: Any) -> Any:
        """A model with no objects, no references, and small numbers, as far as a little time allows."""
        # What is left is short.
        self.table.end = math.inf
        groups: dict[int, list[Any]] = {}
        for cell, value in self.table.cells.items():
            if is_symbolic(value):
                groups.setdefault(_rank(cell), []).append(self._zero(value))
        constants = [value for value in self.table.constants.values() if is_symbolic(value)]
        groups[LAST_RANK] = [self._zero(value) for value in constants]
        groups[LAST_RANK + 1] = [value <= 1 for value in constants if z3.is_bv(value)]
        self.solver.set("timeout", PLAIN_STEP)
        end = time.monotonic() + PLAIN_LIMIT
        accepted: list[Any] = []
        for rank in sorted(groups):
            model = self._wish(model, accepted, self._named(groups[rank]), end)
        return model

    def _named(self, wishes: list[Any]) -> list[tuple[Any, Any]]:
        """Wishes with names under which the solver may be asked for them."""
        found = []
        for wish in wishes:
            name = z3.FreshBool("wish")
            self.solver.add(z3.Implies(name, wish))
            found.append((name, wish))
        return found

    def _wish(self, model: Any, accepted: list[Any], wishes: list[tuple[Any, Any]], end: float) -> Any:
        """Add to ``accepted`` as many of the wishes as can hold together, and give a model of them."""
        left = []
        for name, wish in wishes:
            if z3.is_true(model.eval(wish, True)):
                accepted.append(name)
            else:
                left.append((name, wish))
        if not left or time.monotonic() > end:
            return model
        if self.solver.check(*accepted, *(name for name, _ in left)) == z3.sat:
            accepted += [name for name, _ in left]
            return self.solver.model()
        if len(left) > 1:
            half = len(left) // 2
            model = self._wish(model, accepted, left[:half], end)
            model = self._wish(model, accepted, left[half:], end)
        return model

    def _zero(self, value: Scalar) -> Any:
        return z3.Not(value) if z3.is_bool(value) else self.table.expression(self.table.equal(value, 0))

    def _read(self, model: Any) -> Model:
        def number(value: Scalar) -> Any:
            return _number(model.eval(self.table.expression(value), True))

        arguments = {
            name: _mapped(type_, self.reading.arguments[name], lambda t: number(self.table.term(t)))
            for name, type_ in self.reading.function.parameters
        }
        return Model(
            self.universe,
            {cell: _typed(cell.key.type, number(value)) for cell, value in self.table.cells.items()},
            {name: number(value) for name, value in self.table.constants.items()},
            arguments,
        )


def search(reading: Reading, obligation: Obligation, extra: set[str], end: float) -> Iterator[Model]:
    """States that the solver proposes, smallest universes first, until the time ``end`` (of the monotonic clock).

    The caller adds to ``extra`` the invariants that a state breaks; they are then a part of the question.
    """
    for size in SIZES:
        known = -1
        while known != len(extra) and time.monotonic() < end:
            known = len(extra)
            try:
                one = Search(reading, formulas_of(reading.session, obligation, extra), size, end)
            except TooLarge:
                break
            for model in one.models(4):
                yield model
                if len(extra) != known:
                    break


def _rank(cell: Cell) -> int:
    type_ = cell.key.type
    if cell.key.name == "live":
        return 0
    if _is_tag(type_):
        return 1
    return 2 if isinstance(type_, OptionalReference) else 3


def _is_tag(type_: Any) -> bool:
    if not isinstance(type_, tuple) or type_[0].__packed__.tag is None:
        return False
    return bool(values.tag_component(type_[0]) == type_[1])


def _number(value: Any) -> Any:
    if z3.is_true(value) or z3.is_false(value):
        return z3.is_true(value)
    return int(value.as_signed_long())


def _typed(type_: Any, value: Any) -> Any:
    return Fraction(value, PARTS_OF_ONE) if type_ is RATIONAL else value


def _scalars(type_: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """The terms of a value with their types; a component of a packed one has its class and itself as its type."""
    parts = component_types(type_)
    if parts is not None:
        for part, one in zip(parts, value, strict=True):
            yield from _scalars(part, one)
    elif isinstance(value, PackedValue):
        for component, term in value.all():
            yield (value.base, component), term
    elif z3.is_expr(value):
        yield type_, value


def _mapped(type_: Any, value: Any, function: Any) -> Any:
    """A value with its terms replaced; a packed one becomes a dictionary by component."""
    parts = component_types(type_)
    if parts is not None:
        return tuple(_mapped(part, one, function) for part, one in zip(parts, value, strict=True))
    if isinstance(value, PackedValue):
        return {component: function(term) for component, term in value.all()}
    return function(value) if z3.is_expr(value) else value


def _targets(type_: Any) -> set[str]:
    parts = component_types(type_)
    if parts is not None:
        return set().union(*(_targets(part) for part in parts))
    if isinstance(type_, OptionalReference):
        return {type_.target.__name__}
    return {type_.__name__} if is_struct(type_) else set()


def _structs(every: Any) -> set[str]:
    return {
        SYMBOLS[one.decl().name()].struct
        for one in every
        if z3.is_app(one) and one.decl().name() in SYMBOLS and SYMBOLS[one.decl().name()].struct in NAMED
    }


def _is_wide(term: Any) -> bool:
    if z3.is_int_value(term):
        return abs(int(term.as_long())) >= 1 << 66
    if not z3.is_app(term):
        return False
    if z3.is_mul(term):
        return sum(not z3.is_int_value(child) for child in term.children()) > 1
    return term.decl().name() in (f"{PREFIX}scale", f"{PREFIX}pow2", f"{PREFIX}low")

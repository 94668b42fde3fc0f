# SPDX-License-Identifier: BSD-2-Clause
"""The search for a small state in which an obligation fails: the solver's part. What it finds is run afterwards."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import z3

from tessera.ir.values import component_types
from tessera.lang.types import NAMED, RATIONAL, OptionalReference, is_struct
from tessera.proof.choices import Scalar, is_symbolic
from tessera.proof.finite import Table, TooLarge
from tessera.proof.forms import NUMBER, PARTS_OF_ONE, Form, below, form_of
from tessera.proof.small_state import Universe, make_universe
from tessera.proof.unknowns import Cell
from tessera.smt import terms, values
from tessera.smt.algebra import PREFIX
from tessera.smt.heap import SYMBOLS
from tessera.smt.opaque import in_full
from tessera.smt.session import Obligation
from tessera.smt.values import PackedValue
from tessera.smt.verify import Reading

# How many objects of the structs in question there are, whether those that lie in others have contents, and whether
# only words near zero and near the largest one are considered.
SIZES = (
    (1, False, True),
    (2, False, True),
    (3, False, True),
    (4, False, True),
    (2, False, False),
    (1, True, True),
    (3, False, False),
    (2, True, True),
)
# Milliseconds of a solver for one universe; seconds for making a state plain, and milliseconds of a step of that.
# Contents of the state are made plain in the order of their ranks, the query's own constants last.
SOLVER_LIMIT = 10_000
LAST_RANK = 4
PLAIN_LIMIT, PLAIN_STEP = 4.0, 800


@dataclass
class Model:
    """A state that the solver proposes: contents of cells, and values of the query's constants by name."""

    universe: Universe
    cells: dict[Cell, Any]
    constants: dict[str, Any]
    arguments: dict[str, Any]


class Search:
    """One universe; :meth:`models` gives states until there are no more.

    A state need not satisfy the entry's invariants, but those that were asked for: most never matter, and a state is
    run in any case, which shows the ones that it breaks.
    """

    def __init__(self, reading: Reading, obligation: Obligation, size: tuple[int, bool, bool], end: float) -> None:
        count, deep, small = size
        self.reading, self.end = reading, end
        obligation = in_full(reading.session, obligation)
        plain = [fact.term for fact in obligation.facts if not fact.invariant]
        self.invariants = [fact for fact in obligation.facts if fact.invariant]
        self.known: set[str] = set()
        self.said: set[int] = set()
        negated = terms.negation(obligation.goal)
        near_forms = [form_of(one) for one in (*plain, negated)]
        about = _labels(near_forms)
        later = [fact for fact in self.invariants if _is_later(form_of(fact.term))]
        self.always = [fact.term for fact in later if _labels([form_of(fact.term)]) & about]
        every = list(below([*near_forms, *(form_of(fact.term) for fact in self.invariants)]))
        near = {label.partition(".")[0] for label in about}
        near |= {target for _, type_ in reading.function.parameters for target in _targets(type_)}
        near |= {target for name in near for target in _referred(NAMED[name])}
        far = {SYMBOLS[one.name].struct for one in every if one.name in SYMBOLS}
        counts = {name: count if name in near else 1 for name in near | far}
        wanted = {one.name for one in below(near_forms) if one.name.startswith("static.")}
        self.universe = make_universe(reading.session.objects, counts, deep, wanted)
        self.table = Table(self.universe, any(_is_wide(one) for one in every), small, end)
        self.table.known_words = {term.decl().name() for term, _ in reading.session.of_constants.values()}
        self._find_references(every)
        self._name_arguments()
        self.solver = z3.SolverFor("QF_BV")
        self._say([*plain, negated, *self.always])

    def _say(self, formulas: list[Any]) -> None:
        """Assert formulas, with what types say of the constants in them."""
        known = {term.decl().name(): (term, facts) for term, facts in self.reading.session.of_constants.values()}
        assertions = []
        todo = list(formulas)
        while todo:
            formula = todo.pop(0)
            if formula.get_id() in self.said:
                continue
            self.said.add(formula.get_id())
            form = form_of(formula)
            for one in below([form]):
                if one.name in known and not one.children:
                    todo += known[one.name][1]
            if not self.table.define(formula):
                assertions.append(self.table.truth(formula))
        self.solver.add(*assertions, *self.table.constraints)
        self.table.constraints.clear()

    def ask(self, names: set[str]) -> bool:
        """Ask for invariants by name; false if they were asked for already."""
        new = names - self.known
        self.known |= new
        self._say([fact.term for fact in self.invariants if fact.invariant in new])
        return bool(new)

    def _find_references(self, every: list[Form]) -> None:
        """The constants that memory is read at are references."""
        for one in every:
            key = SYMBOLS.get(one.name)
            if key is None:
                continue
            count = key.arity if self.universe.elements(key) is None else key.arity - 1
            for child in one.children[:count]:
                if child.kind == z3.Z3_OP_UNINTERPRETED and not child.children:
                    self.table.refers.setdefault(child.name, set()).add(key.struct)

    def _name_arguments(self) -> None:
        words = []
        for name, type_ in self.reading.function.parameters:
            for one_type, term in _scalars(type_, self.reading.arguments[name]):
                if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    value = self.table.typed(term.decl().name(), one_type, term.sort())
                    if z3.is_bv(value):
                        words.append(value)
        self.table.words = words

    def models(self, extra: set[str], attempts: int) -> Iterator[Model]:
        """States until there are no more, or so many did not help.

        The caller adds the invariants that a state breaks to ``extra``; otherwise the next state differs from it in
        its objects, references or arguments.
        """
        self.ask(extra)
        while attempts:
            self.solver.set("timeout", max(1, min(SOLVER_LIMIT, int(1000 * (self.end - time.monotonic())))))
            if self.solver.check() != z3.sat:
                return
            model = self._plain(self.solver.model())
            yield self._read(model)
            if self.ask(extra):
                continue
            attempts -= 1
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
        if time.monotonic() > end:
            return
        # A universe that is too large, or what has no finite form: another one may do.
        with contextlib.suppress(TooLarge, NotImplementedError):
            yield from Search(reading, obligation, size, end).models(extra, 4)


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


def _referred(struct: Any) -> set[str]:
    """The structs that fields of a struct refer to: there may be one for each object."""
    return set().union(*(_targets(one.type) for one in struct.__struct__.layout().fields.values()))


def _labels(forms: list[Form]) -> set[str]:
    """The fields that formulas speak of."""
    return {SYMBOLS[one.name].label for one in below(forms) if one.name in SYMBOLS}


def _is_later(form: Form) -> bool:
    """Whether a formula speaks of another state than the one at entry."""
    return any(one.name in SYMBOLS and one.name != SYMBOLS[one.name].label for one in below([form]))


def _is_wide(form: Form) -> bool:
    if form.kind == NUMBER:
        return abs(form.number) >= 1 << 66
    if form.kind == z3.Z3_OP_MUL:
        return sum(child.kind != NUMBER for child in form.children) > 1
    return form.name in (f"{PREFIX}scale", f"{PREFIX}pow2", f"{PREFIX}low")

# SPDX-License-Identifier: BSD-2-Clause
"""Invariants as formulas: what holds for all live objects of the parameters' types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import z3

from tessera.ir.nodes import Function
from tessera.lang.structs import Inline
from tessera.lang.types import ArrayType, is_packed, is_struct, type_name
from tessera.smt import quick, terms, values
from tessera.smt.heap import Fixed, State, Symbol, history_of, last_written
from tessera.smt.objects import FieldPlace, keys_of
from tessera.smt.templates import Template
from tessera.smt.terms import Term
from tessera.smt.text import maps_in


class Invariant:
    """One ``@invariant``. ``at_exit``: it holds only when the kernel is left, not between its functions."""

    def __init__(self, function: Function, of_field: tuple[Any, str, Any] | None = None) -> None:
        self.function = function
        # Of a packed class: the struct's field whose values it is applied to.
        self.of_field = of_field
        self.name = function.name.rpartition(".")[2]
        self._fields: frozenset[str] | None = None
        # The formula for contents of maps that have names, by those names.
        self._formulas: dict[tuple[str, ...], Term] = {}
        # The formula for maps that were never written: elsewhere the maps have other names.
        self._first: Template | None = None

    def fields(self, execution: Any) -> frozenset[str]:
        """The labels of the maps that it speaks of."""
        if self._fields is None:
            self._fields = maps_in(self.goal(execution, State()))
        return self._fields

    def _variables(self, prefix: str) -> tuple[list[Term], list[Any]]:
        if self.of_field is not None:
            types: list[tuple[str, Any]] = [("holder", self.of_field[0])]
        else:
            types = self.function.parameters
        # The same names for all invariants, so that what one reads need not be put together again for the next.
        variables = [
            z3.Const(f"{prefix}{type_name(type_)}.{position}", values.sort_of(type_))
            for position, (_, type_) in enumerate(types)
        ]
        return variables, [type_ for _, type_ in types]

    def _body(self, execution: Any, state: State, variables: list[Term], types: list[Any]) -> Term:
        arguments: list[Any] = list(variables)
        if self.of_field is not None:
            struct, name, type_ = self.of_field
            arguments = [execution.load(FieldPlace(struct, name, type_, (variables[0],)), state)]
        body = execution.holds(self.function, state, arguments)
        alive = [
            execution.is_live(state, type_, variable)
            for type_, variable in zip(types, variables, strict=True)
            if is_struct(type_)
        ]
        return terms.implication(terms.conjunction(alive), body)

    def goal(self, execution: Any, state: State) -> Term:
        """It holds for arbitrary objects: unknown constants stand for them."""
        variables, types = self._variables("any.")
        for type_, variable in zip(types, variables, strict=True):
            execution.session.know(type_, variable)
        return self._body(execution, state, variables, types)

    def goal_where_written(self, execution: Any, state: State) -> Term:
        """It holds again: of a packed class, all that is to be shown may be that the values written are good."""
        written = self._written(execution, state)
        if written is None:
            return self.goal(execution, state)
        types = self._variables("any.")[1]
        return terms.conjunction([self._body(execution, after, [one], types) for one, after in written])

    def _written(self, execution: Any, state: State) -> list[tuple[Term, State]] | None:
        """The objects whose value was written since this was last known to hold, each with a state that has that value.

        None if anything else changed that matters.
        """
        if self.of_field is None:
            return None
        struct, name, type_ = self.of_field
        keys = [key for key, _ in keys_of(struct, name, type_, 1)]
        histories = {key: one for key in keys if (one := history_of(state.map(key))) is not None}
        before = State({**state.maps, **{key: one.first for key, one in histories.items()}})
        mine = [key for key in (*keys, *before.maps) if key.label in self.fields(execution)]
        if len(histories) < len(keys) or not all(isinstance(before.map(key), Symbol) for key in mine):
            return None
        known = self.hypothesis(execution, before)
        if not any(quick.same(fact.term, known) for fact in state.facts):
            return None
        written = {identity: one for history in histories.values() for identity, one in history.written.items()}
        if len({history.order for history in histories.values()}) > 1:
            return [(one, state) for one in written.values()]
        # All of a value was always written at once, so that what an object has now is what was written last to some.
        return [
            (one, State({**before.maps, **{key: Fixed(last_written(state.map(key), one)) for key in keys}}))
            for one in written.values()
        ]

    def hypothesis(self, execution: Any, state: State) -> Term:
        """It holds for all objects. The maps that it speaks of must have names in the state (``State.name_maps``)."""
        names = state.names_of(self.fields(execution))
        if names not in self._formulas:
            self._formulas[names] = self._formula(execution, state)
        return self._formulas[names]

    def _formula(self, execution: Any, state: State) -> Term:
        if self._first is None:
            self._first = Template(self._read(execution, State()))
        renamed = _renaming(state, self.fields(execution))
        return self._read(execution, state) if renamed is None else self._first.renamed(renamed)

    def _read(self, execution: Any, state: State) -> Term:
        variables, types = self._variables("all.")
        if not variables:
            return self._body(execution, state, [], [])
        mark = execution.session.mark()
        body, triggers = self._body(execution, state, variables, types), self._triggers(execution, state, variables)
        formula: Term = execution.session.quantified(variables, types, body, mark, triggers)
        return formula

    def _triggers(self, execution: Any, state: State, variables: list[Term]) -> list[list[Term]]:
        if self.of_field is not None:
            struct, name, type_ = self.of_field
            value = execution.load(FieldPlace(struct, name, type_, (variables[0],)), state)
            return [[value.tag]]
        found: list[list[Term]] = execution.triggers(self.function, state, list(variables))
        return found


def _renaming(state: State, labels: frozenset[str]) -> list[tuple[Term, Term]] | None:
    """By which symbols a state's contents of some maps are known, for those that never written ones have."""
    found = []
    for key, present in state.maps.items():
        if key.label in labels:
            if not isinstance(present, Symbol):
                return None
            if present.name != key.label:
                found.append(present.renaming)
    return found


def invariants_of(functions: Iterable[Function], structs: Iterable[Any]) -> tuple[list[Invariant], dict[Any, Any]]:
    """Invariants of memory, and those of packed classes by class; the latter hold in every field of that class, too."""
    found: list[Invariant] = []
    of_packed: dict[Any, list[Function]] = {}
    for function in functions:
        types = [type_ for _, type_ in function.parameters]
        if len(types) == 1 and is_packed(types[0]):
            base = types[0].__packed__.base
            of_packed.setdefault(base, []).append(function)
            found += [Invariant(function, (struct, name, type_)) for struct, name, type_ in _fields(structs, base)]
        else:
            found.append(Invariant(function))
    return found, of_packed


def _fields(structs: Iterable[Any], base: Any) -> Iterable[tuple[Any, str, Any]]:
    for struct in structs:
        for field in struct.__struct__.layout().fields.values():
            if not isinstance(field.type, (ArrayType, Inline)) and is_packed(field.type):
                if field.type.__packed__.base is base:
                    yield struct, field.name, field.type


__all__ = ["Invariant", "Symbol", "invariants_of"]

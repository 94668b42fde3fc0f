# SPDX-License-Identifier: BSD-2-Clause
"""Calls: small functions are read in place, others by their contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import z3

from tessera.ir.nodes import Contract, Expression, Function
from tessera.ir.values import component_types
from tessera.lang.types import OptionalReference, is_struct
from tessera.smt import opaque, terms, values
from tessera.smt.expressions import Expressions
from tessera.smt.heap import Fact, Key, State, Symbol, Within, in_order, merge_states
from tessera.smt.objects import ArrayPlace, FieldPlace, OnlyObject, keys_of, live_key, parts_of, target_of
from tessera.smt.reading import keeps_invariants
from tessera.smt.session import Session
from tessera.smt.terms import Term
from tessera.smt.values import Value


@dataclass(frozen=True)
class Change:
    """A map that changes: at one index, or (``None``) anywhere. A shorter index means all elements of the object.

    ``inside`` limits it to objects at some addresses.
    """

    key: Key
    index: tuple[Term, ...] | None
    inside: Callable[[Term], Term] | None = None

    @property
    def is_anywhere(self) -> bool:
        return self.index is None and self.inside is None

    def meant(self, index: list[Term]) -> Term:
        """Whether the element at an index is one that changes."""
        if self.inside is not None:
            return self.inside(index[0])
        return terms.conjunction([a == b for a, b in zip(self.index or (), index, strict=False)])


class Calls(Expressions):
    """Evaluates calls."""

    def __init__(
        self,
        session: Session,
        function: Function,
        *,
        contract: bool = False,
        keeps_invariants: bool = False,
    ) -> None:
        super().__init__(session, function, contract=contract)
        self.keeps_invariants = keeps_invariants
        self.ghost = False

    @abstractmethod
    def run(self, state: State) -> list[tuple[State, Value]]:
        """Follow the body."""

    def in_contract(self, node: Expression, state: State) -> Value:
        """An expression of a contract or of ghost code."""
        before, self.contract = self.contract, True
        try:
            return self.value(node, state)
        finally:
            self.contract = before

    def call(self, node: Expression, state: State, arguments: list[Value]) -> Value:
        """The result of a call; the state becomes the one behind it."""
        info = node.data
        callee = self.session.program.functions.get(info.name)
        if callee is None:
            return self._outside(node, state)
        if self.contract and callee.name in self.session.world.opaque:
            return opaque.applied(self, callee, arguments)
        if self.contract:
            return self._in_place(callee, node, state, arguments)
        if self.session.is_inlined(callee):
            return self._in_place(self.session.world.faulty.get(callee.name, callee), node, state, arguments)
        return self._by_contract(callee, node, state, arguments)

    def _outside(self, node: Expression, state: State) -> Value:
        """Hardware: any result of the type, nothing of the kernel's memory changes."""
        if node.type is NoReturn:
            state.dead = True
            return None
        if self.session.quantifying:
            raise NotImplementedError(f"{node.data.name} under a quantifier")
        self.session.relies_on.add(node.data.name)
        value = values.fresh(node.type, node.data.name.rpartition(".")[2])
        self.session.know_value(node.type, value)
        return value

    def _in_place(self, callee: Function, node: Expression, state: State, arguments: list[Value]) -> Value:
        keeps = self.keeps_invariants and not self.contract
        inner = type(self)(self.session, callee, contract=self.contract, keeps_invariants=keeps)
        inner.ghost = self.ghost
        common = len(state.facts)
        start = state.copy()
        start.locals = dict(zip((name for name, _ in callee.parameters), arguments, strict=True))
        if not self.contract:
            self.session.inlined.add(callee.name)
            self._check_requires(callee, inner, start, node)
            common = len(start.facts)
        returns = inner.run(start)
        if not returns:
            state.dead = True
            return None if node.type in (None, NoReturn) else values.fresh(node.type, "never")
        joined, value = merge_states(returns, common, self.may_name)
        joined.locals = state.locals
        state.become(joined)
        return value

    def _check_requires(self, callee: Function, inner: Calls, start: State, node: Expression) -> None:
        for contract in callee.contracts:
            if contract.kind == "requires":
                for one in contract.expressions:
                    goal = inner.in_contract(one, start)
                    text = f"{callee.name.rpartition('.')[2]} requires {contract.text}"
                    self.oblige(start, "requires", goal, node.line, text)

    def _by_contract(self, callee: Function, node: Expression, state: State, arguments: list[Value]) -> Value:
        self.session.relies_on.add(callee.name)
        inner = type(self)(self.session, callee)
        saved = state.locals
        state.locals = dict(zip((name for name, _ in callee.parameters), arguments, strict=True))
        self._check_requires(callee, inner, state, node)
        for (name, type_), value in zip(callee.parameters, arguments, strict=True):
            goal = self.good_value(state, type_, value)
            self.oblige(state, "argument", goal, node.line, f"{name} of {callee.name.rpartition('.')[2]}")
        keeps = keeps_invariants(callee)
        dirty = set(state.dirty)
        if keeps:
            self.check_invariants(state, {key.label for key in dirty}, node.line, f"call of {callee.name}")
        before = state.copy()
        written = self.session.writes.of_function(callee.name)
        places = [c for c in callee.contracts if c.kind == "modifies"]
        changes = (
            inner.footprint(places, state, written) if places else [Change(key, None) for key in in_order(written)]
        )
        inner.change(state, changes)
        if node.type is NoReturn:
            state.dead = True
            return None
        result = values.fresh(node.type, callee.name.rpartition(".")[2])
        self.session.know_value(node.type, result)
        if keeps:
            state.name_maps(dirty)
            self.assume_invariants(state, {key.label for key in dirty | {change.key for change in changes}})
            state.dirty = set()
        else:
            state.dirty = dirty | {change.key for change in changes}
        state.assume(self.good_value(state, node.type, result))
        inner.entry = before
        for contract in callee.contracts:
            if contract.kind == "ensures" or (contract.kind == "refines" and self.session.refines):
                if contract.result:
                    state.locals[contract.result] = result
                for one in contract.expressions:
                    state.assume(inner.in_contract(one, state))
        state.locals = saved
        return result

    # What a contract says may change

    def footprint(self, contracts: Iterable[Contract], state: State, written: Iterable[Key]) -> list[Change]:
        """The maps and indexes that ``modifies`` names, among those written."""
        changes: list[Change] = []
        for contract in contracts:
            for one in contract.expressions:
                changes += self._places(one, state)
        names = {key.label for key in written}
        everywhere = {change.key for change in changes if change.is_anywhere}
        return [
            change
            for change in dict.fromkeys(changes)
            if change.key.label in names and (change.is_anywhere or change.key not in everywhere)
        ]

    def _places(self, node: Expression, state: State) -> list[Change]:
        before, self.contract = self.contract, True
        try:
            return list(self._named_places(node, state))
        finally:
            self.contract = before

    def _named_places(self, node: Expression, state: State) -> Iterable[Change]:
        objects = self.session.objects
        if node.operation == "everything":
            return [Change(key, None) for key in self.session.all_keys()]
        if node.operation == "everything_in":
            start, size = (self.value(operand, state) for operand in node.operands)
            mortal = {struct.__name__ for struct in objects.mortal}

            def inside(address: Term) -> Term:
                return z3.And(start <= address, address - start < size)

            return [Change(key, None, inside) for key in self.session.all_keys() if key.struct in mortal]
        if node.operation == "every":
            struct, name = node.data
            # All of a struct's objects: which there are, too.
            alive = [] if name else [live_key(one) for one in (struct, *(part.struct for part in parts_of(struct)))]
            return [Change(key, None) for key in (*alive, *self.session.keys_of_struct(struct, name))]
        if node.operation == "ghost_load":
            ghost = node.data
            reference = self.value(node.operands[0], state)
            key = objects.ghost_key(ghost.struct, ghost.name, ghost.type)
            return [Change(key, () if isinstance(reference, OnlyObject) else (reference,))]
        if node.operation in ("load", "field_place", "element_place"):
            place = self.place(node.operands[0] if node.operation == "load" else node, state)
            if isinstance(place, ArrayPlace):
                return [Change(key, place.index) for key in objects.field_keys(place.struct, place.field)]
            if isinstance(place, FieldPlace):
                held = keys_of(place.struct, place.name, place.type, len(place.index))
                return [Change(key, place.index) for key, _ in held]
        reference = self.value(node, state)
        struct = target_of(node.type)
        index = () if isinstance(reference, OnlyObject) else (reference,)
        keys = self.session.keys_of_struct(struct, "", inner=isinstance(reference, OnlyObject))
        return [Change(key, index if key.struct == struct.__name__ else None) for key in keys]

    def change(self, state: State, changes: list[Change]) -> None:
        """Make maps unknown where they may change."""
        keys = {change.key for change in changes}
        for change in changes:
            if change.inside is not None:
                unknown_map = Symbol(change.key, values.fresh_name("~"))
                state.replace(change.key, Within(state.map(change.key), change.inside, unknown_map))
            elif change.index is None or len(change.index) < change.key.arity:
                if change.index is None or not change.index:
                    state.forget(change.key)
                else:
                    state.forget_object(change.key, change.index)
            else:
                unknown = z3.Const(values.fresh_name(change.key.label), change.key.z3_sort)
                if isinstance(change.key.type, tuple):
                    self.session.know_component(change.key.type[1], unknown, change.key.type[0])
                else:
                    self.session.know(change.key.type, unknown)
                state.write(change.key, unknown, *change.index)
        state.name_maps(keys)

    # Invariants

    def good_value(self, state: State, type_: Any, value: Value) -> Term:
        """What holds of every argument and result: a reference is null or to a live object; null only if optional."""
        parts = component_types(type_) if type_ not in (None, NoReturn) else None
        if parts is not None:
            return terms.conjunction([self.good_value(state, t, v) for t, v in zip(parts, value, strict=True)])
        if isinstance(type_, OptionalReference) and not isinstance(value, OnlyObject):
            alive = self.is_live(state, type_.target, value)
            return terms.disjunction([terms.equal(value, terms.ZERO), alive])
        if is_struct(type_) and not isinstance(value, OnlyObject):
            alive = self.is_live(state, type_, value)
            return terms.conjunction([terms.negation(terms.equal(value, terms.ZERO)), alive])
        if isinstance(value, values.PackedValue):
            return self.session.valid_packed(self, state, value)
        return terms.TRUE

    def holds(self, function: Function, state: State, arguments: list[Value]) -> Term:
        """A predicate of a contract, applied."""
        inner = type(self)(self.session, function, contract=True)
        start = State(state.maps, dict(zip((name for name, _ in function.parameters), arguments, strict=True)))
        value: Term = merge_states(inner.run(start), 0)[1]
        return value

    def check_invariants(self, state: State, touched: set[str], line: int, where: str) -> None:
        """Every invariant that speaks of what was written must hold here."""
        for invariant in self.session.invariants:
            if invariant.fields(self) & touched:
                goal = invariant.goal_where_written(self, state)
                self.session.oblige(self.function, state, "invariant", goal, line, f"{invariant.name} ({where})")

    def assume_invariants(self, state: State, touched: set[str] | None) -> None:
        """Every invariant that speaks of what may have changed is known here."""
        state.name_maps(set(state.maps))
        for invariant in self.session.invariants:
            if touched is None or invariant.fields(self) & touched:
                state.facts.append(Fact(invariant.hypothesis(self, state), False, invariant.name))

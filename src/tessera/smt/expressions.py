# SPDX-License-Identifier: BSD-2-Clause
"""Expressions as terms. In code every rule that could be broken is an obligation; in contracts there are none."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import z3

from tessera.ir.nodes import Expression, Function
from tessera.lang.types import RATIONAL, OptionalReference, is_enum, is_packed, is_struct, is_word
from tessera.smt import quick, terms, values
from tessera.smt.heap import State, merge_states
from tessera.smt.objects import FieldPlace, OnlyObject, is_reference, live_key, target_of
from tessera.smt.session import Session
from tessera.smt.terms import Term
from tessera.smt.values import PackedValue, Value
from tessera.smt.words import Words


class Expressions(Words):
    """Evaluates expressions of one function in a state, which calls and obligations change."""

    def __init__(self, session: Session, function: Function, *, contract: bool = False) -> None:
        self.session = session
        self.function = function
        # In a contract nothing can go wrong: memory is total, and arithmetic is that of integers.
        self.contract = contract
        self.entry: State | None = None

    @abstractmethod
    def call(self, node: Expression, state: State, arguments: list[Value]) -> Value:
        """The result of a call."""

    @abstractmethod
    def in_contract(self, node: Expression, state: State) -> Value:
        """An expression of a contract or of ghost code."""

    def oblige(self, state: State, rule: str, goal: Term, line: int, text: str = "") -> None:
        """Something that must be true here; from here on it is known."""
        if self.contract or quick.is_true(goal):
            return
        self.session.oblige(self.function, state, rule, goal, line, text)
        state.assume(goal)

    # Evaluation

    def value(self, node: Expression, state: State) -> Value:
        """The value of an expression; places are :meth:`place`."""
        lazy = getattr(self, f"_lazy_{node.operation}", None)
        if lazy is not None:
            return lazy(node, state)
        operands = [self.value(operand, state) for operand in node.operands]
        simple = _SIMPLE.get(node.operation)
        if simple is not None:
            return simple(*operands)
        method: Callable[..., Value] | None = getattr(self, f"_{node.operation}", None)
        if method is None:
            raise NotImplementedError(f"the prover does not know the operation {node.operation}")
        return method(node, state, *operands)

    def _lazy_constant(self, node: Expression, state: State) -> Value:
        if is_packed(node.type):
            value = values.packed_constant(node.type, int(node.data or 0))
            return value
        if node.type is bool:
            return z3.BoolVal(bool(node.data))
        if node.type is RATIONAL:
            return z3.RealVal(node.data or 0)
        return terms.number(int(node.data or 0))

    def _lazy_local(self, node: Expression, state: State) -> Value:
        return state.locals[node.data]

    def _lazy_static(self, node: Expression, state: State) -> Value:
        return self.session.objects.static(node.data)

    def _lazy_text(self, node: Expression, state: State) -> Value:
        return bytes(node.data)

    def _lazy_let(self, node: Expression, state: State) -> Value:
        state.locals[node.data] = self.value(node.operands[0], state)
        return self.value(node.operands[1], state)

    def _lazy_and_then(self, node: Expression, state: State) -> Value:
        first = self.value(node.operands[0], state)
        return self.branch(first, state, lambda s: self.value(node.operands[1], s), lambda s: terms.FALSE)

    def _lazy_or_else(self, node: Expression, state: State) -> Value:
        first = self.value(node.operands[0], state)
        return self.branch(first, state, lambda s: terms.TRUE, lambda s: self.value(node.operands[1], s))

    def _lazy_select(self, node: Expression, state: State) -> Value:
        condition = self.value(node.operands[0], state)
        return self.branch(
            condition,
            state,
            lambda s: self.value(node.operands[1], s),
            lambda s: self.value(node.operands[2], s),
        )

    @property
    def may_name(self) -> bool:
        """Whether unknown constants may be made: not where what is read could be under a quantifier."""
        return not self.contract

    def branch(
        self, condition: Term, state: State, then: Callable[[State], Value], otherwise: Callable[[State], Value]
    ) -> Value:
        """The value of one of two expressions, each evaluated where it is the one; the state becomes the joined one."""
        if quick.is_true(condition):
            return then(state)
        if quick.is_false(condition):
            return otherwise(state)
        common = len(state.facts)
        first, second = state.copy(), state.copy()
        first.assume(condition, branch=True)
        second.assume(terms.negation(condition), branch=True)
        a, b = then(first), otherwise(second)
        if len(first.facts) == len(second.facts) == common + 1 and first.maps == second.maps == state.maps:
            state.locals = {**first.locals, **second.locals}
            return values.merged(condition, a, b)
        joined, value = merge_states([(first, a), (second, b)], common, self.may_name)
        state.become(joined)
        return value

    def _lazy_old(self, node: Expression, state: State) -> Value:
        if self.entry is None:
            raise NotImplementedError("old outside of a contract")
        before = State(self.entry.maps, state.locals, state.facts)
        return self.value(node.operands[0], before)

    def _lazy_forall(self, node: Expression, state: State) -> Value:
        name, type_ = node.data
        variable = z3.Const(values.fresh_name(f"all.{name}"), values.sort_of(type_))
        inner = State(state.maps, {**state.locals, name: variable})
        mark = self.session.mark()
        body = self.value(node.operands[0], inner)
        if is_struct(type_):
            body = terms.implication(self.is_live(inner, type_, variable), body)
        return self.session.quantified([variable], [type_], body, mark, self._triggers_of(node.operands[0], inner))

    def _triggers_of(self, body: Expression, state: State) -> list[list[Term]]:
        """Where the body is a call of a predicate that names triggers: those, for the arguments."""
        callee = self.session.program.functions.get(body.data.name) if body.operation == "call" else None
        if callee is None:
            return []
        arguments = [self.value(operand, state) for operand in body.operands]
        return self.triggers(callee, state, arguments)

    def triggers(self, function: Function, state: State, arguments: list[Value]) -> list[list[Term]]:
        """What ``trigger`` names in a predicate, for these arguments."""
        inner = State(state.maps, dict(zip((name for name, _ in function.parameters), arguments, strict=True)))
        found: list[list[Term]] = []
        for contract in function.contracts:
            if contract.kind == "trigger":
                values_ = [self.in_contract(expression, inner) for expression in contract.expressions]
                found.append([value.tag if isinstance(value, PackedValue) else value for value in values_])
        return found

    def _text_length(self, node: Expression, state: State, text: bytes) -> Term:
        return terms.number(len(text))

    def _text_item(self, node: Expression, state: State, text: bytes, index: Term) -> Term:
        self.oblige(state, "index", terms.less(index, terms.number(len(text))), node.line)
        found = terms.number(text[-1])
        for position in reversed(range(len(text) - 1)):
            found = terms.choice(terms.equal(index, terms.number(position)), terms.number(text[position]), found)
        return found

    def _live(self, node: Expression, state: State, reference: Value) -> Value:
        return self.is_live(state, target_of(node.operands[0].type), reference)

    def is_live(self, state: State, struct: Any, reference: Value) -> Term:
        """That a reference is to a live object."""
        if isinstance(reference, OnlyObject) or not self.session.objects.needs_life(struct):
            return terms.TRUE
        return state.read(live_key(struct), reference)

    def _ghost_load(self, node: Expression, state: State, reference: Value) -> Value:
        ghost = node.data
        key = self.session.objects.ghost_key(ghost.struct, ghost.name, ghost.type)
        term = state.read(key, *([] if isinstance(reference, OnlyObject) else [reference]))
        self.session.know(ghost.type, term)
        return term

    # Memory

    def place(self, node: Expression, state: State) -> Any:
        """What a place expression stands for: a field, an array, or a struct in place (its reference)."""
        if node.operation == "field_place":
            reference = self.value(node.operands[0], state)
            struct = target_of(node.operands[0].type)
            if isinstance(node.operands[0].type, OptionalReference) and not isinstance(reference, OnlyObject):
                self.oblige(state, "null", terms.negation(terms.equal(reference, terms.ZERO)), node.line)
            if not isinstance(reference, OnlyObject):
                self.oblige(state, "live", self.is_live(state, struct, reference), node.line)
            return self.session.objects.field(struct, reference, node.data)
        if node.operation == "element_place":
            array = self.place(node.operands[0], state)
            index = self.value(node.operands[1], state)
            self.oblige(state, "index", terms.less(index, terms.number(array.field.type.length)), node.line)
            return self.session.objects.element(array, index)
        raise NotImplementedError(f"{node.operation} is not a place")

    def _lazy_load(self, node: Expression, state: State) -> Value:
        place = self.place(node.operands[0], state)
        value = self.load(place, state)
        if is_struct(node.type):
            self.oblige(state, "null", terms.negation(terms.equal(value, terms.ZERO)), node.line)
        return value

    def load(self, place: FieldPlace, state: State) -> Value:
        """What a field holds."""
        if is_packed(place.type):
            keys = {component: key for key, component in self.session.objects.keys(place)}
            maps = {component: state.map(key) for component, key in keys.items()}

            def read(component: Any) -> Term:
                term = maps[component].read(place.index)
                self.session.know_component(component, term, place.type)
                return term

            return PackedValue(place.type.__packed__.base, read)
        ((key, _),) = self.session.objects.keys(place)
        term = state.read(key, *place.index)
        self.session.know(place.type, term)
        return term

    def store(self, place: FieldPlace, value: Value, state: State) -> None:
        """Write a field. A component that is written as it is known to be is not written."""
        known = state.equalities() if is_packed(place.type) else set()
        for key, component in self.session.objects.keys(place):
            term = value if component is None else value.get(component)
            if component is not None:
                present = state.read(key, *place.index)
                if quick.same(term, present) or (quick.identity(term), quick.identity(present)) in known:
                    continue
            state.write(key, term, *place.index)

    def _lazy_reference_to(self, node: Expression, state: State) -> Value:
        return self.place(node.operands[0], state)

    def _lazy_field_place(self, node: Expression, state: State) -> Value:
        return self.place(node, state)

    _lazy_element_place = _lazy_field_place

    def _address_of(self, node: Expression, state: State, reference: Value) -> Term:
        if isinstance(reference, OnlyObject):
            reference = z3.Int(f"static.{reference.static.name or reference.static.offset}")
        self.session.know_address(reference)
        return reference

    def _at(self, node: Expression, state: State, address: Term) -> Term:
        self.oblige(state, "null", terms.negation(terms.equal(address, terms.ZERO)), node.line)
        return address

    def _at_or_none(self, node: Expression, state: State, address: Term) -> Term:
        return address

    def _present(self, node: Expression, state: State, reference: Value) -> Value:
        if not isinstance(reference, OnlyObject):
            self.oblige(state, "null", terms.negation(terms.equal(reference, terms.ZERO)), node.line)
        return reference

    # Packed values and aggregates

    def _get_bits(self, node: Expression, state: State, value: PackedValue) -> Term:
        component = values.component_of(node.data, value.base)
        term = value.get(component)
        self.session.know_component(component, term, value.base)
        if is_struct(node.data.type):
            self.oblige(state, "null", terms.negation(terms.equal(term, terms.ZERO)), node.line)
        if is_enum(node.data.type):
            self.session.know(node.data.type, term)
        return term

    def _set_bits(self, node: Expression, state: State, value: PackedValue, term: Term) -> PackedValue:
        component = values.component_of(node.data, value.base)
        if is_reference(node.data.type) or is_word(node.data.type):
            fits = component.bounds()(term)
            if not (values.value_is_constant(term) and quick.is_true(z3.simplify(fits))):
                self.oblige(state, "field", fits, node.line)
        return value.changed(component, term)

    def _tag_of(self, node: Expression, state: State, value: PackedValue) -> Term:
        self.session.know_component(values.tag_component(value.base), value.tag, value.base)
        return value.tag

    def _is_variant(self, node: Expression, state: State, value: PackedValue) -> Term:
        tag = self._tag_of(node, state, value)
        return terms.equal(tag, terms.number(node.data.__packed__.tag_value))

    def _to_word(self, node: Expression, state: State, value: PackedValue) -> Term:
        word = value.word
        if word is None:
            if self.session.quantifying:
                raise NotImplementedError("to_word of a built value under a quantifier")
            word = z3.Int(values.fresh_name(f"word.{value.base.__name__}"))
            self.session.know(node.type, word)
        for component, term in value.all():
            part = values.part_function(value.base, component)(word)
            if not quick.same(part, term):
                self.session.define(word, part == term)
        return word

    def _from_word(self, node: Expression, state: State, word: Term) -> PackedValue:
        value = values.packed_from_word(node.type, word)
        if not values.value_is_constant(word) and not values.takes_any_bits(value.base):
            # Its parts are taken to be values of their types; arbitrary bits need not be.
            self.oblige(state, "variant", terms.FALSE, node.line, f"any bits as {value.base.__name__}")
        wanted = node.type.__packed__.tag_value
        if wanted is not None:
            self.oblige(state, "variant", terms.equal(value.tag, terms.number(wanted)), node.line)
        return value

    def _as_variant(self, node: Expression, state: State, value: PackedValue) -> PackedValue:
        return value

    def _aggregate(self, node: Expression, state: State, *parts: Value) -> Value:
        return tuple(parts)

    def _item(self, node: Expression, state: State, value: tuple[Value, ...]) -> Value:
        return value[node.data]

    def _lazy_call(self, node: Expression, state: State) -> Value:
        arguments = [self.value(operand, state) for operand in node.operands]
        return self.call(node, state, arguments)


_SIMPLE: dict[str, Callable[..., Value]] = {
    "lt": terms.less,
    "le": terms.at_most,
    "gt": lambda a, b: terms.less(b, a),
    "ge": lambda a, b: terms.at_most(b, a),
    "not": terms.negation,
}

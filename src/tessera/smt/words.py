# SPDX-License-Identifier: BSD-2-Clause
"""Operations on words, integers and rationals as terms."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import z3

from tessera.ir.nodes import Expression
from tessera.ir.values import width_of
from tessera.lang.types import INTEGER, RATIONAL
from tessera.smt import terms, values
from tessera.smt.heap import State
from tessera.smt.objects import OnlyObject
from tessera.smt.session import Session
from tessera.smt.terms import Term
from tessera.smt.values import PackedValue, Value


class Words:
    """Evaluates operations whose operands are evaluated."""

    session: Session
    contract: bool

    @abstractmethod
    def oblige(self, state: State, rule: str, goal: Term, line: int, text: str = "") -> None:
        """Something that must be true here."""

    def _fits(self, node: Expression, state: State, term: Term, rule: str, above: bool, below: bool) -> Term:
        if node.type in (INTEGER, RATIONAL) or self.contract:
            return term
        goals = []
        if below:
            goals.append(term >= 0)
        if above:
            goals.append(term < z3.IntVal(1 << width_of(node.type)))
        if terms.constant_of(term) is None:
            self.oblige(state, rule, terms.conjunction(goals), node.line)
        elif not 0 <= (terms.constant_of(term) or 0) < 1 << width_of(node.type):
            self.oblige(state, rule, terms.FALSE, node.line)
        return term

    def _add(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return self._fits(node, state, _number(node, terms.add, a, b), "overflow", True, False)

    def _sub(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return self._fits(node, state, _number(node, terms.sub, a, b), "overflow", False, True)

    def _mul(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return self._fits(node, state, _number(node, terms.mul, a, b), "overflow", True, False)

    def _wrapping_add(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return terms.wrapped(terms.add(a, b), width_of(node.type), below=False)

    def _wrapping_sub(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return terms.wrapped(terms.sub(a, b), width_of(node.type), above=False)

    def _wrapping_mul(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return terms.mul(a, b) % z3.IntVal(1 << width_of(node.type))

    def _floordiv(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        self.oblige(state, "divide", terms.negation(terms.equal(b, terms.ZERO)), node.line)
        value = terms.constant_of(b)
        return terms.divided(a, value) if value else a / b

    def _mod(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        self.oblige(state, "divide", terms.negation(terms.equal(b, terms.ZERO)), node.line)
        value = terms.constant_of(b)
        return terms.remainder(a, value) if value else a % b

    def _and(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return self._known(node, terms.bits_and(a, b, width_of(node.type)))

    def _or(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return self._known(node, terms.bits_or(a, b))

    def _xor(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return self._known(node, terms.bits_xor(a, b))

    def _invert(self, node: Expression, state: State, a: Term) -> Term:
        return self._known(node, terms.bits_not(a, width_of(node.type)))

    def _shl(self, node: Expression, state: State, a: Term, n: Term) -> Term:
        width = width_of(node.type)
        self.oblige(state, "shift", terms.less(n, terms.number(width)), node.line)
        return self._known(node, terms.shift_left(a, n, width))

    def _shr(self, node: Expression, state: State, a: Term, n: Term) -> Term:
        self.oblige(state, "shift", terms.less(n, terms.number(width_of(node.type))), node.line)
        return self._known(node, terms.shift_right(a, n, width_of(node.type)))

    def _known(self, node: Expression, term: Term) -> Term:
        self.session.know(node.type, term)
        return term

    def _min(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return terms.choice(terms.at_most(a, b), a, b)

    def _max(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return terms.choice(terms.at_most(a, b), b, a)

    def _eq(self, node: Expression, state: State, a: Value, b: Value) -> Term:
        if isinstance(a, PackedValue):
            return self._same_packed(a, b)
        if isinstance(a, OnlyObject) or isinstance(b, OnlyObject):
            return z3.BoolVal(a == b)
        return terms.equal(a, b)

    def _same_packed(self, a: PackedValue, b: PackedValue) -> Term:
        # The same bits have the same components, but not the other way round: only for contracts.
        if not self.contract:
            raise NotImplementedError("the prover compares packed values in contracts only")
        return terms.conjunction([terms.equal(term, b.get(component)) for component, term in a.all()])

    def _ne(self, node: Expression, state: State, a: Value, b: Value) -> Term:
        return terms.negation(self._eq(node, state, a, b))

    def _convert(self, node: Expression, state: State, a: Term) -> Term:
        have = node.operands[0].type
        if have is bool:
            return terms.choice(a, terms.number(1), terms.ZERO)
        if width_of(have) > width_of(node.type):
            self.oblige(state, "narrow", terms.less(a, terms.number(1 << width_of(node.type))), node.line)
        return a

    def _truncate(self, node: Expression, state: State, a: Term) -> Term:
        return terms.remainder(a, 1 << width_of(node.type))

    def _to_enum(self, node: Expression, state: State, a: Term) -> Term:
        self.oblige(state, "enum", values.members(node.type, a), node.line)
        return a

    def _to_integer(self, node: Expression, state: State, a: Term) -> Term:
        return terms.choice(a, terms.number(1), terms.ZERO) if node.operands[0].type is bool else a

    def _to_rational(self, node: Expression, state: State, a: Term) -> Term:
        return z3.ToReal(a) if a.sort() == terms.INT else a

    def _divide(self, node: Expression, state: State, a: Term, b: Term) -> Term:
        return a / b


def _number(node: Expression, operation: Callable[[Term, Term], Term], a: Term, b: Term) -> Term:
    """Arithmetic on integers, or on rationals where either side is one."""
    if node.type is RATIONAL:
        a = z3.ToReal(a) if a.sort() == terms.INT else a
        b = z3.ToReal(b) if b.sort() == terms.INT else b
        if operation is terms.add:
            return a + b
        return a - b if operation is terms.sub else a * b
    return operation(a, b)

# SPDX-License-Identifier: BSD-2-Clause
"""Statements: a body is followed path by path; paths that cannot be are left out, and calls join theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import z3

from tessera.ir import nodes
from tessera.ir.nodes import Contract, Expression, For, Statement, While
from tessera.lang.types import RATIONAL
from tessera.smt import lives, quick, terms, values
from tessera.smt.calls import Calls
from tessera.smt.frames import check_frame
from tessera.smt.heap import State, in_order, merge_states
from tessera.smt.objects import OnlyObject
from tessera.smt.terms import Term
from tessera.smt.values import Value
from tessera.smt.writes import assigned_locals

# More paths than this in one body are joined.
MAX_PATHS = 24
# A loop over so few constants is written out.
MAX_UNROLLED = 4


@dataclass
class Frame:
    """How paths leave a body or the innermost loop."""

    returns: list[tuple[State, Value]] = field(default_factory=list)
    breaks: list[State] = field(default_factory=list)
    continues: list[State] = field(default_factory=list)


class Execution(Calls):
    """Follows the statements of one function."""

    def run(self, state: State) -> list[tuple[State, Value]]:
        """The states and results in which the body returns, from a state in which its parameters are locals."""
        if self.entry is None:
            self.entry = state.copy()
        frame = Frame()
        self.block(self.function.body, [state], frame)
        return frame.returns

    def block(self, statements: list[Statement], states: list[State], frame: Frame) -> list[State]:
        """The states behind some statements."""
        for statement in statements:
            after: list[State] = []
            for state in states:
                after += self.statement(statement, state, frame)
            states = self._few(after)
            if not states:
                return []
        return states

    def _few(self, states: list[State]) -> list[State]:
        if len(states) <= (1 if self.contract else MAX_PATHS):
            return states
        common = _common_prefix(states)
        return [merge_states([(state, None) for state in states], common, self.may_name)[0]]

    def statement(self, node: Statement, state: State, frame: Frame) -> list[State]:
        """The states behind one statement."""
        method = getattr(self, f"_run_{type(node).__name__.lower()}")
        result: list[State] | None = method(node, state, frame)
        if result is None:
            return [] if state.dead else [state]
        return [one for one in result if not one.dead]

    def _run_assign(self, node: nodes.Assign, state: State, frame: Frame) -> None:
        value = self.value(node.value, state)
        if (
            not self.contract
            and isinstance(value, z3.ExprRef)
            and quick.kind(value) == z3.Z3_OP_ITE
            and value.sort() == terms.INT
        ):
            # A name for what has cases, so that formulas stay short.
            named = z3.Int(values.fresh_name(node.name))
            self.session.define(named, named == value)
            value = named
        state.locals[node.name] = value

    def _run_store(self, node: nodes.Store, state: State, frame: Frame) -> None:
        value = self.value(node.value, state)
        self.store(self.place(node.place, state), value, state)

    def _run_evaluate(self, node: nodes.Evaluate, state: State, frame: Frame) -> None:
        self.value(node.value, state)

    def _run_assert(self, node: nodes.Assert, state: State, frame: Frame) -> None:
        goal = self.value(node.condition, state)
        if self.ghost:
            # A step on the way of a proof.
            self.session.oblige(self.function, state, "assert", goal, node.line, node.text)
            state.assume(goal)
        else:
            self.oblige(state, "assert", goal, node.line, node.text)

    def _run_return(self, node: nodes.Return, state: State, frame: Frame) -> list[State]:
        value = None if node.value is None else self.value(node.value, state)
        if not state.dead:
            frame.returns.append((state, value))
        return []

    def _run_unreachable(self, node: nodes.Unreachable, state: State, frame: Frame) -> list[State]:
        return []

    def _run_break(self, node: nodes.Break, state: State, frame: Frame) -> list[State]:
        frame.breaks.append(state)
        return []

    def _run_continue(self, node: nodes.Continue, state: State, frame: Frame) -> list[State]:
        frame.continues.append(state)
        return []

    # Ghost code: nothing in it can go wrong but an assertion.

    def _run_ghost(self, node: nodes.Ghost, state: State, frame: Frame) -> list[State]:
        common = len(state.facts)
        before = self.ghost, self.contract
        self.ghost = self.contract = True
        after = self.block(node.body, [state], frame)
        self.ghost, self.contract = before
        return [merge_states([(one, None) for one in after], common)[0]]

    def _run_ghoststore(self, node: nodes.GhostStore, state: State, frame: Frame) -> None:
        value = self.in_contract(node.value, state)
        if node.field.type is RATIONAL and value.sort() == terms.INT:
            value = z3.ToReal(value)
        reference = self.in_contract(node.reference, state)
        ghost = node.field
        key = self.session.objects.ghost_key(ghost.struct, ghost.name, ghost.type)
        state.write(key, value, *([] if isinstance(reference, OnlyObject) else [reference]))

    def _lazy_begin_lives(self, node: Expression, state: State) -> None:
        lives.begin(self, node, state)

    def _lazy_end_lives(self, node: Expression, state: State) -> None:
        lives.end(self, node, state)

    # Branches

    def _run_if(self, node: nodes.If, state: State, frame: Frame) -> list[State]:
        condition = self.value(node.condition, state)
        return self._split(state, [(condition, node.then), (terms.negation(condition), node.otherwise)], frame)

    def _run_switch(self, node: nodes.Switch, state: State, frame: Frame) -> list[State]:
        value = self.value(node.value, state)
        cases: list[tuple[Term, list[Statement]]] = []
        others: list[Term] = []
        for constants, body in node.cases:
            here = terms.disjunction([terms.equal(value, terms.number(one)) for one in constants])
            cases.append((here, body))
            others.append(terms.negation(here))
        cases.append((terms.conjunction(others), node.default))
        return self._split(state, cases, frame)

    def _split(self, state: State, cases: list[tuple[Term, list[Statement]]], frame: Frame) -> list[State]:
        alive = [(condition, body) for condition, body in cases if not quick.is_false(condition)]
        certain = [body for condition, body in alive if quick.is_true(condition)]
        if certain:
            return self.block(certain[0], [state], frame)
        common = len(state.facts)
        after: list[State] = []
        branches = 0
        for condition, body in alive:
            if not self._is_possible(state, condition):
                continue
            branches += 1
            branch = state.copy()
            branch.assume(condition, branch=True)
            after += self.block(body, [branch], frame)
        if self.contract and len(after) > 1:
            return [merge_states([(one, None) for one in after], common)[0]]
        return after

    def _is_possible(self, state: State, condition: Term) -> bool:
        """Whether a path can go on this way, as far as a quick look tells."""
        if self.contract:
            return True
        plain = [
            fact.term for fact in state.facts if not fact.invariant and not isinstance(fact.term, z3.QuantifierRef)
        ]
        return self.session.pruning.is_possible(plain, [condition, *self.session.facts_about([condition])])

    # Loops

    def _run_for(self, node: For, state: State, frame: Frame) -> list[State]:
        start, stop = self.value(node.start, state), self.value(node.stop, state)
        first, last = terms.constant_of(start), terms.constant_of(stop)
        if first is not None and last is not None and not node.contracts and last - first <= MAX_UNROLLED:
            states, left = [state], list[State]()
            for number in range(first, last):
                inner = Frame(frame.returns)
                for one in states:
                    one.locals[node.name] = terms.number(number)
                states = self._few(self.block(node.body, states, inner) + inner.continues)
                left += inner.breaks
            return states + left
        index = values.fresh_name(f"{node.name}.next")
        state.locals[index] = start

        def enter(one: State) -> tuple[Term, State]:
            current = one.locals[index]
            one.locals[node.name] = current
            return terms.less(current, stop), one

        def step(one: State) -> None:
            one.locals[index] = terms.add(one.locals[index], terms.number(1))

        def bounds(one: State) -> list[Term]:
            current = one.locals[index]
            return [terms.at_most(start, current), z3.Or(current <= stop, current == start)]

        return self._loop(node, state, frame, {index}, enter, step, bounds)

    def _run_while(self, node: While, state: State, frame: Frame) -> list[State]:
        def enter(one: State) -> tuple[Term, State]:
            return self.value(node.condition, one), one

        return self._loop(node, state, frame, set(), enter, lambda one: None, lambda one: [])

    def _loop(
        self, node: For | While, state: State, frame: Frame, extra: set[str], enter: Any, step: Any, bounds: Any
    ) -> list[State]:
        if self.contract:
            raise NotImplementedError(f"{self.function.file}:{node.line}: a loop in a contract")
        invariants = [c for c in node.contracts if c.kind == "loop_invariant"]
        self._check_loop(node, invariants, state, "loop invariant at entry")
        head = self._any_turn(node, state, extra)
        for name in extra:
            self.session.know_number(head.locals[name])
        for fact in bounds(head):
            head.assume(fact)
        if isinstance(node, For):
            head.locals[node.name] = head.locals[next(iter(extra))]
        for contract in invariants:
            head.assume(self._promise(contract, head))
        condition, head = enter(head)
        leaving = head.copy()
        leaving.assume(terms.negation(condition), branch=True)
        if isinstance(node, For):
            # Behind the loop the index is what the last turn left.
            leaving.locals[node.name] = values.fresh(node.type, node.name)
            self.session.know_value(node.type, leaving.locals[node.name])
        after = [] if quick.is_true(condition) else [leaving]
        turn = head.copy()
        turn.assume(condition, branch=True)
        places, named_in = self._frame(node, state)
        start = turn.copy()
        measures = [(c, self.in_contract(c.expressions[0], turn)) for c in node.contracts if c.kind == "decreases"]
        inner = Frame(frame.returns)
        for end in self.block(node.body, [turn], inner) + inner.continues:
            step(end)
            if isinstance(node, For):
                end.locals[node.name] = end.locals[next(iter(extra))]
            self._check_loop(node, invariants, end, "loop invariant kept")
            if places:
                check_frame(self, places, named_in, start, end, "kept")
            for contract, before in measures:
                now = self.in_contract(contract.expressions[0], end)
                self.oblige(end, "decreases", z3.And(now >= 0, now < before), contract.line, contract.text)
        return after + inner.breaks

    def _check_loop(self, node: For | While, invariants: list[Contract], state: State, rule: str) -> None:
        if isinstance(node, For) and rule.endswith("entry"):
            index = [name for name in state.locals if name.startswith(f"{node.name}.next!")][-1]
            state.locals[node.name] = state.locals[index]
        for contract in invariants:
            self.oblige(state, rule, self._promise(contract, state), contract.line, contract.text)
        for name in sorted(assigned_locals(node.body) & state.locals.keys()):
            type_ = self.function.locals.get(name)
            if type_ is not None:
                self.oblige(state, rule, self.good_value(state, type_, state.locals[name]), node.line, name)
        if self.keeps_invariants:
            # What speaks of nothing that was written since is known already.
            touched = {key.label for key in state.dirty}
            self.check_invariants(state, touched, node.line, f"{rule}: invariants")

    def _frame(self, node: For | While, state: State) -> tuple[list[Contract], State]:
        """What a loop modifies, and the state that says which places that are: its own word, or the function's."""
        own = [c for c in node.contracts if c.kind == "modifies"]
        if own or self.entry is None:
            return own, state.copy()
        return [c for c in self.function.contracts if c.kind == "modifies"], self.entry

    def _any_turn(self, node: For | While, state: State, extra: set[str]) -> State:
        """The state at the beginning of any turn: whatever the body writes is unknown."""
        head = state.copy()
        written = self.session.writes.of_statements(node.body)
        places, named_in = self._frame(node, state)
        dirty = set(head.dirty)
        if places:
            self.change(head, self.footprint(places, named_in, written))
        else:
            for key in in_order(written):
                head.forget(key)
        for name in sorted(assigned_locals(node.body) | extra):
            if name in head.locals and name not in extra:
                type_ = self.function.locals.get(name)
                if type_ is not None:
                    head.locals[name] = values.fresh(type_, name)
                    self.session.know_value(type_, head.locals[name])
            elif name in extra:
                head.locals[name] = z3.Int(values.fresh_name(name))
        for name in sorted(assigned_locals(node.body) & head.locals.keys() - extra):
            type_ = self.function.locals.get(name)
            if type_ is not None:
                head.assume(self.good_value(head, type_, head.locals[name]))
        if self.keeps_invariants:
            self.assume_invariants(head, {key.label for key in written | dirty})
            head.dirty = set()
        return head

    def _promise(self, contract: Contract, state: State) -> Term:
        return terms.conjunction([self.in_contract(one, state) for one in contract.expressions])


def _common_prefix(states: list[State]) -> int:
    first = states[0].facts
    count = min(len(state.facts) for state in states)
    for position in range(count):
        if any(not quick.same(state.facts[position].term, first[position].term) for state in states):
            return position
    return count

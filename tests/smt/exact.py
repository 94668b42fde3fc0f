# SPDX-License-Identifier: BSD-2-Clause
"""What the encoding of a function says of concrete inputs, beside what the interpreter gives.

A function without loops is encoded exactly: of the paths that its encoding has, the facts of one are true, and on it
the result is the interpreter's; or one obligation is false whose facts are true, and it names the rule that is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import z3

from tessera.ir.nodes import Function
from tessera.ir.values import component_types
from tessera.lang import Memory
from tessera.lang.types import is_packed
from tessera.smt import values
from tessera.smt.heap import State
from tessera.smt.session import Obligation, Session, World
from tessera.smt.statements import Execution
from tessera.smt.values import PackedValue
from tests.smt.evaluate import Concrete, Evaluation, meaningful, number_of


@dataclass
class Encoding:
    """A function's paths and obligations."""

    function: Function
    session: Session
    arguments: dict[str, Any]
    ends: list[tuple[State, Any]]
    obligations: list[Obligation]

    def constants(self, raws: tuple[Any, ...]) -> dict[str, Any]:
        """The unknown constants that stand for the parameters, from raw arguments."""
        found: dict[str, Any] = {}
        for (name, type_), raw in zip(self.function.parameters, raws, strict=True):
            _constants(type_, self.arguments[name], raw, found)
        return found

    def words(self) -> dict[str, list[tuple[values.Component, Any]]]:
        """The words that were made of packed values, by their components; only of classes without kinds."""
        found: dict[str, list[tuple[values.Component, Any]]] = {}
        for word, facts in self.session.of_constants.values():
            for fact in facts:
                part = values.PARTS.get(fact.arg(0).decl().name()) if z3.is_eq(fact) else None
                if part is not None and part[0].__packed__.tag is None:
                    found.setdefault(word.decl().name(), []).append((part[1], fact.arg(1)))
        return found

    def named(self) -> dict[str, Any]:
        """The names that were given to terms, and to conditions of paths."""
        found = {
            one.decl().name(): fact.arg(1)
            for one, facts in self.session.of_constants.values()
            for fact in facts
            if z3.is_eq(fact) and fact.arg(0).eq(one)
        }
        for facts in (*(one.facts for one in self.obligations), *(end.facts for end, _ in self.ends)):
            found |= {fact.term.arg(0).decl().name(): fact.term.arg(1) for fact in facts if fact.defines}
        return found

    def state(self, raws: tuple[Any, ...], memory: Memory | None = None, live: Any = None) -> Concrete:
        """The state in which the function is called with raw arguments."""
        return Concrete(self.constants(raws), memory, live or {}, self.words(), self.named())

    def broken(self, evaluation: Evaluation) -> list[Obligation]:
        """The obligations that are false although what they follow from is true."""
        return [
            one
            for one in self.obligations
            if evaluation.holds(fact.term for fact in one.facts) and not evaluation.value(one.goal)
        ]

    def taken(self, evaluation: Evaluation) -> list[tuple[State, Any]]:
        """The ends of the paths whose facts are all true."""
        return [end for end in self.ends if evaluation.holds(end[0].known())]


def encoding_of(world: World, function: Function) -> Encoding:
    """The encoding, from a state of which nothing is known."""
    values.reset_names()
    session = Session(world)
    run = Execution(session, function)
    arguments: dict[str, Any] = {}
    for name, type_ in function.parameters:
        arguments[name] = values.fresh(type_, name)
        session.know_value(type_, arguments[name])
    ends = run.run(State(locals=dict(arguments)))
    return Encoding(function, session, arguments, ends, session.obligations)


def _constants(type_: Any, value: Any, raw: Any, found: dict[str, Any]) -> None:
    parts = component_types(type_)
    if parts is not None:
        for part, one, number in zip(parts, value, raw, strict=True):
            _constants(part, one, number, found)
    elif isinstance(value, PackedValue):
        for component, term in value.all():
            found[term.decl().name()] = number_of(component.read(raw))
    else:
        found[value.decl().name()] = bool(raw) if type_ is bool else raw


def result_agrees(evaluation: Evaluation, type_: Any, value: Any, raw: Any) -> bool:
    """Whether an encoded result is a raw one. Of packed values the kind's own fields count."""
    if type_ is None:
        return raw is None
    parts = component_types(type_)
    if parts is not None:
        return all(result_agrees(evaluation, t, v, r) for t, v, r in zip(parts, value, raw, strict=True))
    if is_packed(type_):
        for component, number in meaningful(type_, raw).items():
            if evaluation.value(value.get(component)) != number:
                return False
        return True
    return bool(evaluation.value(value) == raw)

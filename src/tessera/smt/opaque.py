# SPDX-License-Identifier: BSD-2-Clause
"""Specification functions that queries speak of by name: their definition is added only where it is asked for.

A module names them in a tuple ``OPAQUE``. They read no memory. An application's arguments are the components of its
packed values that the function looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import z3

from tessera.ir.nodes import Function
from tessera.smt import quick, terms, values
from tessera.smt.heap import SYMBOLS, State, merge_states
from tessera.smt.session import Obligation, Session, subterms
from tessera.smt.terms import Term

if TYPE_CHECKING:
    from tessera.smt.calls import Calls

PREFIX = "spec."


@dataclass(frozen=True)
class Definition:
    """``symbol`` of ``variables`` is ``body``; ``inputs`` says which part of which argument each variable is."""

    symbol: Any
    variables: list[Term]
    inputs: list[tuple[int, values.Component | None]]
    body: Term

    def formula(self) -> Term:
        """The definition as a hypothesis."""
        applied = self.symbol(*self.variables)
        return z3.ForAll(self.variables, applied == self.body, patterns=[applied])


def applied(run: Calls, callee: Function, arguments: list[Any]) -> Term:
    """A call in a contract."""
    known = run.session.definitions.get(callee.name)
    if known is None:
        known = run.session.definitions[callee.name] = _defined(run, callee)
    inputs = [
        arguments[position] if component is None else arguments[position].get(component)
        for position, component in known.inputs
    ]
    if inputs and all(
        terms.constant_of(term) is not None or quick.is_true(term) or quick.is_false(term) for term in inputs
    ):
        pairs = list(zip(known.variables, inputs, strict=True))
        return z3.simplify(z3.substitute(known.body, *pairs))
    application: Term = known.symbol(*inputs)
    return application


def _defined(run: Calls, callee: Function) -> Definition:
    session = run.session
    mark = session.mark()
    arguments = [values.fresh(type_, f"input.{name}") for name, type_ in callee.parameters]
    start = State({}, dict(zip((name for name, _ in callee.parameters), arguments, strict=True)))
    body: Term = merge_states(type(run)(session, callee, contract=True).run(start), 0)[1]
    session.quantifying = mark - 1
    occurring = {quick.identity(term) for term in subterms([body])}
    if any(z3.is_app(term) and term.decl().name() in SYMBOLS for term in subterms([body])):
        raise NotImplementedError(f"{callee.name} is opaque and reads memory")
    variables: list[Term] = []
    inputs: list[tuple[int, values.Component | None]] = []
    for position, argument in enumerate(arguments):
        parts = argument.all() if isinstance(argument, values.PackedValue) else [(None, argument)]
        for component, term in parts:
            if quick.identity(term) in occurring:
                variables.append(term)
                inputs.append((position, component))
    short = callee.name.rpartition(".")[2]
    symbol = z3.Function(f"{PREFIX}{short}", *[term.sort() for term in variables], body.sort())
    named = [z3.Const(f"{short}.{number}", term.sort()) for number, term in enumerate(variables)]
    return Definition(symbol, named, inputs, z3.substitute(body, *zip(variables, named, strict=True)))


def definitions_for(session: Session, names: set[str]) -> list[Term]:
    """The definitions of the symbols among these names."""
    found = {one.symbol.name(): one for one in session.definitions.values() if one.symbol.name() in names}
    return [found[name].formula() for name in sorted(found)]


def in_full(session: Session, obligation: Obligation) -> Obligation:
    """An obligation with definitions in place of the symbols."""
    if not session.definitions:
        return obligation
    facts = [replace(fact, term=_expanded(session, fact.term)) for fact in obligation.facts]
    return replace(obligation, facts=facts, goal=_expanded(session, obligation.goal))


def _expanded(session: Session, term: Term) -> Term:
    for one in session.definitions.values():
        body = z3.substitute(one.body, *((v, z3.Var(i, v.sort())) for i, v in enumerate(one.variables)))
        term = z3.substitute_funs(term, (one.symbol, body))
    return term

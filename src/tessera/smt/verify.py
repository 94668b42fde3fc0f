# SPDX-License-Identifier: BSD-2-Clause
"""One function under proof: from its contract, the invariants and its body to obligations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tessera.ir.nodes import Function
from tessera.smt import quick, values
from tessera.smt.first import first_state
from tessera.smt.frames import check_frame
from tessera.smt.heap import Fact, State
from tessera.smt.reading import PROMISES, keeps_invariants, refines
from tessera.smt.session import Obligation, Session, World
from tessera.smt.statements import Execution


@dataclass
class Reading:
    """What came of reading a function: what to prove, and on which other functions the proof relies."""

    function: Function
    obligations: list[Obligation]
    session: Session
    relies_on: set[str] = field(default_factory=set)
    inlined: set[str] = field(default_factory=set)
    # What is assumed at entry, to be tried on a concrete state.
    assumptions: list[Fact] = field(default_factory=list)
    entry: State | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


def read_function(world: World, function: Function) -> Reading:
    """The obligations of a function: its rules, what it calls needs, its promises, the invariants, its frame."""
    values.reset_names()
    session = Session(world)
    session.refines = refines(function)
    keeps = keeps_invariants(function)
    run = Execution(session, function, keeps_invariants=keeps)
    begins = world.first is not None and function.name == world.first.function
    state = first_state(world) if begins else State()
    arguments: dict[str, Any] = {}
    for name, type_ in function.parameters:
        value = values.fresh(type_, name)
        session.know_value(type_, value)
        arguments[name] = value
    state.locals = dict(arguments)
    for name, type_ in function.parameters:
        state.assume(run.good_value(state, type_, arguments[name]))
    for contract in function.contracts:
        if contract.kind == "requires":
            for one in contract.expressions:
                state.assume(run.in_contract(one, state))
    if keeps and not begins:
        run.assume_invariants(state, None)
    assumptions = list(state.facts)
    entry = state.copy()
    run.entry = entry
    for number, (end, result) in enumerate(run.run(state)):
        _check_end(session, run, function, entry, end, result, number)
    _name(session.obligations, function)
    return Reading(
        function,
        session.obligations,
        session,
        session.relies_on,
        session.inlined,
        assumptions,
        entry,
        arguments,
    )


def _check_end(
    session: Session, run: Execution, function: Function, entry: State, end: State, result: Any, number: int
) -> None:
    """What holds where a path returns."""
    line = function.line
    where = f"on return {number + 1}"
    end.locals = {name: entry.locals[name] for name, _ in function.parameters}
    for contract in function.contracts:
        if contract.kind in PROMISES:
            if contract.result:
                end.locals[contract.result] = result
            for one in contract.expressions:
                goal = run.in_contract(one, end)
                if contract.kind == "refines" and quick.is_true(goal):
                    # Of most of the state, that it stays is seen at once.
                    continue
                session.oblige(function, end, contract.kind, goal, contract.line, f"{contract.text} ({where})")
    good = run.good_value(end, function.result, result)
    if not quick.is_true(good):
        session.oblige(function, end, "result", good, line, where)
    if run.keeps_invariants:
        run.check_invariants(end, {key.label for key in end.dirty}, line, where)
    places = [contract for contract in function.contracts if contract.kind == "modifies"]
    if places:
        check_frame(run, places, entry, entry, end, where)


def _name(obligations: list[Obligation], function: Function) -> None:
    """Names that stay the same from run to run: function, line, rule, what; numbered where one is not enough."""
    seen: dict[str, int] = {}
    short = function.name.removeprefix("tessera.")
    for one in obligations:
        place = (
            f"{one.line}" if one.function == function.name else f"{one.function.removeprefix('tessera.')}:{one.line}"
        )
        name = f"{short}:{place}: {one.rule}" + (f" {one.text}" if one.text else "")
        seen[name] = seen.get(name, 0) + 1
        one.name = name if seen[name] == 1 else f"{name} #{seen[name]}"

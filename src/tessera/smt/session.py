# SPDX-License-Identifier: BSD-2-Clause
"""What is collected while a function is read: obligations, and what types say of the terms in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import z3

from tessera.ir.nodes import Function, Program
from tessera.ir.values import component_types
from tessera.lang.types import INTEGER, RATIONAL
from tessera.smt import quick, terms, values
from tessera.smt.algebra import PREFIX
from tessera.smt.heap import Fact, Key, State
from tessera.smt.objects import Objects
from tessera.smt.pruning import Pruning
from tessera.smt.reading import MAX_INLINED, has_contract, has_loop, size_of, takes_text
from tessera.smt.terms import Term
from tessera.smt.writes import Writes


@dataclass
class Obligation:
    """One thing to prove: ``goal`` follows from ``facts``. ``rule`` is one of lang.words.RULES, or a kind of promise.

    ``text`` says more: the name of the invariant, or the source of the condition.
    """

    function: str
    file: str
    line: int
    rule: str
    text: str
    facts: list[Fact]
    goal: Term
    name: str = ""
    # Of types: what holds of the unknowns that occur.
    types: dict[int, Term] = field(default_factory=dict)


@dataclass
class World:
    """What is the same for all functions of a program: its objects, write sets, invariants, and how calls are read.

    ``opaque``: functions that are never read in place. ``invariants`` speak of memory; ``of_packed`` of values of a
    packed class, by class. ``faulty``: functions that code calls in place of others of their names, while contracts
    and ghost code mean the others.
    """

    program: Program
    objects: Objects
    writes: Writes
    opaque: set[str] = field(default_factory=set)
    invariants: list[Any] = field(default_factory=list)
    of_packed: dict[Any, list[Function]] = field(default_factory=dict)
    faulty: dict[str, Function] = field(default_factory=dict)
    treatment: dict[str, bool] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    # The function in which the program begins, and where its static objects are (smt.first).
    first: Any = None
    # Of opaque specification functions, by name. What invariants say is read once, and so is what they call.
    definitions: dict[str, Any] = field(default_factory=dict)


class Session:
    """Everything that is collected for one function under proof."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.program = world.program
        self.objects = world.objects
        self.writes = world.writes
        self.invariants: list[Any] = world.invariants
        self.obligations: list[Obligation] = []
        # Functions whose contracts, or hardware whose behaviour, the proof relies on; and those read in place.
        self.relies_on: set[str] = set()
        self.inlined: set[str] = set()
        # Whether what is read is compared with the abstract kernel: then that is known of functions called, too.
        self.refines = False
        # Facts of unknown constants, by the constant; they hold wherever it occurs.
        self.of_constants: dict[int, tuple[Term, list[Term]]] = {}
        self.quantifying = 0
        self.pruning = Pruning()
        self.definitions = world.definitions

    def oblige(self, function: Function, state: State, rule: str, goal: Term, line: int, text: str = "") -> None:
        """One more obligation, unless it is known already."""
        wanted = goal.ast.value
        if any(fact.term.ast.value == wanted for fact in state.facts):
            return
        self.obligations.append(Obligation(function.name, function.file, line, rule, text, list(state.facts), goal))

    def know(self, type_: Any, term: Any) -> None:
        """The range of a term of a type, where no axiom gives it."""
        if self.quantifying or type_ in (bool, INTEGER, RATIONAL) or not isinstance(term, z3.ExprRef):
            return
        if z3.is_const(term) and not isinstance(term, z3.IntNumRef) or _is_word_function(term):
            self._note(term, values.scalar_facts(type_, term))

    def know_component(self, component: values.Component, term: Term, packed: Any) -> None:
        """The range of a component of a packed value."""
        if not self.quantifying and z3.is_const(term) and terms.constant_of(term) is None and not component.is_bool:
            self._note(term, component_facts(component, packed.__packed__.base, term))

    def know_address(self, term: Term) -> None:
        """Addresses are words."""
        if not self.quantifying and z3.is_const(term) and terms.constant_of(term) is None:
            self._note(term, [z3.And(term >= 0, term < z3.IntVal(1 << 64))])

    def know_value(self, type_: Any, value: Any) -> None:
        """All of this for an unknown value of any type."""
        parts = component_types(type_) if type_ is not None else None
        if parts is not None:
            for part, one in zip(parts, value, strict=True):
                self.know_value(part, one)
        elif isinstance(value, values.PackedValue):
            for component, term in value.all():
                self.know_component(component, term, value.base)
        elif isinstance(value, z3.ExprRef):
            self.know(type_, value)

    def know_number(self, term: Term) -> None:
        """A counter is a word."""
        self.know_address(term)

    def facts_about(self, roots: list[Term]) -> list[Term]:
        """What types say of the constants in some terms."""
        return [
            fact
            for term in subterms(roots)
            if quick.identity(term) in self.of_constants
            for fact in self.of_constants[quick.identity(term)][1]
        ]

    def define(self, subject: Term, fact: Term) -> None:
        """What makes an unknown constant what it is."""
        self._note(subject, [fact])

    def _note(self, subject: Term, facts: list[Term]) -> None:
        kept = self.of_constants.setdefault(quick.identity(subject), (subject, []))[1]
        kept += [fact for fact in facts if not any(quick.same(fact, one) for one in kept)]

    def is_inlined(self, callee: Function) -> bool:
        """Whether calls of a function read its body in place: a small one that has no contract and no loop."""
        world = self.world
        if callee.name not in world.treatment:
            world.treatment[callee.name] = takes_text(callee) or (
                callee.name not in world.opaque
                and not has_contract(callee)
                and not has_loop(callee)
                and size_of(world.program.functions, callee.name, world.sizes) <= MAX_INLINED
            )
        return world.treatment[callee.name]

    def all_keys(self) -> list[Key]:
        """Every map that the program writes."""
        found: set[Key] = set()
        for name in self.program.functions:
            found |= self.writes.of_function(name)
        return sorted(found, key=lambda key: key.label)

    def keys_of_struct(self, struct: Any, name: str, inner: bool = True) -> list[Key]:
        """The maps of one field, or of all fields and ghost fields, of a struct; with those of structs in it."""
        layout = struct.__struct__.layout()
        found: list[Key] = []
        for field_name, one in layout.fields.items():
            if not name or name == field_name:
                found += self.objects.field_keys(struct, one)
        for ghost_name, type_ in layout.ghosts.items():
            if not name or name == ghost_name:
                found.append(self.objects.ghost_key(struct, ghost_name, type_))
        return [key for key in found if inner or key.struct == struct.__name__]

    def valid_packed(self, execution: Any, state: State, value: values.PackedValue) -> Term:
        """That the invariants of a packed class hold for one of its values."""
        return terms.conjunction(
            [execution.holds(function, state, [value]) for function in self.world.of_packed.get(value.base, [])]
        )

    def mark(self) -> int:
        """Begin to read the body of a quantifier."""
        self.quantifying += 1
        return self.quantifying

    def quantified(
        self, variables: list[Term], types: list[Any], body: Term, mark: int, triggers: list[list[Term]]
    ) -> Term:
        """``body`` for all values of the variables; the body has been read since ``mark``."""
        self.quantifying = mark - 1
        if quick.is_true(body):
            return terms.TRUE
        ranges = [fact for t, v in zip(types, variables, strict=True) for fact in values.scalar_facts(t, v)]
        claim = terms.implication(terms.conjunction(ranges), body)
        # In a state that was written, what a trigger reads may be a choice: no pattern.
        chosen = [one for one in triggers if all(map(is_pattern, one))] or automatic_triggers(variables, body)
        patterns = [z3.MultiPattern(*one) if len(one) > 1 else one[0] for one in chosen if one]
        return z3.ForAll(variables, claim, patterns=patterns) if patterns else z3.ForAll(variables, claim)


def is_pattern(term: Term) -> bool:
    """Whether solvers can match a term: functions, variables and numbers only."""
    return all(isinstance(one, z3.IntNumRef) or quick.kind(one) == z3.Z3_OP_UNINTERPRETED for one in subterms([term]))


def automatic_triggers(variables: list[Term], body: Term) -> list[list[Term]]:
    """Where nothing is said: reads of a map at a variable; of two variables, the first read of each together."""
    found: list[list[Term]] = [[] for _ in variables]
    names: list[set[str]] = [set() for _ in variables]
    for term in subterms([body]):
        if quick.kind(term) != z3.Z3_OP_UNINTERPRETED or not term.num_args():
            continue
        for position, variable in enumerate(variables):
            if not is_pattern(term):
                break
            if (
                any(quick.same(variable, child) for child in term.children())
                and term.decl().name() not in names[position]
            ):
                others = [
                    v
                    for v in variables
                    if not quick.same(v, variable) and any(quick.same(v, c) for c in term.children())
                ]
                if not others or len(others) == len(variables) - 1:
                    names[position].add(term.decl().name())
                    found[position].append(term)
    both = [term for term in found[0] if all(any(quick.same(v, c) for c in term.children()) for v in variables)]
    if both:
        return [[term] for term in both[:3]]
    if not all(found):
        return []
    dead = [[t for t in one if not t.decl().name().split("@")[0].split("~")[0].endswith(".live")] for one in found]
    best = [preferred or one for preferred, one in zip(dead, found, strict=True)]
    if len(variables) == 1:
        return [[term] for term in best[0][:3]]
    return [[one[0] for one in best]]


def component_facts(component: values.Component, base: Any, term: Term) -> list[Term]:
    """What holds of every value of a component; a tag is one of the kinds."""
    if component.is_bool:
        return []
    info = base.__packed__
    if info.tag is not None and values.tag_component(base) == component:
        return [values.members(values.tag_type(base), term)]
    return [component.bounds()(term)]


def _is_word_function(term: Term) -> bool:
    return bool(z3.is_app(term) and term.num_args() > 0 and term.decl().name().startswith(PREFIX))


def subterms(roots: Iterable[Term]) -> Iterable[Term]:
    """Every subterm once, those of quantifiers included."""
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        one = todo.pop()
        key = quick.identity(one)
        if key in seen:
            continue
        seen.add(key)
        yield one
        todo.extend(one.children())

# SPDX-License-Identifier: BSD-2-Clause
"""Memory as the prover sees it: one map for each field of each struct, from the object's address to the value.

Fields of different structs never meet, because live objects are disjoint; that is an invariant of the kernel, which
making an object must keep. A field of an object of which there is only one (a static that nothing else can refer to)
is a plain variable. Reading what was written is decided when the term is made, so queries speak of the first state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import z3

from tessera.smt import quick, terms
from tessera.smt.terms import BOOL, INT, REAL, Term
from tessera.smt.values import Value, fresh_name, merged


@dataclass(frozen=True)
class Key:
    """One map: ``struct.field`` or a component of it. ``arity``: 0 of the only object, 1 by object, 2 by element.

    ``type``: the type of the language, or the :class:`Component`, that bounds what it holds.
    """

    struct: str
    name: str
    sort: str
    arity: int
    type: Any = None

    @cached_property
    def label(self) -> str:
        """Its name in queries."""
        return f"{self.struct}.{self.name}"

    def __hash__(self) -> int:
        # Maps are looked up far too often to put this together from the parts each time.
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.struct, self.name))

    @property
    def z3_sort(self) -> Any:
        return {"int": INT, "bool": BOOL, "real": REAL}[self.sort]

    @staticmethod
    def sort_name(sort: Any) -> str:
        """The name under which a sort is kept."""
        return "bool" if sort == BOOL else "real" if sort == REAL else "int"


# The maps by the names of their contents in queries.
SYMBOLS: dict[str, Key] = {}


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Maps in the same order in every process, so that fresh names are numbered alike."""
    return sorted(keys, key=lambda one: one.label)


class Map:
    """A map's contents at one moment."""

    def __init__(self) -> None:
        # What was read before; the indexes are kept, so that their identities stay theirs.
        self._seen: dict[tuple[int, ...], tuple[tuple[Term, ...], Term]] = {}

    def read(self, index: tuple[Term, ...]) -> Term:
        """The value at an index."""
        identity = tuple(quick.identity(one) for one in index)
        if identity not in self._seen:
            self._seen[identity] = index, self._read(index)
        return self._seen[identity][1]

    def _read(self, index: tuple[Term, ...]) -> Term:
        raise NotImplementedError


class Symbol(Map):
    """Unknown contents."""

    def __init__(self, key: Key, tag: str) -> None:
        super().__init__()
        name = f"{key.label}{tag}"
        self.key = key
        self.name = name
        SYMBOLS[name] = key
        self.function = z3.Function(name, *[INT] * key.arity, key.z3_sort) if key.arity else None
        self.constant = z3.Const(name, key.z3_sort) if not key.arity else None

    @cached_property
    def renaming(self) -> tuple[Any, Term]:
        """The symbol of contents that were never written, and what stands for these (``terms.renamed``)."""
        first = first_contents(self.key)
        if first.function is None:
            return first.constant, self.constant
        return first.function, self.read(tuple(z3.Var(n, INT) for n in range(self.key.arity)))

    def _read(self, index: tuple[Term, ...]) -> Term:
        return self.constant if self.function is None else self.function(*index)


@cache
def first_contents(key: Key) -> Symbol:
    """What a map holds that was never written."""
    return Symbol(key, "")


class Update(Map):
    """One element changed."""

    def __init__(self, before: Map, index: tuple[Term, ...], value: Term) -> None:
        super().__init__()
        self.before, self.index, self.value = before, index, value

    def _read(self, index: tuple[Term, ...]) -> Term:
        same = terms.conjunction([terms.equal(a, b) for a, b in zip(index, self.index, strict=True)])
        if quick.is_true(same):
            return self.value
        if quick.is_false(same):
            return self.before.read(index)
        return terms.choice(same, self.value, self.before.read(index))


class UpdateObject(Map):
    """All elements of one object's array taken from other contents."""

    def __init__(self, before: Map, index: tuple[Term, ...], other: Map) -> None:
        super().__init__()
        self.before, self.index, self.other = before, index, other

    def _read(self, index: tuple[Term, ...]) -> Term:
        same = terms.conjunction([terms.equal(a, b) for a, b in zip(index, self.index, strict=False)])
        return terms.choice(same, self.other.read(index), self.before.read(index))


class Fixed(Map):
    """The same everywhere."""

    def __init__(self, value: Term) -> None:
        super().__init__()
        self.value = value

    def _read(self, index: tuple[Term, ...]) -> Term:
        return self.value


class Within(Map):
    """Other contents for the objects whose addresses are ``inside``."""

    def __init__(self, before: Map, inside: Callable[[Term], Term], other: Map) -> None:
        super().__init__()
        self.before, self.inside, self.other = before, inside, other

    def _read(self, index: tuple[Term, ...]) -> Term:
        return terms.choice(self.inside(index[0]), self.other.read(index), self.before.read(index))


class Merge(Map):
    """One of two contents."""

    def __init__(self, condition: Term, then: Map, otherwise: Map) -> None:
        super().__init__()
        self.condition, self.then, self.otherwise = condition, then, otherwise

    def _read(self, index: tuple[Term, ...]) -> Term:
        return terms.choice(self.condition, self.then.read(index), self.otherwise.read(index))


@dataclass(frozen=True)
class History:
    """What unknown contents were written over with: ``written`` are the objects; ``order`` tells the writes apart."""

    first: Symbol
    written: dict[int, Term]
    order: tuple[Any, ...] = ()


def history_of(present: Map) -> History | None:
    """How contents came to be, if by writing single elements of objects alone."""
    if isinstance(present, Symbol):
        return History(present, {})
    if isinstance(present, Update) and len(present.index) == 1:
        before, index = history_of(present.before), present.index[0]
        if before is None:
            return None
        return History(
            before.first, {**before.written, quick.identity(index): index}, (*before.order, quick.identity(index))
        )
    if isinstance(present, Merge):
        one, other = history_of(present.then), history_of(present.otherwise)
        if one is not None and other is not None and same_symbol(one.first, other.first):
            order = (quick.identity(present.condition), one.order, other.order)
            return History(one.first, {**one.written, **other.written}, order)
    return None


def last_written(present: Map, index: Term) -> Term:
    """What was last written at an index, as if no other were the same; if nothing was, what was there first."""
    if isinstance(present, Update):
        return present.value if quick.same(present.index[0], index) else last_written(present.before, index)
    if isinstance(present, Merge):
        one, other = last_written(present.then, index), last_written(present.otherwise, index)
        return terms.choice(present.condition, one, other)
    return present.read((index,))


@dataclass(frozen=True)
class Fact:
    """Something known on a path. A ``branch`` tells paths apart; others hold on the path only because of them.

    ``invariant`` names the invariant that it is, so that queries can leave out those that do not matter. What
    ``defines`` a name holds everywhere.
    """

    term: Term
    branch: bool = False
    invariant: str = ""
    defines: bool = False


@dataclass
class State:
    """The maps, the locals of the running function, and what is known."""

    maps: dict[Key, Map] = field(default_factory=dict)
    locals: dict[str, Value] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    # Maps written since all invariants were known to hold.
    dirty: set[Key] = field(default_factory=set)
    # Set where no path leads on.
    dead: bool = False

    def copy(self) -> State:
        """A state that can be changed on its own."""
        return State(dict(self.maps), dict(self.locals), list(self.facts), set(self.dirty), self.dead)

    def become(self, other: State) -> None:
        """Go on as another state."""
        self.maps, self.locals, self.facts, self.dirty = other.maps, other.locals, other.facts, other.dirty
        self.dead = other.dead

    def map(self, key: Key) -> Map:
        """The contents of a map; unknown ones come into being when they are first asked for."""
        present = self.maps.get(key)
        return first_contents(key) if present is None else present

    def read(self, key: Key, *index: Term) -> Term:
        """The value at an index."""
        return self.map(key).read(index)

    def write(self, key: Key, value: Term, *index: Term) -> None:
        """Change one element."""
        before = self.map(key)
        self.dirty.add(key)
        if not key.arity:
            self.maps[key] = Fixed(value)
        else:
            self.maps[key] = Update(before, index, value)

    def replace(self, key: Key, contents: Map) -> None:
        """Give a map other contents."""
        self.maps[key] = contents
        self.dirty.add(key)

    def assume(self, term: Term, branch: bool = False) -> None:
        """Know one thing more."""
        if not quick.is_true(term):
            self.facts.append(Fact(term, branch))

    def known(self) -> list[Term]:
        """All that is known."""
        return [fact.term for fact in self.facts]

    def equalities(self) -> set[tuple[int, int]]:
        """Pairs of terms, by identity, that are said to be equal in so many words."""
        found: set[tuple[int, int]] = set()
        todo = [fact.term for fact in self.facts]
        while todo:
            term = todo.pop()
            if quick.kind(term) == z3.Z3_OP_AND:
                todo += term.children()
            elif quick.kind(term) == z3.Z3_OP_EQ:
                one, other = (quick.identity(child) for child in term.children())
                found |= {(one, other), (other, one)}
        return found

    def name_maps(self, keys: set[Key]) -> None:
        """Give the present contents of maps names of their own, so that formulas about them have short triggers."""
        for key in in_order(keys):
            present = self.map(key)
            if isinstance(present, Symbol):
                continue
            named = Symbol(key, fresh_name("@"))
            if key.arity:
                variables = [z3.Int(f"i{position}") for position in range(key.arity)]
                left = named.read(tuple(variables))
                self.facts.append(Fact(z3.ForAll(variables, left == present.read(tuple(variables)), patterns=[left])))
            else:
                self.facts.append(Fact(named.read(()) == present.read(())))
            self.maps[key] = named

    def names_of(self, labels: frozenset[str]) -> tuple[str, ...]:
        """Under which names the contents of some maps are known, where that is not their own."""
        return tuple(
            sorted(
                present.name
                for key, present in self.maps.items()
                if key.label in labels and isinstance(present, Symbol) and present.name != key.label
            )
        )

    def forget(self, key: Key) -> None:
        """Nothing is known of a map any more."""
        self.maps[key] = Symbol(key, fresh_name("~"))
        self.dirty.add(key)

    def forget_object(self, key: Key, index: tuple[Term, ...]) -> None:
        """Nothing is known of the elements of one object's array any more."""
        self.maps[key] = UpdateObject(self.map(key), index, Symbol(key, fresh_name("~")))
        self.dirty.add(key)


def merge_states(states: list[tuple[State, Value]], common: int, named: bool = False) -> tuple[State, Value]:
    """Join paths that part after ``common`` facts; each comes with the value that it gives.

    Where something else was learnt on a path, its condition gets a name, unless it must not be ``named``: what is
    known on that path alone then stays the same text when the condition is edited, and is short.
    """
    # What a path that ends in a call without return would give does not matter.
    states = [one for one in states if not one[0].dead] or states[:1]
    if len(states) == 1:
        return states[0]
    # What was learnt before they really part is known on all of them.
    shortest = min(len(state.facts) for state, _ in states)
    while common < shortest and all(state.facts[common] is states[0][0].facts[common] for state, _ in states):
        common += 1
    guards = [terms.conjunction([f.term for f in state.facts[common:] if f.branch]) for state, _ in states]
    learnt = [fact for state, _ in states for fact in state.facts[common:] if not fact.branch]
    definitions = list({quick.identity(fact.term): fact for fact in learnt if fact.defines}.values())
    if named and any(not fact.defines for fact in learnt):
        guards, names = _names_of(guards)
        definitions += names
    result, value = states[-1][0].copy(), states[-1][1]
    for (state, one), guard in reversed(list(zip(states[:-1], guards[:-1], strict=True))):
        value = merged(guard, one, value)
        for key in dict.fromkeys((*result.maps, *state.maps)):
            a, b = state.map(key), result.map(key)
            if a is not b and not (isinstance(a, Symbol) and isinstance(b, Symbol) and same_symbol(a, b)):
                result.maps[key] = Merge(guard, a, b)
        for name in list(result.locals):
            if name in state.locals:
                result.locals[name] = merged(guard, state.locals[name], result.locals[name])
        result.dirty |= state.dirty
    # Some path was taken; branches before `common` are facts of the whole.
    facts = [*states[0][0].facts[:common], *definitions, Fact(terms.disjunction(guards), branch=True)]
    known: dict[int, tuple[Fact, list[Term]]] = {}
    for (state, _), guard in zip(states, guards, strict=True):
        for fact in state.facts[common:]:
            if not fact.branch and not fact.defines:
                known.setdefault(quick.identity(fact.term), (fact, []))[1].append(guard)
    for fact, where in known.values():
        facts.append(Fact(terms.implication(terms.disjunction(where), fact.term), False, fact.invariant))
    result.facts = facts
    return result, value


def _names_of(conditions: list[Term]) -> tuple[list[Term], list[Fact]]:
    """Names for conditions, and what they stand for; a condition and its negation share one."""
    found: list[Term] = []
    definitions: list[Fact] = []
    known: dict[int, Term] = {}
    for condition in conditions:
        name = known.get(quick.identity(condition))
        if name is None and z3.is_const(condition):
            name = condition
        if name is None:
            name = z3.Const(fresh_name("path"), BOOL)
            definitions.append(Fact(name == condition, defines=True))
            known[quick.identity(terms.negation(condition))] = terms.negation(name)
        known[quick.identity(condition)] = name
        found.append(name)
    return found, definitions


def same_symbol(a: Symbol, b: Symbol) -> bool:
    """Whether two unknown contents are one."""
    if a.function is not None and b.function is not None:
        return bool(quick.same(a.function, b.function))
    return a.constant is not None and b.constant is not None and bool(quick.same(a.constant, b.constant))

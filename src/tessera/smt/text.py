# SPDX-License-Identifier: BSD-2-Clause
"""Obligations as text for solvers, with what types and the bridge say of their terms.

What a formula brings with it is found once; a query is put together from such pieces. The text of a formula does not
depend on what was read before, so that answers can be kept by content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import z3

from tessera.lang.types import NAMED
from tessera.smt import bridge, quick, terms, values
from tessera.smt.algebra import PREFIX
from tessera.smt.heap import SYMBOLS
from tessera.smt.opaque import definitions_for
from tessera.smt.session import Obligation, Session, component_facts
from tessera.smt.solve import Query
from tessera.smt.terms import Term


@dataclass(frozen=True)
class Piece:
    """One formula: its text, the declarations that it needs, and what it speaks of.

    ``maps``: labels of fields; ``words``: functions of the bridge; ``constants``: unknowns, by z3's identity;
    ``literals``: the bridge's facts about literal numbers in it.
    """

    text: str
    declarations: dict[str, Declaration]
    maps: frozenset[str]
    words: frozenset[str]
    constants: tuple[int, ...]
    literals: tuple[str, ...]

    @cached_property
    def shape(self) -> str:
        """What stays of the text when fresh names are numbered otherwise (:func:`shape_of`)."""
        return shape_of(self.text)

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that it speaks of. That objects are live is said everywhere, and chooses nothing."""
        return frozenset(label for label in self.maps if not label.endswith(".live"))


class Declaration:
    """A function or constant that a query declares."""

    def __init__(self, declaration: Any) -> None:
        self.name: str = declaration.name()
        self.arity: int = declaration.arity()
        self.text: str = declaration.sexpr()
        # What it is: contents of a map, or a function of the bridge.
        self.label = SYMBOLS[self.name].label if self.name in SYMBOLS else ""
        self.word = self.name[len(PREFIX) :] if self.arity and self.name.startswith(PREFIX) else ""


# How fresh names, and what is shared inside of a formula, are numbered.
_NUMBERED = re.compile(r"!\d+|(?<![^\s()])[?$]x\d+(?![^\s()])")


def shape_of(text: str) -> str:
    """A short name of a formula. Formulas that differ in the numbers of fresh names only have the same."""
    return hashlib.blake2b(_NUMBERED.sub("!", text).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class _Item:
    """Something that occurs in formulas: a symbol, one that only a trigger names, or a quotient by a literal."""

    term: Term
    declaration: Declaration | None
    in_trigger: bool = False


_POWER = Declaration(terms.pow2)
# By z3's identity. The terms are kept, so that the identities of all in them are not given to others.
_pieces: dict[int, tuple[Term, Piece]] = {}
# What occurs in terms, each under a number; and by terms, which of these occur: formulas share most of their parts.
_items: list[_Item] = []
_numbers: dict[tuple[str, int], int] = {}
_occurring: dict[int, int] = {}
# Below the items: what literals add (bridge).
_FIRST = bridge.SHIFTS.bit_length()
_LITERALS = (1 << _FIRST) - 1
_COMPARISONS = (z3.Z3_OP_LE, z3.Z3_OP_LT, z3.Z3_OP_GE, z3.Z3_OP_GT)


def piece_of(term: Term) -> Piece:
    """What a formula brings with it."""
    key = quick.identity(term)
    if key not in _pieces:
        _pieces[key] = term, _read(term)
    return _pieces[key][1]


def _read(term: Term) -> Piece:
    declarations: dict[str, Declaration] = {}
    maps: set[str] = set()
    words: set[str] = set()
    constants: list[int] = []
    quotients: list[Term] = []
    told = _occurring_in(term.ast)
    rest = told >> _FIRST
    while rest:
        item = _items[(rest & -rest).bit_length() - 1]
        rest &= rest - 1
        declaration = item.declaration
        if declaration is None:
            quotients.append(item.term)
            continue
        declarations[declaration.name] = declaration
        if item.in_trigger:
            continue
        if declaration.label:
            maps.add(declaration.label)
        if not declaration.arity:
            constants.append(quick.identity(item.term))
        elif declaration.word:
            words.add(declaration.word)
    literals = tuple(fact.sexpr() for fact in bridge.facts_of(told, quotients)) if words else ()
    return Piece(term.sexpr(), declarations, frozenset(maps), frozenset(words), tuple(sorted(constants)), literals)


def _occurring_in(root: quick.Node) -> int:
    """The numbers of what occurs in a term, as bits; below them what its literals add."""
    todo = [root]
    while todo:
        node = todo[-1]
        key = quick.identity_of(node)
        if key in _occurring:
            todo.pop()
            continue
        parts, patterns = quick.parts_of(node), quick.patterns_of(node)
        unknown = [one for one in (*parts, *patterns) if quick.identity_of(one) not in _occurring]
        if unknown:
            todo += unknown
            continue
        found = _own(node)
        for one in parts:
            found |= _occurring[quick.identity_of(one)]
        for one in patterns:
            found |= _in_trigger(_occurring[quick.identity_of(one)])
        _occurring[key] = found
        todo.pop()
    return _occurring[quick.identity_of(root)]


def _own(node: quick.Node) -> int:
    """What occurs in a term besides what occurs in its parts."""
    kind = quick.kind_of(node)
    if kind == z3.Z3_OP_UNINTERPRETED:
        found = _numbered("symbol", quick.declaration_of(node), node)
        declaration = _items[found.bit_length() - 1 - _FIRST].declaration
        assert declaration is not None  # symbols have one
        return found | (bridge.literals_of(quick.term_of(node)) if declaration.word else 0)
    if kind in _COMPARISONS:
        return bridge.literals_of(quick.term_of(node))
    if kind == z3.Z3_OP_IDIV and bridge.is_quotient(quick.term_of(node)):
        return _numbered("quotient", quick.identity_of(node), node)
    return 0


def _in_trigger(occurring: int) -> int:
    """A trigger may name what the body does not speak of: it has to be declared, and no more."""
    found = occurring & _LITERALS
    rest = occurring >> _FIRST
    while rest:
        number = (rest & -rest).bit_length() - 1
        item = _items[number]
        rest &= rest - 1
        if item.declaration is None:
            found |= 1 << _FIRST + number
        else:
            found |= _numbered("trigger", quick.declaration_of(item.term.ast), item.term.ast)
    return found


def _numbered(kind: str, key: int, node: quick.Node) -> int:
    """The bit of something that occurs, by z3's identity: names are used again with other types."""
    number = _numbers.setdefault((kind, key), len(_items))
    if number == len(_items):
        term = quick.term_of(node)
        _items.append(_Item(term, None if kind == "quotient" else Declaration(term.decl()), kind == "trigger"))
    return 1 << _FIRST + number


def maps_in(term: Term) -> frozenset[str]:
    """The fields that a formula speaks of."""
    return piece_of(term).maps


def query_of(session: Session, obligation: Obligation, everything: bool) -> Query:
    """The obligation as text for solvers: unsatisfiable when it holds.

    Of the invariants only those that speak of a field that the goal or the path speaks of, unless ``everything``.
    """
    plain = [fact.term for fact in obligation.facts if not fact.invariant]
    negated = terms.negation(obligation.goal)
    chosen = [fact.term for fact in obligation.facts if fact.invariant]
    if not everything:
        about = maps_in(negated).union(*(maps_in(term) for term in plain if not isinstance(term, z3.QuantifierRef)))
        chosen = [term for term in chosen if maps_in(term) & about]
    return text_of(session, obligation.name, [*plain, *chosen, negated])


def text_of(
    session: Session,
    name: str,
    formulas: list[Term],
    definitions: bool = True,
    choose: Callable[[str], bool] | None = None,
) -> Query:
    """Formulas as a query, with the definitions of opaque functions or without.

    ``choose`` says by a formula's shape whether it is wanted; the last formula always is.
    """
    declarations, assertions = _parts(session, formulas, definitions)
    last = piece_of(formulas[-1]).text
    if choose is not None:
        assertions = {text: shape for text, shape in assertions.items() if text == last or choose(shape)}
    lines = [declarations[n].text for n in sorted(declarations)]
    lines += [f"(assert {text})" for text in assertions]
    return Query(name, "\n".join(lines) + "\n", "quantified", tuple(assertions.values()))


def shapes_of(session: Session, formulas: list[Term]) -> frozenset[str]:
    """The shapes of all that formulas bring into a query."""
    return frozenset(_parts(session, formulas, True)[1].values())


def _parts(session: Session, formulas: list[Term], definitions: bool) -> tuple[dict[str, Declaration], dict[str, str]]:
    """The declarations of a query, and its assertions, each once, with their shapes."""
    pieces = [piece_of(formula) for formula in formulas if not quick.is_true(formula)]
    if definitions:
        names = {name for piece in pieces for name in piece.declarations}
        pieces += [piece_of(formula) for formula in definitions_for(session, names)]
    about: list[Piece] = []
    done: set[int] = set()
    todo = pieces
    while todo:
        # Facts about constants may bring in other constants.
        new: list[Term] = []
        for piece in todo:
            for constant in piece.constants:
                if constant in session.of_constants and constant not in done:
                    done.add(constant)
                    new += session.of_constants[constant][1]
        todo = [piece_of(fact) for fact in new]
        about += todo
    known = [*about, *pieces]
    declarations: dict[str, Declaration] = {}
    for piece in known:
        declarations.update(piece.declarations)
    words: frozenset[str] = frozenset().union(*(piece.words for piece in known))
    axioms = [piece_of(axiom) for axiom in _axioms(words)] if words else []
    typing = [piece_of(fact) for n in sorted(declarations) for fact in _typing(n, declarations[n].arity)]
    for piece in (*axioms, *typing):
        declarations.update(piece.declarations)
    literals = dict.fromkeys(text for piece in known for text in piece.literals)
    if literals:
        declarations[_POWER.name] = _POWER
    assertions = {text: shape_of(text) for text in literals}
    for piece in (*typing, *axioms, *known):
        assertions.setdefault(piece.text, piece.shape)
    return declarations, assertions


@cache
def _axioms(functions: frozenset[str]) -> tuple[Term, ...]:
    text = " ".join(f"{PREFIX}{name}" for name in sorted(functions))
    return tuple(bridge.integer_form(axiom) for axiom in bridge.relevant(text))


@cache
def _typing(name: str, arity: int) -> tuple[Term, ...]:
    """The range of what a map holds, of a part of a word; what places and live objects are."""
    variables = [z3.Int(f"i{position}") for position in range(arity)]
    if name.startswith("place."):
        return (_place_axiom(z3.Function(name, *[terms.INT] * arity, terms.INT)),)
    if name in SYMBOLS:
        type_, sort = SYMBOLS[name].type, SYMBOLS[name].z3_sort
    elif name in values.PARTS:
        type_, sort = values.PARTS[name], values.PARTS[name][1].sort
    else:
        return ()
    read = z3.Function(name, *[terms.INT] * arity, sort)(*variables)
    if isinstance(type_, tuple):
        facts = component_facts(type_[1], type_[0], read)
    else:
        facts = values.scalar_facts(type_, read)
    if name in SYMBOLS and SYMBOLS[name].name == "live":
        facts = [terms.implication(read, terms.conjunction(life_facts(SYMBOLS[name].struct, variables[0])))]
    found = []
    if name in values.PARTS and values.takes_any_bits(values.PARTS[name][0]):
        # Cleared memory holds the word 0.
        base, component = values.PARTS[name]
        zero = values.packed_constant(base, 0).get(component)
        found.append(terms.equal(z3.substitute(read, (variables[0], terms.ZERO)), zero))
    if facts:
        fact = terms.conjunction(facts)
        found.append(z3.ForAll(variables, fact, patterns=[read]) if variables else fact)
    return tuple(found)


def life_facts(struct: str, address: Term) -> list[Term]:
    """What being a live object of a struct means for the address: aligned, inside of the address space, canonical."""
    layout = NAMED[struct].__struct__.layout()
    half = z3.IntVal(1 << 38)
    top = z3.IntVal(1 << 64)
    return [
        address > 0,
        address % layout.alignment == 0,
        address + layout.size <= top,
        z3.Or(address < half, address >= top - half),
    ]


def _place_axiom(declaration: Any) -> Term:
    """Places of different indexes are different, and none is the null reference; they are names, not addresses."""
    variables = [z3.Int(f"i{position}") for position in range(declaration.arity())]
    place = declaration(*variables)
    facts = [place > 0]
    for position, variable in enumerate(variables):
        inverse = z3.Function(f"index{position}.{declaration.name()}", terms.INT, terms.INT)
        facts.append(inverse(place) == variable)
    fact = z3.And(*facts)
    return z3.ForAll(variables, fact, patterns=[place]) if variables else fact

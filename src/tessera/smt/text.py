# SPDX-License-Identifier: BSD-2-Clause
"""Obligations as text for solvers, with what types and the bridge say of their terms.

What a formula brings with it is found once; a query is put together from such pieces. The text of a formula does not
depend on what was read before, so that answers can be kept by content.
"""

from __future__ import annotations

import base64
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


class Piece:
    """One formula: its text, the declarations that it needs, and what it speaks of.

    ``shape`` names it short: formulas that differ in the numbers of fresh names only have the same. ``maps``: labels of
    fields; ``words``: functions of the bridge; ``constants``: unknowns, by z3's identity; ``literals``: the bridge's
    facts about literal numbers in it.
    """

    def __init__(self, term: Term) -> None:
        # Kept, so that the identities of all in it are not given to others.
        self.term = term
        self.declarations: dict[str, Declaration] = {}
        maps: set[str] = set()
        words: set[str] = set()
        constants: list[int] = []
        quotients: list[Term] = []
        told, shape = _occurring_in(term.ast)
        self.shape = _in_letters(shape)
        rest = told >> _FIRST
        while rest:
            item = _items[(rest & -rest).bit_length() - 1]
            rest &= rest - 1
            declaration = item.declaration
            if declaration is None:
                quotients.append(item.term)
                continue
            self.declarations[declaration.name] = declaration
            if item.in_trigger:
                continue
            if declaration.label:
                maps.add(declaration.label)
            if not declaration.arity:
                constants.append(quick.identity(item.term))
            elif declaration.word:
                words.add(declaration.word)
        self.maps, self.words, self.constants = frozenset(maps), frozenset(words), tuple(sorted(constants))
        self.literals: tuple[Term, ...] = tuple(bridge.facts_of(told, quotients)) if words else ()

    @cached_property
    def text(self) -> str:
        """As solvers read it."""
        return str(self.term.sexpr())

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
        # What it is called, however fresh names are numbered.
        self.kind = _NUMBER.sub("!", self.name).encode()
        self.word = self.name[len(PREFIX) :] if self.arity and self.name.startswith(PREFIX) else ""


# How fresh names are numbered.
_NUMBER = re.compile(r"!\d+")
# Where z3 goes on in a new line, which depends on how long names are.
_LINE_BREAK = re.compile(r"\n\s+")
_SHAPE_BYTES = 6


@dataclass(frozen=True)
class _Item:
    """Something that occurs in formulas: a symbol, one that only a trigger names, or a quotient by a literal."""

    term: Term
    declaration: Declaration | None
    in_trigger: bool = False


# By z3's identity.
_pieces: dict[int, Piece] = {}
# What occurs in terms, each under a number; by terms, which of these occur, and their shapes: formulas share most of
# their parts.
_items: list[_Item] = []
_numbers: dict[tuple[str, int], int] = {}
_occurring: dict[int, tuple[int, bytes]] = {}
# Below the items: what literals add (bridge).
_FIRST = bridge.SHIFTS.bit_length()
_LITERALS = (1 << _FIRST) - 1
_COMPARISONS = (z3.Z3_OP_LE, z3.Z3_OP_LT, z3.Z3_OP_GE, z3.Z3_OP_GT)


def short_digest(data: bytes) -> str:
    """Eight letters that stand for some data."""
    return _in_letters(_digest(data))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SHAPE_BYTES).digest()


def _in_letters(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode()


def piece_of(term: Term) -> Piece:
    """What a formula brings with it."""
    key = quick.identity(term)
    if key not in _pieces:
        _pieces[key] = Piece(term)
    return _pieces[key]


def _occurring_in(root: quick.Node) -> tuple[int, bytes]:
    """The numbers of what occurs in a term, as bits, and below them what its literals add; and the term's shape."""
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
        found, kind = _own(node)
        shapes = [kind]
        for one in parts:
            occurring, shape = _occurring[quick.identity_of(one)]
            found |= occurring
            shapes.append(shape)
        for one in patterns:
            occurring, shape = _occurring[quick.identity_of(one)]
            found |= _in_trigger(occurring)
            shapes.append(shape)
        _occurring[key] = found, _digest(b" ".join(shapes))
        todo.pop()
    return _occurring[quick.identity_of(root)]


def _own(node: quick.Node) -> tuple[int, bytes]:
    """What occurs in a term besides what occurs in its parts; and what it is."""
    kind = quick.kind_of(node)
    if kind == z3.Z3_OP_UNINTERPRETED:
        found = _numbered("symbol", quick.declaration_of(node), node)
        declaration = _items[found.bit_length() - 1 - _FIRST].declaration
        assert declaration is not None  # symbols have one
        return found | (bridge.literals_of(quick.term_of(node)) if declaration.word else 0), declaration.kind
    if kind in _COMPARISONS:
        return bridge.literals_of(quick.term_of(node)), b"%d" % kind
    if kind == z3.Z3_OP_IDIV and bridge.is_quotient(quick.term_of(node)):
        return _numbered("quotient", quick.identity_of(node), node), b"%d" % kind
    return 0, quick.literal_in(node) or b"%d" % kind


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
    pieces = _parts(session, formulas, definitions)
    if choose is not None:
        goal = piece_of(formulas[-1])
        pieces = [piece for piece in pieces if piece is goal or choose(piece.shape)]
    declarations: dict[str, Declaration] = {}
    for piece in pieces:
        declarations.update(piece.declarations)
    lines = [declarations[n].text for n in sorted(declarations, key=_in_order)]
    lines += [f"(assert {piece.text})" for piece in pieces]
    return Query(name, "\n".join(lines) + "\n", "quantified", tuple(piece.shape for piece in pieces))


def renumbered(text: str) -> str:
    """A query's text with fresh names numbered from 0 in their order, and without what depends on their lengths."""
    names: dict[str, str] = {}
    lines = _LINE_BREAK.sub(" ", text)
    return _NUMBER.sub(lambda found: names.setdefault(found[0], f"!{len(names)}"), lines)


def _in_order(name: str) -> tuple[str, list[int]]:
    """To sort names by: an order that stays where fresh names are numbered otherwise."""
    return _NUMBER.sub("!", name), [int(number[1:]) for number in _NUMBER.findall(name)]


def shapes_of(session: Session, formulas: list[Term]) -> frozenset[str]:
    """The shapes of all that formulas bring into a query."""
    return frozenset(piece.shape for piece in _parts(session, formulas, True))


def _parts(session: Session, formulas: list[Term], definitions: bool) -> list[Piece]:
    """The assertions of a query, each once."""
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
    words: frozenset[str] = frozenset().union(*(piece.words for piece in known))
    axioms = [piece_of(axiom) for axiom in _axioms(words)] if words else []
    declared = {name: one.arity for piece in known for name, one in piece.declarations.items()}
    typing = [piece_of(fact) for name in sorted(declared, key=_in_order) for fact in _typing(name, declared[name])]
    literals = [piece_of(fact) for piece in known for fact in piece.literals]
    return list(dict.fromkeys((*literals, *typing, *axioms, *known)))


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

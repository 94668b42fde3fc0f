# SPDX-License-Identifier: BSD-2-Clause
"""Nodes of the typed IR, and the one table of its operations.

An expression's type is the resolved type of the language itself (see :mod:`tessera.lang.types`): there is no second
system of types. Locals are mutable names; control flow is structured. A *place* is an expression that stands for an
address in memory; its type is the stored type (a scalar, :class:`ArrayType` or :class:`Inline`).

Contracts, :class:`Ghost` statements and the operations after ``let`` are for proofs. A program has them only if it was
built with ``specification=True``; what runs a program skips them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tessera.lang.functions import FunctionInfo


@dataclass(frozen=True)
class Operation:
    """``rule`` names what a violation of it is called (see ``lang.words.RULES``); empty when it cannot fail."""

    name: str
    operands: str
    rule: str
    meaning: str


_TABLE = (
    # name, operands, rule, meaning
    ("constant", "", "", "data: int; of any scalar type (bool 0/1, None is 0 of a reference type); rational: Fraction"),
    ("local", "", "", "data: name; the type may be narrower than the declared one (a kind of a packed value)"),
    ("static", "", "", "data: StaticObject; a reference"),
    ("text", "", "", "data: bytes"),
    ("add", "word word", "overflow", "sum; as `sub` and `mul` also of integers and rationals, without overflow"),
    ("sub", "word word", "overflow", "difference"),
    ("mul", "word word", "overflow", "product"),
    ("wrapping_add", "word word", "", "sum modulo 2**width"),
    ("wrapping_sub", "word word", "", "difference modulo 2**width"),
    ("wrapping_mul", "word word", "", "product modulo 2**width"),
    ("floordiv", "word word", "divide", "unsigned quotient; unchecked, a zero divisor gives all ones"),
    ("mod", "word word", "divide", "unsigned remainder; unchecked, a zero divisor gives the dividend"),
    ("and", "word word", "", "bitwise"),
    ("or", "word word", "", "bitwise"),
    ("xor", "word word", "", "bitwise"),
    ("invert", "word", "", "bitwise complement"),
    ("shl", "word word", "shift", "bits shifted out are lost; unchecked, the amount is taken modulo the width"),
    ("shr", "word word", "shift", "logical; unchecked, the amount is taken modulo the width"),
    ("arithmetic_shift_right", "u64 u64", "shift", "copies the top bit; unchecked, the amount is taken modulo 64"),
    ("count_leading_zeros", "u64", "", "64 for zero"),
    ("count_trailing_zeros", "u64", "", "64 for zero"),
    ("min", "word word", "", "unsigned"),
    ("max", "word word", "", "unsigned"),
    ("eq", "scalar scalar", "", "equal words, enumerations, bools, references, packed values"),
    ("ne", "scalar scalar", "", "not equal"),
    ("lt", "word word", "", "unsigned <; of integers and rationals too, as for `le`, `gt`, `ge`"),
    ("le", "word word", "", "unsigned <="),
    ("gt", "word word", "", "unsigned >"),
    ("ge", "word word", "", "unsigned >="),
    ("signed_less", "u64 u64", "", "two's complement <"),
    ("not", "bool", "", "negation"),
    ("and_then", "bool bool", "", "second operand is evaluated only if the first is true"),
    ("or_else", "bool bool", "", "second operand is evaluated only if the first is false"),
    ("select", "bool any any", "", "only the chosen one is evaluated"),
    (
        "convert",
        "scalar",
        "narrow",
        "word, bool or enumeration to a word; narrowing must keep the value; unchecked, cuts",
    ),
    ("truncate", "word", "", "low bits"),
    ("to_enum", "word", "enum", "a member of the enumeration `type`; unchecked, the bits as they are"),
    ("field_place", "reference", "null", "data: Field; place of a field; rule only where the operand may be None"),
    ("element_place", "place u64", "index", "place of an element of an array place"),
    ("load", "place", "enum", "value stored at a place; rule `enum` for enumerations, `null` for a plain reference"),
    ("reference_to", "place", "", "reference to a struct that is stored in place"),
    ("address_of", "reference", "", "as u64, None is 0"),
    ("at", "u64", "null", "reference from a number that is not 0"),
    ("at_or_none", "u64", "", "optional reference from a number"),
    ("present", "reference", "null", "an optional reference that is not None"),
    ("get_bits", "packed", "enum", "data: BitField; rule `enum` for enumerations, `null` for a plain reference"),
    ("set_bits", "packed scalar", "field", "data: BitField; the packed value with this field changed; unchecked, cuts"),
    ("tag_of", "packed", "", "the tag's bits as the packed class's word, unchecked"),
    ("is_variant", "packed", "", "data: variant class"),
    ("to_word", "packed", "", "the bits"),
    ("from_word", "word", "variant", "packed value from bits; rule only where `type` is a variant"),
    ("as_variant", "packed", "", "same bits, known to be of the kind `type`"),
    ("aggregate", "any...", "", "a record or tuple of `type`"),
    ("item", "aggregate", "", "data: index of the component"),
    ("text_length", "text", "", "u64"),
    ("text_item", "text u64", "index", "u8"),
    ("call", "any...", "", "data: FunctionInfo; operands left to right"),
    (
        "let",
        "any any",
        "",
        "data: name; the first operand's value goes into that fresh local, the second is the result",
    ),
    ("old", "any", "", "the operand's value in the state at entry of the function; in ensures and loop invariants"),
    (
        "forall",
        "bool",
        "",
        "data: (name, type); the operand holds for every value of the local: live objects, or all values",
    ),
    ("live", "reference", "", "bool: the reference is to a live object of its static type"),
    (
        "begin_lives",
        "number number",
        "",
        "only in ghost code; data: (struct, struct or None); address and bytes, u64 or integer: objects that fit there "
        "become live; of zeros that live objects of the second struct hold, which end",
    ),
    (
        "end_lives",
        "number number",
        "",
        "only in ghost code; data: (struct, None); those that begin there are live no more",
    ),
    ("ghost_load", "reference", "null", "data: GhostField; rule only where the operand may be None"),
    ("divide", "rational rational", "divide", "exact quotient"),
    ("to_integer", "word or bool", "", "the number as an integer; a bool is 0 or 1"),
    ("to_rational", "integer", "", "the number as a rational"),
    (
        "every",
        "",
        "",
        "only in modifies; data: (struct, field name), every object's field; an empty name: all its fields",
    ),
    ("everything", "", "", "only in modifies: all memory and all ghost fields"),
    ("everything_in", "number number", "", "only in modifies; address and bytes, u64 or integer: all objects there"),
)

OPERATIONS: dict[str, Operation] = {row[0]: Operation(*row) for row in _TABLE}


@dataclass
class Expression:
    """``line`` and ``column`` count from 1 in the function's file."""

    operation: str
    type: Any
    operands: tuple[Expression, ...] = ()
    data: Any = None
    line: int = 0
    column: int = 0

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"no such operation: {self.operation}")


@dataclass(frozen=True)
class GhostField:
    """A ghost field of a struct."""

    struct: Any
    name: str
    type: Any


@dataclass
class Contract:
    """One contract, at the head of a function or a loop.

    ``kind`` is requires, ensures, modifies, loop_invariant, decreases, trigger or without_invariants, or refines for
    a :class:`Promise`, of which ``whole`` is the text; ``text`` is the source of its expressions on one line.
    ``result`` is the local that stands for the returned value in an ``ensures``; parameters there mean their values at
    entry. In ``modifies`` an expression stands for what may change: a ``load``,
    ``ghost_load`` or array place for that field or element, ``every``, ``everything`` and ``everything_in`` for what
    they say, and any other reference for all fields of its object, ghosts included.
    """

    kind: str
    line: int
    text: str
    expressions: list[Expression]
    result: str = ""
    whole: str = ""


@dataclass(frozen=True)
class Promise:
    """What a function is to keep and does not say itself: read as an ``ensures``, with names of its own.

    ``text`` is an expression, ``names`` what the names in it mean besides parameters and the result, which is called
    ``result``. ``title`` says in words what it is about.
    """

    title: str
    text: str
    names: Mapping[str, Any]


@dataclass
class Statement:
    """Base of statements."""

    line: int


@dataclass
class Assign(Statement):
    """Give a local a value."""

    name: str
    value: Expression


@dataclass
class Store(Statement):
    """Write to memory; the place is evaluated after the value."""

    place: Expression
    value: Expression


@dataclass
class Evaluate(Statement):
    """A call for its effect."""

    value: Expression


@dataclass
class If(Statement):
    """A condition that was constant has been replaced by the branch taken."""

    condition: Expression
    then: list[Statement]
    otherwise: list[Statement]


@dataclass
class While(Statement):
    """``contracts`` has the loop's invariants, its measure, and what it modifies."""

    condition: Expression
    body: list[Statement]
    contracts: list[Contract] = field(default_factory=list)


@dataclass
class For(Statement):
    """``name`` takes the words from ``start`` below ``stop``; both are evaluated once; the body may assign ``name``."""

    name: str
    type: Any
    start: Expression
    stop: Expression
    body: list[Statement]
    contracts: list[Contract] = field(default_factory=list)


@dataclass
class Switch(Statement):
    """``value`` is a word, enumeration or tag; cases have disjoint constants."""

    value: Expression
    cases: list[tuple[list[int], list[Statement]]]
    default: list[Statement]


@dataclass
class Break(Statement):
    """Leave the innermost loop."""


@dataclass
class Continue(Statement):
    """Next iteration of the innermost loop."""


@dataclass
class Return(Statement):
    """``value`` is ``None`` for a function without result."""

    value: Expression | None


@dataclass
class Assert(Statement):
    """Rule ``assert``; release code does not contain it."""

    condition: Expression
    text: str


@dataclass
class Unreachable(Statement):
    """Follows a call that does not return. Rule ``unreachable``."""


@dataclass
class Ghost(Statement):
    """``with ghost:``. It assigns only locals of its own and ghost fields, and runs to its end."""

    body: list[Statement]


@dataclass
class GhostStore(Statement):
    """Give a ghost field a value; only in :class:`Ghost`. The value is evaluated before the reference."""

    reference: Expression
    field: GhostField
    value: Expression


@dataclass
class Function:
    """A function read into IR. ``locals`` includes the parameters, and the names that contracts and ghosts use."""

    info: FunctionInfo
    file: str
    line: int
    parameters: list[tuple[str, Any]]
    result: Any
    locals: dict[str, Any]
    body: list[Statement]
    contracts: list[Contract] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Unique name over all modules."""
        return self.info.name


@dataclass
class Program:
    """All functions reachable from the roots, callees included, in a stable order, and the statics that they use."""

    functions: dict[str, Function]
    externals: dict[str, FunctionInfo]
    statics: list[Any]

# SPDX-License-Identifier: BSD-2-Clause
"""What all proofs rest on and is proved itself: laws of packed values, bridge axioms, memory that is zero.

Obligations take capabilities apart into fields, words as integers, and memory as typed. Here is why they may: fields
of packed values do not disturb each other (:mod:`tessera.smt.laws`); every bridge axiom is true of bit-vectors
(:mod:`tessera.smt.bridge`); and memory of zeros, as new objects have it, is a value of every field's type.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import z3

from tessera.lang.structs import Inline
from tessera.lang.types import ArrayType, is_packed, is_struct
from tessera.proof.claims import Claim
from tessera.smt import terms, values
from tessera.smt.bridge import axioms, vector_form
from tessera.smt.laws import laws
from tessera.smt.session import World, component_facts
from tessera.smt.solve import Query
from tessera.smt.walk import expressions_of

GROUPS = ("laws of packed values", "bridge axioms", "zero is a value of every field")


def packed_classes(world: World) -> list[Any]:
    """Every packed class whose values the program holds or computes, by name; of kinds the common class."""
    found: dict[str, Any] = {}

    def note(type_: Any) -> None:
        if is_packed(type_):
            base = type_.__packed__.base
            found[base.__name__] = base

    for struct in world.objects.structs:
        for field in struct.__struct__.layout().fields.values():
            note(field.type.element if isinstance(field.type, ArrayType) else field.type)
    for function in world.program.functions.values():
        for type_ in function.locals.values():
            note(type_)
        for expression in expressions_of(function):
            note(expression.type)
    return [found[name] for name in sorted(found)]


def packed_laws(world: World) -> Iterator[tuple[Claim, Query]]:
    """The laws of all packed classes, as bit-vectors."""
    for cls in packed_classes(world):
        places = {one.__name__: _place(one) for one in (cls, *cls.__packed__.variants.values())}
        for query in laws(cls):
            text = query.name.removeprefix("law: ")
            file, line = places[text.split()[0].partition(".")[0]]
            yield Claim("", line, "law", text, file=file), query


def bridge_laws(world: World) -> Iterator[tuple[Claim, Query]]:
    """The bridge axioms, as bit-vectors."""
    for axiom in axioms():
        code = axiom.claim.__code__
        solver = z3.Solver()
        solver.add(vector_form(axiom))
        claim = Claim("", code.co_firstlineno, "axiom", axiom.name, file=code.co_filename)
        yield claim, Query(f"axiom: {axiom.name}", _body(solver), "bits")


def zero_laws(world: World) -> Iterator[tuple[Claim, Query]]:
    """Of each struct whose objects come and go: that zero is in the range which proofs assume of each field."""
    for struct in world.objects.mortal:
        file, line = _place(struct)
        for name, facts in _zero_facts(struct):
            solver = z3.Solver()
            solver.add(terms.negation(terms.conjunction(facts)))
            claim = Claim("", line, "zero", f"{struct.__name__}.{name}", file=file)
            yield claim, Query(f"zero: {struct.__name__}.{name}", _body(solver), "ground")


MAKERS = dict(zip(GROUPS, (packed_laws, bridge_laws, zero_laws), strict=True))


def _zero_facts(struct: Any) -> Iterator[tuple[str, list[Any]]]:
    """By field, what a value of its type fulfils, said of zero."""
    for field in struct.__struct__.layout().fields.values():
        type_ = field.type.element if isinstance(field.type, ArrayType) else field.type
        if isinstance(type_, Inline):
            for name, facts in _zero_facts(type_.struct):
                yield f"{field.name}.{name}", facts
        elif is_packed(type_):
            base = type_.__packed__.base
            facts = []
            for component in values.components_of(base).values():
                unknown = z3.Const("unknown", component.sort)
                zero = component.read(0)
                facts += [_of_zero(fact, unknown, zero) for fact in component_facts(component, base, unknown)]
            yield field.name, facts
        elif is_struct(type_):
            yield field.name, [terms.FALSE]  # a reference that may not be absent
        else:
            unknown = z3.Const("unknown", values.sort_of(type_))
            zero = terms.FALSE if type_ is bool else terms.ZERO
            yield field.name, [_of_zero(fact, unknown, zero) for fact in values.scalar_facts(type_, unknown)]


def _of_zero(fact: Any, unknown: Any, zero: Any) -> Any:
    return z3.substitute(fact, (unknown, zero))


def _body(solver: Any) -> str:
    lines = solver.to_smt2().splitlines()
    return "\n".join(line for line in lines if not line.startswith((";", "(set-info", "(check-sat")))


def _place(cls: Any) -> tuple[str, int]:
    return inspect.getsourcefile(cls) or "", inspect.getsourcelines(cls)[1]

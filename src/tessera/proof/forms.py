# SPDX-License-Identifier: BSD-2-Clause
"""Terms of the prover as plain Python objects, read once, because they are written out many times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import z3

from tessera.smt import terms

# Kinds of forms beside z3's own operations.
VARIABLE, NUMBER, QUANTIFIER = -1, -2, -3
# Rationals are counted in parts of one: enough for a few halvings, and everything is a bit-vector.
PARTS_OF_ONE = 256


@dataclass(eq=False, slots=True)
class Form:
    """One term. ``kind`` is an operation of z3 or one of the above; ``number``: the value, or a variable's index."""

    kind: int
    children: tuple[Form, ...] = ()
    name: str = ""
    number: int = 0
    sort: Any = None
    real: bool = False
    # Whether variables occur, perhaps bound in it.
    open: bool = False
    universal: bool = False
    sorts: tuple[Any, ...] = ()
    _uses: dict[int, list[tuple[str, int]]] = field(default_factory=dict)

    def uses(self, variable: int) -> list[tuple[str, int]]:
        """Of a quantifier: the functions that a variable is an argument of, with its position."""
        if variable not in self._uses:
            found: dict[tuple[str, int], None] = {}
            for one in below([self.children[0]]):
                if one.kind == z3.Z3_OP_UNINTERPRETED:
                    for position, child in enumerate(one.children):
                        if child.kind == VARIABLE and child.number == variable:
                            found[one.name, position] = None
            self._uses[variable] = list(found)
        return self._uses[variable]


def below(roots: Iterable[Form]) -> Iterator[Form]:
    """Every form at or below some, once."""
    todo = list(roots)
    seen: set[Form] = set()
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            yield one
            todo.extend(one.children)


_forms: dict[int, tuple[Any, Form]] = {}


def form_of(term: Any) -> Form:
    """The form of a term."""
    key = term.get_id()
    if key not in _forms:
        # The term is kept, so that its identity is not given to another.
        _forms[key] = term, _read(term)
    return _forms[key][1]


def forget_forms() -> None:
    """Give the memory back that forms take."""
    _forms.clear()


def _read(term: Any) -> Form:
    if z3.is_var(term):
        return Form(VARIABLE, number=int(z3.get_var_index(term)), open=True)
    if z3.is_quantifier(term):
        body = form_of(term.body())
        sorts = tuple(term.var_sort(position) for position in range(term.num_vars()))
        return Form(QUANTIFIER, (body,), open=body.open, universal=bool(term.is_forall()), sorts=sorts)
    if z3.is_int_value(term):
        return Form(NUMBER, number=int(term.as_long()))
    if z3.is_rational_value(term):
        parts = term.numerator_as_long() * PARTS_OF_ONE // term.denominator_as_long()
        return Form(NUMBER, number=int(parts), real=True)
    children = tuple(form_of(child) for child in term.children())
    sort = term.sort()
    is_open = any(child.open for child in children)
    kind = int(term.decl().kind())
    return Form(kind, children, str(term.decl().name()), 0, sort, bool(sort == terms.REAL), is_open)

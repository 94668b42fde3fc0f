# SPDX-License-Identifier: BSD-2-Clause
"""Formulas that are needed again and again with other names in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import z3
from z3 import z3core

from tessera.smt import quick
from tessera.smt.terms import Term

# A constant and what stands for it, or a function and a term in which ``z3.Var(n)`` is its argument n.
Renaming = tuple[Any, Term]


class Template:
    """A formula, taken apart at its quantifiers: z3 substitutes in their bodies, but not in their patterns.

    It is as deep as quantifiers lie in each other.
    """

    def __init__(self, term: Term) -> None:
        self.term = term
        self.parts: list[Template] = []
        self.patterns: list[list[Term]] = []
        if z3.is_quantifier(term):
            self.parts = [Template(term.body())]
            self.patterns = [term.pattern(n).children() for n in range(term.num_patterns())]
        elif _has_quantifiers(term):
            self.parts = [Template(one) for one in term.children()]

    def renamed(self, symbols: Sequence[Renaming]) -> Term:
        """The formula with other symbols."""
        return self._with(_substitution(symbols)) if symbols else self.term

    def _with(self, plain: Callable[[Term], Term]) -> Term:
        if not self.parts:
            return plain(self.term)
        parts = [one._with(plain) for one in self.parts]
        if not z3.is_quantifier(self.term):
            return _with_arguments(self.term, parts)
        return _with_body(self.term, parts[0], [[plain(one) for one in pattern] for pattern in self.patterns])


def _has_quantifiers(term: Term) -> bool:
    todo, seen = [term.ast], set()
    while todo:
        node = todo.pop()
        if quick.identity_of(node) not in seen:
            seen.add(quick.identity_of(node))
            if quick.is_quantifier(node):
                return True
            todo += quick.parts_of(node)
    return False


def _substitution(symbols: Sequence[Renaming]) -> Callable[[Term], Term]:
    """Replaces symbols in terms. z3's interface would make its arrays anew for each of them."""
    context = z3.main_ctx().ref()
    functions = [(one, other) for one, other in symbols if isinstance(one, z3.FuncDeclRef)]
    constants = [(one, other) for one, other in symbols if not isinstance(one, z3.FuncDeclRef)]
    old = (z3.FuncDecl * len(functions))(*(one.ast for one, _ in functions))
    new = (z3.Ast * len(functions))(*(other.as_ast() for _, other in functions))
    before = (z3.Ast * len(constants))(*(one.as_ast() for one, _ in constants))
    after = (z3.Ast * len(constants))(*(other.as_ast() for _, other in constants))

    def replace(term: Term) -> Term:
        if functions:
            term = quick.term_of(z3core.Z3_substitute_funs(context, term.as_ast(), len(functions), old, new))
        if constants:
            term = quick.term_of(z3core.Z3_substitute(context, term.as_ast(), len(constants), before, after))
        return term

    return replace


def _with_arguments(term: Term, parts: list[Term]) -> Term:
    """The same function of other arguments."""
    nodes = (z3.Ast * len(parts))(*(one.as_ast() for one in parts))
    return quick.term_of(z3core.Z3_update_term(z3.main_ctx().ref(), term.as_ast(), len(parts), nodes))


def _with_body(term: Term, body: Term, patterns: list[list[Term]]) -> Term:
    """A quantifier with another body and other patterns; its variables are bound as they were before."""
    context = z3.main_ctx().ref()
    made = [z3.MultiPattern(*one) for one in patterns]
    count = term.num_vars()
    names = [z3core.Z3_get_quantifier_bound_name(context, term.as_ast(), n) for n in range(count)]
    node = z3core.Z3_mk_quantifier(
        context,
        term.is_forall(),
        term.weight(),
        len(made),
        (z3.Pattern * len(made))(*(one.ast for one in made)),
        count,
        (z3.Sort * count)(*(term.var_sort(n).ast for n in range(count))),
        (z3.Symbol * count)(*names),
        body.as_ast(),
    )
    return quick.term_of(node)

# SPDX-License-Identifier: BSD-2-Clause
"""Which invariants an obligation is asked with: few first, because what does not matter makes solvers slow.

Leaving hypotheses out is always sound. An obligation is proved as soon as one of the rounds proves it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import z3

from tessera.smt import terms
from tessera.smt.session import Obligation, Session
from tessera.smt.solve import Kind, Query
from tessera.smt.text import maps_in, text_of

Width = Literal["goal", "path", "touching"]


@dataclass(frozen=True)
class Round:
    """One way to ask an obligation.

    ``width``: the invariants that speak of no other fields than the goal does, or than the goal and the path do, or
    all that speak of some of these. ``kind``: how long solvers try.
    """

    width: Width
    kind: Kind


ROUNDS = (
    Round("goal", "quick"),
    Round("path", "quick"),
    Round("touching", "quick"),
    Round("path", "long"),
    Round("touching", "long"),
)


def query_in(session: Session, obligation: Obligation, asked: Round) -> Query:
    """The question of one round: unsatisfiable when the obligation holds."""
    plain = [fact.term for fact in obligation.facts if not fact.invariant]
    negated = terms.negation(obligation.goal)
    about = _fields(negated)
    if asked.width != "goal":
        about = about.union(*(_fields(term) for term in plain if not z3.is_quantifier(term)))
    chosen = []
    for fact in obligation.facts:
        if fact.invariant:
            fields = _fields(fact.term)
            if fields & about if asked.width == "touching" else fields <= about:
                chosen.append(fact.term)
    return replace(text_of(session, obligation.name, [*plain, *chosen, negated]), kind=asked.kind)


def _fields(term: terms.Term) -> frozenset[str]:
    """The fields that a formula speaks of. That objects are live is said everywhere, and chooses nothing."""
    return frozenset(label for label in maps_in(term) if not label.endswith(".live"))

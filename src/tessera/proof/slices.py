# SPDX-License-Identifier: BSD-2-Clause
"""Which invariants an obligation is asked with: few first, because what does not matter makes solvers slow.

Leaving hypotheses out is always sound. An obligation is proved as soon as one of the rounds proves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import z3

from tessera.smt import terms
from tessera.smt.session import Obligation, Session
from tessera.smt.solve import Kind, Query
from tessera.smt.text import piece_of, renumbered, text_of

Width = Literal["goal", "path", "near", "all"]


@dataclass(frozen=True)
class Round:
    """One way to ask an obligation.

    ``width``: with the invariants that speak of no other fields than the goal does, or than the goal and the path do,
    or with those that share a field with them ("near"), or with all. ``kind``: how long solvers try.
    """

    width: Width
    kind: Kind


# Most proofs are found at once; what takes longer with few invariants is often found at once with more.
ROUNDS = (
    Round("goal", "brief"),
    Round("path", "brief"),
    Round("near", "brief"),
    Round("all", "brief"),
    Round("near", "quick"),
    Round("goal", "quick"),
    Round("path", "quick"),
    Round("all", "quick"),
    Round("near", "long"),
    Round("path", "long"),
    Round("all", "long"),
)


def hinted_query(session: Session, obligation: Obligation, chooses: Callable[[str], bool]) -> Query:
    """The question with the hypotheses of chosen shapes only."""
    chosen = [fact.term for fact in obligation.facts if chooses(piece_of(fact.term).shape)]
    formulas = [*chosen, terms.negation(obligation.goal)]
    query = text_of(session, obligation.name, formulas, choose=chooses)
    # The same text wherever the same was used, so that answers are found again.
    return replace(query, text=renumbered(query.text), kind="hinted")


def same_query(session: Session, obligation: Obligation, core: frozenset[str]) -> Query | None:
    """The question with what the last proof used and nothing else; ``None`` where something of it is missing."""
    query = hinted_query(session, obligation, core.__contains__)
    return query if core.issubset(query.shapes) else None


def query_in(session: Session, obligation: Obligation, asked: Round) -> Query:
    """The question of one round: unsatisfiable when the obligation holds."""
    plain = [fact.term for fact in obligation.facts if not fact.invariant]
    negated = terms.negation(obligation.goal)
    chosen = [fact.term for fact in obligation.facts if fact.invariant]
    if asked.width != "all":
        about = piece_of(negated).fields
        if asked.width != "goal":
            about = about.union(*(piece_of(term).fields for term in plain if not isinstance(term, z3.QuantifierRef)))
        chosen = [
            term
            for term in chosen
            if piece_of(term).fields <= about or (asked.width == "near" and piece_of(term).fields & about)
        ]
    # What opaque functions are is tried last.
    defined = asked.width in ("near", "all")
    return replace(text_of(session, obligation.name, [*plain, *chosen, negated], defined), kind=asked.kind)

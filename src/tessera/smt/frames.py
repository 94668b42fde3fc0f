# SPDX-License-Identifier: BSD-2-Clause
"""Frames: nothing changes but what ``modifies`` names, in a function and in each turn of a loop."""

from __future__ import annotations

import z3

from tessera.ir.nodes import Contract
from tessera.smt import quick, terms, values
from tessera.smt.calls import Calls, Change
from tessera.smt.heap import Key, State, in_order


def check_frame(run: Calls, places: list[Contract], named_in: State, before: State, after: State, where: str) -> None:
    """What differs between two states is one of the places, which are those that ``modifies`` means in a third."""
    written = {key for key in after.maps if after.maps[key] is not before.maps.get(key)}
    changes = run.footprint(places, named_in, written)
    by_key: dict[Key, list[Change]] = {}
    for change in changes:
        by_key.setdefault(change.key, []).append(change)
    labels = {change.key.label: change.key for change in changes}
    for key in in_order(written):
        named = by_key.get(labels.get(key.label, key), [])
        if any(change.is_anywhere for change in named):
            continue
        index = tuple(z3.Int(values.fresh_name(f"other.{key.label}")) for _ in range(key.arity))
        same = terms.equal(after.read(key, *index), before.read(key, *index))
        if quick.is_true(same):
            continue
        goal = terms.disjunction([same, *(change.meant(list(index)) for change in named)])
        run.session.oblige(run.function, after, "modifies", goal, places[0].line, f"{key.label} ({where})")

# SPDX-License-Identifier: BSD-2-Clause
"""Proving functions of a test's own module."""

from __future__ import annotations

from typing import Any

from tessera.ir.build import build_program
from tessera.lang.functions import FUNCTIONS
from tessera.proof.kernel import world_of
from tessera.smt.session import World
from tessera.smt.solve import Portfolio, Query
from tessera.smt.text import query_of
from tessera.smt.verify import Reading, read_function
from tests.readers import info


def world_of_module(module: Any) -> World:
    """All functions of a module, and its invariants."""
    infos = sorted(
        (one for one in FUNCTIONS.values() if one.function.__module__ == module.__name__), key=lambda o: o.name
    )
    program = build_program([one for one in infos if one.kind != "specification"], specification=True)
    return world_of(program, [program.functions[one.name] for one in infos if one.kind == "invariant"], set())


def reading_of(world: World, function: Any) -> Reading:
    """What a function obliges."""
    return read_function(world, world.program.functions[info(function).name])


def queries_of(reading: Reading) -> list[Query]:
    """Its obligations, with all invariants."""
    return [query_of(reading.session, one, True) for one in reading.obligations]


def unproved(world: World, function: Any, limit: float = 1.0) -> set[str]:
    """The rule and the text of each obligation that is not proved."""
    reading = reading_of(world, function)
    with Portfolio(2, limit=limit) as portfolio:
        answers = portfolio.run(queries_of(reading))
    return {
        f"{one.rule} {one.text}".strip()
        for one, answer in zip(reading.obligations, answers, strict=True)
        if answer.status != "proved"
    }

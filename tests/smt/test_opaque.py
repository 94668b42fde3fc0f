# SPDX-License-Identifier: BSD-2-Clause
"""Opaque specification functions: what they are is known wherever a query speaks of them."""

from __future__ import annotations

from tests.readers import info, module_of
from tests.smt.proving import unproved, world_of_module

MODULE = module_of(
    "tests_opaque",
    """
@struct
class Counter:
    value: u64
    twice: integer = ghost_field()

@specification
def double(value: u64) -> integer:
    return integer(value) * 2

@invariant
def twice_is_kept(x: Counter) -> bool:
    trigger(x.twice)
    return x.twice == double(x.value)

@compiled
def first(x: Counter) -> u64:
    ensures(lambda result: integer(result) * 2 == x.twice)
    return x.value

@compiled
def second(x: Counter) -> u64:
    ensures(lambda result: integer(result) * 2 == x.twice)
    return x.value

@compiled
def bad(x: Counter) -> u64:
    ensures(lambda result: integer(result) * 3 == x.twice)
    return x.value
""",
)


def test_every_function_that_is_read_knows_the_definitions() -> None:
    world = world_of_module(MODULE)
    world.opaque.add(info(MODULE.double).name)
    # The invariant is read once for all functions: for the second one there is nothing left to read.
    assert unproved(world, MODULE.first) == set()
    assert unproved(world, MODULE.second) == set()
    assert len(unproved(world, MODULE.bad)) == 1

# SPDX-License-Identifier: BSD-2-Clause
"""The first state: what is known of it is not contradictory, and invariants that it does not fulfil are refused."""

from __future__ import annotations

import z3

from tessera.proof.run import the_kernel
from tessera.smt import first, terms
from tessera.smt.first import First, Statics
from tessera.smt.objects import live_key
from tessera.smt.session import World

IMAGE = 0xFFFF_FFFF_8000_0000


def facts(world: World) -> list[z3.BoolRef]:
    return [fact.term for fact in first.first_state(world).facts]


def test_the_first_function_is_a_function_of_the_kernel() -> None:
    world = the_kernel()
    assert isinstance(world.first, First) and world.first.function in world.program.functions


def test_statics_have_room_in_the_image() -> None:
    solver = z3.Solver()
    solver.add(*facts(the_kernel()))
    assert solver.check() == z3.sat


def test_only_statics_are_live_and_everything_is_zero() -> None:
    world = the_kernel()
    state = first.first_state(world)
    structs = {struct.__name__: struct for struct in world.objects.mortal}
    address = z3.Int("address")
    for name in ("Endpoint", "Granule", "Reply"):
        assert z3.is_false(state.read(live_key(structs[name]), address))
    threads = state.map(live_key(structs["Tcb"]))
    assert isinstance(threads, Statics) and len(threads.places) == 1
    # An idle thread's slots and the interrupts' ones; a table of the kernel and one of its devices.
    slots = state.map(live_key(structs["Slot"]))
    assert isinstance(slots, Statics) and (len(slots.places), len(slots.arrays)) == (5, 1)
    tables = state.map(live_key(structs["PageTable"]))
    assert isinstance(tables, Statics) and len(tables.places) == 2
    solver = z3.Solver()
    solver.add(*facts(world), state.read(live_key(structs["PageTable"]), address), address < IMAGE)
    assert solver.check() == z3.unsat
    state_of = next(key for key in world.objects.own_keys(structs["Tcb"]) if key.name == "state")
    assert state.read(state_of, address).eq(terms.ZERO)
    assert state.dirty == set(state.maps)

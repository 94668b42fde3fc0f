# SPDX-License-Identifier: BSD-2-Clause
"""Refinement: steps of the abstract kernel become promises, and faults in either text break the proof."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tessera.proof.abstract_objects import STATES
from tessera.proof.abstract_promises import promises_of
from tessera.proof.abstract_runs import Leaf, Run, Unreadable, Write, condition_of, effects_of, failure_of, runs
from tessera.proof.abstract_view import REPRESENTATION, STRUCTS, TIME, view
from tessera.proof.invariants import proof_invariants
from tessera.proof.kernel import kernel_world
from tessera.proof.refinement import PREFIX, REFINEMENTS, promises, steps, tree_of
from tessera.proof.slices import ROUNDS, query_in
from tessera.proof.targets import resolve
from tessera.smt import worker
from tessera.smt.session import Obligation, Session
from tessera.smt.verify import read_function
from tessera.smt.worker import STRATEGIES
from tessera.spec import contexts, ipc, notifications, objects, replies, threads
from tessera.spec.objects import Node, Thread, by_priority
from tessera.suites.fuzz import abstraction

# A fault in the text of a step: what is written instead of what.
FAULTS = (
    (notifications, "signal", "State.RUNNING", "State.RESTART"),
    (notifications, "signal", "(notification.signals or 0) | badge", "badge"),
    (notifications, "signal", "replies.withdraw(thread)", "pass"),
    (notifications, "signal", "notification.signals is None and bound", "bound"),
    (replies, "withdraw", "reply.thread = thread.reply = None", "thread.reply = None"),
    (objects, "start_waiting", "= at, state", "= at, State.SENDING"),
    (objects, "stop_waiting", "thread.state = state", "thread.state = State.INACTIVE"),
    (replies, "end", "        withdraw(thread)\n", ""),
    (ipc, "_restart_waiting", "is not None else", "is None else"),
    (threads, "resume", "State.RESTART", "State.RUNNING"),
    (threads, "activate", 'registers["pc"]', 'registers["ra"]'),
    (threads, "set_priority", "thread.priority = priority", "thread.priority = 0"),
    (contexts, "bind_notification", "notification.context, context.notification = context, notification", "pass"),
    (contexts, "cancel_yield", "thread.yields_to.yields_from = None", "pass"),
    (contexts, "complete_yield", "a0=0", "a0=1"),
)


def write(value: str) -> Write:
    return Write("Tcb", "state", "tcb", value)


def test_all_ways_are_found_and_conditions_are_short() -> None:
    def step(run: Run) -> Leaf:
        if run.choose(["a", "not a"]) == 0:
            return Leaf(frozenset({write("1")}))
        number = run.choose(["b == 0", "b == 1", "b > 1"])
        return Leaf(frozenset({write("1" if number == 1 else "2")}))

    tree = runs(step)
    assert effects_of(tree) == {write("1"), write("2")}
    assert condition_of(tree, lambda leaf: write("2") in leaf.effects) == "(not a) and (not (b == 1))"
    assert condition_of(tree, lambda leaf: bool(leaf.effects)) == "True"


def test_what_is_not_told_does_not_matter() -> None:
    def step(run: Run) -> Leaf:
        if run.choose(["a", "not a"]) == 0:
            return Leaf(failure=("untold",))
        return Leaf(frozenset({write("1")} if run.choose(["b", "not b"]) == 0 else ()))

    tree = runs(step)
    assert condition_of(tree, lambda leaf: bool(leaf.effects)) == "(b)"
    assert failure_of(tree, ("untold",)) == "(a)"


def test_what_is_not_compared_must_not_matter() -> None:
    def step(run: Run) -> Leaf:
        return Leaf(frozenset({write("1")}) if run.choose(["", ""]) else frozenset())

    with pytest.raises(Unreadable, match="depends on what is not"):
        runs(step)


def test_the_view_leaves_out_what_it_names_and_nothing_else() -> None:
    names = {(row.struct, row.name) for row in view()}
    for struct in STRUCTS:
        layout: Any = struct.__struct__.layout()  # type: ignore[attr-defined]
        outside = {*REPRESENTATION.get(struct, "").split(), *TIME.get(struct, "").split()}
        slots = {name for name in layout.fields if type(layout.fields[name].type).__name__ == "Inline"}
        assert {*layout.fields} - outside - slots <= {name for at, name in names if at is struct}


def test_states_are_those_of_the_abstraction_that_runs() -> None:
    told = {concrete: state for state, all_ in STATES.items() for concrete in all_[:1]}
    assert told == abstraction.STATES


def test_by_priority_is_what_promises_say_of_it() -> None:
    def thread(priority: int) -> Thread:
        return Thread(0, Node(0, 0), priority=priority)

    for priorities in itertools.product(range(3), repeat=4):
        *there, new = priorities
        queue = [thread(one) for one in sorted(there, reverse=True)]
        before, added = list(queue), thread(new)
        by_priority(queue, added)
        assert [one for one in queue if one is not added] == before
        place = queue.index(added)
        assert all((queue.index(one) < place) == (one.priority >= new) for one in before)


def test_there_is_a_group_of_them() -> None:
    world = kernel_world(proof_invariants(), set(), {})
    assert resolve(world, ["refinement"]) == ["tessera." + name for name in steps()]
    # Each has promises about every field that is compared; of capabilities, about every kind.
    guarded = {PREFIX + one.function for one in REFINEMENTS if one.guard}
    assert all(len(one) >= (14 if name in guarded else len(view())) for name, one in promises().items())


def faulty_promises(fault: tuple[Any, str, str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    module, name, old, new = fault
    source = inspect.getsource(getattr(module, name))
    assert old in source
    made: dict[str, Any] = {}
    exec(source.replace(old, new), vars(module), made)
    monkeypatch.setattr(module, name, made[name])
    step = f"{module.__name__.rpartition('.')[2]}.{name}"
    refinement = next(one for one in REFINEMENTS if one.step == step)
    yield (
        "tessera." + refinement.function,
        tuple(promises_of(step, tree_of(refinement), refinement.outcome, refinement.guard)),
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]}: {fault[3]}")
def test_a_fault_in_the_abstract_kernel_breaks_the_proof(
    fault: tuple[Any, str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = promises()
    ((name, promised),) = faulty_promises(fault, monkeypatch)
    right = {one.text for one in kept[name]}
    changed = [one for one in promised if one.text not in right]
    assert changed
    world = kernel_world(proof_invariants(), set(), {name: changed})
    reading = read_function(world, world.program.functions[name])
    claims = [one for one in reading.obligations if one.rule == "refines"]
    # What is right is found by the shortest searches; longer ones for what is wrong would take minutes.
    assert not all(is_found(reading.session, one) for one in claims)


def is_found(session: Session, obligation: Obligation) -> bool:
    """Whether the shortest searches prove it."""
    for asked in ROUNDS:
        if asked.kind == "brief":
            text = query_in(session, obligation, asked).text
            if any(worker.answer("brief", one.name, text, 1.0)["outcome"] == "unsat" for one in STRATEGIES["brief"]):
                return True
    return False


def test_what_is_right_is_found_by_the_shortest_searches() -> None:
    name = "tessera.kernel.reply.withdraw"
    world = kernel_world(proof_invariants(), set(), {name: list(promises()[name])})
    reading = read_function(world, world.program.functions[name])
    claims = [one for one in reading.obligations if one.rule == "refines"]
    assert claims and all(is_found(reading.session, one) for one in claims)

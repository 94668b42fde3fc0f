# SPDX-License-Identifier: BSD-2-Clause
"""No response is longer than the analysis says, in schedules of several components that are played."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.analysis.model import Model, Part
from tessera.analysis.schedulability import analyse
from tessera.analysis.timing_file import Call, Need
from tessera.lang.diagnostics import Location
from tests.analysis.played import Played, Refills, Segment, Server, play

HERE = Location("test.system", 1, 1)
END = 1200


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Two to four components: with needs, or with a budget alone."""
    made = []
    for number in range(draw(st.integers(2, 4))):
        name = f"c{number}"
        period = draw(st.integers(4, 40))
        budget = draw(st.integers(1, period))
        jobs: tuple[Need, ...] = ()
        if budget == period or draw(st.booleans()):
            wcet = draw(st.integers(1, max(1, min(budget, 12))))
            every = draw(st.sampled_from([period, 2 * period, draw(st.integers(max(2, wcet), 4 * period))]))
            jobs = (Need(name, wcet, every, every, (), HERE),)
        made.append(Part(name, number + 1, budget, period, False, number + 1, (), True, (), HERE, jobs))
    return made


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[Part], list[Played]]:
    """Components, and when their jobs come; what has only a budget does as it likes."""
    some = draw(parts())
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    played = []
    for part in some:
        jobs = []
        release = chance.randint(0, 2 * part.period)
        while release < END // 2:
            if part.jobs:
                (need,) = part.jobs
                jobs.append((release, chance.choice([need.wcet, need.wcet, max(1, need.wcet - 1), 1])))
                release += need.every + chance.choice([0, 0, 0, 0, 1, 2, part.period])
            else:
                jobs.append((release, chance.randint(1, 3 * part.budget)))
                release += chance.randint(1, 2 * part.period)
        sporadic = not part.jobs and chance.random() < 0.3
        limit = chance.choice([2, 8]) if sporadic else 2
        played.append(Played(part.priority, Refills(part.budget, part.period, limit, sporadic), jobs))
    return some, played


@settings(max_examples=400, deadline=None)
@given(schedules())
def test_responses_are_bounded(case: tuple[list[Part], list[Played]]) -> None:
    some, played = case
    found = analyse(Model(tuple(some), 0))
    if not found.holds:
        # Bounds rely on deadlines being met: only what those of higher priority, which all hold, allow is left.
        failing = [part.priority for part in some for p in found.promises if p.component == part.name and not p.holds]
        some, played = [part for part in some if part.priority > max(failing)], played
    play(played, END)
    bounds = {promise.component: promise for promise in found.promises}
    for part, one in zip(some, played[len(played) - len(some) :], strict=True):
        promise = bounds.get(part.name)
        if promise is not None and promise.what == "job":
            assert promise.response is not None
            assert all(response <= promise.response for response in one.done)


@st.composite
def served(draw: st.DrawFn) -> tuple[list[Part], list[Played]]:
    """Components of which some call a passive one, of a priority above them; there may be one above that, too."""
    count = draw(st.integers(2, 4))
    procedure = draw(st.integers(1, 6))
    some = [Part("s", count + 1, 1, 1, True, count + 1, (), False, (), HERE, (), Need("s", procedure, 1, 1, (), HERE))]
    server = Server(count + 1)
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    played = []
    for number in range(count + 1):
        name, priority = f"c{number}", number + 1 if number < count else count + 2
        period = draw(st.integers(8, 60))
        budget = draw(st.integers(max(1, period // 3), period))
        calls_it = number < count and draw(st.booleans())
        is_known = budget == period or draw(st.integers(0, 3)) > 0
        wcet, calls = draw(st.integers(1, 8)), draw(st.integers(1, 2)) if calls_it else 0
        every = draw(st.sampled_from([period, 2 * period, 4 * period, 8 * period]))
        need = Need(name, wcet, every, every, (Call("s", calls, HERE),) if calls else (), HERE)
        ceiling = count + 1 if calls_it else priority
        callees = ("s",) if calls_it else ()
        some.append(Part(name, priority, budget, period, False, ceiling, callees, True, (), HERE, (need,) * is_known))
        jobs, release = [], chance.randint(0, 2 * period)
        while release < END // 2:
            # As many calls as are said, at any places; of a component without needs, as it likes.
            most = calls if is_known else 4 * calls_it
            segments: list[Segment] = [(server, chance.choice([procedure, procedure, 1])) for _ in range(most)]
            own = wcet if is_known else chance.randint(1, 2 * budget)
            for _ in range(chance.choice([own, own, 1])):
                segments.insert(chance.randint(0, len(segments)), (None, 1))
            jobs.append((release, segments))
            release += every + chance.choice([0, 0, 0, 1, 2, period]) if is_known else chance.randint(1, 2 * period)
        played.append(Played(priority, Refills(budget, period), jobs))
    return some, played


@settings(max_examples=400, deadline=None)
@given(served())
def test_responses_with_calls_are_bounded(case: tuple[list[Part], list[Played]]) -> None:
    some, played = case
    found = analyse(Model(tuple(some), 0))
    jobs = [promise for promise in found.promises if promise.what == "job"]
    if not all(promise.holds for promise in jobs):
        return
    play(played, END)
    bounds = {promise.component: promise.response for promise in jobs}
    for part, one in zip(some[1:], played, strict=True):
        if part.name in bounds:
            assert all(response <= (bounds[part.name] or 0) for response in one.done)


def test_what_is_played_comes_near_to_the_bounds() -> None:
    """Not all bounds are far away: three components released together, with more budget than they need."""

    def needs(name: str, priority: int, wcet: int, every: int) -> Part:
        job = Need(name, wcet, every, every, (), HERE)
        return Part(name, priority, every, every, False, priority, (), True, (), HERE, (job,))

    some = [needs("low", 1, 5, 20), needs("middle", 2, 3, 12), needs("high", 3, 3, 7)]
    played = [
        Played(p.priority, Refills(1, 1), [(i, p.jobs[0].wcet) for i in range(0, 400, p.jobs[0].every)]) for p in some
    ]
    play(played, 600)
    found = {promise.component: promise.response for promise in analyse(Model(tuple(some), 0)).promises}
    assert [max(one.done) for one in played] == [found["low"], found["middle"], found["high"]] == [20, 6, 3]

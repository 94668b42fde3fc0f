# SPDX-License-Identifier: BSD-2-Clause
"""Response times: the textbook's answers, and bounds on what a schedule with the kernel's refills can do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.analysis.response import Interference, Load, Response, Server, Stream, latency, respond, window
from tests.analysis.played import Played, Refills, play

US, MS = 1000, 1_000_000


def budgets(*pairs: tuple[int, int]) -> list[Interference]:
    return [Interference(f"t{i}", Load(budget, period), None) for i, (budget, period) in enumerate(pairs)]


def alone(work: int, others: list[Interference], instants: int = 1) -> int | None:
    found = window(lambda length: work, others, 0, instants)
    return None if found is None else found.length


def test_the_examples_of_the_literature() -> None:
    """25 ms in 100 ms under 2 us in 3 us: 75 ms. 3 ms in 5 ms under 0.3 ms in 1 ms: 4.5 ms. Exactly."""
    assert alone(25 * MS, budgets((2 * US, 3 * US))) == 75 * MS
    assert alone(25 * MS, budgets((2 * MS, 3 * MS))) == 75 * MS
    assert alone(3 * MS, budgets((300 * US, 1 * MS))) == 4500 * US
    # Burns, Wellings: Real-Time Systems and Programming Languages: periods 7, 12, 20; needs 3, 3, 5.
    assert [alone(3, []), alone(3, budgets((3, 7))), alone(5, budgets((3, 7), (3, 12)))] == [3, 6, 20]
    # Audsley et al.: the set with needs 40, 40, 10, 100 and periods 80, 80, 50... is not one; this one just fits.
    assert alone(3, budgets((1, 4), (2, 6))) == 10


def test_no_bound() -> None:
    assert alone(1, budgets((1, 2), (1, 2))) is None
    assert alone(1, [Interference("x", None, None)]) is None
    assert alone(1, [Interference("x", None, (Load(1, 2),))]) == 2
    # With both known the lesser one counts.
    assert alone(10, [Interference("x", Load(5, 10), (Load(1, 10),))]) == 12


def test_jitter_splits_and_kernel_time() -> None:
    assert alone(1, [Interference("x", Load(2, 10, jitter=8), None)]) == 5
    assert alone(1, budgets((2, 10)), instants=3) == 7
    found = window(lambda length: 5, budgets((2, 10)), kernel=1)
    assert found is not None and (found.length, found.preemptions) == (8, 1)
    found = window(lambda length: 9, budgets((2, 10)), kernel=1)
    assert found is not None and (found.length, found.preemptions) == (15, 2)


def test_latency_counts_what_begins_at_its_end() -> None:
    assert latency(0, []) == 0
    assert latency(0, budgets((2, 10))) == 2
    assert latency(0, budgets((2, 10), (8, 20))) == 12
    assert latency(3, budgets((2, 10))) == 5


def responses(refills: Refills, jobs: list[tuple[int, int]], busy: list[range], until: int) -> list[int]:
    """The responses of a component's jobs; others come before it at the times ``busy``."""
    one = Played(1, refills, list(jobs))
    other = Played(2, Refills(1, 1), [(span.start, len(span)) for span in busy if len(span)])
    play([one, other], until)
    return one.done


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[Server, Stream, tuple[int, int] | None, Refills, list[tuple[int, int]], list[range]]:
    period = draw(st.integers(4, 24))
    server = Server(draw(st.integers(1, period - 1)), period, sporadic=draw(st.booleans()))
    job = Stream(draw(st.integers(1, 2 * server.budget)), draw(st.integers(2, 4 * period)))
    other, busy = None, []
    if draw(st.booleans()):
        every = draw(st.integers(2, 12))
        other = (draw(st.integers(1, every - 1)), every)
        begin = draw(st.integers(0, every))
        while begin < 600:
            busy.append(range(begin, begin + draw(st.integers(0, other[0]))))
            begin += every + draw(st.sampled_from([0, 0, 0, 1, 3]))
    jobs, release = [], draw(st.integers(0, period))
    while release < 300:
        jobs.append((release, draw(st.sampled_from([job.work, job.work, max(1, job.work // 2), 1]))))
        release += job.every + draw(st.sampled_from([0, 0, 0, 1, 2, period]))
    limit = draw(st.sampled_from([2, 2, 2, 10])) if server.sporadic else 2
    return server, job, other, Refills(server.budget, server.period, limit, server.sporadic), jobs, busy


@settings(max_examples=400, deadline=None)
@given(cases())
def test_bounds_hold_on_random_schedules(
    case: tuple[Server, Stream, tuple[int, int] | None, Refills, list[tuple[int, int]], list[range]],
) -> None:
    server, job, other, refills, jobs, busy = case
    found = respond(server, [job], budgets(other) if other else [])
    if found is None:
        return
    got = responses(refills, jobs, busy, 600)
    assert all(response <= found.time for response in got)


def test_two_refills_give_time_back_late() -> None:
    """The slow loop on a context as systems get it: its first job takes 75, and later ones find no budget in time."""
    server, loop = Server(25, 100), Stream(25, 100)
    busy = [range(begin, begin + 2) for begin in range(0, 1000, 3)]
    got = responses(Refills(25, 100), [(0, 25), (100, 25)], busy, 1000)
    assert got[0] == 75 and got[1] > 100
    found = respond(server, [loop], budgets((2, 3)))
    assert found is None or (found.stalls > 0 and found.time >= max(got))
    # As a sporadic server it keeps every deadline.
    assert respond(Server(25, 100, sporadic=True), [loop], budgets((2, 3))) == Response(75, 0)
    assert max(responses(Refills(25, 100, 10, True), [(i, 25) for i in range(0, 400, 100)], busy, 1000)) == 75
    # With twice the budget that it needs, it does not depend on how time comes back.
    assert respond(Server(100, 100), [loop], budgets((2, 3))) == Response(75, 0)
    assert respond(Server(50, 100), [Stream(12, 100)], budgets((2, 3))) == Response(36, 0)


def test_a_component_that_wakes_often_uses_its_budget_up() -> None:
    """1 ms in 10 ms, and 20 us of work every ms: less than its share, but each use delays all that was used before."""
    got = responses(Refills(100, 1000), [(i, 2) for i in range(0, 12_000, 100)], [], 14_000)
    assert max(got) > 500
    found = respond(Server(100, 1000), [Stream(2, 100)], [])
    assert found is not None and found.stalls == 1 and found.time >= max(got)


@pytest.mark.parametrize(
    "server, streams, expected",
    [
        (Server(10, 20), [Stream(40, 1000)], Response(100, 3)),
        (Server(10, 20), [Stream(15, 55)], Response(35, 1)),
        (Server(10, 20), [Stream(15, 54)], Response(90, 3)),
        (Server(10, 20), [Stream(5, 30), Stream(2, 40)], Response(27, 1)),
        (Server(20, 20), [Stream(5, 30), Stream(2, 40)], Response(7, 0)),
        (Server(10, 20), [Stream(30, 40)], None),
        (Server(10, 20, reserve=10), [Stream(1, 40)], None),
        (Server(10, 20), [Stream(4, 40, waits=1, waiting=10)], Response(14, 0)),
    ],
)
def test_budgets_that_are_too_small_for_a_job(server: Server, streams: list[Stream], expected: Response | None) -> None:
    assert respond(server, streams, []) == expected

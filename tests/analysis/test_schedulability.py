# SPDX-License-Identifier: BSD-2-Clause
"""Whole systems in time: the textbook's examples, calls and their waiting, and bounds on what the kernel really does.

What the command says of the systems in tests/analysis/systems is compared in tests/cli/test_time.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tessera.analysis.lines import Line, read_lines
from tessera.analysis.model import Model, model_of
from tessera.analysis.response import Interference, Load, Response, Server, Stream, respond, window
from tessera.analysis.schedulability import Promise, Schedule, analyse
from tessera.analysis.sensitivity import margins, priority_margins
from tessera.analysis.standin import distribution_of
from tessera.analysis.timing_file import Timing, read_timing
from tessera.suites.scheduling import simulation
from tessera.suites.scheduling.run import run
from tessera.suites.scheduling.systems import FAST, SLOW
from tessera.system.sdf import parse
from tests.system.systems import described, domain

US, MS = 1000, 1_000_000
SYSTEMS = Path(__file__).parent / "systems"


def model(contents: str, needs: str = "", tmp_path: Path | None = None, kernel: int = 0) -> Model:
    system = described(contents)
    timing = Timing()
    if tmp_path is not None:
        (tmp_path / "test.timing").write_text(needs)
        lines: list[Line] = read_lines(tmp_path / "test.timing")
        timing = read_timing(lines, system)
    return model_of(system, distribution_of(system), timing, kernel)


def file_model(name: str, kernel: int) -> Model:
    system = parse(SYSTEMS / f"{name}.system")
    return model_of(system, distribution_of(system), Timing(), kernel)


def by_name(schedule: Schedule) -> dict[str, Promise]:
    return {promise.component: promise for promise in schedule.promises}


def call(a: str, b: str, number: int) -> str:
    ends = f'<end pd="{a}" id="{number}" pp="true" notify="false" /><end pd="{b}" id="{number}" notify="false" />'
    return f"<channel>{ends}</channel>"


def test_textbook_answers_of_systems() -> None:
    for name, expected in (("slow-loop", 75 * MS), ("fast-loop", 4500 * US)):
        found = by_name(analyse(file_model(name, 0)))["control"]
        assert found.response == expected and found.holds and found.what == "budget"


def test_a_budget_that_is_all_of_the_period_promises_and_bounds_nothing() -> None:
    found = analyse(model(domain("a", priority=2) + domain("b", priority=1, budget=100, period=1000)))
    assert set(found.silent) == {"a"}
    (promise,) = found.promises
    assert promise.response is None and not promise.holds and "'a'" in promise.reasons[0]


def test_jobs_bound_what_a_budget_does_not(tmp_path: Path) -> None:
    text = domain("a", priority=2) + domain("b", priority=1, budget=1000, period=10_000)
    found = by_name(analyse(model(text, "job a wcet 1ms every 5ms\n", tmp_path)))
    assert found["a"].response == 1 * MS and found["b"].response == 2 * MS


def test_equal_priorities_count() -> None:
    text = domain("a", priority=1, budget=1000, period=10_000) + domain("b", priority=1, budget=2000, period=10_000)
    assert [promise.response for promise in analyse(model(text)).promises] == [3 * MS, 3 * MS]


SERVED = (
    domain("server", priority=9, passive="true")
    + domain("a", priority=3, budget=10_000, period=20_000)
    + domain("m", priority=2, budget=9000, period=10_000)
    + domain("b", priority=1, budget=20_000, period=50_000)
    + call("a", "server", 0)
    + call("b", "server", 1)
)


def test_calls_are_on_the_time_of_the_caller(tmp_path: Path) -> None:
    needs = "job a wcet 1ms calls server x2\njob b wcet 2ms calls server x1\n"
    needs += "procedure server wcet 500us\njob m wcet 200us\n"
    found = by_name(analyse(model(SERVED, needs, tmp_path)))
    assert "server" not in found
    # Its own 1 ms, two calls, and one of the lower one's calls that began before, or two of them around its deadline.
    assert found["a"].response == 1 * MS + 2 * 500 * US + 2 * 500 * US
    # Between the two priorities: what runs in the server comes before it, for either caller.
    assert found["m"].response == 200 * US + 2 * MS + 2 * 500 * US


def test_a_caller_without_budget_left_keeps_the_server(tmp_path: Path) -> None:
    """Of `b` nothing is known: its budget may end in the server, which then waits for the next one with it."""
    needs = "job a wcet 1ms every 100ms calls server x1\nprocedure server wcet 500us\njob m wcet 200us\n"
    found = by_name(analyse(model(SERVED, needs, tmp_path)))
    assert found["a"].response is not None and found["a"].response >= 50 * MS
    told = by_name(analyse(model(SERVED, needs + "job b wcet 1ms calls server x1\n", tmp_path)))
    assert told["a"].response is not None and told["a"].response < 5 * MS


def test_an_active_server_answers_on_its_own_time(tmp_path: Path) -> None:
    text = SERVED.replace('passive="true"', 'budget="20000" period="20000"')
    needs = "job a wcet 1ms calls server x2\njob b wcet 2ms calls server x1\nprocedure server wcet 500us\n"
    found = by_name(analyse(model(text, needs, tmp_path)))
    # Each of the two calls may wait until all requests are answered: two of `a`, one of `b`.
    assert found["a"].response is not None and 3 * MS < found["a"].response <= 6 * MS
    unknown = analyse(model(text, "job a wcet 1ms calls server x2\nprocedure server wcet 500us\n", tmp_path))
    assert by_name(unknown)["a"].response is None and "'server'" in by_name(unknown)["a"].reasons[0]


def test_two_callers_above_could_take_turns_for_ever(tmp_path: Path) -> None:
    text = SERVED + domain("c", priority=4, budget=1000, period=10_000) + call("c", "server", 2)
    found = by_name(analyse(model(text, "job b wcet 1ms calls server x1\nprocedure server wcet 500us\n", tmp_path)))
    assert found["b"].response is None and "in turns" in found["b"].reasons[0]


def test_latencies(tmp_path: Path) -> None:
    text = domain("top", '<irq irq="10" id="1" />', priority=9, budget=1000, period=10_000)
    text += domain("low", '<irq irq="11" id="1" />', priority=1, budget=500, period=10_000)
    found = analyse(model(text))
    assert [(one.component, one.time) for one in found.latencies] == [("top", 0), ("low", 1 * MS)]
    found = analyse(model(text, kernel=20 * US))
    assert found.latencies[0].time == 40 * US
    needs = "interrupt top 10 wcet 100us every 50ms\njob top wcet 300us every 50ms\n"
    found = analyse(model(text, needs, tmp_path))
    # The event loop may be at the other work, and its budget may have ended.
    assert found.latencies[0].time == 10 * MS + 300 * US


def test_margins(tmp_path: Path) -> None:
    found = margins(file_model("slow-loop", 0))
    # A driver with b in 3 ms leaves 25 ms of 100 while 25 + 34 b <= 100, or 25 + 33 b <= 99.
    (budget,) = [one for one in found if (one.component, one.parameter) == ("driver", "budget")]
    assert budget.limit is not None and 2.22 * MS <= budget.limit <= 74 * MS / 33
    assert budget.breaks == "budget of 'control'"
    assert [one.change for one in found if one.limit is not None] == sorted(
        o.change for o in found if o.limit is not None
    )
    moved = priority_margins(file_model("slow-loop", 0))
    assert {(one.component, one.parameter, one.limit) for one in moved} == {
        ("driver", "priority, lowered", 100),
        ("control", "priority, raised", 200),
    }

    # All three have as much time together as there is: the order does not matter. A shorter period makes it matter.
    text = domain("top", priority=9, budget=400, period=1000) + domain("low", priority=2, budget=500, period=1000)
    assert priority_margins(model(text + domain("mid", priority=5, budget=100, period=1000))) == []
    found = priority_margins(model(text.replace('period="1000"', 'period="800"', 1)))
    assert [(one.component, one.parameter, one.breaks) for one in found] == [
        ("top", "priority, lowered", "budget of 'top'"),
        ("low", "priority, raised", "budget of 'top'"),
    ]


# What the kernel does


def test_the_kernel_in_simulated_time_stays_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own code, as a sporadic server, and with the flags and refills that systems get."""
    slow = replace(SLOW, interrupts=0, kernel_share=0, jobs=3)
    driver = Interference("driver", Load(slow.driver_budget * US, slow.driver_period * US), None)
    # The simulated kernel keeps 2 us of each budget, and takes no time.
    work, reserve = slow.loop_budget * US - 2 * US, 2 * US
    stream = Stream(work, slow.loop_period * US)
    seen = simulation.simulate(slow)
    bound = respond(Server(slow.loop_budget * US, slow.loop_period * US, reserve, True), [stream], [driver])
    assert bound is not None and bound.stalls == 0
    assert seen.missed == 0 and 0.99 * bound.time <= seen.worst_response * US <= bound.time
    monkeypatch.setattr(simulation, "SCHED_CONTEXT_SPORADIC", 0)
    monkeypatch.setattr(simulation, "EXTRA_REFILLS", 0)
    later = simulation.simulate(replace(slow, jobs=2))
    bound = respond(Server(slow.loop_budget * US, slow.loop_period * US, reserve), [stream], [driver])
    # The second job finds its budget late, as the analysis says that it may.
    assert later.missed == 1 and (bound is None or bound.time >= later.worst_response * US)
    assert bound is None or bound.stalls > 0


def test_the_literal_example_in_simulated_time() -> None:
    seen = simulation.simulate(replace(simulation.LITERAL, jobs=1))
    driver = Interference("driver", Load(2 * US, 3 * US), None)
    found = window(lambda length: 25 * MS, [driver])
    assert found is not None and found.length == 75 * MS and seen.worst_response * US <= found.length


@pytest.mark.qemu
def test_the_kernel_in_qemu_stays_below() -> None:
    """`tessera schedule`, beside what `tessera time` says of the same system, with the kernel's stated bound."""
    (seen,) = run([FAST])
    found = analyse(file_model("fast-loop", 20 * US))
    control = by_name(found)["control"]
    assert control.response is not None and 4.4 * MS < seen.worst_response * US <= control.response
    (latency,) = found.latencies
    assert latency.time is not None and 0 < seen.worst_latency * US <= latency.time
    assert isinstance(respond(Server(5, 10), [Stream(1, 10)], []), Response)

# SPDX-License-Identifier: BSD-2-Clause
"""Random system calls of several threads: invariants hold, and native code does the same to every byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.arch import machine
from tessera.ir.build import build_program
from tessera.kernel import entry, scheduler
from tessera.kernel.layout import ThreadState
from tessera.llvm.host import HostModule
from tests.kernel import chaos
from tests.kernel.world import identity_window
from tests.kernel.world_time import TimeWorld

SIZE = 1 << 18
ENTRIES = (entry.handle_system_call, entry.handle_interrupt, entry.handle_exception, entry.leave)
MODEL = ("time", "pending", "deadline", "address_space", "cause", "trap_value")


@pytest.fixture(autouse=True)
def many_preemptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for interrupts after every second step."""
    monkeypatch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 2)


@pytest.fixture(scope="module")
def modules() -> Iterator[list[HostModule]]:
    """Checked and release code of the kernel's entries."""
    with pytest.MonkeyPatch.context() as patch, identity_window():
        patch.setattr(scheduler, "PREEMPTION_WORK_UNITS", 2)
        program = build_program(ENTRIES)
        names = [f"tessera.kernel.entry.{function.__name__}" for function in ENTRIES]
        yield [HostModule(program, checked=c, memory_size=SIZE, entries=names, optimise=1) for c in (True, False)]


class Together(TimeWorld):
    """A world in which native code does each kernel entry again, from the same state."""

    def __init__(self, natives: list[HostModule]) -> None:
        super().__init__(size=SIZE)
        self.natives = natives
        self.checking = False

    def machine_state(self) -> dict[str, Any]:
        return {name: getattr(machine.Model, name) for name in MODEL} | {"console": bytes(machine.Model.console)}

    def reset(self, state: dict[str, Any]) -> None:
        for name in MODEL:
            setattr(machine.Model, name, state[name])
        machine.Model.console[:] = state["console"]

    def both(self, function: Callable[..., Any], *values: int) -> None:
        before, machine_before = bytes(self.memory.data), self.machine_state()
        function(*values)
        after, machine_after = bytes(self.memory.data), self.machine_state()
        for native in self.natives:
            native.memory.data[:] = before
            self.reset(machine_before)
            native.call(function, *values)
            assert self.machine_state() == machine_after
            assert bytes(native.memory.data) == after

    def system_call(self, address: int, info: int, number: int) -> None:
        self.both(entry.handle_system_call, int(address), int(info), number)

    def interrupt(self) -> None:
        self.both(entry.handle_interrupt)

    def exception(self, cause: int, value: int) -> None:
        self.both(entry.handle_exception, cause, value)


@pytest.mark.parametrize("seed", range(6))
def test_native_code_does_the_same(modules: list[HostModule], seed: int) -> None:
    with Together(modules) as world:
        chaos.run(world, seed, 400)
        world.checking = True
        world.check_time()


@pytest.mark.parametrize("seed", range(100, 106))
def test_invariants_hold_after_every_entry(seed: int) -> None:
    with TimeWorld(size=SIZE) as world:
        chaos.run(world, seed, 250)
        world.check()


def test_the_samples_reach_all_states_and_calls() -> None:
    states: Counter[ThreadState] = Counter()
    done: Counter[str] = Counter()
    for seed in range(8):
        with TimeWorld(size=SIZE) as world:
            world.checking = False
            one = chaos.Chaos(world, seed)
            for _ in range(250):
                one.step()
                states += chaos.waiting(world)
            done += one.done
    assert all(states[state] >= 20 for state in ThreadState if state != ThreadState.IDLE), states
    calls = [Label(value).name for value in range(Label.TCB_READ_REGISTERS, Label.TCB_SET_FLAGS + 1)]
    calls += [Label(value).name for value in range(Label.DOMAIN_SET_SET, Label.SCHED_CONTEXT_YIELD_TO + 1)]
    assert [name for name in calls if not done[name]] == []

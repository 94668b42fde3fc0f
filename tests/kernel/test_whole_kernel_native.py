# SPDX-License-Identifier: BSD-2-Clause
"""The whole kernel, booted, under random system calls: native code and CPython agree on every byte, every time.

After each event the invariants hold that the prover will read, on the concrete state.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tessera.arch import machine
from tessera.ir.build import build_program
from tessera.kernel import entry
from tessera.kernel.state import kernel
from tessera.lang import Memory
from tessera.llvm.host import HostModule
from tessera.suites.fuzz.world import memory_size, small_configuration
from tests.kernel.machine_world import Machine

# A longer campaign: TESSERA_FUZZ_EVENTS=100000 pytest tests/kernel/test_whole_kernel_native.py
EVENTS = int(os.environ.get("TESSERA_FUZZ_EVENTS", "400"))
# Random calls wear a system down; a new one has everything to lose again.
BOOT_EVERY = 100
CHECK_EVERY = 90
ENTRY = {name: getattr(entry, name) for name in ("handle_system_call", "handle_exception", "handle_interrupt")}


@pytest.fixture(scope="module")
def natives() -> Iterator[list[HostModule]]:
    """Checked and release code of the same configuration."""
    with small_configuration():
        program = build_program(ENTRY.values())
        names = [f"tessera.kernel.entry.{name}" for name in ENTRY]
        yield [
            HostModule(program, checked=c, memory_size=memory_size(), entries=names, optimise=1) for c in (True, False)
        ]


def outside() -> tuple[int, int, bytes]:
    """What the kernel did to the machine besides memory."""
    return machine.Model.deadline, machine.Model.address_space, bytes(machine.Model.console)


@pytest.mark.parametrize("seed", range(4))
def test_native_code_and_cpython_agree(natives: list[HostModule], seed: int) -> None:
    done: Counter[str] = Counter()
    with Memory(memory_size()) as memory:
        world = Machine(memory, seed)
        for number in range(EVENTS):
            if number % BOOT_EVERY == BOOT_EVERY - 1 or not world.revive():
                memory.data[:] = bytes(len(memory.data))
                world = Machine(memory, seed * EVENTS + number)
                done["booted"] += 1
            name, function, arguments = world.event()
            before = bytes(memory.data)
            machine.Model.console.clear()
            ENTRY[function](*arguments)
            after, told = bytes(memory.data), outside()
            for native in natives:
                native.memory.data[:] = before
                machine.Model.console.clear()
                native.call(ENTRY[function], *arguments)
                assert bytes(native.memory.data) == after, f"event {number}: {name} {arguments}"
                assert outside() == told
            if number % CHECK_EVERY == 0:
                world.check()
            done[name] += 1
            if name not in ("timer", "exception") and kernel.current is not kernel.idle:
                done["went on"] += 1
    assert len(done) > 20
    assert done["went on"] > EVENTS // 20

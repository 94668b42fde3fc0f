# SPDX-License-Identifier: BSD-2-Clause
"""The monitor's words for every kind of fault, and what it does with passive components and the initialiser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.syscalls import Syscall
from tessera.lang import u64
from tessera.runtime import monitor, spec
from tessera.runtime.spec import HANDOVER_LABEL
from tessera.system import environment as env
from tests.runtime.monitor_cases import CASES, CLIENT, HELPER, IMAGES, SYSTEM
from tests.runtime.monitor_host import READERS, Kernel, monitor_of


@pytest.fixture(scope="module", params=READERS)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    with monitor_of(SYSTEM, IMAGES, request.param) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_in_the_words_of_the_description(kernel: Kernel, name: str) -> None:
    case = CASES[name]
    kernel.registers = case.registers
    assert kernel.deliver(case.sender + 1, case.label, *case.words) == case.expected
    # The component is stopped and not answered.
    thread = env.monitor_slot(case.sender, env.MONITOR_TCB)
    assert kernel.invoked == [(InvocationLabel.TCB_SUSPEND, thread, (), ())]


def test_numbers_of_system_calls_are_those_of_the_table() -> None:
    assert Syscall.DEBUG_PUT_CHAR == 2**64 - 12
    assert Syscall.BENCHMARK_RESET_LOG == 2**64 - 22


def test_slots_are_those_of_the_distribution() -> None:
    for name in ("MONITOR_TCB", "MONITOR_SCHED_CONTEXT", "MONITOR_NOTIFICATION"):
        assert int(monitor.slot_of(u64(5), u64(getattr(spec, name)))) == env.monitor_slot(5, getattr(env, name))


def test_a_passive_component_gives_its_time_to_its_notification(kernel: Kernel) -> None:
    assert kernel.deliver(HELPER + 1, 0) == ""
    context, thread = env.monitor_slot(HELPER, env.MONITOR_SCHED_CONTEXT), env.monitor_slot(HELPER, env.MONITOR_TCB)
    assert kernel.invoked == [
        (InvocationLabel.SCHED_CONTEXT_UNBIND_OBJECT, context, (), (thread,)),
        (InvocationLabel.SCHED_CONTEXT_BIND, context, (), (env.monitor_slot(HELPER, env.MONITOR_NOTIFICATION),)),
    ]


def test_an_empty_message_of_another_component_changes_nothing(kernel: Kernel) -> None:
    told = kernel.deliver(CLIENT + 1, 0)
    assert told == 'MONITOR|ERROR: an empty message from component "client", which is not passive\n'
    assert kernel.invoked == []


def test_the_initialiser_is_removed_with_all_that_it_has(kernel: Kernel) -> None:
    assert kernel.deliver(0, HANDOVER_LABEL, 0, 9) == ""
    assert [(label, cap, words) for label, cap, words, _ in kernel.invoked] == [
        (InvocationLabel.CNODE_DELETE, 10, (8, 9)),
        (InvocationLabel.CNODE_DELETE, 10, (9, 9)),
        (InvocationLabel.CNODE_DELETE, 10, (10, 9)),
    ]


def test_the_domain_schedule_starts_when_the_initialiser_is_gone(kernel: Kernel) -> None:
    assert kernel.deliver(0, HANDOVER_LABEL, 8, 11) == ""
    assert [(label, cap, words) for label, cap, words, _ in kernel.invoked] == [
        (InvocationLabel.CNODE_DELETE, 10, (8, 11)),
        (InvocationLabel.CNODE_DELETE, 10, (9, 11)),
        (InvocationLabel.DOMAIN_SET_SCHEDULE_SET_START, 11, (7,)),
        (InvocationLabel.CNODE_DELETE, 10, (11, 11)),
        (InvocationLabel.CNODE_DELETE, 10, (10, 11)),
    ]


@pytest.mark.parametrize("badge, label", [(0, 6), (6, 6), (1 << 63, 0)])
def test_a_message_of_nobody_is_told_and_ignored(kernel: Kernel, badge: int, label: int) -> None:
    told = kernel.deliver(badge, label, 1, 2, 3, 4)
    assert told == f"MONITOR|ERROR: a message from an unknown sender: badge {badge:#x}, label {label}\n"
    assert kernel.invoked == []


def test_a_component_cannot_ask_for_the_handover(kernel: Kernel) -> None:
    kernel.registers = None
    told = kernel.deliver(HELPER + 1, HANDOVER_LABEL)
    kind = f"a fault of unknown kind {HANDOVER_LABEL}; its message has 0 words:"
    assert told == f'MONITOR|FAULT: component "helper" stopped: {kind}\n'
    assert [label for label, *_ in kernel.invoked] == [InvocationLabel.TCB_SUSPEND]


def test_a_step_that_fails_is_told(kernel: Kernel) -> None:
    kernel.error = Error.ILLEGAL_OPERATION
    try:
        reason = "the operation is not allowed for this object as it is now"
        assert kernel.deliver(HELPER + 1, 0) == (
            f'MONITOR|ERROR: cannot take the time of component "helper": {reason}\n'
            f'MONITOR|ERROR: cannot lend time to component "helper": {reason}\n'
        )
        assert kernel.deliver(0, HANDOVER_LABEL) == f"MONITOR|ERROR: cannot remove the initialiser: {reason}\n" * 3
    finally:
        kernel.error = Error.NO_ERROR

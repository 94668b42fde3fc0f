# SPDX-License-Identifier: BSD-2-Clause
"""Faults: what handlers are told, what their answers change, and budgets that run out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.errors import LookupFailure
from tessera.abi.faults import (
    TIMEOUT_REPLY_REGISTERS,
    UNKNOWN_SYSCALL_REGISTERS,
    CapFaultMessage,
    Fault,
    TimeoutMessage,
    UnknownSyscallMessage,
    UserExceptionMessage,
    VmFaultMessage,
)
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.syscalls import Syscall
from tessera.arch import machine, registers
from tessera.kernel import fault
from tessera.kernel.layout import FAULT_PC, NEXT_PC, FaultKind, Slot, ThreadState
from tessera.kernel.state import kernel
from tests.kernel.world_time import US, TimeWorld

PC = 0x4000


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


class Handled:
    """A thread whose faults go to a passive handler with badge 5; the thread runs."""

    def __init__(
        self, world: TimeWorld, *, timeout: bool = False, budget_us: int = 1000, period_us: int = 10_000
    ) -> None:
        self.endpoint, self.reply = world.new_endpoint(), world.new_reply()
        self.badged = world.copy(self.endpoint, badge=5)
        self.context = world.new_context(budget_us, period_us)
        if timeout:
            # It has to serve while the time of the thread is gone.
            self.handler = world.active(120)
            world.run(self.handler)
            world.receive(self.endpoint, self.reply)
        else:
            self.handler = world.passive_server(self.endpoint, self.reply)
        self.thread: Slot = world.new_thread(100, self.context)
        manager = world.active(130)
        world.run(manager)
        label = Label.TCB_SET_TIMEOUT_ENDPOINT if timeout else Label.TCB_SET_SPACE
        if timeout:
            assert int(world.invoke(self.thread, label, caps=(self.badged,)).error) == 0
        else:
            world.tcb(self.thread).fault_handler.capability = self.badged.capability
        world.call(manager, label=int(Label.TCB_SUSPEND))
        self.tcb = world.tcb(self.thread)
        self.tcb.registers[NEXT_PC] = PC
        world.run(self.thread)
        self.server = world.tcb(self.handler)


def told(world: TimeWorld, handled: Handled) -> tuple[int, list[int]]:
    """Label and words that the handler received."""
    assert world.is_current(handled.handler) and world.badge(handled.server) == 5
    return int(world.info(handled.server).label), world.words(handled.server)


def test_a_capability_that_is_not_there(world: TimeWorld) -> None:
    handled = Handled(world)
    world.trap(Syscall.CALL, 1 << 40, 0)
    label, words = told(world, handled)
    assert label == Fault.CAP_FAULT
    assert words[CapFaultMessage.IP] == PC and words[CapFaultMessage.ADDRESS] == 1 << 40
    assert words[CapFaultMessage.IN_RECV_PHASE] == 0
    world.reply_receive(handled.endpoint, handled.reply)
    assert handled.tcb.state == ThreadState.RUNNING and int(handled.tcb.registers[NEXT_PC]) == PC


def test_a_capability_fault_tells_the_failed_lookup(world: TimeWorld) -> None:
    handled = Handled(world)
    world.trap(Syscall.RECV, 1 << 40, 0, handled.reply)
    label, words = told(world, handled)
    assert label == Fault.CAP_FAULT and words[:3] == [PC, 1 << 40, 1]
    assert words[3] == LookupFailure.GUARD_MISMATCH and words[4:] == [64, 0, 64 - world.root_bits]


def test_an_unknown_system_call_and_its_emulation(world: TimeWorld) -> None:
    handled = Handled(world)
    for index, name in enumerate(UNKNOWN_SYSCALL_REGISTERS[1:]):
        handled.tcb.registers[registers.index_of(name)] = 1000 + index
    handled.tcb.registers[registers.SYSCALL] = 77
    handled.tcb.registers[FAULT_PC] = PC
    handled.tcb.registers[NEXT_PC] = PC + 4
    world.system_call(0, 0, 77)
    world.check_time()
    label, words = told(world, handled)
    assert label == Fault.UNKNOWN_SYSCALL and len(words) == 11
    assert words[UnknownSyscallMessage.FAULT_IP] == PC and words[UnknownSyscallMessage.SYSCALL] == 77
    assert words[1:10] == [1000 + index for index in range(9)]
    # The handler goes past the call and sets two more registers.
    world.reply_receive(handled.endpoint, handled.reply, PC + 4, 2001, 2002)
    assert world.is_current(handled.thread)
    assert int(handled.tcb.registers[NEXT_PC]) == PC + 4
    assert [int(handled.tcb.registers[registers.index_of(name)]) for name in ("sp", "ra", "a0")] == [2001, 2002, 1002]


def test_a_user_exception(world: TimeWorld) -> None:
    handled = Handled(world)
    handled.tcb.registers[FAULT_PC] = PC
    handled.tcb.registers[registers.STACK_POINTER] = 0x9000
    world.exception(2, 0)
    world.check_time()
    label, words = told(world, handled)
    assert label == Fault.USER_EXCEPTION
    assert words[UserExceptionMessage.FAULT_IP] == PC and words[UserExceptionMessage.SP] == 0x9000
    assert words[UserExceptionMessage.NUMBER] == 2 and words[UserExceptionMessage.CODE] == 0
    world.reply_receive(handled.endpoint, handled.reply, PC + 8, 0x8000, 99, 98)
    assert int(handled.tcb.registers[NEXT_PC]) == PC + 8
    assert int(handled.tcb.registers[registers.STACK_POINTER]) == 0x8000


def test_a_user_exception_has_a_code(world: TimeWorld) -> None:
    handled = Handled(world)
    fault.user_exception(handled.tcb, 3, 8)
    world.leave()
    assert told(world, handled)[1][2:] == [3, 8]


@pytest.mark.parametrize(
    "cause, told_code, fetch",
    [
        (machine.LOAD_PAGE_FAULT, machine.LOAD_ACCESS_FAULT, 0),
        (machine.LOAD_ACCESS_FAULT, machine.LOAD_ACCESS_FAULT, 0),
        (machine.STORE_PAGE_FAULT, machine.STORE_ACCESS_FAULT, 0),
        (machine.STORE_ACCESS_FAULT, machine.STORE_ACCESS_FAULT, 0),
        (machine.INSTRUCTION_PAGE_FAULT, machine.INSTRUCTION_ACCESS_FAULT, 1),
        (machine.INSTRUCTION_ACCESS_FAULT, machine.INSTRUCTION_ACCESS_FAULT, 1),
    ],
)
def test_a_memory_fault(world: TimeWorld, cause: int, told_code: int, fetch: int) -> None:
    handled = Handled(world)
    handled.tcb.registers[FAULT_PC] = PC
    world.exception(cause, 0xDEAD000)
    world.check_time()
    label, words = told(world, handled)
    assert label == Fault.VM_FAULT and len(words) == 4
    assert words[VmFaultMessage.IP] == PC and words[VmFaultMessage.ADDRESS] == 0xDEAD000
    assert words[VmFaultMessage.PREFETCH_FAULT] == fetch and words[VmFaultMessage.FSR] == told_code
    # Whatever the label of the answer is, the thread tries again.
    world.reply_receive(handled.endpoint, handled.reply, label=3)
    assert world.is_current(handled.thread) and int(handled.tcb.registers[NEXT_PC]) == PC


def test_an_answer_with_a_label_stops_the_thread(world: TimeWorld) -> None:
    handled = Handled(world)
    handled.tcb.registers[FAULT_PC] = PC
    world.exception(2, 0)
    world.reply_receive(handled.endpoint, handled.reply, PC, label=1)
    assert handled.tcb.state == ThreadState.INACTIVE and handled.tcb.fault == FaultKind.NONE
    assert world.context_of(handled.thread) is not None and kernel.current is kernel.idle


def test_a_thread_without_handler_stops(world: TimeWorld) -> None:
    thread = world.active()
    world.run(thread)
    world.exception(2, 0)
    world.check_time()
    assert world.tcb(thread).state == ThreadState.INACTIVE and world.tcb(thread).fault == FaultKind.NONE
    assert kernel.current is kernel.idle


def test_a_fault_waits_for_a_busy_handler_and_lends_its_time(world: TimeWorld) -> None:
    handled = Handled(world)
    other = world.new_thread(90, world.new_context(1000))
    world.tcb(other).fault_handler.capability = handled.badged.capability
    world.exception(2, 0)
    assert world.is_current(handled.handler)
    world.call(handled.handler, label=int(Label.TCB_SUSPEND))
    world.run(other)
    world.exception(2, 0)
    assert world.tcb(other).state == ThreadState.BLOCKED_ON_SEND
    world.check_time()


def test_a_used_budget_is_told_to_the_timeout_handler(world: TimeWorld) -> None:
    handled = Handled(world, timeout=True)
    start = machine.Model.time
    world.advance(1000 * US)
    label, words = told(world, handled)
    assert label == Fault.TIMEOUT
    assert words[TimeoutMessage.DATA] == 7
    assert abs(words[TimeoutMessage.CONSUMED] - (machine.Model.time - start) // US) <= 1
    assert handled.tcb.state == ThreadState.BLOCKED_ON_REPLY
    assert world.context_of(handled.thread) is not None
    # The answer sets all registers and lets it go on when its time comes back.
    world.reply_receive(handled.endpoint, handled.reply, *range(100, 132))
    assert handled.tcb.in_release_queue and kernel.current is kernel.idle
    world.advance(10_000 * US)
    values = [int(handled.tcb.registers[registers.index_of(name)]) for name in TIMEOUT_REPLY_REGISTERS]
    assert values == list(range(100, 132))


def test_a_server_that_used_up_its_callers_time_times_out_for_it(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply, 110)
    handled = Handled(world, timeout=True)
    world.call(endpoint)
    assert world.is_current(server)
    context = world.context_of(server)
    assert context is not None
    world.advance(1000 * US)
    # The server has no timeout handler, so it waits for the refill with the call unanswered.
    assert world.tcb(server).in_release_queue and kernel.current is kernel.idle
    world.advance(9_500 * US)
    assert world.is_current(server)
    # The answer finds that there is time, so the caller goes on.
    world.reply_receive(endpoint, reply)
    assert world.is_current(handled.thread)
    world.call(endpoint)
    world.pass_time(495 * US)
    # Too little is left to answer now: the server waits again, and answers in the next period.
    world.reply_receive(endpoint, reply)
    assert world.tcb(server).in_release_queue


def test_an_answer_to_a_thread_without_time_is_a_timeout(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply, 110)
    handled = Handled(world, timeout=True)
    helper = world.active(90)
    world.call(endpoint)
    assert world.is_current(server)
    # The server used up the budget that it was lent; another thread answers in its place.
    world.advance(1000 * US)
    assert world.tcb(server).in_release_queue and world.is_current(helper)
    world.send(reply, 1)
    assert told(world, handled)[0] == Fault.TIMEOUT
    assert handled.tcb.state == ThreadState.BLOCKED_ON_REPLY and world.context_of(server) is None


def test_without_a_timeout_handler_it_waits_for_its_time(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply, 110)
    client = world.active(100, 1000, 10_000)
    helper = world.active(90)
    world.run(client)
    world.call(endpoint)
    world.advance(1000 * US)
    assert world.is_current(helper)
    world.send(reply, 1)
    assert world.is_current(helper) and world.tcb(client).in_release_queue
    assert world.context_of(server) is None and not world.tcb(server).in_release_queue


def test_round_robin_threads_never_time_out(world: TimeWorld) -> None:
    handled = Handled(world, timeout=True, budget_us=1000, period_us=1000)
    world.advance(5000 * US)
    assert world.is_current(handled.thread) and handled.tcb.fault == FaultKind.NONE


def test_a_fault_of_a_stopped_thread_is_forgotten(world: TimeWorld) -> None:
    handled = Handled(world)
    world.exception(2, 0)
    world.invoke(handled.thread, Label.TCB_SUSPEND)
    assert handled.tcb.state == ThreadState.INACTIVE and handled.tcb.fault == FaultKind.NONE
    world.send(handled.reply, PC)
    assert handled.tcb.state == ThreadState.INACTIVE

# SPDX-License-Identifier: BSD-2-Clause
"""What random programs have found in the kernel, and is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.kernel.state import kernel
from tessera.lang import address_of
from tessera.spec.capability import UntypedCap
from tessera.spec.objects import Node, State
from tessera.suites.fuzz.arguments import ROOT, THREAD
from tessera.suites.fuzz.generator import Generator
from tessera.suites.fuzz.restarts import Abandoned
from tessera.suites.fuzz.world import Attempt, Native, World

BUFFER_FRAME, DOMAIN = 10, 11


class Program:
    """The root task, which makes one call after the other."""

    def __init__(self, native: Native) -> None:
        self.world = World(native)
        self.generator = Generator(self.world, 0)

    def attempt(
        self, number: int, address: int, label: int, words: list[int], caps: list[int], **registers: int
    ) -> Attempt:
        current = self.world.k.current
        assert current is not None
        self.generator.look()
        found = self.generator.message(current, "call", number, address, label, words, caps, {"pc": 64, "next_pc": 68})
        return replace(found, registers=found.registers | registers, stops=False)

    def call(self, address: int, label: int, words: list[int], caps: list[int]) -> None:
        assert self.world.do(self.attempt(Syscall.CALL, address, label, words, caps)) == []


@pytest.fixture
def program(native: Native) -> Program:
    return Program(native)


def test_a_call_for_an_address_is_answered(program: Program) -> None:
    program.call(BUFFER_FRAME, Label.RISCV_PAGE_GET_ADDRESS, [], [])


def test_a_send_for_an_address_is_not_answered(program: Program) -> None:
    attempt = program.attempt(Syscall.SEND, BUFFER_FRAME, Label.RISCV_PAGE_GET_ADDRESS, [], [])
    assert program.world.do(attempt) == []


def test_a_long_operation_is_done_before_its_thread_receives(program: Program) -> None:
    world = program.world
    node = world.k.objects[world.root]
    assert isinstance(node, Node)
    sizes = {i: cap.size_bits for i, cap in node.slots.items() if isinstance(cap, UntypedCap) and not cap.is_device}
    first, second = sorted(sizes, key=lambda index: sizes[index])[-2:]
    program.call(first, Label.UNTYPED_RETYPE, [ObjectType.ENDPOINT, 0, 0, 0, 200, 20], [ROOT])
    program.call(second, Label.UNTYPED_RETYPE, [ObjectType.ENDPOINT, 0, 0, 0, 190, 1], [ROOT])
    program.call(second, Label.UNTYPED_RETYPE, [ObjectType.REPLY, 0, 0, 0, 191, 1], [ROOT])
    attempt = program.attempt(Syscall.NB_SEND_RECV, 190, Label.CNODE_REVOKE, [first, 64], [], t0=ROOT, a6=191)
    thread = world.k.current
    assert thread is not None
    world.enter(replace(attempt, stops=True))
    left = [index for index in range(200, 220) if world.words.cap(world.words.named(world.root) + 4 * index)]
    # Either all is done, or the thread will make the call again.
    waits = world.words.name(int(address_of(kernel.current))) != thread.name
    assert not left or not waits


def test_a_thread_that_moves_itself_and_then_waits_is_in_no_queue(program: Program) -> None:
    """It moved itself to another domain in the first half of a call, and came to wait in the second half."""
    world = program.world
    node = world.k.objects[world.root]
    assert isinstance(node, Node)
    sizes = {i: cap.size_bits for i, cap in node.slots.items() if isinstance(cap, UntypedCap) and not cap.is_device}
    memory = max(sizes, key=lambda index: sizes[index])
    program.call(memory, Label.UNTYPED_RETYPE, [ObjectType.ENDPOINT, 0, 0, 0, 190, 1], [ROOT])
    program.call(memory, Label.UNTYPED_RETYPE, [ObjectType.REPLY, 0, 0, 0, 191, 1], [ROOT])
    attempt = program.attempt(Syscall.NB_SEND_RECV, 190, Label.DOMAIN_SET_SET, [1], [THREAD], t0=DOMAIN, a6=191)
    thread = world.k.current
    assert thread is not None
    assert world.do(attempt) == []
    assert thread.state is State.RECEIVING and not thread.is_ready


def test_a_thread_that_ends_itself_half_way_leaves_what_another_one_may_end(program: Program) -> None:
    """It deletes the last capability to itself, and the deletion stops in between: nobody goes on with it."""
    world = program.world
    attempt = replace(program.attempt(Syscall.CALL, ROOT, Label.CNODE_DELETE, [THREAD, 64], []), stops=True)
    # Every invariant holds, or this gave those that do not.
    with pytest.raises(Abandoned):
        world.do(attempt)
    # A zombie is left, and all that lies in it.
    assert world.words.cap(world.words.named(world.root) + 4 * THREAD)


def test_buffers_live_in_a_frame_of_memory_that_was_given_back_in_the_same_call(program: Program) -> None:
    """What lived in the memory before ended after the frame had begun."""
    world = program.world
    node = world.k.objects[world.root]
    assert isinstance(node, Node)
    sizes = {i: cap.size_bits for i, cap in node.slots.items() if isinstance(cap, UntypedCap) and not cap.is_device}
    largest = max(sizes, key=lambda index: sizes[index])
    program.call(largest, Label.UNTYPED_RETYPE, [ObjectType.UNTYPED, 13, 0, 0, 190, 1], [ROOT])
    program.call(190, Label.UNTYPED_RETYPE, [ObjectType.ENDPOINT, 0, 0, 0, 191, 1], [ROOT])
    program.call(ROOT, Label.CNODE_DELETE, [191, 64], [])
    program.call(190, Label.UNTYPED_RETYPE, [ObjectType.PAGE, 0, 0, 0, 191, 1], [ROOT])


def test_a_thread_that_takes_what_it_calls_half_way_does_not_go_on(program: Program) -> None:
    """It revokes through a capability that is revoked, too; the call cannot be made again without it."""
    program.call(ROOT, Label.CNODE_COPY, [190, 64, ROOT, 64, 15], [ROOT])
    program.call(ROOT, Label.CNODE_COPY, [191, 64, ROOT, 64, 15], [ROOT])
    attempt = replace(program.attempt(Syscall.CALL, 191, Label.CNODE_REVOKE, [ROOT, 64], []), stops=True)
    with pytest.raises(Abandoned):
        program.world.do(attempt)

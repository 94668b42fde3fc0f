# SPDX-License-Identifier: BSD-2-Clause
"""What messages carry: words in registers and buffers, capabilities, badges of the endpoint itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.syscalls import Syscall
from tessera.kernel import deletion, message
from tessera.kernel.capability import FrameCap, NullCap
from tessera.kernel.layout import Slot, ThreadState
from tessera.lang import address_of
from tests.kernel.world_time import BUFFER_ADDRESS, TimeWorld


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


@pytest.mark.parametrize("length", [0, 1, 4, 5, 17, 120])
def test_long_messages_go_through_the_buffers(world: TimeWorld, length: int) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply)
    client = world.active()
    world.run(client)
    message = [1000 + i for i in range(length)]
    world.call(endpoint, *message)
    assert world.words(world.tcb(server)) == message
    answer = [2000 + i for i in range(length)]
    world.reply_receive(endpoint, reply, *answer)
    assert world.words(world.tcb(client)) == answer


def test_a_buffer_may_lie_anywhere_in_its_frame(world: TimeWorld) -> None:
    thread = world.active()
    tcb = world.tcb(thread)
    cap = tcb.ipc_buffer_frame.capability
    assert isinstance(cap, FrameCap)
    for offset in (0, 1024, 3072):
        tcb.ipc_buffer = BUFFER_ADDRESS + offset
        found = message.buffer_of(tcb, True)
        assert found is not None and int(address_of(found)) == int(cap.base) + offset
    tcb.ipc_buffer_frame.capability = cap.replace(can_write=False)
    assert message.buffer_of(tcb, True) is None and message.buffer_of(tcb, False) is not None
    tcb.ipc_buffer_frame.capability = cap.replace(can_write=False, can_read=False)
    assert message.buffer_of(tcb, False) is None
    tcb.ipc_buffer_frame.capability = cap.replace(is_device=True)
    assert message.buffer_of(tcb, False) is None


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_without_a_buffer_a_message_has_four_words(world: TimeWorld, who: str) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply)
    client = world.active()
    world.run(client)
    info = world.prepare((1, 2, 3, 4, 5, 6), (), 0)
    victim = world.tcb(client if who == "sender" else server)
    victim.ipc_buffer_frame.capability = NullCap()
    world.trap(Syscall.CALL, world.address(endpoint), info)
    assert int(world.info(world.tcb(server)).length) == 4
    assert [int(world.tcb(server).registers[12 + i]) for i in range(4)] == [1, 2, 3, 4]


def receive_into(world: TimeWorld, thread: Slot, slot: Slot) -> None:
    """Say where a thread wants a capability to go."""
    buffer = world.buffer_of(world.tcb(thread))
    buffer.receive_cnode = world.address(world.root_copy)
    buffer.receive_index = world.address(slot)
    buffer.receive_depth = 64


def with_root(world: TimeWorld) -> None:
    world.root_copy = world.copy(world.root_slot)  # type: ignore[attr-defined]


def test_a_capability_is_copied_to_the_slot_that_the_receiver_named(world: TimeWorld) -> None:
    with_root(world)
    endpoint, reply, gift = world.new_endpoint(), world.new_reply(), world.new_notification()
    server = world.passive_server(endpoint, reply)
    target = world.slot()
    receive_into(world, server, target)
    client = world.active()
    world.run(client)
    world.call(endpoint, 1, caps=(gift,))
    info = world.info(world.tcb(server))
    assert int(info.extra_caps) == 1 and int(info.caps_unwrapped) == 0
    assert target.capability == gift.capability
    world.check()


def test_a_capability_to_the_endpoint_itself_arrives_as_its_badge(world: TimeWorld) -> None:
    with_root(world)
    endpoint, reply, gift = world.new_endpoint(), world.new_reply(), world.new_notification()
    badged = world.copy(endpoint, badge=77)
    other = world.copy(endpoint, badge=78)
    server = world.passive_server(endpoint, reply)
    target = world.slot()
    receive_into(world, server, target)
    client = world.active()
    world.run(client)
    world.call(endpoint, caps=(badged, gift, other))
    info = world.info(world.tcb(server))
    assert int(info.extra_caps) == 3 and int(info.caps_unwrapped) == 0b101
    buffer = world.buffer_of(world.tcb(server))
    assert int(buffer.caps[0]) == 77 and int(buffer.caps[2]) == 78
    assert target.capability == gift.capability


def test_a_second_capability_stops_the_transfer(world: TimeWorld) -> None:
    with_root(world)
    endpoint, reply = world.new_endpoint(), world.new_reply()
    gifts = [world.new_notification() for _ in range(2)]
    server = world.passive_server(endpoint, reply)
    target = world.slot()
    receive_into(world, server, target)
    client = world.active()
    world.run(client)
    world.call(endpoint, caps=(gifts[0], gifts[1]))
    assert int(world.info(world.tcb(server)).extra_caps) == 1
    assert target.capability == gifts[0].capability


def test_without_the_grant_right_no_capability_goes_along(world: TimeWorld) -> None:
    with_root(world)
    endpoint, reply, gift = world.new_endpoint(), world.new_reply(), world.new_notification()
    narrow = world.copy(endpoint, can_grant=False)
    server = world.passive_server(endpoint, reply)
    target = world.slot()
    receive_into(world, server, target)
    client = world.active()
    world.run(client)
    world.call(narrow, caps=(gift,))
    assert int(world.info(world.tcb(server)).extra_caps) == 0 and isinstance(target.capability, NullCap)
    assert world.tcb(client).state == ThreadState.BLOCKED_ON_REPLY


def test_a_receiver_without_a_slot_gets_none(world: TimeWorld) -> None:
    endpoint, reply, gift = world.new_endpoint(), world.new_reply(), world.new_notification()
    server = world.passive_server(endpoint, reply)
    client = world.active()
    world.run(client)
    world.call(endpoint, 3, caps=(gift,))
    assert int(world.info(world.tcb(server)).extra_caps) == 0
    assert world.words(world.tcb(server)) == [3]


def test_an_answer_carries_capabilities_if_the_reply_may_grant(world: TimeWorld) -> None:
    with_root(world)
    for can_grant in (False, True):
        endpoint, reply, gift = world.new_endpoint(), world.new_reply(), world.new_notification()
        answering = world.copy(reply, can_grant=can_grant)
        server = world.passive_server(endpoint, reply)
        client = world.active()
        target = world.slot()
        receive_into(world, client, target)
        world.run(client)
        world.call(endpoint)
        assert world.is_current(server)
        world.send(answering, 1, caps=(gift,))
        assert isinstance(target.capability, NullCap) != can_grant
        deletion.delete(client)
        world.tcbs.remove(world.tcbs[-1])
        world.leave()

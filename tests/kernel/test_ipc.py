# SPDX-License-Identifier: BSD-2-Clause
"""Messages between threads: priorities, badges, capabilities, passive servers, nested calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.kernel import deletion, schedcontext
from tessera.kernel.capability import EndpointCap, ReplyCap, SchedContextCap
from tessera.kernel.layout import EndpointState, Reply, SchedContext, Slot, ThreadState
from tessera.kernel.state import kernel
from tests.kernel.world_time import TimeWorld


@pytest.fixture
def world() -> Iterator[TimeWorld]:
    with TimeWorld() as state:
        yield state


def reply_of(slot: Slot) -> Reply:
    assert isinstance(slot.capability, ReplyCap)
    return slot.capability.reply


def test_a_call_to_a_passive_server_and_its_answer(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    badged = world.copy(endpoint, badge=42)
    server = world.passive_server(endpoint, reply)
    client = world.active(100)
    own = world.context_of(client)
    world.run(client)
    world.call(badged, 1, 2, 3, label=9)
    assert world.is_current(server)
    assert world.badge(world.tcb(server)) == 42
    assert world.words(world.tcb(server)) == [1, 2, 3]
    assert int(world.info(world.tcb(server)).label) == 9
    assert world.context_of(server) is own and world.context_of(client) is None
    assert world.tcb(client).state == ThreadState.BLOCKED_ON_REPLY
    world.reply_receive(endpoint, reply, 7, 8, label=5)
    assert world.is_current(client)
    assert world.words(world.tcb(client)) == [7, 8] and int(world.info(world.tcb(client)).label) == 5
    assert world.badge(world.tcb(client)) == 0
    assert world.context_of(client) is own and world.context_of(server) is None
    assert world.tcb(server).state == ThreadState.BLOCKED_ON_RECEIVE


def test_an_active_server_keeps_its_own_time(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server, client = world.active(120), world.active(100)
    world.run(server)
    world.receive(endpoint, reply)
    world.call(endpoint)
    assert world.is_current(server)
    assert world.context_of(client) is not None and world.context_of(server) is not world.context_of(client)
    assert reply_of(reply).scheduling_context is None
    world.reply_receive(endpoint, reply)
    assert world.is_current(client)


def test_a_send_does_not_lend_time(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply)
    client = world.active(100)
    world.run(client)
    world.send(endpoint, 5)
    assert world.is_current(client)
    assert world.tcb(server).state == ThreadState.RUNNING and world.context_of(server) is None
    assert world.words(world.tcb(server)) == [5]
    assert reply_of(reply).caller is None


def test_a_receiver_whose_context_was_never_configured_does_not_run(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply)
    client = world.active(100)
    schedcontext.bind_tcb(world.of(world.new_context(), SchedContextCap).context, world.tcb(server))
    world.run(client)
    world.send(endpoint, 5)
    assert world.tcb(server).state == ThreadState.RUNNING and world.words(world.tcb(server)) == [5]
    assert world.is_current(client) and not world.ready(server)


def test_senders_are_served_by_priority_and_then_in_order(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    threads = {name: world.active(priority) for name, priority in [("a", 50), ("b", 70), ("c", 70), ("d", 60)]}
    for badge, name in enumerate(["a", "d", "b", "c"], 1):
        for other in threads:
            if other != name and world.tcb(threads[other]).state == ThreadState.RUNNING:
                schedule_away(world, threads[other])
        sender = world.copy(endpoint, badge=badge)
        world.run(threads[name])
        world.send(sender, badge)
        bring_back(world)
    receiver = world.active(10)
    world.run(receiver)
    order = []
    for _ in range(4):
        world.receive(endpoint, reply)
        order.append(world.badge(world.tcb(receiver)))
        for slot in threads.values():
            schedule_away(world, slot)
        world.run(receiver)
    assert order == [3, 4, 2, 1]


PARKED: list[tuple[Slot, object]] = []


def schedule_away(world: TimeWorld, slot: Slot) -> None:
    """Take a thread's time away for a while."""
    context = world.context_of(slot)
    if context is not None:
        schedcontext.unbind_tcb(context)
        PARKED.append((slot, context))


def bring_back(world: TimeWorld) -> None:
    """Give all threads their time again."""
    while PARKED:
        slot, context = PARKED.pop()
        schedcontext.bind_tcb(context, world.tcb(slot))  # type: ignore[arg-type]


def test_a_send_that_does_not_wait_is_dropped(world: TimeWorld) -> None:
    endpoint = world.new_endpoint()
    sender = world.active()
    world.run(sender)
    world.send(endpoint, 1, blocking=False)
    assert world.is_current(sender)
    cap = endpoint.capability
    assert isinstance(cap, EndpointCap) and cap.endpoint.end.state == EndpointState.IDLE


def test_a_receive_that_does_not_wait_says_so(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    receiver = world.active()
    world.run(receiver)
    world.receive(endpoint, reply, blocking=False)
    assert world.is_current(receiver) and world.badge(world.tcb(receiver)) == 0
    assert reply_of(reply).caller is None


def test_a_call_that_nobody_can_answer_ends_the_thread(world: TimeWorld) -> None:
    endpoint = world.new_endpoint()
    narrow = world.copy(endpoint, can_grant=False, can_grant_reply=False)
    server, client = world.active(120), world.active(100)
    world.run(server)
    world.receive(endpoint, world.new_reply())
    world.run(client)
    world.call(narrow, 1)
    assert world.is_current(server) and world.words(world.tcb(server)) == [1]
    assert world.tcb(client).state == ThreadState.INACTIVE
    # Without a reply object nobody can either.
    other = world.active(110)
    world.receive(endpoint)
    world.run(other)
    world.call(endpoint, 2)
    assert world.is_current(server) and world.tcb(other).state == ThreadState.INACTIVE


def stack_of_calls(world: TimeWorld, depth: int) -> tuple[Slot, list[Slot], list[Slot], list[Slot]]:
    """A client of a chain of passive servers that call each other: client, servers, replies, endpoints."""
    endpoints = [world.new_endpoint() for _ in range(depth)]
    replies = [world.new_reply() for _ in range(depth)]
    servers = [world.passive_server(endpoints[i], replies[i], 120 + i) for i in range(depth)]
    client = world.active(100)
    world.run(client)
    for i in range(depth):
        world.call(endpoints[i], i)
        assert world.is_current(servers[i])
    return client, servers, replies, endpoints


def test_a_call_that_waits_is_a_call_all_the_same(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    client, sender, server = world.active(100), world.active(90), world.active(80)
    world.run(client)
    world.call(endpoint, 1)
    world.run(sender)
    world.send(endpoint, 2)
    world.run(server)
    world.receive(endpoint, reply)
    assert world.words(world.tcb(server)) == [1]
    assert world.tcb(client).state == ThreadState.BLOCKED_ON_REPLY
    world.reply_receive(endpoint, reply, 3)
    # The client went on, and the sender's message, which needs no answer, was received.
    assert world.is_current(client) and world.words(world.tcb(client)) == [3]
    assert world.words(world.tcb(server)) == [2] and reply_of(reply).caller is None
    assert world.tcb(sender).state == ThreadState.RUNNING


def test_a_passive_server_takes_a_waiting_call_with_its_time(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server = world.passive_server(endpoint, reply)
    first, second = world.active(100), world.active(90)
    own = [world.context_of(first), world.context_of(second)]
    world.run(first)
    world.call(endpoint, 1)
    schedule_away_current(world, server)
    world.run(second)
    world.call(endpoint, 2)
    assert world.tcb(second).state == ThreadState.BLOCKED_ON_SEND
    give_time(world, server, own[0])
    world.reply_receive(endpoint, reply)
    assert world.is_current(server)
    assert world.context_of(server) is own[1] and world.context_of(first) is own[0]
    assert world.tcb(second).state == ThreadState.BLOCKED_ON_REPLY


def schedule_away_current(world: TimeWorld, slot: Slot) -> None:
    """Take the time of a thread away, with the call stack that it came along left as it is."""
    context = world.context_of(slot)
    assert context is not None
    schedcontext.unbind_tcb(context)
    world.leave()


def give_time(world: TimeWorld, slot: Slot, context: SchedContext | None) -> None:
    """Give it back."""
    assert context is not None
    schedcontext.bind_tcb(context, world.tcb(slot))
    world.leave()
    assert world.is_current(slot)


def test_time_goes_down_a_chain_of_servers_and_back(world: TimeWorld) -> None:
    client, servers, replies, endpoints = stack_of_calls(world, 4)
    context = world.context_of(servers[-1])
    assert context is not None and context.reply is reply_of(replies[-1])
    for i in reversed(range(4)):
        world.reply_receive(endpoints[i], replies[i], 100 + i)
        back = servers[i - 1] if i else client
        assert world.is_current(back) and world.context_of(back) is context
        assert world.words(world.tcb(back)) == [100 + i]
    assert context.reply is None


def test_deleting_a_reply_in_the_middle_breaks_the_chain(world: TimeWorld) -> None:
    client, servers, replies, endpoints = stack_of_calls(world, 3)
    deletion.delete(replies[1])
    world.replies.remove(world.replies[1])
    world.leave()
    assert world.tcb(servers[0]).state == ThreadState.INACTIVE
    world.reply_receive(endpoints[2], replies[2])
    # The second server has the time now, but nobody to answer any more.
    assert world.is_current(servers[1])
    world.send(replies[0], 1)
    assert world.is_current(servers[1])
    assert world.tcb(client).state == ThreadState.RUNNING and world.context_of(client) is None


def test_deleting_the_newest_reply_gives_the_time_back(world: TimeWorld) -> None:
    client, servers, replies, _ = stack_of_calls(world, 2)
    context = world.context_of(servers[1])
    deletion.delete(replies[1])
    world.replies.remove(world.replies[1])
    world.leave()
    assert world.context_of(servers[0]) is context and world.tcb(servers[0]).state == ThreadState.INACTIVE
    assert context is not None and context.reply is reply_of(replies[0])


def test_a_caller_that_is_stopped_leaves_its_time_with_the_server(world: TimeWorld) -> None:
    client, servers, replies, endpoints = stack_of_calls(world, 2)
    answer = world.invoke(client, Label.TCB_SUSPEND)
    assert int(answer.error) == 0
    assert world.tcb(client).state == ThreadState.INACTIVE
    context = world.context_of(servers[1])
    world.reply_receive(endpoints[1], replies[1])
    assert world.is_current(servers[0]) and world.context_of(servers[0]) is context
    world.reply_receive(endpoints[0], replies[0])
    # The answer goes nowhere, and the server that keeps the time waits with it.
    assert world.context_of(servers[0]) is context and kernel.current is kernel.idle


def test_offering_a_reply_object_that_is_waited_with_ends_the_old_call(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server, client = world.active(120), world.active(100)
    world.run(server)
    world.receive(endpoint, reply)
    world.run(client)
    world.call(endpoint)
    assert world.is_current(server)
    world.receive(endpoint, reply)
    assert world.tcb(client).state == ThreadState.INACTIVE
    assert reply_of(reply).caller is world.tcb(server)


def test_deleting_an_offered_reply_object_stops_the_receiver(world: TimeWorld) -> None:
    endpoint, reply = world.new_endpoint(), world.new_reply()
    server, other = world.active(120), world.active(100)
    world.run(server)
    world.receive(endpoint, reply)
    deletion.delete(reply)
    world.replies.clear()
    world.leave()
    assert world.tcb(server).state == ThreadState.INACTIVE and world.tcb(server).reply is None
    assert world.is_current(other)


def test_the_kernel_makes_the_objects_that_tests_use(world: TimeWorld) -> None:
    assert isinstance(world.make(ObjectType.REPLY).capability, ReplyCap)

# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Message Passing (IPC): Call, reply objects, and passive servers that run on lent time."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_GRANT_REPLY, RIGHT_READ, RIGHT_WRITE
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.sel4 import nb_recv, nb_wait, send
from tessera.runtime.threads import sched_context_unbind
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import copy, delete, make, mint
from tessera.suites.guest.report import done, equal, false, true
from tessera.suites.guest.threads import spawn, start
from tessera.suites.guest.workers import Worker, add_call, add_receive, info_word, settle


@compiled
def make_passive(server: Worker) -> None:
    """Let a server run until it waits, then take its time away."""
    start(server)
    settle()
    done(b"unbind", sched_context_unbind(server.context))


@case
@compiled
def call_and_reply() -> None:
    """Call sends, and waits for the reply that is sent through the receiver's reply object (System Calls: Call)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    client = spawn(0, 100)
    step = add_call(client, Syscall.CALL, mint(endpoint, ALL_RIGHTS, 12), 2)
    step.words[0] = 3
    step.words[1] = 4
    start(client)
    settle()
    received = nb_recv(endpoint, reply)
    equal(b"badge", 12, received.badge)
    equal(b"argument", 4, received.word1)
    settle()
    false(b"the client waits", step.done)
    send(reply, MessageInfo(label=99, length=3), 10, 20, 30, 0)
    settle()
    true(b"the client goes on", step.done)
    equal(b"info", info_word(MessageInfo(label=99, length=3)), info_word(step.result_info))
    equal(b"badge of a reply", 0, step.result)
    equal(b"result", 30, step.results[2])


@case
@compiled
def reply_only_once() -> None:
    """A reply object answers one call: a second reply through it goes nowhere (Reply Objects)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    client = spawn(0, 100)
    first = add_call(client, Syscall.CALL, endpoint, 0)
    second = add_call(client, Syscall.CALL, endpoint, 0)
    start(client)
    settle()
    nb_recv(endpoint, reply)
    send(reply, MessageInfo(length=1), 1, 0, 0, 0)
    settle()
    send(reply, MessageInfo(length=1), 2, 0, 0, 0)
    settle()
    true(b"the first call", first.done)
    false(b"the second call", second.done)
    equal(b"result", 1, first.results[0])


@case
@compiled
def reply_receive_serves() -> None:
    """ReplyRecv answers a call and waits for the next one, in one step (System Calls: ReplyRecv)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    server = spawn(0, 100)
    add_receive(server, Syscall.RECV, endpoint, reply)
    answer = add_receive(server, Syscall.REPLY_RECV, endpoint, reply)
    answer.info = MessageInfo(label=5, length=1)
    answer.words[0] = 50
    again = add_receive(server, Syscall.REPLY_RECV, endpoint, reply)
    again.info = MessageInfo(label=6, length=1)
    again.words[0] = 60
    client = spawn(1, 90)
    first = add_call(client, Syscall.CALL, endpoint, 1)
    first.words[0] = 1
    second = add_call(client, Syscall.CALL, endpoint, 1)
    second.words[0] = 2
    start(server)
    start(client)
    settle()
    true(b"first call", first.done)
    true(b"second call", second.done)
    equal(b"first label", 5, first.result_info.label)
    equal(b"first result", 50, first.results[0])
    equal(b"second label", 6, second.result_info.label)
    equal(b"argument of the second", 2, answer.results[0])
    false(b"the server waits again", again.done)


@case
@compiled
def replies_out_of_order() -> None:
    """With two reply objects, two callers can be answered in any order (Reply Objects)."""
    endpoint = make(ObjectType.ENDPOINT)
    one = make(ObjectType.REPLY)
    two = make(ObjectType.REPLY)
    first = spawn(0, 100)
    first_step = add_call(first, Syscall.CALL, endpoint, 0)
    second = spawn(1, 90)
    second_step = add_call(second, Syscall.CALL, endpoint, 0)
    start(first)
    start(second)
    settle()
    nb_recv(endpoint, one)
    nb_recv(endpoint, two)
    send(two, MessageInfo(length=1), 2, 0, 0, 0)
    settle()
    false(b"the first still waits", first_step.done)
    equal(b"second", 2, second_step.results[0])
    send(one, MessageInfo(length=1), 1, 0, 0, 0)
    settle()
    equal(b"first", 1, first_step.results[0])


@case
@compiled
def call_without_grant() -> None:
    """A call through a capability with neither grant nor grant-reply cannot be answered (Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    client = spawn(0, 100)
    step = add_call(client, Syscall.CALL, copy(endpoint, RIGHT_READ | RIGHT_WRITE), 1)
    step.words[0] = 6
    start(client)
    settle()
    equal(b"the message arrives", 6, nb_recv(endpoint, reply).word0)
    send(reply, MessageInfo(), 0, 0, 0, 0)
    settle()
    false(b"the client is not answered", step.done)


@case
@compiled
def call_without_grant_to_waiting_server() -> None:
    """The same holds if the server waits first (Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    server = spawn(0, 120)
    received = add_receive(server, Syscall.RECV, endpoint, reply)
    add_call(server, Syscall.SEND, reply, 0)
    start(server)
    client = spawn(1, 100)
    step = add_call(client, Syscall.CALL, copy(endpoint, RIGHT_READ | RIGHT_WRITE), 0)
    start(client)
    settle()
    true(b"the message arrives", received.done)
    false(b"the client is not answered", step.done)


@case
@compiled
def call_with_grant_reply() -> None:
    """A call needs the grant-reply right only (Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    server = spawn(0, 120)
    add_receive(server, Syscall.RECV, endpoint, reply)
    add_call(server, Syscall.SEND, reply, 0)
    start(server)
    client = spawn(1, 100)
    step = add_call(client, Syscall.CALL, copy(endpoint, RIGHT_WRITE | RIGHT_GRANT_REPLY), 0)
    start(client)
    settle()
    true(b"answered", step.done)


@case
@compiled
def reply_object_in_use_is_taken() -> None:
    """Receiving with a reply object that still has a caller takes it from that caller, who is not answered
    (Reply Objects)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    first = spawn(0, 100)
    first_step = add_call(first, Syscall.CALL, endpoint, 0)
    second = spawn(1, 90)
    second_step = add_call(second, Syscall.CALL, endpoint, 0)
    start(first)
    start(second)
    settle()
    nb_recv(endpoint, reply)
    nb_recv(endpoint, reply)
    send(reply, MessageInfo(length=1), 5, 0, 0, 0)
    settle()
    equal(b"the second caller", 5, second_step.results[0])
    false(b"the first caller", first_step.done)
    send(reply, MessageInfo(), 0, 0, 0, 0)
    settle()
    false(b"the first caller is not answered later", first_step.done)


@case
@compiled
def deleted_reply_object() -> None:
    """If its reply object is deleted, a caller is not answered (Reply Objects)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    client = spawn(0, 100)
    step = add_call(client, Syscall.CALL, endpoint, 0)
    start(client)
    settle()
    nb_recv(endpoint, reply)
    done(b"delete", delete(reply))
    settle()
    false(b"not answered", step.done)


@case
@compiled
def passive_server_runs_on_its_client() -> None:
    """A server without time runs on the scheduling context that its caller lends it, and gives it back with the
    reply (Scheduling Contexts: Donation)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    server = spawn(0, 100)
    add_receive(server, Syscall.RECV, endpoint, reply)
    answer = add_receive(server, Syscall.REPLY_RECV, endpoint, reply)
    answer.info = MessageInfo(length=1)
    answer.words[0] = 77
    make_passive(server)
    client = spawn(1, 50)
    step = add_call(client, Syscall.CALL, endpoint, 0)
    after = add_call(client, Syscall.YIELD, 0, 0)
    start(client)
    settle()
    true(b"answered", step.done)
    equal(b"result", 77, step.results[0])
    true(b"the client runs on", after.done)


@case
@compiled
def call_chain() -> None:
    """Calls nest: time is lent from client to server to server, and comes back reply by reply (Reply Objects: Call
    Chain)."""
    outer = make(ObjectType.ENDPOINT)
    inner = make(ObjectType.ENDPOINT)
    far = spawn(0, 120)
    far_reply = make(ObjectType.REPLY)
    add_receive(far, Syscall.RECV, inner, far_reply)
    far_answer = add_receive(far, Syscall.REPLY_RECV, inner, far_reply)
    far_answer.info = MessageInfo(length=1)
    far_answer.words[0] = 3
    near = spawn(1, 110)
    near_reply = make(ObjectType.REPLY)
    add_receive(near, Syscall.RECV, outer, near_reply)
    nested = add_call(near, Syscall.CALL, inner, 0)
    near_answer = add_receive(near, Syscall.REPLY_RECV, outer, near_reply)
    near_answer.info = MessageInfo(length=1)
    near_answer.words[0] = 4
    make_passive(far)
    make_passive(near)
    client = spawn(2, 50)
    step = add_call(client, Syscall.CALL, outer, 0)
    start(client)
    settle()
    true(b"nested call", nested.done)
    equal(b"its result", 3, nested.results[0])
    true(b"outer call", step.done)
    equal(b"its result", 4, step.results[0])


@case
@compiled
def passive_server_needs_a_caller() -> None:
    """A message that is sent, not called, lends no time: a server without time does not run (Donation)."""
    endpoint = make(ObjectType.ENDPOINT)
    server = spawn(0, 100)
    received = add_call(server, Syscall.WAIT, endpoint, 0)
    make_passive(server)
    sender = spawn(1, 50)
    sent = add_call(sender, Syscall.SEND, endpoint, 0)
    start(sender)
    settle()
    true(b"the sender goes on", sent.done)
    false(b"the server has no time", received.done)


@case
@compiled
def nb_send_receive_is_one_step() -> None:
    """NBSendRecv sends to one capability and receives from another (System Calls: NBSendRecv)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    step = add_receive(worker, Syscall.NB_SEND_RECV, endpoint, make(ObjectType.REPLY))
    step.destination = mint(notification, ALL_RIGHTS, 4)
    start(worker)
    settle()
    equal(b"signalled", 4, nb_wait(notification).badge)
    false(b"and waits", step.done)
    send(endpoint, MessageInfo(length=1), 9, 0, 0, 0)
    settle()
    equal(b"received", 9, step.results[0])


@case
@compiled
def nb_send_wait_is_one_step() -> None:
    """NBSendWait does the same without a reply object (System Calls: NBSendWait)."""
    source = make(ObjectType.NOTIFICATION)
    target = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    # Its destination is in the register that other calls have their reply object in.
    step = add_receive(worker, Syscall.NB_SEND_WAIT, source, mint(target, ALL_RIGHTS, 4))
    start(worker)
    settle()
    equal(b"signalled", 4, nb_wait(target).badge)
    false(b"and waits", step.done)
    send(mint(source, ALL_RIGHTS, u64(2)), MessageInfo(), 0, 0, 0, 0)
    settle()
    equal(b"received", 2, step.result)

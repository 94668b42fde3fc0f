# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Message Passing (IPC): messages, badges, who is served first."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS
from tessera.abi.messages import MAX_MESSAGE_LENGTH, MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, range, u64
from tessera.runtime.sel4 import environment, message_word, nb_recv, nb_send, nb_wait, recv_message
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import make, mint, take_slot
from tessera.suites.guest.report import equal, false, true
from tessera.suites.guest.threads import spawn, start
from tessera.suites.guest.workers import Probe, add_call, add_function, add_receive, info_word, probe_address, settle

LABEL = 0xA_BCDE_F012_3456
LENGTHS = (0, 1, 3, 4, 5, 6, 63, 64, 119, 120)


@case
@compiled
def send_receive() -> None:
    """A message carries its label, its length and its words from sender to receiver (IPC: Message Registers)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    receiver = spawn(0, 100)
    received = add_receive(receiver, Syscall.RECV, endpoint, reply)
    sender = spawn(1, 99)
    sent = add_call(sender, Syscall.SEND, endpoint, 4)
    sent.info = MessageInfo(label=LABEL, length=4)
    for i in (0, 1, 2, 3):
        sent.words[i] = 0x1000 + i
    start(receiver)
    start(sender)
    settle()
    true(b"sender", sent.done)
    true(b"receiver", received.done)
    equal(b"info", info_word(MessageInfo(label=LABEL, length=4)), info_word(received.result_info))
    equal(b"badge", 0, received.result)
    for i in (0, 1, 2, 3):
        equal(b"word", 0x1000 + i, received.results[i])


@case
@compiled
def send_waits_for_a_receiver() -> None:
    """Send blocks until the message is taken (System Calls: Send)."""
    endpoint = make(ObjectType.ENDPOINT)
    sender = spawn(0, 100)
    sent = add_call(sender, Syscall.SEND, endpoint, 1)
    sent.words[0] = 42
    start(sender)
    settle()
    false(b"nobody receives", sent.done)
    taken = nb_wait(endpoint)
    equal(b"word", 42, taken.word0)
    settle()
    true(b"taken", sent.done)


@case
@compiled
def message_lengths() -> None:
    """Messages of 0 to 120 words arrive whole, through the IPC buffers (IPC: Message Registers)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    sender = spawn(0, 100)
    for length in LENGTHS:
        step = add_call(sender, Syscall.SEND, endpoint, length)
        for i in (0, 1, 2, 3):
            step.words[i] = i + 7
    for i in range(MAX_MESSAGE_LENGTH):
        sender.buffer.message[i] = i + 7
    start(sender)
    settle()
    for length in LENGTHS:
        for i in range(MAX_MESSAGE_LENGTH):
            environment.ipc_buffer.message[i] = 0
        received = recv_message(endpoint, reply)
        equal(b"length", length, received.info.length)
        for i in range(u64(length)):
            equal(b"word", i + 7, message_word(i))
        if 4 <= length < MAX_MESSAGE_LENGTH:
            equal(b"nothing behind the end", 0, message_word(length))
        settle()


@case
@compiled
def message_length_is_limited() -> None:
    """A message has 120 words at most, whatever its length field says (IPC: Message Registers)."""
    endpoint = make(ObjectType.ENDPOINT)
    sender = spawn(0, 100)
    add_call(sender, Syscall.SEND, endpoint, 127)
    start(sender)
    settle()
    received = recv_message(endpoint, make(ObjectType.REPLY))
    equal(b"length", MAX_MESSAGE_LENGTH, received.info.length)


@case
@compiled
def receive_waits_for_a_sender() -> None:
    """Recv blocks until a message comes (System Calls: Recv)."""
    endpoint = make(ObjectType.ENDPOINT)
    receiver = spawn(0, 100)
    received = add_receive(receiver, Syscall.RECV, endpoint, make(ObjectType.REPLY))
    start(receiver)
    settle()
    false(b"nobody sends", received.done)
    nb_send(endpoint, MessageInfo(length=1), 5, 0, 0, 0)
    settle()
    true(b"sent", received.done)
    equal(b"word", 5, received.results[0])


@case
@compiled
def nb_send_without_receiver() -> None:
    """A message that is sent without blocking is lost if nobody waits for it (System Calls: NBSend)."""
    endpoint = make(ObjectType.ENDPOINT)
    nb_send(endpoint, MessageInfo(length=1, label=3), 5, 0, 0, 0)
    received = nb_recv(endpoint, make(ObjectType.REPLY))
    equal(b"nothing is there", 0, received.badge)
    receiver = spawn(0, 100)
    step = add_call(receiver, Syscall.WAIT, endpoint, 0)
    start(receiver)
    settle()
    false(b"nothing comes", step.done)


@case
@compiled
def nb_recv_takes_a_waiting_message() -> None:
    """NBRecv takes the message of a waiting sender, and comes back at once if there is none (System Calls: NBRecv)."""
    endpoint = make(ObjectType.ENDPOINT)
    badged = mint(endpoint, ALL_RIGHTS, 31)
    reply = make(ObjectType.REPLY)
    equal(b"none", 0, nb_recv(endpoint, reply).badge)
    sender = spawn(0, 100)
    step = add_call(sender, Syscall.SEND, badged, 2)
    step.words[1] = 8
    start(sender)
    settle()
    received = nb_recv(endpoint, reply)
    equal(b"badge", 31, received.badge)
    equal(b"word", 8, received.word1)
    equal(b"none again", 0, nb_recv(endpoint, reply).badge)


@case
@compiled
def badges_tell_senders_apart() -> None:
    """Each message comes with the badge of the capability that it was sent through (Endpoint Badges)."""
    endpoint = make(ObjectType.ENDPOINT)
    receiver = spawn(0, 100)
    first = add_call(receiver, Syscall.WAIT, endpoint, 0)
    second = add_call(receiver, Syscall.WAIT, endpoint, 0)
    start(receiver)
    one = spawn(1, 90)
    add_call(one, Syscall.SEND, mint(endpoint, ALL_RIGHTS, 0x11), 0)
    start(one)
    two = spawn(2, 80)
    add_call(two, Syscall.SEND, mint(endpoint, ALL_RIGHTS, 0xFFFF_FFFF_FFFF_FFFF), 0)
    start(two)
    settle()
    equal(b"first", 0x11, first.result)
    equal(b"second", 0xFFFF_FFFF_FFFF_FFFF, second.result)


@case
@compiled
def waiting_senders_by_priority() -> None:
    """Of several waiting senders the one with the highest priority is served first, then in order of arrival
    (Endpoints; Threads: Scheduling)."""
    endpoint = make(ObjectType.ENDPOINT)
    for i in range(4):
        worker = spawn(i, 50 if i == 3 else 40 if i == 1 else 30)
        add_call(worker, Syscall.SEND, mint(endpoint, ALL_RIGHTS, i + 1), 0)
        start(worker)
        settle()
    equal(b"first", 4, nb_wait(endpoint).badge)
    equal(b"second", 2, nb_wait(endpoint).badge)
    equal(b"third", 1, nb_wait(endpoint).badge)
    equal(b"fourth", 3, nb_wait(endpoint).badge)


@case
@compiled
def waiting_receivers_by_priority() -> None:
    """Of several waiting receivers the one with the highest priority gets the message (Endpoints)."""
    endpoint = make(ObjectType.ENDPOINT)
    low = spawn(0, 30)
    low_step = add_call(low, Syscall.WAIT, endpoint, 0)
    start(low)
    settle()
    high = spawn(1, 60)
    high_step = add_call(high, Syscall.WAIT, endpoint, 0)
    start(high)
    settle()
    nb_send(endpoint, MessageInfo(), 0, 0, 0, 0)
    settle()
    true(b"high", high_step.done)
    false(b"low", low_step.done)
    nb_send(endpoint, MessageInfo(), 0, 0, 0, 0)
    settle()
    true(b"low", low_step.done)


@case
@compiled
def receiver_runs_at_once() -> None:
    """A receiver of higher priority runs before its sender goes on (Threads: Scheduling)."""
    endpoint = make(ObjectType.ENDPOINT)
    receiver = spawn(0, 100)
    received = add_call(receiver, Syscall.WAIT, endpoint, 0)
    after = add_function(receiver, probe_address(Probe.THREAD_POINTER), 0, 0)
    sender = spawn(1, 50)
    sent = add_call(sender, Syscall.SEND, endpoint, 0)
    start(receiver)
    start(sender)
    settle()
    true(b"received first", received.order < sent.order)
    true(b"and went on first", after.order < sent.order)


@case
@compiled
def system_calls_keep_registers() -> None:
    """A system call changes no register but those that carry its results (System Calls; ABI)."""
    notification = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    step = add_function(worker, probe_address(Probe.KEPT_REGISTERS), notification, 0)
    start(worker)
    settle()
    true(b"done", step.done)
    equal(b"changed registers", 0, step.result)


@case
@compiled
def send_to_empty_slot() -> None:
    """Sending to an empty slot does nothing, and blocks nobody (System Calls: Send)."""
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.SEND, take_slot(), 0)
    start(worker)
    settle()
    true(b"done", step.done)

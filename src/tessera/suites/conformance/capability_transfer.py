# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Message Passing (IPC): Capability Transfer."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, RIGHT_WRITE
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.sel4 import environment, nb_recv, nb_wait, send, set_cap, set_receive_path, signal
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import CNODE, DEPTH, copy, make, mint, occupied, revoke, take_slot
from tessera.suites.guest.report import done, equal, false, true
from tessera.suites.guest.threads import spawn, start
from tessera.suites.guest.workers import Step, add_call, set_message_caps, settle


@compiled
def send_caps(endpoint: u64, first: u64, second: u64, count: u64) -> Step:
    """Let a worker send capabilities; it waits for the root task to receive."""
    sender = spawn(0, 100)
    sender.buffer.caps[0] = first
    sender.buffer.caps[1] = second
    step = add_call(sender, Syscall.SEND, endpoint, 1)
    step.words[0] = 7
    set_message_caps(step, count)
    start(sender)
    settle()
    return step


@case
@compiled
def transfer_capability() -> None:
    """A capability that is sent along arrives in the slot that the receiver has chosen (Capability Transfer)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    set_receive_path(CNODE, slot, DEPTH)
    step = send_caps(endpoint, mint(notification, ALL_RIGHTS, 64), 0, 1)
    received = nb_wait(endpoint)
    equal(b"word", 7, received.word0)
    equal(b"capabilities", 1, received.info.extra_caps)
    equal(b"unwrapped", 0, received.info.caps_unwrapped)
    true(b"the slot is filled", occupied(slot))
    signal(slot)
    equal(b"it is the notification, with its badge", 64, nb_wait(notification).badge)
    settle()
    true(b"sender", step.done)


@case
@compiled
def transferred_capability_is_a_child() -> None:
    """A transferred capability is derived from the sender's: it can be revoked (Capability Transfer; Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    set_receive_path(CNODE, slot, DEPTH)
    send_caps(endpoint, notification, 0, 1)
    nb_wait(endpoint)
    true(b"the slot is filled", occupied(slot))
    done(b"revoke", revoke(notification))
    false(b"revoked", occupied(slot))


@case
@compiled
def transfer_needs_grant() -> None:
    """Without the grant right the message arrives, but no capability (Capability Transfer; Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    set_receive_path(CNODE, slot, DEPTH)
    send_caps(copy(endpoint, RIGHT_READ | RIGHT_WRITE), notification, 0, 1)
    received = nb_wait(endpoint)
    equal(b"word", 7, received.word0)
    equal(b"capabilities", 0, received.info.extra_caps)
    false(b"the slot is empty", occupied(slot))


@case
@compiled
def transfer_unwraps() -> None:
    """A capability to the endpoint itself is not transferred: the receiver gets its badge (Capability Transfer:
    unwrapping)."""
    endpoint = make(ObjectType.ENDPOINT)
    slot = take_slot()
    set_receive_path(CNODE, slot, DEPTH)
    send_caps(endpoint, mint(endpoint, ALL_RIGHTS, 0x55), 0, 1)
    received = nb_wait(endpoint)
    equal(b"capabilities", 1, received.info.extra_caps)
    equal(b"unwrapped", 1, received.info.caps_unwrapped)
    equal(b"badge", 0x55, environment.ipc_buffer.caps[0])
    false(b"the slot is empty", occupied(slot))


@case
@compiled
def transfer_unwraps_and_moves_one() -> None:
    """One message can unwrap one capability and transfer another (Capability Transfer)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    set_receive_path(CNODE, slot, DEPTH)
    send_caps(endpoint, mint(endpoint, ALL_RIGHTS, 0x66), notification, 2)
    received = nb_wait(endpoint)
    equal(b"capabilities", 2, received.info.extra_caps)
    equal(b"unwrapped", 1, received.info.caps_unwrapped)
    equal(b"badge", 0x66, environment.ipc_buffer.caps[0])
    true(b"the slot is filled", occupied(slot))


@case
@compiled
def transfer_one_slot_only() -> None:
    """A receiver has one slot, so of two capabilities only the first arrives (Capability Transfer)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    other = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    set_receive_path(CNODE, slot, DEPTH)
    send_caps(endpoint, notification, other, 2)
    received = nb_wait(endpoint)
    equal(b"capabilities", 1, received.info.extra_caps)
    signal(slot)
    equal(b"it is the first one", 0, nb_wait(other).badge)


@case
@compiled
def transfer_into_occupied_slot() -> None:
    """If the receiver's slot is occupied, the message arrives without the capability (Capability Transfer)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    set_receive_path(CNODE, CNODE, DEPTH)
    step = send_caps(endpoint, notification, 0, 1)
    received = nb_wait(endpoint)
    equal(b"word", 7, received.word0)
    equal(b"capabilities", 0, received.info.extra_caps)
    settle()
    true(b"sender", step.done)


@compiled
def send_to_waiting(endpoint: u64, cap: u64, slot: u64) -> Step:
    """Let a worker wait with a slot for a capability, and another one send it; what the waiting one received."""
    receiver = spawn(0, 100)
    receiver.buffer.receive_cnode = CNODE
    receiver.buffer.receive_index = slot
    receiver.buffer.receive_depth = DEPTH
    step = add_call(receiver, Syscall.WAIT, endpoint, 0)
    start(receiver)
    settle()
    sender = spawn(1, 50)
    sender.buffer.caps[0] = cap
    set_message_caps(add_call(sender, Syscall.SEND, endpoint, 0), 1)
    start(sender)
    settle()
    true(b"received", step.done)
    return step


@case
@compiled
def transfer_to_waiting_receiver() -> None:
    """A capability also arrives at a receiver that was there first (Capability Transfer)."""
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    step = send_to_waiting(make(ObjectType.ENDPOINT), notification, slot)
    equal(b"capabilities", 1, step.result_info.extra_caps)
    true(b"the slot is filled", occupied(slot))


@case
@compiled
def transfer_to_waiting_receiver_needs_grant() -> None:
    """Without the grant right a waiting receiver gets no capability either (Capability Transfer; Rights)."""
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    weak = copy(make(ObjectType.ENDPOINT), RIGHT_READ | RIGHT_WRITE)
    step = send_to_waiting(weak, notification, slot)
    equal(b"capabilities", 0, step.result_info.extra_caps)
    false(b"the slot is empty", occupied(slot))


@case
@compiled
def transfer_in_a_reply() -> None:
    """A reply carries capabilities if the receiver's endpoint capability had the grant right (Capability Rights)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    slot = take_slot()
    client = spawn(0, 100)
    client.buffer.receive_cnode = CNODE
    client.buffer.receive_index = slot
    client.buffer.receive_depth = DEPTH
    step = add_call(client, Syscall.CALL, endpoint, 0)
    start(client)
    settle()
    reply = make(ObjectType.REPLY)
    nb_recv(endpoint, reply)
    set_cap(0, notification)
    send(reply, MessageInfo(extra_caps=1), 0, 0, 0, 0)
    settle()
    true(b"answered", step.done)
    equal(b"capabilities", 1, step.result_info.extra_caps)
    true(b"the slot is filled", occupied(slot))

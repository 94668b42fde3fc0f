# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Message Passing (IPC): Capability Transfer."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, RIGHT_WRITE
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.sel4 import environment, nb_wait, set_receive_path, signal
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

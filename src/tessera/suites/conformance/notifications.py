# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Notifications."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, RIGHT_WRITE
from tessera.abi.errors import Error
from tessera.abi.faults import Fault
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.sel4 import nb_recv, nb_send, nb_wait, signal, wait
from tessera.runtime.threads import (
    sched_context_bind,
    sched_context_unbind,
    tcb_bind_notification,
    tcb_unbind_notification,
)
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import copy, delete, make, mint
from tessera.suites.guest.report import done, equal, error, false, true
from tessera.suites.guest.threads import spawn, spawn_with_handler, start
from tessera.suites.guest.workers import add_call, add_receive, settle


@case
@compiled
def signal_is_kept() -> None:
    """A signal that nobody waits for is kept until somebody does, once (Notifications: Signal, Wait)."""
    notification = make(ObjectType.NOTIFICATION)
    signal(mint(notification, ALL_RIGHTS, 8))
    equal(b"badge", 8, wait(notification).badge)
    equal(b"taken", 0, nb_wait(notification).badge)


@case
@compiled
def signals_accumulate() -> None:
    """The badges of several signals are combined bit by bit (Notifications)."""
    notification = make(ObjectType.NOTIFICATION)
    signal(mint(notification, ALL_RIGHTS, 1))
    signal(mint(notification, ALL_RIGHTS, 0x8000_0000_0000_0000))
    signal(mint(notification, ALL_RIGHTS, 5))
    equal(b"badges", 0x8000_0000_0000_0005, wait(notification).badge)
    equal(b"taken", 0, nb_wait(notification).badge)


@case
@compiled
def poll_does_not_block() -> None:
    """Poll comes back at once, with 0 if there is no signal (Notifications: Poll)."""
    notification = make(ObjectType.NOTIFICATION)
    equal(b"none", 0, nb_wait(notification).badge)
    signal(mint(notification, ALL_RIGHTS, 2))
    equal(b"one", 2, nb_wait(notification).badge)
    equal(b"none again", 0, nb_wait(notification).badge)


@case
@compiled
def wait_blocks_until_signal() -> None:
    """A waiting thread goes on with the badge of the signal (Notifications: Wait)."""
    notification = make(ObjectType.NOTIFICATION)
    badged = mint(notification, ALL_RIGHTS, 0x10)
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.WAIT, notification, 0)
    start(worker)
    settle()
    false(b"blocked", step.done)
    signal(badged)
    settle()
    true(b"woken", step.done)
    equal(b"badge", 0x10, step.result)
    equal(b"the signal was used up", 0, nb_wait(notification).badge)


@case
@compiled
def signal_wakes_one_by_priority() -> None:
    """A signal wakes one waiting thread, the one with the highest priority (Notifications; Scheduling)."""
    notification = make(ObjectType.NOTIFICATION)
    low = spawn(0, 30)
    low_step = add_call(low, Syscall.WAIT, notification, 0)
    start(low)
    settle()
    high = spawn(1, 60)
    high_step = add_call(high, Syscall.WAIT, notification, 0)
    start(high)
    settle()
    signal(notification)
    settle()
    true(b"high", high_step.done)
    false(b"low", low_step.done)
    signal(notification)
    settle()
    true(b"low", low_step.done)


@case
@compiled
def signal_needs_write() -> None:
    """Signalling through a capability without the write right does nothing (Capability Rights)."""
    notification = make(ObjectType.NOTIFICATION)
    signal(copy(mint(notification, ALL_RIGHTS, 1), RIGHT_READ))
    equal(b"nothing", 0, nb_wait(notification).badge)
    signal(copy(mint(notification, ALL_RIGHTS, 1), RIGHT_WRITE))
    equal(b"with the right", 1, nb_wait(notification).badge)


@case
@compiled
def bound_notification_ends_a_receive() -> None:
    """A signal to the notification that a thread is bound to also ends its receive on an endpoint
    (Notifications: Binding)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    first = add_receive(worker, Syscall.RECV, endpoint, make(ObjectType.REPLY))
    second = add_receive(worker, Syscall.RECV, endpoint, make(ObjectType.REPLY))
    done(b"bind", tcb_bind_notification(worker.tcb, notification))
    start(worker)
    settle()
    false(b"waits", first.done)
    signal(mint(notification, ALL_RIGHTS, 0x40))
    settle()
    true(b"signalled", first.done)
    equal(b"badge of the signal", 0x40, first.result)
    nb_send(mint(endpoint, ALL_RIGHTS, 0x41), MessageInfo(length=1), 6, 0, 0, 0)
    settle()
    true(b"message", second.done)
    equal(b"badge of the message", 0x41, second.result)


@case
@compiled
def bound_notification_is_seen_first() -> None:
    """A signal that is there already is received before a message is waited for (Notifications: Binding)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    step = add_receive(worker, Syscall.RECV, endpoint, make(ObjectType.REPLY))
    done(b"bind", tcb_bind_notification(worker.tcb, notification))
    signal(mint(notification, ALL_RIGHTS, 0x20))
    start(worker)
    settle()
    true(b"done", step.done)
    equal(b"badge", 0x20, step.result)


@case
@compiled
def bound_notification_is_its_threads_alone() -> None:
    """Only the bound thread can wait for a bound notification (Notifications: Binding)."""
    endpoint = make(ObjectType.ENDPOINT)
    notification = make(ObjectType.NOTIFICATION)
    done(b"bind", tcb_bind_notification(make(ObjectType.TCB), notification))
    worker = spawn_with_handler(0, 100, endpoint)
    step = add_call(worker, Syscall.WAIT, notification, 0)
    start(worker)
    settle()
    signal(notification)
    settle()
    false(b"another thread", step.done)
    fault = nb_recv(endpoint, make(ObjectType.REPLY))
    equal(b"a fault", u64(Fault.CAP_FAULT), fault.info.label)
    equal(b"in the receiving phase", 1, fault.word2)


@case
@compiled
def binding_is_one_to_one() -> None:
    """A thread and a notification are bound to one another alone (TCB BindNotification: IllegalOperation)."""
    one = make(ObjectType.NOTIFICATION)
    other = make(ObjectType.NOTIFICATION)
    first = make(ObjectType.TCB)
    second = make(ObjectType.TCB)
    error(b"nothing is bound", Error.ILLEGAL_OPERATION, tcb_unbind_notification(first))
    done(b"bind", tcb_bind_notification(first, one))
    error(b"another notification", Error.ILLEGAL_OPERATION, tcb_bind_notification(first, other))
    error(b"another thread", Error.ILLEGAL_OPERATION, tcb_bind_notification(second, one))
    done(b"unbind", tcb_unbind_notification(first))
    done(b"now the other thread", tcb_bind_notification(second, one))


@case
@compiled
def binding_needs_a_notification() -> None:
    """Only a notification capability with the read right can be bound (TCB BindNotification)."""
    notification = make(ObjectType.NOTIFICATION)
    thread = make(ObjectType.TCB)
    error(b"an endpoint", Error.ILLEGAL_OPERATION, tcb_bind_notification(thread, make(ObjectType.ENDPOINT)))
    error(b"no read right", Error.ILLEGAL_OPERATION, tcb_bind_notification(thread, copy(notification, RIGHT_WRITE)))


@case
@compiled
def deleted_notification_is_unbound() -> None:
    """A notification that is deleted is no longer bound (Notifications: Binding)."""
    notification = make(ObjectType.NOTIFICATION)
    thread = make(ObjectType.TCB)
    done(b"bind", tcb_bind_notification(thread, notification))
    done(b"delete", delete(notification))
    done(b"bind another", tcb_bind_notification(thread, make(ObjectType.NOTIFICATION)))


@case
@compiled
def notification_lends_time() -> None:
    """A thread without time runs on the scheduling context of the notification that it waits for
    (Scheduling Contexts: Passive Threads)."""
    notification = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.WAIT, notification, 0)
    start(worker)
    settle()
    done(b"unbind", sched_context_unbind(worker.context))
    signal(notification)
    settle()
    false(b"no time", step.done)
    done(b"bind to the notification", sched_context_bind(worker.context, notification))
    settle()
    false(b"the signal is gone, the thread still has no time", step.done)


@case
@compiled
def notification_lends_time_with_signal() -> None:
    """The scheduling context comes with the signal, and goes back when the thread waits again
    (Scheduling Contexts: Passive Threads)."""
    notification = make(ObjectType.NOTIFICATION)
    worker = spawn(0, 100)
    first = add_call(worker, Syscall.WAIT, notification, 0)
    second = add_call(worker, Syscall.WAIT, notification, 0)
    start(worker)
    settle()
    done(b"unbind", sched_context_unbind(worker.context))
    done(b"bind to the notification", sched_context_bind(worker.context, notification))
    signal(notification)
    settle()
    true(b"first", first.done)
    false(b"waits again", second.done)
    signal(notification)
    settle()
    true(b"second", second.done)

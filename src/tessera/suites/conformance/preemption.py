# SPDX-License-Identifier: BSD-2-Clause
"""Cases about long operations, which let others run in between (Capability Spaces: Revocation; Endpoints)."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS
from tessera.abi.errors import Error
from tessera.abi.faults import Fault
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import WORD_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, range, u64
from tessera.runtime.memory import cnode_copy
from tessera.runtime.sel4 import nb_wait
from tessera.suites.conformance.catalogue import case
from tessera.suites.conformance.scheduling_contexts import pass_time, spawn_with_budget
from tessera.suites.guest.objects import CNODE, DEPTH, delete, make, make_sized, mint, revoke
from tessera.suites.guest.report import done, equal, error, false, true
from tessera.suites.guest.threads import spawn, start, start_one_call
from tessera.suites.guest.workers import Worker, add_call, set_message_label, settle

COPIES_BITS = 13
COPIES = 1 << COPIES_BITS
PERIOD = 100  # microseconds
SHORT_PERIOD = 30
CROWD = 2000
CROWD_BADGE = 5


@compiled
def make_copies(source: u64) -> u64:
    """A CNode full of copies of a capability."""
    node = make_sized(ObjectType.CAP_TABLE, COPIES_BITS)
    for i in range(COPIES):
        done(b"copy", cnode_copy(node, i, COPIES_BITS, CNODE, source, DEPTH, ALL_RIGHTS))
    return node


@compiled
def periodic(number: u64, period: u64) -> Worker:
    """A worker of high priority that takes a step in each of its periods, which are in microseconds."""
    worker = spawn_with_budget(number, 200, 25, period, 0)
    for _turn in range(u64(10)):
        add_call(worker, Syscall.YIELD, 0, 0)
    return worker


@compiled
def is_preempted(label: InvocationLabel, slot: u64, period: u64, turns: u64) -> None:
    """Let a worker do a long operation on a slot; another thread runs beside it every ``period``, ``turns`` times."""
    worker = spawn(0, 50)
    step = add_call(worker, Syscall.CALL, CNODE, 2)
    set_message_label(step, u64(label))
    step.words[0] = slot
    step.words[1] = WORD_BITS
    urgent = periodic(1, period)
    start(urgent)
    start(worker)
    for _turn in range(u64(20)):
        if not step.done:
            settle()
            pass_time(PERIOD)
    true(b"the operation has ended", step.done)
    equal(b"with success", u64(Error.NO_ERROR), step.result_info.label)
    true(b"the other one ran meanwhile", urgent.steps[turns].done and urgent.steps[turns].order < step.order)


@case
@compiled
def long_revoke_is_preempted() -> None:
    """A thread of higher priority does not wait for the end of a long revoke (Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    node = make_copies(endpoint)
    is_preempted(InvocationLabel.CNODE_REVOKE, endpoint, PERIOD, 2)
    result = cnode_copy(node, 0, COPIES_BITS, node, COPIES - 1, COPIES_BITS, ALL_RIGHTS)
    error(b"all copies are gone", Error.FAILED_LOOKUP, result)


@case
@compiled
def long_revoke_finishes() -> None:
    """A revoke that is interrupted goes on until everything is deleted (Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    node = make_copies(endpoint)
    urgent = periodic(0, PERIOD)
    start(urgent)
    settle()
    done(b"revoke", revoke(endpoint))
    gone = u64(0)
    for i in range(COPIES):
        result = cnode_copy(node, i, COPIES_BITS, CNODE, endpoint, DEPTH, ALL_RIGHTS)
        gone += 1 if result == Error.NO_ERROR else 0
    equal(b"free slots", COPIES, gone)
    false(b"the caller has the highest priority", urgent.steps[9].done)


@compiled
def let_wait(cap: u64, number: Syscall) -> u64:
    """Let many threads wait in the same system call. Gives an endpoint: each sends its fault there when it goes on.

    They have three priorities lower than that of the worker who ends their waiting, and come in no order.
    """
    faults = make(ObjectType.ENDPOINT)
    handler = mint(faults, ALL_RIGHTS, CROWD_BADGE)
    for i in range(CROWD):
        start_one_call(number, cap, 40 + i % 3, handler)
    settle()
    return faults


@compiled
def end_waiting(label: InvocationLabel, slot: u64, faults: u64, expected: Fault) -> None:
    """Let a worker end the waiting by an operation on a slot, while another thread runs now and then."""
    equal(b"nobody has gone on", 0, nb_wait(faults).badge)
    is_preempted(label, slot, SHORT_PERIOD, 1)
    # Each makes its call again, whose capability is gone: a send ends with nothing, and a wait is a fault.
    settle()
    for _thread in range(CROWD):
        fault = nb_wait(faults)
        equal(b"badge of the fault handler", CROWD_BADGE, fault.badge)
        equal(b"the call was made again", u64(expected), fault.info.label)
    equal(b"nobody went on twice", 0, nb_wait(faults).badge)


@case
@compiled
def deleting_endpoint_of_many_is_preempted() -> None:
    """Deleting an endpoint where many threads wait lets others run in between, and forgets no thread (Endpoints)."""
    endpoint = make(ObjectType.ENDPOINT)
    end_waiting(InvocationLabel.CNODE_DELETE, endpoint, let_wait(endpoint, Syscall.SEND), Fault.USER_EXCEPTION)


@case
@compiled
def deleting_notification_of_many_is_preempted() -> None:
    """Deleting a notification that many threads wait for lets others run in between, and forgets no thread
    (Notifications)."""
    notification = make(ObjectType.NOTIFICATION)
    end_waiting(InvocationLabel.CNODE_DELETE, notification, let_wait(notification, Syscall.WAIT), Fault.CAP_FAULT)


@case
@compiled
def cancelling_many_sends_is_preempted() -> None:
    """Cancelling many badged sends lets others run in between, and forgets no thread (CNode CancelBadgedSends)."""
    endpoint = make(ObjectType.ENDPOINT)
    badged = mint(endpoint, ALL_RIGHTS, 3)
    for_sending = mint(endpoint, ALL_RIGHTS, 3)
    faults = let_wait(for_sending, Syscall.SEND)
    done(b"delete the capability in use", delete(for_sending))
    end_waiting(InvocationLabel.CNODE_CANCEL_BADGED_SENDS, badged, faults, Fault.USER_EXCEPTION)

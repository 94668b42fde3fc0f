# SPDX-License-Identifier: BSD-2-Clause
"""Cases about long operations, which let others run in between (Capability Spaces: Revocation; Threads)."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import WORD_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, range, u64
from tessera.runtime.memory import cnode_copy
from tessera.suites.conformance.catalogue import case
from tessera.suites.conformance.scheduling_contexts import pass_time, spawn_with_budget
from tessera.suites.guest.objects import CNODE, DEPTH, make, make_sized, revoke
from tessera.suites.guest.report import done, equal, error, false, true
from tessera.suites.guest.threads import spawn, start
from tessera.suites.guest.workers import Worker, add_call, set_message_label, settle

COPIES_BITS = 13
COPIES = 1 << COPIES_BITS
PERIOD = 100  # microseconds


@compiled
def make_copies(source: u64) -> u64:
    """A CNode full of copies of a capability."""
    node = make_sized(ObjectType.CAP_TABLE, COPIES_BITS)
    for i in range(COPIES):
        done(b"copy", cnode_copy(node, i, COPIES_BITS, CNODE, source, DEPTH, ALL_RIGHTS))
    return node


@compiled
def periodic(number: u64) -> Worker:
    """A worker of high priority that takes a step in each of its periods."""
    worker = spawn_with_budget(number, 200, 25, PERIOD, 0)
    for _turn in range(u64(10)):
        add_call(worker, Syscall.YIELD, 0, 0)
    return worker


@case
@compiled
def long_revoke_is_preempted() -> None:
    """A thread of higher priority does not wait for the end of a long revoke (Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    node = make_copies(endpoint)
    worker = spawn(0, 50)
    step = add_call(worker, Syscall.CALL, CNODE, 2)
    set_message_label(step, u64(InvocationLabel.CNODE_REVOKE))
    step.words[0] = endpoint
    step.words[1] = WORD_BITS
    urgent = periodic(1)
    start(urgent)
    start(worker)
    for _turn in range(u64(20)):
        if not step.done:
            settle()
            pass_time(PERIOD)
    true(b"the revoke has ended", step.done)
    equal(b"with success", u64(Error.NO_ERROR), step.result_info.label)
    true(b"the other one ran meanwhile", urgent.steps[2].done and urgent.steps[2].order < step.order)
    result = cnode_copy(node, 0, COPIES_BITS, node, COPIES - 1, COPIES_BITS, ALL_RIGHTS)
    error(b"all copies are gone", Error.FAILED_LOOKUP, result)


@case
@compiled
def long_revoke_finishes() -> None:
    """A revoke that is interrupted goes on until everything is deleted (Revocation)."""
    endpoint = make(ObjectType.ENDPOINT)
    node = make_copies(endpoint)
    urgent = periodic(0)
    start(urgent)
    settle()
    done(b"revoke", revoke(endpoint))
    gone = u64(0)
    for i in range(COPIES):
        result = cnode_copy(node, i, COPIES_BITS, CNODE, endpoint, DEPTH, ALL_RIGHTS)
        gone += 1 if result == Error.NO_ERROR else 0
    equal(b"free slots", COPIES, gone)
    false(b"the caller has the highest priority", urgent.steps[9].done)

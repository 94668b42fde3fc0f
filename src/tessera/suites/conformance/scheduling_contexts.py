# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter Threads and Execution: scheduling contexts, budgets, and timeout faults.

Times are microseconds in calls, and ticks of the clock where a worker spins.
"""

from __future__ import annotations

from tessera.abi.capabilities import InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.faults import Fault
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import MIN_SCHED_CONTEXT_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.lang import compiled, u64
from tessera.runtime.machine import read_time
from tessera.runtime.sel4 import nb_recv, send
from tessera.runtime.threads import (
    domain_set_set,
    sched_context_bind,
    sched_context_consumed,
    sched_context_unbind,
    sched_context_unbind_object,
    sched_context_yield_to,
    sched_control_configure_flags,
    tcb_set_timeout_endpoint,
)
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.objects import CNODE, ROOT_TCB, delete, guest, make, make_sized
from tessera.suites.guest.report import detail, differ, done, equal, error, false, true
from tessera.suites.guest.threads import PLENTY, make_time, prepare_here, set_running, spawn, start
from tessera.suites.guest.workers import Step, Worker, add_call, add_spin, set_message_label, settle

TICKS = 10  # in a microsecond
MILLISECOND = 1000


@compiled
def spawn_with_budget(number: u64, priority: u64, budget: u64, period: u64, badge: u64) -> Worker:
    """A worker with a budget in each period, in microseconds. Not started."""
    worker = prepare_here(number)
    set_running(worker, priority, make_time(budget, period, badge), 0)
    return worker


@compiled
def pass_time(microseconds: u64) -> None:
    """Let the root task itself run for a while."""
    begin = read_time()
    while read_time() - begin < microseconds * TICKS:
        pass


@compiled
def configure(context: u64, budget: u64, period: u64, extra_refills: u64) -> Error:
    """Give a scheduling context its budget and period."""
    return sched_control_configure_flags(guest.sched_control, context, budget, period, extra_refills, 0, 0)


@case
@compiled
def budget_is_enforced() -> None:
    """A thread whose budget is used up does not run until its next period; others do (Scheduling Contexts)."""
    busy = spawn_with_budget(0, 100, 1 * MILLISECOND, 20 * MILLISECOND, 0)
    busy_step = add_spin(busy, 5 * MILLISECOND * TICKS)
    other = spawn(1, 50)
    other_step = add_call(other, Syscall.YIELD, 0, 0)
    start(busy)
    start(other)
    settle()
    true(b"the other one ran", other_step.done)
    false(b"the busy one is stopped", busy_step.done)
    pass_time(25 * MILLISECOND)
    settle()
    true(b"it goes on in its next period", busy_step.done)


@case
@compiled
def time_comes_back_a_period_after_its_use() -> None:
    """Used time is available again one period after it was, so no window as long as the period holds more than the
    budget (Scheduling Contexts: Sporadic Servers)."""
    notification = make(ObjectType.NOTIFICATION)
    # Half of 2 ms is used at the start and half from 5 ms on, so half comes back at 10 ms and half at 15 ms. The
    # watcher counts the time used until 14 ms and from there to 19 ms. With too few refills time would come back later.
    busy = prepare_here(0)
    context = make_sized(ObjectType.SCHED_CONTEXT, 8)
    done(b"configure", configure(context, 2 * MILLISECOND, 10 * MILLISECOND, 8))
    set_running(busy, 100, context, 0)
    add_spin(busy, 1 * MILLISECOND * TICKS)
    add_call(busy, Syscall.WAIT, notification, 0)
    add_spin(busy, 30 * MILLISECOND * TICKS)
    watcher = spawn(1, 50)
    add_spin(watcher, 4 * MILLISECOND * TICKS)
    add_call(watcher, Syscall.SEND, notification, 0)
    add_spin(watcher, 8 * MILLISECOND * TICKS)
    first_half = add_consumed(watcher, busy.context)
    add_spin(watcher, 5 * MILLISECOND * TICKS)
    second_half = add_consumed(watcher, busy.context)
    start(busy)
    start(watcher)
    settle()
    true(b"both queries", first_half.done and second_half.done)
    about(b"until 14 ms", 3 * MILLISECOND, first_half.results[0])
    about(b"from 14 to 19 ms", 1 * MILLISECOND, second_half.results[0])


@compiled
def add_consumed(worker: Worker, context: u64) -> Step:
    """A query of the time used."""
    step = add_call(worker, Syscall.CALL, context, 0)
    set_message_label(step, u64(InvocationLabel.SCHED_CONTEXT_CONSUMED))
    return step


@compiled
def about(what: bytes, expected: u64, got: u64) -> None:
    """Require a time in microseconds, give or take what the kernel itself needs."""
    if got + 100 < expected or got > expected + 100:
        differ(what, expected, got)


@case
@compiled
def equals_share_time() -> None:
    """Threads of the same priority take turns when their budgets are used up (Scheduling: Round Robin)."""
    first = spawn_with_budget(0, 100, 2 * MILLISECOND, 2 * MILLISECOND, 0)
    first_step = add_spin(first, 5 * MILLISECOND * TICKS)
    second = spawn(1, 100)
    second_step = add_call(second, Syscall.YIELD, 0, 0)
    start(first)
    start(second)
    settle()
    true(b"both", first_step.done and second_step.done)
    true(b"the second had its turn", second_step.order < first_step.order)


@case
@compiled
def higher_priority_is_not_shared() -> None:
    """A thread with a budget as long as its period keeps running before those of lower priority (Scheduling)."""
    first = spawn_with_budget(0, 100, 2 * MILLISECOND, 2 * MILLISECOND, 0)
    first_step = add_spin(first, 5 * MILLISECOND * TICKS)
    second = spawn(1, 99)
    second_step = add_call(second, Syscall.YIELD, 0, 0)
    start(first)
    start(second)
    settle()
    true(b"first, then second", first_step.order < second_step.order)


@case
@compiled
def timeout_fault() -> None:
    """If a thread has a timeout handler, using up its budget is a fault that names the scheduling context's badge
    and the time used (Timeout Faults)."""
    endpoint = make(ObjectType.ENDPOINT)
    reply = make(ObjectType.REPLY)
    worker = spawn_with_budget(0, 100, 1 * MILLISECOND, 50 * MILLISECOND, 0x99)
    step = add_spin(worker, 3 * MILLISECOND * TICKS)
    done(b"timeout handler", tcb_set_timeout_endpoint(worker.tcb, endpoint))
    start(worker)
    settle()
    received = nb_recv(endpoint, reply)
    equal(b"label", u64(Fault.TIMEOUT), received.info.label)
    equal(b"length", 2, received.info.length)
    equal(b"data", 0x99, received.word0)
    true(b"at least the budget", received.word1 >= 1 * MILLISECOND - 20)
    true(b"not much more", received.word1 < 2 * MILLISECOND)
    false(b"the thread waits", step.done)
    done(b"more budget", configure(worker.context, PLENTY, PLENTY, 0))
    send(reply, MessageInfo(), 0, 0, 0, 0)
    settle()
    true(b"the thread goes on", step.done)


@case
@compiled
def consumed_time() -> None:
    """A scheduling context tells the time used since the last query (SchedContext Consumed)."""
    worker = spawn(0, 100)
    step = add_spin(worker, 2 * MILLISECOND * TICKS)
    start(worker)
    settle()
    true(b"done", step.done)
    first = sched_context_consumed(worker.context)
    done(b"query", first.error)
    true(b"at least what the thread spun", first.value >= 2 * MILLISECOND - 1)
    true(b"not much more", first.value < 3 * MILLISECOND)
    equal(b"counted anew", 0, sched_context_consumed(worker.context).value)


@case
@compiled
def unbound_thread_stops() -> None:
    """A thread runs only while it is bound to a scheduling context (SchedContext Bind, Unbind)."""
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.YIELD, 0, 0)
    done(b"unbind", sched_context_unbind(worker.context))
    start(worker)
    settle()
    false(b"without time", step.done)
    done(b"bind", sched_context_bind(worker.context, worker.tcb))
    settle()
    true(b"with time", step.done)


@case
@compiled
def deleted_context_stops_its_thread() -> None:
    """With its scheduling context a thread loses its time, and runs on with another one (CNode Delete; Bind)."""
    worker = spawn(0, 100)
    step = add_call(worker, Syscall.YIELD, 0, 0)
    done(b"delete", delete(worker.context))
    start(worker)
    settle()
    false(b"without time", step.done)
    done(b"bind another", sched_context_bind(make_time(PLENTY, PLENTY, 0), worker.tcb))
    settle()
    true(b"with time", step.done)


@case
@compiled
def binding_time_is_one_to_one() -> None:
    """A scheduling context and a thread are bound to one another alone (SchedContext Bind: IllegalOperation)."""
    worker = spawn(0, 100)
    other_time = make_time(PLENTY, PLENTY, 0)
    other = make(ObjectType.TCB)
    error(b"bound thread", Error.ILLEGAL_OPERATION, sched_context_bind(other_time, worker.tcb))
    error(b"bound context", Error.ILLEGAL_OPERATION, sched_context_bind(worker.context, other))
    error(b"to an endpoint", Error.INVALID_CAPABILITY, sched_context_bind(other_time, make(ObjectType.ENDPOINT)))
    error(b"unbind another", Error.ILLEGAL_OPERATION, sched_context_unbind_object(worker.context, other))
    done(b"unbind the thread", sched_context_unbind_object(worker.context, worker.tcb))
    done(b"bind the other", sched_context_bind(worker.context, other))


@case
@compiled
def caller_cannot_unbind_itself() -> None:
    """A thread cannot take away the time that it runs on (SchedContext Unbind: IllegalOperation)."""
    own = u64(InitialSlot.SCHED_CONTEXT)
    error(b"unbind", Error.ILLEGAL_OPERATION, sched_context_unbind(own))
    error(b"unbind object", Error.ILLEGAL_OPERATION, sched_context_unbind_object(own, ROOT_TCB))


@case
@compiled
def budget_ranges() -> None:
    """A budget is at most its period and at least the kernel's minimum (SchedControl Configure: RangeError)."""
    context = make_sized(ObjectType.SCHED_CONTEXT, MIN_SCHED_CONTEXT_BITS)
    least = u64(configuration.profile.min_budget_us)
    error(b"greater than the period", Error.RANGE_ERROR, configure(context, 2000, 1000, 0))
    error(b"no budget", Error.RANGE_ERROR, configure(context, 0, 1000, 0))
    error(b"too small", Error.RANGE_ERROR, configure(context, least - 1, 1000, 0))
    done(b"the least", configure(context, least, 1000, 0))
    done(b"all of the period", configure(context, 1000, 1000, 0))
    result = sched_control_configure_flags(guest.sched_control, CNODE, 1000, 1000, 0, 0, 0)
    error(b"no scheduling context", Error.INVALID_CAPABILITY, result)
    detail(b"which capability", 0, 1)


@case
@compiled
def refills_fit_the_size() -> None:
    """A scheduling context has two refills, and one more for each 16 bytes beyond 128 (SchedControl Configure;
    Object Sizes)."""
    small = make_sized(ObjectType.SCHED_CONTEXT, 7)
    error(b"one more in 128 bytes", Error.RANGE_ERROR, configure(small, 1000, 2000, 1))
    large = make_sized(ObjectType.SCHED_CONTEXT, 8)
    error(b"nine more in 256 bytes", Error.RANGE_ERROR, configure(large, 1000, 2000, 9))
    done(b"eight more in 256 bytes", configure(large, 1000, 2000, 8))


@case
@compiled
def yield_to_goes_first() -> None:
    """Yielding to a scheduling context lets its thread run next among those of its priority (SchedContext YieldTo)."""
    first = spawn(0, 100)
    second = spawn(1, 100)
    second_step = add_call(second, Syscall.YIELD, 0, 0)
    third = spawn(2, 100)
    third_step = add_call(third, Syscall.YIELD, 0, 0)
    step = add_call(first, Syscall.CALL, third.context, 0)
    set_message_label(step, u64(InvocationLabel.SCHED_CONTEXT_YIELD_TO))
    start(first)
    start(second)
    start(third)
    settle()
    true(b"all", step.done and second_step.done and third_step.done)
    equal(b"result", 0, step.result_info.label)
    true(b"third before second", third_step.order < second_step.order)


@case
@compiled
def yield_to_errors() -> None:
    """One can only yield to the scheduling context of another thread (SchedContext YieldTo: IllegalOperation)."""
    unbound = make_time(PLENTY, PLENTY, 0)
    error(b"no thread", Error.ILLEGAL_OPERATION, sched_context_yield_to(unbound).error)
    own = u64(InitialSlot.SCHED_CONTEXT)
    error(b"the caller itself", Error.ILLEGAL_OPERATION, sched_context_yield_to(own).error)


@case
@compiled
def domain_must_exist() -> None:
    """A thread can be put into a domain that exists (DomainSet Set: InvalidArgument)."""
    thread = make(ObjectType.TCB)
    domain = u64(InitialSlot.DOMAIN)
    error(b"too great", Error.INVALID_ARGUMENT, domain_set_set(domain, configuration.profile.domains, thread))
    error(b"no thread", Error.INVALID_ARGUMENT, domain_set_set(domain, 0, CNODE))
    done(b"domain 0", domain_set_set(domain, 0, thread))

# SPDX-License-Identifier: BSD-2-Clause
"""Threads: stopping, going on, priorities (manual: Threads and Execution, Threads; Priorities)."""

from __future__ import annotations

from tessera.kernel import blocking, budget, notification, reply, schedcontext, scheduler, waiting
from tessera.kernel.layout import FAULT_PC, NEXT_PC, EndpointState, Tcb, ThreadState
from tessera.kernel.state import PRIORITIES, kernel
from tessera.kernel.waiting import waits_for_nothing
from tessera.lang import compiled, ensures, implies, old, requires, u64


@compiled
def activate() -> None:
    """The current thread is about to run: finish what waited for that. (seL4: activateThread.)"""
    tcb = kernel.current
    if tcb.yield_to is not None:
        schedcontext.complete_yield_to(tcb)
    if tcb.state == ThreadState.RESTART:
        tcb.registers[NEXT_PC] = tcb.registers[FAULT_PC]
        tcb.state = ThreadState.RUNNING


@compiled(inline="always")
def is_an_object(tcb: Tcb) -> None:
    """An assumption of the proofs: the idle thread lies in the kernel's image, where no capability is to it."""
    ensures(lambda: tcb is not kernel.idle)


@compiled
def suspend(tcb: Tcb) -> None:
    """Stop a thread and cancel what it waits for."""
    ensures(lambda: tcb.state == ThreadState.INACTIVE)
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    ensures(lambda: kernel.current.state in (ThreadState.INACTIVE, old(kernel.current.state)))
    is_an_object(tcb)
    if tcb is kernel.candidate:
        scheduler.reschedule_required()
    blocking.forget_cancellation(tcb)
    blocking.cancel_ipc(tcb)
    if tcb.state == ThreadState.RUNNING:
        # A running thread has nothing to repeat: if it is restarted, it goes on.
        tcb.registers[FAULT_PC] = tcb.registers[NEXT_PC]
    scheduler.leave_queues(tcb)
    schedcontext.cancel_yield_to(tcb)
    scheduler.set_thread_state(tcb, ThreadState.INACTIVE)


@compiled
def is_stopped(tcb: Tcb) -> bool:
    """Whether a thread is inactive or waits for another."""
    return tcb.state not in (ThreadState.RUNNING, ThreadState.RESTART, ThreadState.IDLE)


@compiled
def is_blocked(tcb: Tcb) -> bool:
    """Whether a thread waits for another."""
    return is_stopped(tcb) and tcb.state != ThreadState.INACTIVE


@compiled
def restart(tcb: Tcb) -> None:
    """Let a stopped thread go on; a system call that it waited in starts again."""
    ensures(lambda: not is_stopped(tcb))
    if not is_stopped(tcb):
        return
    blocking.cancel_ipc(tcb)
    scheduler.set_thread_state(tcb, ThreadState.RESTART)
    context = tcb.scheduling_context
    if context is None:
        return
    budget.unblock_sporadic(context)
    schedcontext.resume(context)
    # The current thread may have been stopped by the same call: it just goes on.
    if tcb is not kernel.current and scheduler.is_schedulable(tcb):
        scheduler.possible_switch_to(tcb)


@compiled
def move_in_endpoint_queue(tcb: Tcb, state: EndpointState, priority: u64) -> None:
    """Change the priority, and go to the place in the endpoint's queue that it means."""
    requires(priority < PRIORITIES)
    endpoint = tcb.blocked_endpoint
    assert endpoint is not None
    # It may move ahead of where a preempted cancellation would go on.
    kernel.cancel_next = None
    offered = reply.withdraw(tcb)
    waiting.leave_endpoint(endpoint, tcb, ThreadState.INACTIVE)
    tcb.priority = priority
    waiting.wait_at_endpoint(endpoint, tcb, state)
    if offered is not None:
        reply.offer(offered, tcb)


@compiled
def move_in_notification_queue(tcb: Tcb, priority: u64) -> None:
    """Change the priority, and go to the place in the notification's queue that it means."""
    requires(priority < PRIORITIES)
    waited_for = tcb.blocked_notification
    assert waited_for is not None
    waiting.leave_notification(waited_for, tcb, ThreadState.INACTIVE)
    tcb.priority = priority
    waiting.wait_at_notification(waited_for, tcb)


@compiled
def set_priority(tcb: Tcb, priority: u64) -> None:
    """Change the priority, and with it the places in queues."""
    requires(priority < PRIORITIES)
    ensures(lambda: tcb.priority == priority)
    if tcb is kernel.candidate:
        scheduler.reschedule_required()
    was_ready = tcb.in_ready_queue
    scheduler.dequeue(tcb)
    match tcb.state:
        case ThreadState.RUNNING | ThreadState.RESTART:
            tcb.priority = priority
            if was_ready or (tcb is kernel.current and scheduler.is_schedulable(tcb)):
                scheduler.reschedule_required()
                scheduler.enqueue(tcb)
        case ThreadState.BLOCKED_ON_SEND:
            move_in_endpoint_queue(tcb, EndpointState.SENDING, priority)
        case ThreadState.BLOCKED_ON_RECEIVE:
            move_in_endpoint_queue(tcb, EndpointState.RECEIVING, priority)
        case ThreadState.BLOCKED_ON_NOTIFICATION:
            move_in_notification_queue(tcb, priority)
        case _:
            tcb.priority = priority


@compiled
def retire(tcb: Tcb) -> None:
    """The last capability to the thread goes away: nothing refers to it any more, except what its slots hold."""
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    ensures(lambda: kernel.current.state in (ThreadState.INACTIVE, old(kernel.current.state)))
    notification.unbind_tcb(tcb)
    context = tcb.scheduling_context
    if context is not None:
        schedcontext.complete_yield_from(context)
        schedcontext.unbind_tcb(context)
    suspend(tcb)

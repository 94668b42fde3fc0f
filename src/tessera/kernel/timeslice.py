# SPDX-License-Identifier: BSD-2-Clause
"""Scheduling: the end of a budget (manual: Threads and Execution, Scheduling Contexts; Timeout Faults)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel import budget, fault, scheduler
from tessera.kernel.ipc import has_stopped
from tessera.kernel.layout import FaultKind, ThreadState
from tessera.kernel.scheduling_queues import is_queued
from tessera.kernel.state import SchedulerAction, kernel
from tessera.kernel.waiting import is_at_work, waits_for_nothing
from tessera.lang import compiled, ensures, implies, old, requires, specification, u64


@compiled
def has_time() -> bool:
    """Whether nothing that time brings is due: the budget and the domain's time last, and no thread's refill comes.

    It looks at what the timer was set to when the kernel was left.
    """
    return kernel.now + configuration.min_budget_ticks < kernel.deadline


@compiled
def is_settled() -> bool:
    """Whether :func:`scheduler.schedule` would find nothing to do: nothing was decided, and nothing is due."""
    if kernel.action != SchedulerAction.RESUME_CURRENT or kernel.reprogram or not has_time():
        return False
    tcb = kernel.current
    context = kernel.current_context
    runs = tcb.state == ThreadState.RUNNING and tcb.yield_to is None
    return runs and tcb.scheduling_context is context and budget.is_active(context)


@specification
def wants_timeouts() -> bool:
    """Whether a handler is told when the current thread's first refill is used up."""
    return not budget.is_round_robin(kernel.current_context) and fault.has_timeout_handler(kernel.current)


@compiled
def end_turn(can_fault: bool) -> None:
    """The current thread's first refill is used up: tell the timeout handler, queue behind the others, or wait."""
    requires(scheduler.is_schedulable(kernel.current) and waits_for_nothing(kernel.current))
    requires(kernel.current.scheduling_context is kernel.current_context)
    requires(kernel.action == SchedulerAction.CHOOSE_NEW)
    ensures(lambda: has_stopped(kernel.current) or kernel.current.state == old(kernel.current.state))
    ensures(lambda: has_stopped(kernel.current) or is_queued(kernel.current))
    ensures(lambda: implies(can_fault and old(wants_timeouts()), kernel.current.fault == FaultKind.TIMEOUT))
    context = kernel.current_context
    tcb = kernel.current
    if can_fault and not budget.is_round_robin(context) and fault.has_timeout_handler(tcb):
        fault.timeout_fault(tcb)
    elif budget.is_ready(context) and budget.is_sufficient(context, 0):
        scheduler.append(tcb)
    else:
        scheduler.postpone(context)


@compiled
def charge_budget(used: u64, counted: u64, can_fault: bool) -> None:
    """Take time off the current context whose first refill does not last any more, and end the thread's turn.

    What counts as consumed may be less than what is taken off.
    """
    requires(budget.is_active(kernel.current_context) and counted <= scheduler.consumed())
    requires(not scheduler.is_schedulable(kernel.current) or waits_for_nothing(kernel.current))
    ensures(lambda: has_stopped(kernel.current) or kernel.current.state == old(kernel.current.state))
    ensures(lambda: kernel.charged_until == kernel.now)
    context = kernel.current_context
    if context is not kernel.idle_context:
        if budget.is_round_robin(context):
            budget.begin_turn(context)
        else:
            budget.charge(context, used)
        context.consumed += counted
    kernel.charged_until = kernel.now
    tcb = kernel.current
    if tcb.scheduling_context is context and scheduler.is_schedulable(tcb):
        scheduler.reschedule_required()
        kernel.reprogram = True
        end_turn(can_fault)


@specification
def has_budget() -> bool:
    """Whether the first refill of the context in use lasts."""
    return budget.is_sufficient(kernel.current_context, scheduler.consumed())


@compiled
def check_budget() -> bool:
    """Whether the current thread has time enough for a kernel entry, and its domain too; if not, its turn ends."""
    requires(budget.is_active(kernel.current_context))
    requires(not scheduler.is_schedulable(kernel.current) or waits_for_nothing(kernel.current))
    ensures(lambda result: implies(result and old(is_at_work()), is_at_work()))
    ensures(lambda result: result == (old(has_budget()) and not old(scheduler.is_domain_expired())))
    ensures(lambda: old(has_budget()) or kernel.charged_until == kernel.now)
    ensures(lambda: has_stopped(kernel.current) or kernel.current.state == old(kernel.current.state))
    used = scheduler.consumed()
    if not budget.is_sufficient(kernel.current_context, used):
        charge_budget(used, used, True)
        return False
    return not scheduler.is_domain_expired()


@compiled
def check_budget_restart() -> bool:
    """As :func:`check_budget`; without time, what the thread asked for is asked again when it has."""
    requires(is_at_work())
    ensures(lambda result: implies(result, is_at_work()))
    ensures(lambda result: result == (old(has_budget()) and not old(scheduler.is_domain_expired())))
    ensures(lambda result: result or kernel.current.state != ThreadState.RUNNING)
    if check_budget():
        return True
    if scheduler.is_runnable(kernel.current):
        scheduler.set_thread_state(kernel.current, ThreadState.RESTART)
    return False


@compiled(inline="never")
def settle_preempted() -> None:
    """A long operation stopped at a preemption point: charge its time. It may have removed the caller."""
    requires(not scheduler.is_schedulable(kernel.current) or waits_for_nothing(kernel.current))
    ensures(lambda: has_stopped(kernel.current) or kernel.current.state == old(kernel.current.state))
    if not budget.is_active(kernel.current_context):
        kernel.charged_until = kernel.now
    elif scheduler.is_schedulable(kernel.current):
        check_budget()
    else:
        used = scheduler.consumed()
        charge_budget(used, used, False)


@compiled
def yield_now() -> None:
    """The current thread gives up what is left of its first refill. Only what it used counts as consumed."""
    requires(is_at_work())
    ensures(lambda: kernel.charged_until == kernel.now)
    charge_budget(budget.head_amount(kernel.current_context), scheduler.consumed(), False)

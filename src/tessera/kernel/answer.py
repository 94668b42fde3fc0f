# SPDX-License-Identifier: BSD-2-Clause
"""Reply Objects: answering a call or a fault (manual: Reply Objects; Faults)."""

from __future__ import annotations

from tessera.kernel import budget, fault, faultmessage, reply, scheduler
from tessera.kernel.fault import can_fault
from tessera.kernel.layout import FaultKind, Reply, Tcb, ThreadState
from tessera.kernel.scheduling_queues import is_queued
from tessera.kernel.state import kernel
from tessera.kernel.transfer import transfer
from tessera.kernel.waiting import waits_for_nothing
from tessera.lang import compiled, ensures, implies, old, requires, specification


@compiled
def do_reply(tcb: Tcb, answered: Reply, can_grant: bool) -> None:
    """The thread's message is the answer to the call, or the fault, that waits with a reply object.

    Nothing happens if none waits. The caller has its scheduling context again if it was donated along this call.
    (seL4: doReplyTransfer.)
    """
    requires(tcb is kernel.current and can_fault(tcb))
    ensures(lambda: waits_for_nothing(kernel.current))
    caller = answered.caller
    if caller is None or caller.state != ThreadState.BLOCKED_ON_REPLY:
        return
    reply.finish(answered, caller)
    budget.unblock_sporadic(caller.scheduling_context)
    kind = caller.fault
    if kind == FaultKind.NONE:
        transfer(tcb, None, 0, can_grant, caller)
        scheduler.set_thread_state(caller, ThreadState.RUNNING)
    else:
        goes_on = faultmessage.read_answer(tcb, caller)
        caller.fault = FaultKind.NONE
        scheduler.set_thread_state(caller, ThreadState.RESTART if goes_on else ThreadState.INACTIVE)
    resume_caller(caller, kind == FaultKind.TIMEOUT)


@specification
def is_late(caller: Tcb) -> bool:
    """Whether a thread could run but for its time, which is used up, and its timeout handler wants to know."""
    context = caller.scheduling_context
    if context is None or not scheduler.is_runnable(caller) or not fault.has_timeout_handler(caller):
        return False
    return budget.is_active(context) and not budget.is_released(context)


@compiled
def resume_caller(caller: Tcb, was_timeout: bool) -> None:
    """Let an answered thread run, if its context has budget; the server may have used it up."""
    requires(caller is not kernel.current and waits_for_nothing(caller) and waits_for_nothing(kernel.current))
    ensures(lambda: waits_for_nothing(kernel.current))
    ensures(lambda: implies(old(is_late(caller)) and not was_timeout, caller.fault == FaultKind.TIMEOUT))
    ensures(lambda: not scheduler.is_schedulable(caller) or is_queued(caller) or kernel.candidate is caller)
    context = caller.scheduling_context
    if context is None or not scheduler.is_runnable(caller):
        return
    if budget.is_released(context):
        scheduler.possible_switch_to(caller)
    elif budget.is_active(context) and fault.has_timeout_handler(caller) and not was_timeout:
        fault.timeout_fault(caller)
    elif budget.is_active(context):
        scheduler.postpone(context)

# SPDX-License-Identifier: BSD-2-Clause
"""Threads: priorities and scheduling contexts (manual: Threads and Execution, Priorities; Scheduling Contexts)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.kernel import budget, message, schedcontext, thread
from tessera.kernel.capability import Capability, NullCap, SchedContextCap, ThreadCap
from tessera.kernel.invoke.tcb_spaces import install, is_fault_handler
from tessera.kernel.layout import SchedContext, Tcb
from tessera.kernel.request import Status, fail, invalid_capability, range_error, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, old, requires, u64


@compiled
def check_priority(priority: u64, authority: Tcb) -> Status:
    """Whether a thread's authority suffices to give out a priority."""
    if priority > authority.maximum_priority:
        return range_error(0, authority.maximum_priority)
    return Status.OK


@compiled
def decode_set_priority(length: u64, cap: ThreadCap, is_maximum: bool) -> Status:
    """SetPriority and SetMCPriority."""
    requires(request_is_good())
    ensures(lambda result: result != Status.PREEMPTED)
    slot = request.extra[0]
    if length < 1 or slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    priority = message.argument(0)
    authority = slot.capability
    if not isinstance(authority, ThreadCap):
        return invalid_capability(1)
    status = check_priority(priority, authority.tcb)
    if status != Status.OK:
        return status

    if is_maximum:
        cap.tcb.maximum_priority = priority
    else:
        thread.set_priority(cap.tcb, priority)
    return Status.OK


@compiled
def check_context(tcb: Tcb, cap: Capability) -> Status:
    """Whether a scheduling context can be bound to a thread; null unbinds."""
    match cap:
        case SchedContextCap():
            if tcb.scheduling_context is not None or cap.context.tcb is not None:
                return fail(Error.ILLEGAL_OPERATION)
            if thread.is_blocked(tcb) and not budget.is_released(cap.context):
                return fail(Error.ILLEGAL_OPERATION)
            return Status.OK
        case NullCap():
            if tcb is kernel.current:
                return fail(Error.ILLEGAL_OPERATION)
            return Status.OK
        case _:
            return invalid_capability(2)


@compiled
def context_of(cap: Capability) -> SchedContext | None:
    """The scheduling context that a capability is to, if it is to one."""
    return cap.context if isinstance(cap, SchedContextCap) else None


@compiled
def set_context(tcb: Tcb, context: SchedContext | None) -> None:
    """Bind a thread to a scheduling context, or take its own away."""
    own = tcb.scheduling_context
    if context is None:
        if own is not None:
            schedcontext.unbind_tcb(own)
    # Both were free when the call was checked; a handler has been deleted since.
    elif own is None and context.tcb is None:
        schedcontext.bind_tcb(context, tcb)


@compiled
def decode_set_sched_params(length: u64, cap: ThreadCap) -> Status:
    """SetSchedParams: both priorities, scheduling context and fault handler."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda result: result != Status.PREEMPTED or is_undisturbed(old(kernel.current.state)))
    authority_slot = request.extra[0]
    context_slot = request.extra[1]
    handler_slot = request.extra[2]
    if length < 2 or authority_slot is None or context_slot is None or handler_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    maximum = message.argument(0)
    priority = message.argument(1)
    authority = authority_slot.capability
    if not isinstance(authority, ThreadCap):
        return invalid_capability(1)
    status = check_priority(maximum, authority.tcb)
    if status != Status.OK:
        return status
    status = check_priority(priority, authority.tcb)
    if status != Status.OK:
        return status
    context = context_slot.capability
    status = check_context(cap.tcb, context)
    if status != Status.OK:
        return status
    handler = handler_slot.capability
    if not is_fault_handler(handler):
        return invalid_capability(3)

    # First what can be preempted: then the call starts again from here, with nothing done that the checks refuse.
    wanted = context_of(context)
    status = install(handler, handler_slot, cap.tcb.fault_handler)
    if status != Status.OK:
        return status
    cap.tcb.maximum_priority = maximum
    thread.set_priority(cap.tcb, priority)
    set_context(cap.tcb, wanted)
    return Status.OK

# SPDX-License-Identifier: BSD-2-Clause
"""Faults: a thread that cannot go on, and the handler that is told (manual: Faults; Timeout Faults).

The handler is the endpoint in a slot of the thread itself. The fault is sent there like a call, so the thread waits for
the answer and its scheduling context can serve a passive handler.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.kernel import console, ipc, scheduler
from tessera.kernel.capability import EndpointCap
from tessera.kernel.layout import FaultKind, SchedContext, Tcb, ThreadState
from tessera.kernel.request import request
from tessera.kernel.state import kernel
from tessera.kernel.waiting import waits_for_nothing
from tessera.lang import compiled, ensures, old, range, requires, specification, u64


@specification
def can_fault(tcb: Tcb) -> bool:
    """Whether a thread, and the current one, wait for nothing, so that a fault can stop it."""
    return scheduler.is_runnable(tcb) and waits_for_nothing(tcb) and waits_for_nothing(kernel.current)


@compiled
def deliver(tcb: Tcb, handler: EndpointCap, can_donate: bool) -> None:
    """Send the thread's fault to an endpoint."""
    requires(can_fault(tcb) and tcb.fault != FaultKind.NONE)
    ensures(lambda: ipc.has_stopped(tcb) and (tcb is kernel.current or waits_for_nothing(kernel.current)))
    ipc.send(
        tcb,
        handler.endpoint,
        handler.badge,
        True,
        False,
        handler.can_grant,
        handler.can_grant_reply,
        can_donate,
    )


@compiled
def report_unhandled(tcb: Tcb) -> None:
    """A debug kernel says which thread stops, and why."""
    if configuration.debug:
        console.write(b"KERNEL|FAULT: no handler for fault ")
        console.write_hex(u64(tcb.fault))
        console.write(b" word ")
        console.write_hex(tcb.fault_words[0])
        console.write(b" of thread ")
        console.write_thread(tcb)


@specification
def has_handler(tcb: Tcb) -> bool:
    """Whether someone is told of a thread's faults."""
    return isinstance(tcb.fault_handler.capability, EndpointCap)


@specification
def is_told(tcb: Tcb, kind: FaultKind, told: bool, first: u64) -> bool:
    """Whether a thread has this fault, if its handler is told of it, and this is its first word."""
    return tcb.fault == (kind if told else FaultKind.NONE) and tcb.fault_words[0] == first


@compiled
def handle_fault(tcb: Tcb) -> None:
    """Tell the thread's handler of the fault noted in ``Tcb.fault``. Without a handler the thread stops for good."""
    requires(can_fault(tcb) and tcb.fault != FaultKind.NONE)
    ensures(lambda: ipc.has_stopped(tcb))
    ensures(lambda: tcb.fault == old(tcb.fault if has_handler(tcb) else FaultKind.NONE))
    ensures(lambda: old(has_handler(tcb)) or tcb.state == ThreadState.INACTIVE)
    handler = tcb.fault_handler.capability
    if isinstance(handler, EndpointCap):
        deliver(tcb, handler, tcb.scheduling_context is not None)
    else:
        report_unhandled(tcb)
        tcb.fault = FaultKind.NONE
        scheduler.set_thread_state(tcb, ThreadState.INACTIVE)


@compiled
def capability_fault(tcb: Tcb, address: u64, receiving: bool) -> None:
    """A system call named a capability that is not there; ``request.failure`` says why the lookup failed."""
    requires(can_fault(tcb))
    ensures(lambda: ipc.has_stopped(tcb))
    ensures(lambda: is_told(tcb, FaultKind.CAP_FAULT, old(has_handler(tcb)), address))
    ensures(lambda: tcb.fault_words[1] == u64(receiving) and tcb.lookup_failure[0] == old(u64(request.failure)))
    ensures(lambda: tcb.lookup_failure[1] == old(request.failure_words[0]))
    ensures(lambda: tcb.lookup_failure[2] == old(request.failure_words[1]))
    ensures(lambda: tcb.lookup_failure[3] == old(request.failure_words[2]))
    tcb.fault = FaultKind.CAP_FAULT
    tcb.fault_words[0] = address
    tcb.fault_words[1] = u64(receiving)
    tcb.lookup_failure[0] = u64(request.failure)
    for index in range(3):
        tcb.lookup_failure[index + 1] = request.failure_words[index]
    handle_fault(tcb)


@compiled
def unknown_syscall(tcb: Tcb, number: u64) -> None:
    """A system call has a number that is not known."""
    requires(can_fault(tcb))
    ensures(lambda: is_told(tcb, FaultKind.UNKNOWN_SYSCALL, old(has_handler(tcb)), number))
    tcb.fault = FaultKind.UNKNOWN_SYSCALL
    tcb.fault_words[0] = number
    handle_fault(tcb)


@compiled
def user_exception(tcb: Tcb, number: u64, code: u64) -> None:
    """An instruction raised an exception that is about no memory."""
    requires(can_fault(tcb))
    ensures(lambda: is_told(tcb, FaultKind.USER_EXCEPTION, old(has_handler(tcb)), number))
    ensures(lambda: tcb.fault_words[1] == code)
    tcb.fault = FaultKind.USER_EXCEPTION
    tcb.fault_words[0] = number
    tcb.fault_words[1] = code
    handle_fault(tcb)


@compiled
def vm_fault(tcb: Tcb, address: u64, is_fetch: bool, code: u64) -> None:
    """Memory was accessed that is not mapped with the right needed."""
    requires(can_fault(tcb))
    ensures(lambda: is_told(tcb, FaultKind.VM_FAULT, old(has_handler(tcb)), address))
    ensures(lambda: tcb.fault_words[1] == u64(is_fetch) and tcb.fault_words[2] == code)
    tcb.fault = FaultKind.VM_FAULT
    tcb.fault_words[0] = address
    tcb.fault_words[1] = u64(is_fetch)
    tcb.fault_words[2] = code
    handle_fault(tcb)


@compiled
def has_timeout_handler(tcb: Tcb) -> bool:
    """Whether someone wants to know when the thread's budget is used up."""
    return isinstance(tcb.timeout_handler.capability, EndpointCap)


@specification
def badge_of(context: SchedContext | None) -> u64:
    """What a timeout handler knows a scheduling context by."""
    return u64(0) if context is None else context.badge


@compiled
def timeout_fault(tcb: Tcb) -> None:
    """The budget is used up, and there is a handler for that. A thread without time has none to donate."""
    requires(can_fault(tcb) and tcb.scheduling_context is not None and has_timeout_handler(tcb))
    ensures(lambda: ipc.has_stopped(tcb) and (tcb is kernel.current or waits_for_nothing(kernel.current)))
    ensures(lambda: tcb.fault == FaultKind.TIMEOUT and tcb.fault_words[0] == old(badge_of(tcb.scheduling_context)))
    context = tcb.scheduling_context
    handler = tcb.timeout_handler.capability
    assert context is not None
    assert isinstance(handler, EndpointCap)
    tcb.fault = FaultKind.TIMEOUT
    tcb.fault_words[0] = context.badge
    deliver(tcb, handler, False)

# SPDX-License-Identifier: BSD-2-Clause
"""System Calls: a message to a kernel object is checked, done and answered (manual: Kernel Objects; System Calls)."""

from __future__ import annotations

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.messages import MessageInfo
from tessera.arch import registers
from tessera.kernel import answer, fault, ipc, message, notification, scheduler, timeslice, transfer
from tessera.kernel.capability import (
    AsidControlCap,
    AsidPoolCap,
    Capability,
    CNodeCap,
    DomainCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    SchedControlCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.invoke import cnode, interrupt, sched, tcb, untyped, vspace
from tessera.kernel.layout import Slot, Tcb, ThreadState
from tessera.kernel.request import EXTRA_CAPS, Status, invalid_capability, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_at_work, is_undisturbed, waits_for_nothing
from tessera.lang import (
    compiled,
    ensures,
    from_word,
    implies,
    live,
    min,
    old,
    range,
    record,
    requires,
    specification,
    to_word,
    u64,
)


@record
class Sending:
    """How a system call sends: whether it waits for a partner, for a reply, may donate time; or only a first phase."""

    blocking: bool
    is_call: bool
    can_donate: bool
    first_phase: bool


@compiled
def collect_extra_caps(thread: Tcb, info: MessageInfo) -> bool:
    """Look up the capabilities passed; false if one is not there (``request.failure`` says why)."""
    requires(request.buffer is None or live(request.buffer))
    ensures(lambda result: implies(result, request_is_good()))
    for index in range(EXTRA_CAPS):
        request.extra[index] = None
    buffer = request.buffer
    if buffer is None:
        return True
    return transfer.look_up_extra(thread, buffer, min(info.extra_caps, EXTRA_CAPS))


@specification
def is_message(cap: Capability) -> bool:
    """Whether what is sent to a capability goes to a thread."""
    return isinstance(cap, (EndpointCap, NotificationCap, ReplyCap))


@specification
def may_change_current(cap: Capability) -> bool:
    """Whether an invocation can change what the current thread runs on."""
    return isinstance(cap, (ThreadCap, SchedContextCap, SchedControlCap))


@specification
def may_be_repeated() -> bool:
    """Whether the current thread's call was stopped on the way: it does not go on yet, and nobody else waits for it."""
    return waits_for_nothing(kernel.current) and kernel.current.state != ThreadState.RUNNING


@compiled
def decode(slot: Slot, cap: Capability, label: u64, length: u64) -> Status:
    """Check and do one invocation of a kernel object."""
    requires(slot.capability == cap and request_is_good() and is_at_work())
    ensures(lambda: may_change_current(cap) or waits_for_nothing(kernel.current))
    ensures(lambda result: result != Status.PREEMPTED or is_undisturbed(old(kernel.current.state)))
    match cap:
        case UntypedCap():
            return untyped.decode(label, length, slot, cap)
        case CNodeCap():
            return cnode.decode(label, length, cap)
        case ThreadCap():
            return tcb.decode(label, length, slot, cap)
        case SchedContextCap():
            return sched.decode_context(label, length, cap)
        case SchedControlCap():
            return sched.decode_control(label, length, cap)
        case DomainCap():
            return sched.decode_domain(label, length)
        case IrqControlCap():
            return interrupt.decode_control(label, length, slot)
        case IrqHandlerCap():
            return interrupt.decode_handler(label, cap)
        case FrameCap():
            return vspace.decode_frame(label, length, slot, cap)
        case PageTableCap():
            return vspace.decode_page_table(label, length, slot, cap)
        case AsidControlCap():
            return vspace.decode_asid_control(label, length)
        case AsidPoolCap():
            return vspace.decode_asid_pool(label, cap)
        case _:
            return invalid_capability(0)


@compiled
def send_message(thread: Tcb, cap: EndpointCap, sending: Sending) -> None:
    """Send the thread's message through an endpoint."""
    requires(thread is kernel.current and fault.can_fault(thread))
    ensures(lambda: waits_for_nothing(thread) or sending.blocking or sending.is_call or ipc.has_stopped(thread))
    ipc.send(
        thread,
        cap.endpoint,
        cap.badge,
        sending.blocking,
        sending.is_call,
        cap.can_grant,
        cap.can_grant_reply,
        sending.can_donate,
    )


@compiled
def invoke(thread: Tcb, slot: Slot, cap: Capability, sending: Sending, info: MessageInfo) -> Status:
    """Do what was asked of any capability: a message through an endpoint, a signal, a reply, or an invocation."""
    requires(thread is kernel.current and slot.capability == cap and is_at_work())
    requires(is_message(cap) or request_is_good())
    requires(not sending.first_phase or (not sending.blocking and not sending.is_call))
    ensures(lambda: not sending.first_phase or not scheduler.is_runnable(thread) or waits_for_nothing(thread))
    ensures(lambda result: result != Status.PREEMPTED or is_undisturbed(old(kernel.current.state)))
    match cap:
        case EndpointCap():
            if not cap.can_send:
                return invalid_capability(0)
            send_message(thread, cap, sending)
            return Status.OK
        case NotificationCap():
            if not cap.can_send:
                return invalid_capability(0)
            notification.signal(cap.notification, cap.badge)
            return Status.OK
        case ReplyCap():
            answer.do_reply(thread, cap.reply, cap.can_grant)
            return Status.OK
        case _:
            # A thread that sends and receives in one call must not change between the two what it runs on; anything
            # else may be invoked on the way, as an interrupt is acknowledged.
            if sending.first_phase and isinstance(cap, (ThreadCap, SchedContextCap, SchedControlCap)):
                return invalid_capability(0)
            return decode(slot, cap, info.label, request.length)


@compiled
def reply_with_results(thread: Tcb) -> None:
    """Tell the caller that it was done."""
    thread.registers[registers.BADGE] = 0
    thread.registers[registers.MESSAGE_INFO] = to_word(MessageInfo(length=request.reply_length))


@compiled(inline="never")
def reply_with_error(thread: Tcb) -> None:
    """Tell the caller what was wrong; the details are message words."""
    request.reply_length = 0
    match request.error:
        case Error.INVALID_ARGUMENT | Error.INVALID_CAPABILITY | Error.NOT_ENOUGH_MEMORY:
            message.set_reply_word(0, request.error_words[0])
        case Error.RANGE_ERROR:
            message.set_reply_word(0, request.error_words[0])
            message.set_reply_word(1, request.error_words[1])
        case Error.FAILED_LOOKUP:
            message.set_reply_word(0, request.error_words[0])
            message.set_reply_word(1, u64(request.failure))
            # Bounded by the words of a lookup failure, 3.
            for index in range(failure_length(request.failure)):
                message.set_reply_word(index + 2, request.failure_words[index])
        case _:
            pass
    thread.registers[registers.BADGE] = 0
    info = MessageInfo(label=u64(request.error), length=request.reply_length)
    thread.registers[registers.MESSAGE_INFO] = to_word(info)


@compiled
def failure_length(failure: LookupFailure) -> u64:
    """Words that describe a failed lookup, besides its type."""
    match failure:
        case LookupFailure.MISSING_CAPABILITY:
            return u64(1)
        case LookupFailure.DEPTH_MISMATCH:
            return u64(2)
        case LookupFailure.GUARD_MISMATCH:
            return u64(3)
        case _:
            return u64(0)


@compiled(inline="never")
def handle(thread: Tcb, slot: Slot, info_word: u64, sending: Sending) -> None:
    """Send a message to what a slot has.

    One without capabilities that is for another thread is passed on: the kernel does not look at it, and has no answer.
    Everything else is an invocation, which is answered.
    """
    requires(thread is kernel.current and is_at_work())
    requires(not sending.first_phase or (not sending.blocking and not sending.is_call))
    ensures(lambda: not sending.first_phase or thread.state != ThreadState.RUNNING or waits_for_nothing(thread))
    info = from_word(MessageInfo, info_word)
    if info.extra_caps == 0:
        cap = slot.capability
        match cap:
            case NotificationCap():
                if cap.can_send and not sending.is_call:
                    notification.signal(cap.notification, cap.badge)
                    return
            case EndpointCap():
                if cap.can_send:
                    send_message(thread, cap, sending)
                    return
            case ReplyCap():
                if not sending.is_call:
                    answer.do_reply(thread, cap.reply, cap.can_grant)
                    return
            case _:
                pass
    handle_invocation(thread, slot, info, sending)


@compiled
def handle_invocation(thread: Tcb, slot: Slot, info: MessageInfo, sending: Sending) -> None:
    """Do what a message asks the kernel for, and answer it."""
    requires(thread is kernel.current and is_at_work())
    requires(not sending.first_phase or (not sending.blocking and not sending.is_call))
    ensures(lambda: not sending.first_phase or thread.state != ThreadState.RUNNING or waits_for_nothing(thread))
    if not prepare(thread, slot, info, sending.is_call):
        if sending.blocking:
            fault.capability_fault(thread, request.failed_address, False)
        return
    request.reply_length = 0
    scheduler.set_thread_state(thread, ThreadState.RESTART)
    finish(thread, invoke(thread, slot, slot.capability, sending, info), sending.is_call)


@compiled
def prepare(thread: Tcb, slot: Slot, info: MessageInfo, is_call: bool) -> bool:
    """Note what an invocation looks at; false if a capability passed is not there."""
    ensures(lambda result: not result or (request_is_good() and request.slot is slot and request.is_call == is_call))
    request.buffer = message.buffer_of(thread, False)
    if not collect_extra_caps(thread, info):
        return False
    request.slot = slot
    request.length = message.available_length(info.length)
    request.is_call = is_call
    return True


@compiled
def finish(thread: Tcb, status: Status, is_call: bool) -> None:
    """Answer an invocation, unless its thread has to make it again or waits now."""
    requires(thread is kernel.current and (status != Status.PREEMPTED or may_be_repeated()))
    ensures(
        lambda: implies(
            old(waits_for_nothing(thread) or not scheduler.is_runnable(thread)) and thread.state == ThreadState.RUNNING,
            waits_for_nothing(thread),
        )
    )
    if status == Status.PREEMPTED:
        timeslice.settle_preempted()
        return
    if status == Status.ERROR and is_call:
        reply_with_error(thread)
    if thread.state == ThreadState.RESTART:
        if status == Status.OK and is_call:
            reply_with_results(thread)
        scheduler.set_thread_state(thread, ThreadState.RUNNING)

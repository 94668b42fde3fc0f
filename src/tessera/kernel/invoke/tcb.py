# SPDX-License-Identifier: BSD-2-Clause
"""Threads: invocations of thread control blocks (manual: Threads and Execution; seL4_TCB methods)."""

from __future__ import annotations

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.arch import registers
from tessera.kernel import message, notification, thread
from tessera.kernel.capability import NotificationCap, ThreadCap
from tessera.kernel.invoke import tcb_registers, tcb_scheduling, tcb_spaces
from tessera.kernel.layout import Slot
from tessera.kernel.request import Status, fail, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, old, requires, u64

TCB_FLAGS = TCB_FLAG_FPU_DISABLED


@compiled
def decode_bind_notification(cap: ThreadCap) -> Status:
    """BindNotification: its signals also end the thread's receiving from an endpoint."""
    requires(request_is_good())
    slot = request.extra[0]
    if slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    if cap.tcb.bound_notification is not None:
        return fail(Error.ILLEGAL_OPERATION)
    wanted = slot.capability
    if not isinstance(wanted, NotificationCap):
        return fail(Error.ILLEGAL_OPERATION)
    target = wanted.notification
    if not wanted.can_receive or target.head is not None or target.bound_tcb is not None:
        return fail(Error.ILLEGAL_OPERATION)

    notification.bind(target, cap.tcb)
    return Status.OK


@compiled
def decode_unbind_notification(cap: ThreadCap) -> Status:
    """UnbindNotification."""
    if cap.tcb.bound_notification is None:
        return fail(Error.ILLEGAL_OPERATION)

    notification.unbind_tcb(cap.tcb)
    return Status.OK


@compiled
def decode_set_tls_base(length: u64, cap: ThreadCap) -> Status:
    """SetTLSBase: the thread pointer register."""
    requires(request_is_good())
    if length < 1:
        return fail(Error.TRUNCATED_MESSAGE)

    cap.tcb.registers[registers.THREAD_POINTER] = message.argument(0)
    return Status.OK


@compiled
def decode_set_flags(length: u64, cap: ThreadCap) -> Status:
    """SetFlags: clear some, then set some; gives all. The FPU follows when the thread is activated."""
    requires(request_is_good())
    if length < 2:
        return fail(Error.TRUNCATED_MESSAGE)

    flags = (cap.tcb.flags & ~message.argument(0)) | (message.argument(1) & TCB_FLAGS)
    cap.tcb.flags = flags
    if request.is_call:
        message.set_reply_word(0, flags)
    return Status.OK


@compiled
def decode(label: u64, length: u64, slot: Slot, cap: ThreadCap) -> Status:
    """Check and do an invocation of the thread ``cap``, found in ``slot``, with ``length`` message words."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda result: result != Status.PREEMPTED or is_undisturbed(old(kernel.current.state)))
    match label:
        case InvocationLabel.TCB_READ_REGISTERS:
            return tcb_registers.decode_read(length, cap)
        case InvocationLabel.TCB_WRITE_REGISTERS:
            return tcb_registers.decode_write(length, cap)
        case InvocationLabel.TCB_COPY_REGISTERS:
            return tcb_registers.decode_copy(length, cap)
        case InvocationLabel.TCB_CONFIGURE:
            return tcb_spaces.decode_configure(length, cap)
        case InvocationLabel.TCB_SET_PRIORITY:
            return tcb_scheduling.decode_set_priority(length, cap, False)
        case InvocationLabel.TCB_SET_MC_PRIORITY:
            return tcb_scheduling.decode_set_priority(length, cap, True)
        case InvocationLabel.TCB_SET_SCHED_PARAMS:
            return tcb_scheduling.decode_set_sched_params(length, cap)
        case InvocationLabel.TCB_SET_TIMEOUT_ENDPOINT:
            return tcb_spaces.decode_set_timeout_endpoint(cap)
        case InvocationLabel.TCB_SET_IPC_BUFFER:
            return tcb_spaces.decode_set_ipc_buffer(length, cap)
        case InvocationLabel.TCB_SET_SPACE:
            return tcb_spaces.decode_set_space(length, cap)
        case InvocationLabel.TCB_SUSPEND:
            thread.suspend(cap.tcb)
            return Status.OK
        case InvocationLabel.TCB_RESUME:
            thread.restart(cap.tcb)
            return Status.OK
        case InvocationLabel.TCB_BIND_NOTIFICATION:
            return decode_bind_notification(cap)
        case InvocationLabel.TCB_UNBIND_NOTIFICATION:
            return decode_unbind_notification(cap)
        case InvocationLabel.TCB_SET_TLS_BASE:
            return decode_set_tls_base(length, cap)
        case InvocationLabel.TCB_SET_FLAGS:
            return decode_set_flags(length, cap)
        case _:
            return fail(Error.ILLEGAL_OPERATION)

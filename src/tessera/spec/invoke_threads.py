# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of threads: registers, priorities, bindings (manual: Threads and Execution; seL4_TCB methods)."""

from __future__ import annotations

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.faults import USER_CONTEXT
from tessera.abi.labels import InvocationLabel as Label
from tessera.spec import budget, contexts, install, threads
from tessera.spec.capability import Capability, ContextCap, NotificationCap, ThreadCap
from tessera.spec.objects import FAULT_HANDLER, NEXT_PC, Thread
from tessera.spec.refusal import illegal_operation, invalid_capability, out_of_range, truncated
from tessera.spec.request import Request, Result
from tessera.spec.state import Kernel

# The registers that a procedure call sets up or keeps come first in the user context.
FRAME = USER_CONTEXT[:16]
INTEGER = USER_CONTEXT[16:]


def invoke(k: Kernel, r: Request, cap: ThreadCap) -> Result:
    """Check and do an invocation of a thread."""
    thread = cap.thread
    match r.label:
        case Label.TCB_READ_REGISTERS:
            return read_registers(k, r, thread)
        case Label.TCB_WRITE_REGISTERS:
            write_registers(k, r, thread)
        case Label.TCB_COPY_REGISTERS:
            copy_registers(k, r, thread)
        case Label.TCB_CONFIGURE:
            install.configure(k, r, thread)
        case Label.TCB_SET_PRIORITY:
            threads.set_priority(k, thread, priority_argument(r))
        case Label.TCB_SET_MC_PRIORITY:
            thread.maximum_priority = priority_argument(r)
        case Label.TCB_SET_SCHED_PARAMS:
            set_sched_params(k, r, thread)
        case Label.TCB_SET_TIMEOUT_ENDPOINT:
            install.set_timeout_endpoint(k, r, thread)
        case Label.TCB_SET_IPC_BUFFER:
            install.set_ipc_buffer(k, r, thread)
        case Label.TCB_SET_SPACE:
            install.set_space(k, r, thread)
        case Label.TCB_SUSPEND:
            threads.suspend(k, thread)
        case Label.TCB_RESUME:
            threads.resume(k, thread)
        case Label.TCB_BIND_NOTIFICATION:
            bind_notification(r, thread)
        case Label.TCB_UNBIND_NOTIFICATION:
            unbind_notification(thread)
        case Label.TCB_SET_TLS_BASE:
            r.need(1)
            thread.registers["tp"] = r.words[0]
        case Label.TCB_SET_FLAGS:
            return set_flags(r, thread)
        case _:
            raise illegal_operation()
    return []


def read_registers(k: Kernel, r: Request, thread: Thread) -> Result:
    """ReadRegisters: the first registers of another thread, which may be stopped first."""
    r.need(2)
    flags, count = r.words[:2]
    if not 1 <= count <= len(USER_CONTEXT):
        raise out_of_range(1, len(USER_CONTEXT))
    if thread is k.current:
        raise illegal_operation()

    if flags & 1:
        threads.suspend(k, thread)
    return [thread.registers[name] for name in USER_CONTEXT[:count]]


def write_registers(k: Kernel, r: Request, thread: Thread) -> None:
    """WriteRegisters: set the first registers of another thread, which may go on then."""
    r.need(2)
    flags, count = r.words[:2]
    if len(r.words) - 2 < count:
        raise truncated()
    if thread is k.current:
        raise illegal_operation()

    thread.registers.update(zip(USER_CONTEXT, r.words[2 : 2 + count], strict=False))
    thread.registers[NEXT_PC] = thread.registers["pc"]
    if flags & 1:
        threads.resume(k, thread)


def copy_registers(k: Kernel, r: Request, thread: Thread) -> None:
    """CopyRegisters: whole groups, from another thread, which may be stopped first."""
    r.need(1, 1)
    flags = r.words[0]
    source = r.cap(0)
    if not isinstance(source, ThreadCap):
        raise invalid_capability(1)

    if flags & 1:
        threads.suspend(k, source.thread)
    if flags & 2:
        threads.resume(k, thread)
    if flags & 4:
        thread.registers.update((name, source.thread.registers[name]) for name in FRAME)
        thread.registers[NEXT_PC] = thread.registers["pc"]
    if flags & 8:
        thread.registers.update((name, source.thread.registers[name]) for name in INTEGER)


def check_priority(priority: int, authority: Thread) -> None:
    """A thread gives out priorities up to its own maximum."""
    if priority > authority.maximum_priority:
        raise out_of_range(0, authority.maximum_priority)


def priority_argument(r: Request) -> int:
    """The priority that SetPriority and SetMCPriority set."""
    r.need(1, 1)
    authority = r.cap(0)
    if not isinstance(authority, ThreadCap):
        raise invalid_capability(1)
    check_priority(r.words[0], authority.thread)
    return r.words[0]


def check_context(k: Kernel, thread: Thread, cap: Capability | None) -> None:
    """Whether a scheduling context can be bound to a thread; null unbinds."""
    match cap:
        case ContextCap(context):
            if thread.context is not None or context.thread is not None:
                raise illegal_operation()
            if thread.is_blocked and not budget.is_released(k, context):
                raise illegal_operation()
        case None:
            if thread is k.current:
                raise illegal_operation()
        case _:
            raise invalid_capability(2)


def set_sched_params(k: Kernel, r: Request, thread: Thread) -> None:
    """SetSchedParams: both priorities, scheduling context and fault handler."""
    r.need(2, 3)
    maximum, priority = r.words[:2]
    authority, context, handler = r.cap(0), r.cap(1), r.cap(2)
    if not isinstance(authority, ThreadCap):
        raise invalid_capability(1)
    check_priority(maximum, authority.thread)
    check_priority(priority, authority.thread)
    check_context(k, thread, context)
    install.check_handler(handler, 3)

    install.put(k, handler, r.caps[2], thread, FAULT_HANDLER)
    thread.maximum_priority = maximum
    threads.set_priority(k, thread, priority)
    if isinstance(context, ContextCap):
        contexts.bind_thread(k, context.context, thread)
    elif thread.context is not None:
        contexts.unbind_thread(k, thread.context)


def bind_notification(r: Request, thread: Thread) -> None:
    """BindNotification: its signals also end the thread's receiving from an endpoint."""
    r.need(0, 1)
    cap = r.cap(0)
    if thread.bound is not None or not isinstance(cap, NotificationCap):
        raise illegal_operation()
    target = cap.notification
    if not cap.can_receive or target.queue or target.bound is not None:
        raise illegal_operation()

    target.bound, thread.bound = thread, target


def unbind_notification(thread: Thread) -> None:
    """UnbindNotification."""
    if thread.bound is None:
        raise illegal_operation()
    thread.bound.bound = None
    thread.bound = None


def set_flags(r: Request, thread: Thread) -> Result:
    """SetFlags: clear some, then set some; gives all."""
    r.need(2)
    thread.flags = thread.flags & ~r.words[0] | r.words[1] & TCB_FLAG_FPU_DISABLED
    return [thread.flags]

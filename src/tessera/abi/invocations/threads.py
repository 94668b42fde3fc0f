# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of thread control blocks (manual: Threads and Execution; mixed-criticality variants)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.invocations.model import (
    BYTE,
    CAP,
    CNODE,
    CONTEXT,
    FLAG,
    TCB,
    WORD,
    Invocation,
    Parameter,
    failures,
)
from tessera.abi.labels import InvocationLabel as Label

_ARCH_FLAGS = Parameter("arch_flags", BYTE, "no meaning on this architecture")
_SUSPEND = Parameter("suspend_source", FLAG, "suspend the source thread first")
_RESUME = Parameter("resume_target", FLAG, "resume the destination thread afterwards")
_AUTHORITY = Parameter("authority", TCB, "thread whose maximum controlled priority is the limit")
_SPACES = (
    Parameter("cspace_root", CNODE, "CNode at the root of the capability space"),
    Parameter("cspace_root_data", WORD, "guard of that CNode; 0 leaves it as it is"),
    Parameter("vspace_root", CAP, "root page table of the address space"),
    Parameter("vspace_root_data", WORD, "no meaning on this architecture"),
)
_BUFFER = (
    Parameter("buffer", WORD, "address of the IPC buffer in the thread's address space; 0 for none"),
    Parameter("bufferFrame", CAP, "frame that holds the IPC buffer"),
)
_FAULT_ENDPOINT = Parameter("fault_ep", CAP, "endpoint that receives the thread's faults; null for none")

_OWN_THREAD = (Error.ILLEGAL_OPERATION, "the thread is the caller")
_BAD_ROOTS = (
    Error.ILLEGAL_OPERATION,
    "a root is of the wrong kind, its guard is not valid, or the address space has no identifier",
)
_BAD_FRAME = (Error.ILLEGAL_OPERATION, "the buffer's capability is not a frame, or the frame is device memory")
_UNALIGNED = (Error.ALIGNMENT_ERROR, "the address of the IPC buffer is not a multiple of its size")
_BEING_DELETED = (Error.REVOKE_FIRST, "a capability given cannot be derived")
_BAD_FAULT_ENDPOINT = (
    Error.INVALID_CAPABILITY,
    "the fault handler is not an endpoint with write, and grant or grant-reply rights",
)
_NOT_A_THREAD = (Error.INVALID_CAPABILITY, "the authority is not a thread")
_PRIORITY_RANGE = (Error.RANGE_ERROR, "the priority is above the authority's maximum controlled priority")


def _plain(label: Label, symbol: str, method: str, purpose: str, *causes: tuple[Error, str]) -> Invocation:
    return Invocation(label, symbol, "TCB", method, purpose, causes=failures(*causes))


THREAD_INVOCATIONS: tuple[Invocation, ...] = (
    Invocation(
        Label.TCB_READ_REGISTERS,
        "TCBReadRegisters",
        "TCB",
        "ReadRegisters",
        "Read the first registers of a thread.",
        (_SUSPEND, _ARCH_FLAGS, Parameter("count", WORD, "how many registers")),
        (Parameter("regs", CONTEXT, "the registers"),),
        failures(_OWN_THREAD, (Error.RANGE_ERROR, "the count is 0 or greater than the number of registers")),
    ),
    Invocation(
        Label.TCB_WRITE_REGISTERS,
        "TCBWriteRegisters",
        "TCB",
        "WriteRegisters",
        "Set the first registers of a thread.",
        (
            _RESUME,
            _ARCH_FLAGS,
            Parameter("count", WORD, "how many registers"),
            Parameter("regs", CONTEXT, "the registers"),
        ),
        causes=failures(_OWN_THREAD),
    ),
    Invocation(
        Label.TCB_COPY_REGISTERS,
        "TCBCopyRegisters",
        "TCB",
        "CopyRegisters",
        "Copy registers from one thread to another.",
        (
            Parameter("source", TCB, "thread to copy from"),
            _SUSPEND,
            _RESUME,
            Parameter("transfer_frame", FLAG, "copy the registers that a system call uses or keeps"),
            Parameter("transfer_integer", FLAG, "copy the other registers"),
            _ARCH_FLAGS,
        ),
        causes=failures((Error.INVALID_CAPABILITY, "the source is not a thread")),
    ),
    Invocation(
        Label.TCB_CONFIGURE,
        "TCBConfigure",
        "TCB",
        "Configure",
        "Set the spaces and the IPC buffer of a thread.",
        (*_SPACES, *_BUFFER),
        causes=failures(_BAD_ROOTS, _BAD_FRAME, _UNALIGNED, _BEING_DELETED),
    ),
    Invocation(
        Label.TCB_SET_PRIORITY,
        "TCBSetPriority",
        "TCB",
        "SetPriority",
        "Set the priority.",
        (_AUTHORITY, Parameter("priority", WORD, "the new priority")),
        causes=failures(_NOT_A_THREAD, _PRIORITY_RANGE),
    ),
    Invocation(
        Label.TCB_SET_MC_PRIORITY,
        "TCBSetMCPriority",
        "TCB",
        "SetMCPriority",
        "Set the maximum controlled priority.",
        (_AUTHORITY, Parameter("mcp", WORD, "the new maximum controlled priority")),
        causes=failures(_NOT_A_THREAD, _PRIORITY_RANGE),
    ),
    Invocation(
        Label.TCB_SET_SCHED_PARAMS,
        "TCBSetSchedParams",
        "TCB",
        "SetSchedParams",
        "Set priorities, scheduling context and fault handler.",
        (
            _AUTHORITY,
            Parameter("mcp", WORD, "the new maximum controlled priority"),
            Parameter("priority", WORD, "the new priority"),
            Parameter("sched_context", CAP, "scheduling context to bind; null unbinds"),
            _FAULT_ENDPOINT,
        ),
        causes=failures(
            _NOT_A_THREAD,
            _PRIORITY_RANGE,
            (Error.INVALID_CAPABILITY, "the scheduling context is neither one nor null"),
            _BAD_FAULT_ENDPOINT,
            (Error.ILLEGAL_OPERATION, "the thread or the scheduling context is bound already"),
            (Error.ILLEGAL_OPERATION, "the thread is blocked and the scheduling context has no budget"),
            (Error.ILLEGAL_OPERATION, "the caller would unbind its own scheduling context"),
        ),
    ),
    Invocation(
        Label.TCB_SET_TIMEOUT_ENDPOINT,
        "TCBSetTimeoutEndpoint",
        "TCB",
        "SetTimeoutEndpoint",
        "Set the endpoint that receives timeout faults.",
        (Parameter("timeout_fault_ep", CAP, "endpoint that receives timeout faults; null for none"),),
        causes=failures(_BAD_FAULT_ENDPOINT),
    ),
    Invocation(
        Label.TCB_SET_IPC_BUFFER,
        "TCBSetIPCBuffer",
        "TCB",
        "SetIPCBuffer",
        "Set the IPC buffer.",
        _BUFFER,
        causes=failures(_BAD_FRAME, _UNALIGNED, _BEING_DELETED),
    ),
    Invocation(
        Label.TCB_SET_SPACE,
        "TCBSetSpace",
        "TCB",
        "SetSpace",
        "Set the fault handler and the spaces.",
        (_FAULT_ENDPOINT, *_SPACES),
        causes=failures(_BAD_ROOTS, _BAD_FAULT_ENDPOINT, _BEING_DELETED),
    ),
    _plain(Label.TCB_SUSPEND, "TCBSuspend", "Suspend", "Stop a thread and cancel what it waits for."),
    _plain(Label.TCB_RESUME, "TCBResume", "Resume", "Let a stopped thread go on."),
    Invocation(
        Label.TCB_BIND_NOTIFICATION,
        "TCBBindNotification",
        "TCB",
        "BindNotification",
        "Bind a notification, so that its signals also end a receive on an endpoint.",
        (Parameter("notification", CAP, "the notification"),),
        causes=failures(
            (Error.ILLEGAL_OPERATION, "the thread or the notification is bound already"),
            (Error.ILLEGAL_OPERATION, "the capability is not a notification with the read right"),
        ),
    ),
    _plain(
        Label.TCB_UNBIND_NOTIFICATION,
        "TCBUnbindNotification",
        "UnbindNotification",
        "Undo the binding of a notification.",
        (Error.ILLEGAL_OPERATION, "no notification is bound"),
    ),
    Invocation(
        Label.TCB_SET_TLS_BASE,
        "TCBSetTLSBase",
        "TCB",
        "SetTLSBase",
        "Set the thread pointer register.",
        (Parameter("tls_base", WORD, "the new value"),),
    ),
    Invocation(
        Label.TCB_SET_FLAGS,
        "TCBSetFlags",
        "TCB",
        "SetFlags",
        "Clear and then set flags of a thread.",
        (
            Parameter("clear", WORD, "flags to clear"),
            Parameter("set", WORD, "flags to set"),
        ),
        (Parameter("flags", WORD, "all flags afterwards"),),
    ),
)

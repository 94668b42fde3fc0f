# SPDX-License-Identifier: BSD-2-Clause
"""System Calls: what each of them does with registers (manual: System Calls)."""

from __future__ import annotations

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.syscalls import Syscall
from tessera.spec import (
    budget,
    cspace,
    faults,
    invoke_cnode,
    invoke_hardware,
    invoke_memory,
    invoke_threads,
    invoke_time,
    ipc,
    messages,
    notifications,
    scheduling,
)
from tessera.spec.capability import (
    AsidControlCap,
    Capability,
    CNodeCap,
    ContextCap,
    DomainCap,
    EndpointCap,
    FrameCap,
    IrqControlCap,
    IrqHandlerCap,
    NotificationCap,
    PoolCap,
    ReplyCap,
    SchedControlCap,
    TableCap,
    ThreadCap,
    UntypedCap,
)
from tessera.spec.messages import BADGE, INFO, Info
from tessera.spec.objects import Place, State, Thread
from tessera.spec.refusal import CapabilityFault, LookupFailed, Refused, invalid_capability
from tessera.spec.request import Request, Result
from tessera.spec.state import Kernel, held

# Registers besides those of the message.
NUMBER = "a7"
CAPABILITY = "a0"
REPLY = "a6"
SEND_TO = "t0"
WAIT_SEND_TO = "a6"

THREAD_NAME_BYTES = 128
# What `DebugCapIdentify` answers; 0 for an empty slot. (manual: Debugging System Calls.)
KIND_NUMBERS: dict[type, int] = {
    UntypedCap: 2,
    EndpointCap: 4,
    NotificationCap: 6,
    ReplyCap: 8,
    CNodeCap: 10,
    ThreadCap: 12,
    IrqControlCap: 14,
    IrqHandlerCap: 16,
    DomainCap: 20,
    ContextCap: 22,
    SchedControlCap: 24,
    FrameCap: 1,
    TableCap: 3,
    AsidControlCap: 11,
    PoolCap: 13,
}


def dispatch(k: Kernel, thread: Thread) -> bool:
    """Do the system call that the registers name; false if there is no such."""
    registers = thread.registers
    address = registers[CAPABILITY]
    match registers[NUMBER]:
        case Syscall.CALL:
            send(k, thread, address, blocking=True, is_call=True)
        case Syscall.SEND:
            send(k, thread, address, blocking=True)
        case Syscall.NB_SEND:
            send(k, thread, address)
        case Syscall.RECV:
            receive(k, thread, address, True, True)
        case Syscall.NB_RECV:
            receive(k, thread, address, False, True)
        case Syscall.WAIT:
            receive(k, thread, address, True, False)
        case Syscall.NB_WAIT:
            receive(k, thread, address, False, False)
        case Syscall.REPLY_RECV:
            send(k, thread, registers[REPLY], goes_on=True)
            receive(k, thread, address, True, True)
        case Syscall.NB_SEND_RECV:
            send(k, thread, registers[SEND_TO], goes_on=True)
            receive(k, thread, address, True, True)
        case Syscall.NB_SEND_WAIT:
            send(k, thread, registers[WAIT_SEND_TO], goes_on=True)
            receive(k, thread, address, True, False)
        case Syscall.YIELD:
            yield_now(k)
        case Syscall.SET_TLS_BASE:
            registers["tp"] = address
        case Syscall.DEBUG_CAP_IDENTIFY:
            registers[CAPABILITY] = identify(thread, address)
        case Syscall.DEBUG_NAME_THREAD:
            name_thread(k, thread, address)
        case Syscall.DEBUG_PUT_CHAR | Syscall.DEBUG_DUMP_SCHEDULER | Syscall.DEBUG_SNAPSHOT:
            pass
        case Syscall.BENCHMARK_NULL_SYSCALL:
            pass
        case _:
            return False
    return True


def send(
    k: Kernel, thread: Thread, address: int, blocking: bool = False, is_call: bool = False, goes_on: bool = False
) -> None:
    """The sending phase. A capability that is not there is a fault, but not for a sender that does not wait.

    ``goes_on``: the thread receives afterwards.
    """
    info = Info.of(thread.registers[INFO])
    buffer = messages.buffer_of(thread, False)
    caps: list[Place] = []
    try:
        place = cspace.find(thread, address)
        for address in messages.sent_caps(k, buffer, info.extra_caps):
            caps.append(cspace.find(thread, address))
    except LookupFailed as why:
        if blocking:
            raise CapabilityFault(address, False, why) from None
        return
    words = messages.read(k, thread, buffer, info.length)
    request, cap = Request(thread, place, info.label, words, caps), held(place)
    thread.state = State.RESTART
    error, result = Error.NO_ERROR, list[int]()
    try:
        result = invoke(k, request, cap, blocking, is_call, goes_on)
    except Refused as refused:
        error, result = refused.error, list(refused.words)
    if cap is not None:
        k.outcome = (cap, info.label, error)
    # The invocation may have stopped its own caller, or made it wait.
    if thread.state is State.RESTART:
        thread.state = State.RUNNING
        if is_call:
            answer(k, thread, error, result)


def answer(k: Kernel, thread: Thread, error: Error, result: Result) -> None:
    """Tell the caller of an invocation how it went."""
    length = messages.write(k, thread, messages.buffer_of(thread, True), result)
    thread.registers[BADGE] = 0
    thread.registers[INFO] = Info(int(error), length).word


def invoke(k: Kernel, r: Request, cap: Capability | None, blocking: bool, is_call: bool, goes_on: bool) -> Result:
    """Do what was asked of any capability: a message through an endpoint, a signal, a reply, or an invocation."""
    match cap:
        case EndpointCap():
            if not cap.can_send:
                raise invalid_capability(0)
            ipc.send(k, r.caller, cap, blocking, is_call, is_call or goes_on)
        case NotificationCap():
            if not cap.can_send:
                raise invalid_capability(0)
            notifications.signal(k, cap.notification, cap.badge)
        case ReplyCap():
            ipc.reply(k, r.caller, cap.reply, cap.can_grant)
        case ThreadCap() | ContextCap() | SchedControlCap() if goes_on:
            # A thread that goes on to receive must not change what it runs on.
            raise invalid_capability(0)
        case _:
            return invoke_object(k, r, cap)
    return []


def invoke_object(k: Kernel, r: Request, cap: Capability | None) -> Result:
    """Check and do one invocation of a kernel object."""
    match cap:
        case UntypedCap():
            return invoke_memory.retype(k, r, cap)
        case CNodeCap():
            return invoke_cnode.invoke(k, r, cap)
        case ThreadCap():
            return invoke_threads.invoke(k, r, cap)
        case ContextCap():
            return invoke_time.context(k, r, cap)
        case SchedControlCap():
            return invoke_time.control(k, r)
        case DomainCap():
            return invoke_time.domain(k, r)
        case IrqControlCap():
            return invoke_hardware.control(k, r)
        case IrqHandlerCap():
            return invoke_hardware.handler(k, r, cap)
        case FrameCap():
            return invoke_memory.frame(k, r, cap)
        case TableCap():
            return invoke_memory.table(k, r, cap)
        case AsidControlCap():
            return invoke_memory.asid_control(k, r)
        case PoolCap():
            return invoke_memory.asid_pool(k, r, cap)
        case _:
            raise invalid_capability(0)


def receive(k: Kernel, thread: Thread, address: int, blocking: bool, takes_reply: bool) -> None:
    """The receiving phase: wait for, or look for, a message or a signal."""
    cap = _named(thread, address)
    match cap:
        case EndpointCap() if cap.can_receive:
            offered = None
            if takes_reply:
                reply_address = thread.registers[REPLY]
                reply_cap = _named(thread, reply_address)
                if not isinstance(reply_cap, ReplyCap):
                    raise _nothing_to_receive(reply_address)
                offered = reply_cap.reply
            ipc.receive(k, thread, cap.endpoint, blocking, offered)
        case NotificationCap() if cap.can_receive and cap.notification.bound in (None, thread):
            notifications.wait(k, thread, cap.notification, blocking)
        case _:
            raise _nothing_to_receive(address)


def _named(thread: Thread, address: int) -> Capability | None:
    try:
        return held(cspace.find(thread, address))
    except LookupFailed as why:
        raise CapabilityFault(address, True, why) from None


def _nothing_to_receive(address: int) -> CapabilityFault:
    return CapabilityFault(address, True, LookupFailed(LookupFailure.MISSING_CAPABILITY, 0))


def end_turn(k: Kernel, used: int, can_fault: bool) -> None:
    """The current context's first refill is used up: tell the timeout handler, queue behind the others, or wait."""
    context, thread = k.charged, k.current
    if context is not None:
        if context.period == 0:
            context.refills[0].amount = context.budget
        else:
            budget.charge(context, used)
        context.consumed += used
    k.used = 0
    if thread is None or context is None or not scheduling.can_run(thread):
        return
    if can_fault and context.period != 0 and faults.has_timeout_handler(thread):
        ipc.raise_timeout(k, thread)
    elif budget.is_released(k, context):
        scheduling.enter(k, thread, last=True)
    else:
        scheduling.postpone(k, context)
    scheduling.reconsider(k)
    k.set_timer = True


def yield_now(k: Kernel) -> None:
    """The current thread gives up what is left of its first refill. Only what it used counts as consumed."""
    context = k.charged
    assert context is not None
    consumed = context.consumed + k.used
    end_turn(k, context.refills[0].amount, can_fault=False)
    context.consumed = consumed


def identify(thread: Thread, address: int) -> int:
    """The number of the kind of capability at an address; 0 where there is none."""
    try:
        return KIND_NUMBERS.get(type(held(cspace.find(thread, address))), 0)
    except LookupFailed:
        return 0


def name_thread(k: Kernel, thread: Thread, address: int) -> None:
    """Give a thread the name that stands in the caller's IPC buffer, up to a zero byte."""
    buffer = messages.buffer_of(thread, False)
    try:
        cap = held(cspace.find(thread, address))
    except LookupFailed:
        return
    if buffer is not None and isinstance(cap, ThreadCap):
        words = (k.read_word(buffer + messages.WORDS + at) for at in range(0, THREAD_NAME_BYTES, 8))
        text = b"".join(word.to_bytes(8, "little") for word in words)
        cap.thread.title = text[: THREAD_NAME_BYTES - 1].split(b"\0")[0]

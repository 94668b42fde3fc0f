# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing (IPC): endpoints, answers, faults as messages (manual: Endpoints; Reply Objects; Faults)."""

from __future__ import annotations

from tessera.abi.faults import Fault
from tessera.abi.objects import WORD_BYTES
from tessera.spec import budget, contexts, cspace, derivation, faults, messages, replies, scheduling, threads
from tessera.spec.capability import EndpointCap
from tessera.spec.messages import BADGE, INFO, Info
from tessera.spec.notifications import take_signals
from tessera.spec.objects import (
    TIMEOUT_HANDLER,
    Endpoint,
    FaultRecord,
    Place,
    Reply,
    State,
    Thread,
    start_waiting,
    stop_waiting,
)
from tessera.spec.refusal import LookupFailed, Refused
from tessera.spec.state import Kernel, held


def send(k: Kernel, thread: Thread, cap: EndpointCap, blocking: bool, is_call: bool, may_donate: bool) -> None:
    """Send the thread's message, or its fault, to the first receiver; without one wait, or drop it.

    A call waits for the answer if the receiver offers a reply object and the right to grant (the reply) is there;
    otherwise its thread becomes inactive, for nobody can ever answer.
    """
    if not cap.endpoint.has_receivers:
        if blocking:
            thread.badge, thread.is_call = cap.badge, is_call
            thread.can_grant, thread.can_grant_reply = cap.can_grant, cap.can_grant_reply
            start_waiting(thread, cap.endpoint, State.SENDING)
        return
    receiver = cap.endpoint.queue[0]
    offered = replies.withdraw(receiver)
    stop_waiting(receiver, State.RUNNING)
    transfer(k, thread, cap.endpoint, cap.badge, cap.can_grant, receiver)
    if is_call or thread.fault is not None:
        if offered is not None and (cap.can_grant or cap.can_grant_reply):
            replies.push(k, thread, receiver, offered, may_donate)
        else:
            thread.state = State.INACTIVE
    elif may_donate and receiver.context is None and thread.context is not None:
        contexts.donate(k, thread.context, receiver)
    wake(k, receiver)


def receive(k: Kernel, thread: Thread, endpoint: Endpoint, blocking: bool, offered: Reply | None) -> None:
    """Take the first message, or a signal of the bound notification; without any wait, or get badge 0.

    A caller that still waits with the offered reply object gives up.
    """
    if offered is not None and offered.thread is not None:
        threads.cancel(offered.thread)
    bound = thread.bound
    if bound is not None:
        if bound.signals is not None:
            take_signals(k, bound, thread)
            return
        if blocking:
            contexts.return_to_notification(thread, bound)
    if endpoint.has_senders:
        _accept(k, thread, endpoint, endpoint.queue[0], offered)
    elif blocking:
        start_waiting(thread, endpoint, State.RECEIVING)
        if offered is not None:
            replies.offer(offered, thread)
    else:
        thread.registers[BADGE] = 0


def _accept(k: Kernel, thread: Thread, endpoint: Endpoint, sender: Thread, offered: Reply | None) -> None:
    """Receive from a thread that waits to send."""
    awaits_answer = sender.is_call or sender.fault is not None
    stop_waiting(sender, State.INACTIVE if awaits_answer else State.RUNNING)
    transfer(k, sender, endpoint, sender.badge, sender.can_grant, thread)
    if not awaits_answer:
        wake(k, sender)
        return
    budget.wake_sporadic(k, sender.context)
    if offered is not None and (sender.can_grant or sender.can_grant_reply):
        # A thread that has no time left has none to give.
        is_timeout = sender.fault is not None and sender.fault.kind == Fault.TIMEOUT
        replies.push(k, sender, thread, offered, not is_timeout)


def wake(k: Kernel, thread: Thread) -> None:
    """A thread that waited goes on as soon as its context lets it."""
    budget.wake_sporadic(k, thread.context)
    if scheduling.can_run(thread):
        scheduling.let_run(k, thread)


def transfer(
    k: Kernel, sender: Thread, endpoint: Endpoint | None, badge: int, can_grant: bool, receiver: Thread
) -> None:
    """Deliver a thread's message, or its fault. ``endpoint`` is ``None`` for the answer to a call."""
    target = messages.buffer_of(receiver, True)
    if sender.fault is not None:
        length = messages.write(k, receiver, target, faults.message(k, sender))
        told = Info(int(sender.fault.kind), length)
    else:
        info = Info.of(sender.registers[INFO])
        source = messages.buffer_of(sender, False)
        length = messages.write(k, receiver, target, messages.read(k, sender, source, info.length))
        told = Info(info.label, length)
        if can_grant and source is not None and target is not None:
            try:
                sent = [cspace.find(sender, address) for address in messages.sent_caps(k, source, info.extra_caps)]
            except LookupFailed:
                sent = []
            if sent:
                told = Info(info.label, length, *hand_over(k, endpoint, receiver, target, sent))
    receiver.registers[INFO] = told.word
    receiver.registers[BADGE] = badge


def hand_over(
    k: Kernel, endpoint: Endpoint | None, receiver: Thread, buffer: int, sent: list[Place]
) -> tuple[int, int]:
    """Hand capabilities over: those to ``endpoint`` itself as badges, one other as a copy into the receiver's slot.

    It stops at the first one for which there is no slot or which cannot be derived. Gives how many arrived, and which
    of them only as badges, a bit each.
    """
    unwrapped = 0
    slot = receive_slot(k, receiver, buffer)
    for index, place in enumerate(sent):
        cap = held(place)
        if isinstance(cap, EndpointCap) and cap.endpoint is endpoint:
            k.write_word(buffer + messages.CAPS + index * WORD_BYTES, cap.badge)
            unwrapped |= 1 << index
            continue
        try:
            new = None if cap is None or slot is None else derivation.derived(k, place, cap)
        except Refused:
            new = None
        if new is None or slot is None:
            return index, unwrapped
        derivation.copy(k, new, place, slot)
        slot = None
    return len(sent), unwrapped


def receive_slot(k: Kernel, receiver: Thread, buffer: int) -> Place | None:
    """The empty slot that the receiver named in its buffer, if it named one."""
    root, index, depth = (
        k.read_word(buffer + at) for at in (messages.RECEIVE_CNODE, messages.RECEIVE_INDEX, messages.RECEIVE_DEPTH)
    )
    try:
        place = cspace.target(held(cspace.find(receiver, root)), index, depth)
    except (LookupFailed, Refused):
        return None
    return place if held(place) is None else None


def raise_fault(k: Kernel, thread: Thread, fault: FaultRecord) -> None:
    """Tell the thread's handler of a fault. Without a handler the thread stops for good."""
    handler = faults.handler_of(thread)
    if handler is None:
        faults.stop(thread)
        return
    thread.fault = fault
    send(k, thread, handler, True, False, thread.context is not None)


def raise_timeout(k: Kernel, thread: Thread) -> None:
    """The budget is used up, and there is a handler for that. A thread without time has none to donate."""
    handler = thread.own.slots[TIMEOUT_HANDLER]
    assert isinstance(handler, EndpointCap) and thread.context is not None
    thread.fault = FaultRecord(Fault.TIMEOUT, (thread.context.badge,))
    send(k, thread, handler, True, False, False)


def reply(k: Kernel, thread: Thread, answered: Reply, can_grant: bool) -> None:
    """The thread's message answers the call, or the fault, that waits with a reply object, if one does.

    The caller has its context again if it was donated along this call.
    """
    caller = answered.thread
    if caller is None or caller.state is not State.AWAITING_REPLY:
        return
    replies.finish(k, answered, caller)
    budget.wake_sporadic(k, caller.context)
    fault = caller.fault
    if fault is None:
        transfer(k, thread, None, 0, can_grant, caller)
        caller.state = State.RUNNING
    else:
        goes_on = faults.answer(k, thread, caller)
        caller.fault = None
        caller.state = State.RESTART if goes_on else State.INACTIVE
    context = caller.context
    if context is None or not caller.is_runnable or not budget.is_configured(context):
        return
    if budget.is_released(k, context):
        scheduling.let_run(k, caller)
    elif faults.has_timeout_handler(caller) and (fault is None or fault.kind != Fault.TIMEOUT):
        # The server used up what its client donated.
        raise_timeout(k, caller)
    else:
        scheduling.postpone(k, context)


def cancel_all(k: Kernel, endpoint: Endpoint, badge: int | None = None) -> None:
    """No thread waits at the endpoint any more; with a badge, no thread that sends with it. They start again."""
    if endpoint.queue and (badge is None or endpoint.has_senders):
        for thread in list(endpoint.queue):
            if badge is None or thread.badge == badge:
                _restart_waiting(k, thread)
        scheduling.reconsider(k)


def _restart_waiting(k: Kernel, thread: Thread) -> None:
    """A thread starts its system call again, unless a fault made it wait."""
    replies.withdraw(thread)
    stop_waiting(thread, State.INACTIVE if thread.fault is not None else State.RESTART)
    if thread.fault is None:
        wake(k, thread)

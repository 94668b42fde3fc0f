# SPDX-License-Identifier: BSD-2-Clause
"""Reply Objects: who waits for an answer, and the way back of a donated context (manual: Reply Objects)."""

from __future__ import annotations

from tessera.spec import contexts
from tessera.spec.objects import Reply, State, Thread, stop_waiting
from tessera.spec.state import Kernel


def offer(reply: Reply, thread: Thread) -> None:
    """A thread that receives will answer a call with this reply object."""
    reply.thread, thread.reply = thread, reply


def withdraw(thread: Thread) -> Reply | None:
    """A thread offers no reply object any more. Gives the one that it offered, if any."""
    reply = thread.reply
    if reply is not None:
        reply.thread = thread.reply = None
    return reply


def push(k: Kernel, caller: Thread, callee: Thread, reply: Reply, may_donate: bool) -> None:
    """The caller waits for the answer; a callee without a context is given the caller's."""
    offer(reply, caller)
    caller.state = State.AWAITING_REPLY
    context = caller.context
    if may_donate and context is not None and callee.context is None:
        context.calls.append(reply)
        reply.context = context
        contexts.donate(k, context, callee)


def cut(reply: Reply) -> None:
    """Calls up to this one do not give the context back any more."""
    context = reply.context
    if context is not None:
        upto = context.calls.index(reply) + 1
        for call in context.calls[:upto]:
            call.context = None
        del context.calls[:upto]


def finish(k: Kernel, reply: Reply, caller: Thread) -> None:
    """The call is over: the caller is inactive and has its context again if this was the newest call."""
    context = reply.context
    if context is not None and context.calls[-1] is reply:
        context.calls.pop()
        reply.context = None
        if caller.context is None:
            contexts.donate(k, context, caller)
    _part(caller, reply)


def _part(caller: Thread, reply: Reply) -> None:
    cut(reply)
    withdraw(caller)
    caller.state = State.INACTIVE


def abandon(caller: Thread) -> None:
    """The caller gives up waiting for an answer; whoever has its context keeps it."""
    assert caller.reply is not None
    _part(caller, caller.reply)


def end(k: Kernel, reply: Reply) -> None:
    """The last capability to the reply object goes away; a thread that waits with it becomes inactive."""
    thread = reply.thread
    if thread is None:
        return
    if thread.state is State.AWAITING_REPLY:
        finish(k, reply, thread)
    else:
        withdraw(thread)
        stop_waiting(thread, State.INACTIVE)

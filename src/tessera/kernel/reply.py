# SPDX-License-Identifier: BSD-2-Clause
"""Reply Objects: who waits for an answer, and the way back of a donated scheduling context (manual: Reply Objects).

A reply object is offered by a server that receives, and holds the caller once a call came. Calls along which a
scheduling context was donated form its call stack: the context refers to the newest reply, each reply to the older one
(``previous``) and the newer one (``next``; the newest has ``scheduling_context``). Answering the newest gives the
context back to its caller.
"""

from __future__ import annotations

from tessera.kernel import schedcontext, scheduler, waiting
from tessera.kernel.layout import Reply, SchedContext, Tcb, ThreadState
from tessera.kernel.state import kernel
from tessera.kernel.waiting import waits_for_nothing
from tessera.lang import compiled, ensures, implies, old, requires


@compiled
def offer(reply: Reply, tcb: Tcb) -> None:
    """A thread that receives will answer a call with this reply object."""
    requires(reply.caller is None and tcb.reply is None and tcb.state == ThreadState.BLOCKED_ON_RECEIVE)
    reply.caller = tcb
    tcb.reply = reply


@compiled
def pass_on(reply: Reply, caller: Tcb, server: Tcb) -> None:
    """The caller has its answer and goes on; its server, which waits again, offers the reply object anew."""
    caller.reply = None
    reply.caller = server
    server.reply = reply
    scheduler.set_thread_state(caller, ThreadState.RUNNING)


@compiled
def withdraw(tcb: Tcb) -> Reply | None:
    """A thread that waits at an endpoint offers no reply object any more. Gives the one that it offered, if any."""
    requires(tcb.state != ThreadState.BLOCKED_ON_REPLY)
    reply = tcb.reply
    if reply is not None:
        reply.caller = None
        tcb.reply = None
    return reply


@compiled
def unlink(reply: Reply, caller: Tcb) -> None:
    """The caller does not wait any more with this reply object, which is in no call stack. It is inactive now."""
    requires(reply.caller is caller and caller.state == ThreadState.BLOCKED_ON_REPLY)
    requires(reply.previous is None and reply.next is None and reply.scheduling_context is None)
    reply.caller = None
    caller.reply = None
    scheduler.set_thread_state(caller, ThreadState.INACTIVE)


@compiled
def push(caller: Tcb, callee: Tcb, reply: Reply, can_donate: bool) -> None:
    """The caller waits for the answer; a passive callee is given its scheduling context if that ``can_donate``."""
    requires(reply.caller is None and waits_for_nothing(caller) and caller is not callee)
    ensures(lambda: reply.caller is caller and caller.state == ThreadState.BLOCKED_ON_REPLY)
    ensures(lambda: callee.state == old(callee.state))
    ensures(
        lambda: (
            caller is kernel.current
            or implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current))
        )
    )
    await_answer(caller, reply)
    context = caller.scheduling_context
    if not can_donate or context is None or callee.scheduling_context is not None:
        return
    stack(reply, context)
    schedcontext.donate(context, callee)


@compiled
def await_answer(caller: Tcb, reply: Reply) -> None:
    """The caller waits for the answer with this reply object."""
    reply.caller = caller
    caller.reply = reply
    scheduler.set_thread_state(caller, ThreadState.BLOCKED_ON_REPLY)


@compiled
def stack(reply: Reply, context: SchedContext) -> None:
    """The reply is the newest of the call stack along which the context was donated."""
    older = context.reply
    reply.previous = older
    if older is not None:
        older.next = reply
        older.scheduling_context = None
    reply.scheduling_context = context
    context.reply = reply


@compiled
def unstack(reply: Reply, context: SchedContext) -> None:
    """The newest reply leaves the call stack of the context."""
    older = reply.previous
    context.reply = older
    if older is not None:
        older.next = None
        older.scheduling_context = context
    reply.scheduling_context = None
    reply.previous = None


@compiled
def cut(reply: Reply) -> None:
    """Take a reply out of its call stack, which ends there: older calls do not get the context back."""
    context = reply.scheduling_context
    newer = reply.next
    older = reply.previous
    if context is not None:
        context.reply = None
    if newer is not None:
        newer.previous = None
    if older is not None:
        older.next = None
    reply.scheduling_context = None
    reply.next = None
    reply.previous = None


@compiled
def give_back(reply: Reply, caller: Tcb) -> None:
    """The newest reply leaves its call stack: its caller gets the context, unless it was given another meanwhile."""
    requires(reply.scheduling_context is not None and reply.caller is caller)
    context = reply.scheduling_context
    assert context is not None
    unstack(reply, context)
    if caller.scheduling_context is None:
        schedcontext.donate(context, caller)


@compiled
def finish(reply: Reply, caller: Tcb) -> None:
    """The call is over: the caller is inactive and has its scheduling context again if this was the newest call."""
    requires(reply.caller is caller and caller.state == ThreadState.BLOCKED_ON_REPLY)
    ensures(lambda: caller.state == ThreadState.INACTIVE)
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    ensures(lambda: kernel.current.state in (ThreadState.INACTIVE, old(kernel.current.state)))
    if reply.scheduling_context is not None:
        give_back(reply, caller)
    else:
        cut(reply)
    unlink(reply, caller)


@compiled
def abandon(caller: Tcb) -> None:
    """The caller gives up waiting for an answer; whoever has its scheduling context keeps it."""
    requires(caller.state == ThreadState.BLOCKED_ON_REPLY)
    reply = caller.reply
    assert reply is not None
    cut(reply)
    unlink(reply, caller)


@compiled
def remove(reply: Reply) -> None:
    """The last capability to the reply object goes away; a thread that waits with it becomes inactive."""
    ensures(lambda: implies(old(waits_for_nothing(kernel.current)), waits_for_nothing(kernel.current)))
    ensures(lambda: kernel.current.state in (ThreadState.INACTIVE, old(kernel.current.state)))
    tcb = reply.caller
    if tcb is None:
        return
    if tcb.state == ThreadState.BLOCKED_ON_REPLY:
        finish(reply, tcb)
        return
    endpoint = tcb.blocked_endpoint
    assert endpoint is not None
    withdraw(tcb)
    waiting.leave_endpoint(endpoint, tcb, ThreadState.INACTIVE)

# SPDX-License-Identifier: BSD-2-Clause
"""Threads: stopping, going on, priorities (manual: Threads and Execution, Threads; Priorities)."""

from __future__ import annotations

from tessera.spec import budget, contexts, replies, scheduling
from tessera.spec.objects import NEXT_PC, State, Thread, by_priority, stop_waiting
from tessera.spec.state import Kernel


def cancel(thread: Thread) -> None:
    """End the waiting of a thread and forget its fault. It is inactive afterwards if it waited."""
    thread.fault = None
    if thread.state is State.AWAITING_REPLY:
        replies.abandon(thread)
    elif thread.waits_at is not None:
        replies.withdraw(thread)
        stop_waiting(thread, State.INACTIVE)


def suspend(k: Kernel, thread: Thread) -> None:
    """Stop a thread and cancel what it waits for."""
    if thread is k.candidate:
        scheduling.reconsider(k)
    cancel(thread)
    if thread.state is State.RUNNING:
        # A running thread has nothing to repeat: if it is restarted, it goes on.
        thread.registers["pc"] = thread.registers[NEXT_PC]
    scheduling.leave_all(k, thread)
    contexts.cancel_yield(thread)
    thread.state = State.INACTIVE


def resume(k: Kernel, thread: Thread) -> None:
    """Let a stopped thread go on; a system call that it waited in starts again."""
    if thread.is_runnable:
        return
    cancel(thread)
    thread.state = State.RESTART
    if thread.context is not None:
        budget.wake_sporadic(k, thread.context)
        contexts.resume(k, thread.context)
        if scheduling.can_run(thread):
            scheduling.let_run(k, thread)


def activate(thread: Thread) -> None:
    """A thread is about to run: finish what waited for that. One that starts its system call again traps once more."""
    contexts.complete_yield(thread)
    if thread.state is State.RESTART:
        thread.registers[NEXT_PC] = thread.registers["pc"]
        thread.state = State.RUNNING


def set_priority(k: Kernel, thread: Thread, priority: int) -> None:
    """Change the priority, and with it the places in queues."""
    if thread is k.candidate:
        scheduling.reconsider(k)
    was_ready = thread.is_ready
    scheduling.leave(k, thread)
    thread.priority = priority
    if thread.waits_at is not None:
        thread.waits_at.queue.remove(thread)
        by_priority(thread.waits_at.queue, thread)
    if thread.is_runnable and (was_ready or thread is k.current):
        scheduling.enter(k, thread)
        scheduling.reconsider(k)


def end(k: Kernel, thread: Thread) -> None:
    """The last capability to the thread goes away: nothing refers to it any more, except what its slots hold."""
    if thread.bound is not None:
        thread.bound.bound = None
        thread.bound = None
    if thread.context is not None:
        contexts.complete_yield_from(thread.context)
        contexts.unbind_thread(k, thread.context)
    suspend(k, thread)

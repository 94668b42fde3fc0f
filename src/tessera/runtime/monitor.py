# SPDX-License-Identifier: BSD-2-Clause
"""The monitor: receives the faults of all top-level components and tells them in the user's names.

It is an ordinary component of the highest priority, with capabilities of its own (``system.environment``). What it
knows of the system, the build puts into its program as tables (``fault_tables``). A component that has made a fault
is stopped for good; all others go on.

A passive component sends an empty message when its ``init`` has returned: its scheduling context is then taken from
its thread and bound to its notification, so that it runs on the time of its callers from then on.

Read it from ``main`` at the end.
"""

from __future__ import annotations

from typing import NoReturn

from tessera.abi.capabilities import COMPONENT_INPUT, COMPONENT_REPLY
from tessera.abi.errors import Error
from tessera.abi.faults import Fault
from tessera.abi.layout import COMPONENT_IPC_BUFFER
from tessera.abi.messages import IpcBuffer
from tessera.lang import at, compiled, u64
from tessera.runtime.console import put, put_decimal, put_hexadecimal, put_line
from tessera.runtime.errors import put_error
from tessera.runtime.fault_message import put_quoted, take
from tessera.runtime.fault_tables import component, tables
from tessera.runtime.fault_text import tell_fault
from tessera.runtime.machine import Received
from tessera.runtime.memory import cnode_delete
from tessera.runtime.sel4 import environment, recv_message
from tessera.runtime.spec import (
    HANDOVER_LABEL,
    MONITOR_NOTIFICATION,
    MONITOR_SCHED_CONTEXT,
    MONITOR_SLOT_COMPONENTS,
    MONITOR_SLOT_DOMAIN,
    MONITOR_SLOT_INITIALISER_CNODE,
    MONITOR_SLOT_INITIALISER_TCB,
    MONITOR_SLOT_OWN_CNODE,
    MONITOR_SLOTS_EACH,
    MONITOR_TCB,
)
from tessera.runtime.threads import (
    domain_set_schedule_set_start,
    sched_context_bind,
    sched_context_unbind_object,
    tcb_suspend,
)


@compiled
def slot_of(index: u64, what: u64) -> u64:
    """Where the monitor has something of a component: its thread, its scheduling context or its notification."""
    return MONITOR_SLOT_COMPONENTS + MONITOR_SLOTS_EACH * index + what


@compiled
def check(error: Error, step: bytes, index: u64) -> None:
    """Tell that a step failed which cannot fail in a system that was built and started as described."""
    if error != Error.NO_ERROR:
        put(b"MONITOR|ERROR: cannot ")
        put(step)
        put(b" component ")
        put_quoted(component(index).name)
        put(b": ")
        put_error(error)
        put_line(b"")


@compiled
def make_passive(index: u64) -> None:
    """Let a component whose ``init`` has returned run on the time of its callers."""
    if component(index).passive == 0:
        put(b"MONITOR|ERROR: an empty message from component ")
        put_quoted(component(index).name)
        put_line(b", which is not passive")
        return
    context = slot_of(index, MONITOR_SCHED_CONTEXT)
    check(sched_context_unbind_object(context, slot_of(index, MONITOR_TCB)), b"take the time of", index)
    check(sched_context_bind(context, slot_of(index, MONITOR_NOTIFICATION)), b"lend time to", index)


@compiled
def stop_component(index: u64, received: Received) -> None:
    """Tell a fault, and stop the component for good. Its message stays unanswered; suspended, it no longer waits for
    an answer either, and the reply object is free for the next message.
    """
    take(received, index, slot_of(index, MONITOR_TCB))
    tell_fault()
    check(tcb_suspend(slot_of(index, MONITOR_TCB)), b"stop", index)


@compiled
def remove_initialiser(begin: u64, depth: u64) -> None:
    """Delete the initialiser, which has handed over its thread and its CNode, and then the authority to do so.

    ``begin``: the index at which the domain schedule starts, plus one; 0 if there is no schedule. When it starts,
    another domain may run at once: the rest waits until it is the monitor's turn. ``depth``: bits of a slot's number.
    """
    remove(MONITOR_SLOT_INITIALISER_TCB, depth)
    remove(MONITOR_SLOT_INITIALISER_CNODE, depth)
    if begin != 0:
        error = domain_set_schedule_set_start(MONITOR_SLOT_DOMAIN, begin - 1)
        if error != Error.NO_ERROR:
            put(b"MONITOR|ERROR: cannot start the domain schedule: ")
            put_error(error)
            put_line(b"")
        remove(MONITOR_SLOT_DOMAIN, depth)
    remove(MONITOR_SLOT_OWN_CNODE, depth)


@compiled
def remove(slot: u64, depth: u64) -> None:
    """Delete a capability of the monitor's own."""
    error = cnode_delete(MONITOR_SLOT_OWN_CNODE, slot, depth)
    if error != Error.NO_ERROR:
        put(b"MONITOR|ERROR: cannot remove the initialiser: ")
        put_error(error)
        put_line(b"")


@compiled
def handle(received: Received) -> None:
    """One message. The badge says who sent it: a component's index plus one, or nothing for the initialiser."""
    badge = received.badge
    label = received.info.label
    if badge == 0 and label == HANDOVER_LABEL:
        remove_initialiser(received.word0, received.word1)
    elif badge == 0 or badge > tables().components.count:
        put(b"MONITOR|ERROR: a message from an unknown sender: badge ")
        put_hexadecimal(badge)
        put(b", label ")
        put_decimal(label)
        put_line(b"")
    elif label == Fault.NULL_FAULT:
        make_passive(badge - 1)
    else:
        stop_component(badge - 1, received)


@compiled
def serve() -> None:
    """Wait for a message, and handle it."""
    handle(recv_message(COMPONENT_INPUT, COMPONENT_REPLY))


@compiled(symbol="main")
def main() -> NoReturn:
    """Serve for as long as the system runs."""
    environment.ipc_buffer = at(IpcBuffer, COMPONENT_IPC_BUFFER)
    while True:
        serve()

# SPDX-License-Identifier: BSD-2-Clause
"""Threads: the capabilities in a thread's own slots (manual: Threads and Execution; seL4_TCB_Configure and following).

Replacing one deletes the old capability first.
"""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.objects import IPC_BUFFER_BITS
from tessera.spec import deletion, derivation
from tessera.spec.capability import Capability, CNodeCap, EndpointCap, FrameCap, TableCap, ThreadCap
from tessera.spec.objects import BUFFER, CSPACE, FAULT_HANDLER, TIMEOUT_HANDLER, VSPACE, Place, Thread
from tessera.spec.refusal import Refused, illegal_operation, invalid_capability
from tessera.spec.request import Request
from tessera.spec.state import Kernel, held


def put(k: Kernel, new: Capability | None, source: Place, thread: Thread, index: int) -> None:
    """Put a copy of a capability into one of a thread's slots; null leaves it empty."""
    place = (thread.own, index)
    deletion.delete(k, place)
    if new is not None:
        derivation.copy(k, new, source, place)


def check_handler(cap: Capability | None, number: int) -> None:
    """Whether faults can be sent to it and answered, or it says that there is no handler."""
    if cap is None or (isinstance(cap, EndpointCap) and cap.can_send and (cap.can_grant or cap.can_grant_reply)):
        return
    raise invalid_capability(number)


def check_roots(k: Kernel, thread: Thread) -> None:
    """A root in place that takes long to delete, its owner has to delete first."""
    for index in (CSPACE, VSPACE):
        cap = thread.own.slots.get(index)
        if isinstance(cap, (CNodeCap, ThreadCap)) and k.is_last(cap):
            raise illegal_operation()


def new_cspace(k: Kernel, place: Place, data: int) -> CNodeCap:
    """The root of a capability space, with the guard that ``data`` tells unless it is 0."""
    cap = held(place)
    if data != 0 and cap is not None:
        cap = derivation.with_data(cap, data, is_moved=False)
    new = None if cap is None else derivation.derived(k, place, cap)
    if not isinstance(new, CNodeCap):
        raise illegal_operation()
    return new


def new_vspace(k: Kernel, place: Place) -> TableCap:
    """The root of an address space."""
    cap = held(place)
    new = None if cap is None else derivation.derived(k, place, cap)
    if not isinstance(new, TableCap):
        raise illegal_operation()
    return new


def new_buffer(k: Kernel, place: Place, address: int) -> FrameCap | None:
    """The frame of an IPC buffer: ordinary memory, at an aligned address; at address 0 there is none."""
    if address == 0:
        return None
    cap = held(place)
    new = None if cap is None else derivation.derived(k, place, cap)
    if not isinstance(new, FrameCap) or new.is_device:
        raise illegal_operation()
    if address % (1 << IPC_BUFFER_BITS) != 0:
        raise Refused(Error.ALIGNMENT_ERROR)
    return new


def put_buffer(k: Kernel, new: FrameCap | None, source: Place, thread: Thread, address: int) -> None:
    """Change a thread's IPC buffer."""
    put(k, new, source, thread, BUFFER)
    thread.buffer_address = address


def configure(k: Kernel, r: Request, thread: Thread) -> None:
    """Configure: spaces and IPC buffer."""
    r.need(3, 3)
    buffer = new_buffer(k, r.caps[2], r.words[2])
    check_roots(k, thread)
    cspace = new_cspace(k, r.caps[0], r.words[0])
    vspace = new_vspace(k, r.caps[1])

    put(k, cspace, r.caps[0], thread, CSPACE)
    put(k, vspace, r.caps[1], thread, VSPACE)
    put_buffer(k, buffer, r.caps[2], thread, r.words[2])


def set_space(k: Kernel, r: Request, thread: Thread) -> None:
    """SetSpace: fault handler and spaces."""
    r.need(2, 3)
    check_roots(k, thread)
    cspace = new_cspace(k, r.caps[1], r.words[0])
    vspace = new_vspace(k, r.caps[2])
    handler = r.cap(0)
    check_handler(handler, 1)

    put(k, handler, r.caps[0], thread, FAULT_HANDLER)
    put(k, cspace, r.caps[1], thread, CSPACE)
    put(k, vspace, r.caps[2], thread, VSPACE)


def set_ipc_buffer(k: Kernel, r: Request, thread: Thread) -> None:
    """SetIPCBuffer."""
    r.need(1, 1)
    put_buffer(k, new_buffer(k, r.caps[0], r.words[0]), r.caps[0], thread, r.words[0])


def set_timeout_endpoint(k: Kernel, r: Request, thread: Thread) -> None:
    """SetTimeoutEndpoint: who is told when the budget is used up."""
    r.need(0, 1)
    handler = r.cap(0)
    check_handler(handler, 1)

    put(k, handler, r.caps[0], thread, TIMEOUT_HANDLER)

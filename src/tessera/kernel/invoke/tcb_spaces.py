# SPDX-License-Identifier: BSD-2-Clause
"""Threads: the capabilities in a thread's own slots (manual: Threads and Execution; seL4_TCB_Configure and following).

Replacing one deletes the old capability first. That may be preempted; done again from the start, it goes on.
"""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.objects import IPC_BUFFER_BITS
from tessera.kernel import deletion, derivation, message, rights
from tessera.kernel.capability import (
    Capability,
    CapKind,
    CNodeCap,
    EndpointCap,
    FrameCap,
    NullCap,
    PageTableCap,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.deletion import is_kept
from tessera.kernel.derivation_order import is_copy
from tessera.kernel.layout import Slot, Tcb
from tessera.kernel.request import Status, fail, invalid_capability, request, request_is_good
from tessera.kernel.state import kernel
from tessera.kernel.waiting import is_undisturbed, waits_for_nothing
from tessera.lang import compiled, ensures, forall, ghost, modifies, old, record, requires, specification, u64


@record
class Checked:
    """A capability that may be installed, or the error why not."""

    status: Status
    capability: Capability


@record
class Buffer:
    """A new IPC buffer: its address in the thread's space, and its frame, null for none."""

    status: Status
    address: u64
    capability: Capability


@compiled
def is_fault_handler(cap: Capability) -> bool:
    """Whether faults can be sent to it and answered, or it says that there is no handler."""
    if isinstance(cap, EndpointCap):
        return cap.can_send and (cap.can_grant or cap.can_grant_reply)
    return isinstance(cap, NullCap)


@specification
def is_to_be_copied(new: Capability, source: Slot) -> bool:
    """Whether a capability is null or a copy of a slot's, unless that slot was emptied or got one of another kind."""
    if isinstance(new, NullCap) or new.kind != source.capability.kind:
        return True
    return is_copy(new, source) and not isinstance(new, UntypedCap)


@specification
def is_kept_or(slot: Slot, capability: Capability, kind: CapKind) -> bool:
    """Whether a slot has the capability that it had, none any more, or one of a kind."""
    return is_kept(slot, capability) or slot.capability.kind == kind


@specification
def is_kept_but_roots(slot: Slot, capability: Capability) -> bool:
    """Whether a slot has the capability that it had, none any more, or one to the root of a space."""
    return is_kept(slot, capability) or isinstance(slot.capability, (CNodeCap, PageTableCap))


@specification
def is_root(cap: Capability) -> bool:
    """Whether a capability is to a table that is mapped, if only as a root."""
    return isinstance(cap, PageTableCap) and cap.is_mapped


@specification
def is_buffer(cap: Capability, source: Slot) -> bool:
    """Whether a capability is null or the copy of a frame."""
    return isinstance(cap, NullCap) or (isinstance(cap, FrameCap) and not cap.is_device and is_copy(cap, source))


@compiled
def takes_long_to_delete(slot: Slot) -> bool:
    """Whether emptying the slot ends a CNode or a thread."""
    match slot.capability:
        case CNodeCap() | ThreadCap() | ZombieCap():
            return derivation.is_final(slot)
        case _:
            return False


@compiled
def check_cspace(slot: Slot, data: u64) -> Checked:
    """The root of a capability space, with the guard that ``data`` tells unless it is 0."""
    modifies(request.error)
    ensures(lambda result: result.status == Status.ERROR or result.status == Status.OK)
    ensures(lambda result: result.status != Status.OK or isinstance(result.capability, CNodeCap))
    ensures(lambda result: result.status != Status.OK or is_copy(result.capability, slot))
    wanted = slot.capability
    if data != 0:
        wanted = rights.update_data(False, data, wanted)
    status, cap = rights.derive(slot, wanted)
    if status != Status.OK:
        return Checked(status, NullCap())
    if not isinstance(cap, CNodeCap):
        return Checked(fail(Error.ILLEGAL_OPERATION), NullCap())
    return Checked(Status.OK, cap)


@compiled
def check_vspace(slot: Slot) -> Checked:
    """The root of an address space."""
    modifies(request.error)
    ensures(lambda result: result.status == Status.ERROR or result.status == Status.OK)
    ensures(lambda result: result.status != Status.OK or is_root(result.capability))
    ensures(lambda result: result.status != Status.OK or is_copy(result.capability, slot))
    status, cap = rights.derive(slot, slot.capability)
    if status != Status.OK:
        return Checked(status, NullCap())
    if not isinstance(cap, PageTableCap):
        return Checked(fail(Error.ILLEGAL_OPERATION), NullCap())
    if not cap.is_mapped:
        return Checked(fail(Error.ILLEGAL_OPERATION), NullCap())
    return Checked(Status.OK, cap)


@compiled
def check_buffer(slot: Slot, address: u64) -> Buffer:
    """An IPC buffer: a frame of ordinary memory at an aligned address; at address 0 there is none."""
    modifies(request.error)
    ensures(lambda result: result.status == Status.ERROR or result.status == Status.OK)
    ensures(lambda result: result.address in (0, address) and result.address & ((1 << IPC_BUFFER_BITS) - 1) == 0)
    ensures(lambda result: result.status != Status.OK or result.address != 0 or isinstance(result.capability, NullCap))
    ensures(lambda result: result.status != Status.OK or is_buffer(result.capability, slot))
    if address == 0:
        return Buffer(Status.OK, u64(0), NullCap())
    status, cap = rights.derive(slot, slot.capability)
    if status != Status.OK:
        return Buffer(status, u64(0), NullCap())
    if not isinstance(cap, FrameCap):
        return Buffer(fail(Error.ILLEGAL_OPERATION), u64(0), NullCap())
    if cap.is_device:
        return Buffer(fail(Error.ILLEGAL_OPERATION), u64(0), NullCap())
    if address & ((1 << IPC_BUFFER_BITS) - 1) != 0:
        return Buffer(fail(Error.ALIGNMENT_ERROR), u64(0), NullCap())
    return Buffer(Status.OK, address, cap)


@compiled
def install(new: Capability, source: Slot, destination: Slot) -> Status:
    """Put a copy of a capability into a slot of a thread; null leaves it empty. PREEMPTED: call again to go on.

    Deleting what was there takes no other capability away: the last ones to CNodes and threads are refused. If it does
    all the same, there is nothing to copy.
    """
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    requires(is_to_be_copied(new, source))
    ensures(lambda result: result != Status.OK or forall(Slot, lambda s: is_kept_or(s, old(s.capability), new.kind)))
    ensures(lambda: forall(Slot, lambda slot: slot.node_radix == old(slot.node_radix)))
    if takes_long_to_delete(destination):
        return fail(Error.ILLEGAL_OPERATION)
    status = deletion.finalise(destination)
    if status != Status.OK or isinstance(new, NullCap) or source.capability.kind != new.kind:
        return status
    with ghost:
        assert is_copy(new, source) and not isinstance(new, UntypedCap)
        assert not isinstance(source.capability, UntypedCap) and source is not destination
    derivation.insert(new, source, destination)
    return Status.OK


@compiled
def install_buffer(buffer: Buffer, source: Slot, tcb: Tcb) -> Status:
    """Change a thread's IPC buffer. PREEMPTED: call again to go on."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    requires(is_to_be_copied(buffer.capability, source) and isinstance(buffer.capability, (NullCap, FrameCap)))
    requires(buffer.address & ((1 << IPC_BUFFER_BITS) - 1) == 0)
    status = deletion.finalise(tcb.ipc_buffer_frame)
    if status != Status.OK:
        return status
    tcb.ipc_buffer = buffer.address
    return install(buffer.capability, source, tcb.ipc_buffer_frame)


@compiled
def install_spaces(cspace: Capability, cspace_slot: Slot, vspace: Capability, vspace_slot: Slot, tcb: Tcb) -> Status:
    """Change the roots of both spaces. PREEMPTED: call again to go on."""
    requires(waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    requires(is_to_be_copied(cspace, cspace_slot) and isinstance(cspace, CNodeCap))
    requires(is_to_be_copied(vspace, vspace_slot) and is_root(vspace))
    ensures(lambda result: result != Status.OK or forall(Slot, lambda s: is_kept_but_roots(s, old(s.capability))))
    status = install(cspace, cspace_slot, tcb.cspace_root)
    if status != Status.OK:
        return status
    return install(vspace, vspace_slot, tcb.vspace_root)


@compiled
def roots_are_busy(tcb: Tcb) -> bool:
    """Whether a root in place takes so long to delete that its owner has to do it first."""
    return takes_long_to_delete(tcb.cspace_root) or takes_long_to_delete(tcb.vspace_root)


@compiled
def decode_configure(length: u64, cap: ThreadCap) -> Status:
    """Configure: spaces and IPC buffer."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    cspace_slot = request.extra[0]
    vspace_slot = request.extra[1]
    buffer_slot = request.extra[2]
    if length < 3 or cspace_slot is None or vspace_slot is None or buffer_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    buffer = check_buffer(buffer_slot, message.argument(2))
    if buffer.status != Status.OK:
        return buffer.status
    if roots_are_busy(cap.tcb):
        return fail(Error.ILLEGAL_OPERATION)
    cspace = check_cspace(cspace_slot, message.argument(0))
    if cspace.status != Status.OK:
        return cspace.status
    vspace = check_vspace(vspace_slot)
    if vspace.status != Status.OK:
        return vspace.status

    status = install_spaces(cspace.capability, cspace_slot, vspace.capability, vspace_slot, cap.tcb)
    if status != Status.OK:
        return status
    return install_buffer(buffer, buffer_slot, cap.tcb)


@compiled
def decode_set_space(length: u64, cap: ThreadCap) -> Status:
    """SetSpace: fault handler and spaces."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    handler_slot = request.extra[0]
    cspace_slot = request.extra[1]
    vspace_slot = request.extra[2]
    if length < 2 or handler_slot is None or cspace_slot is None or vspace_slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    if roots_are_busy(cap.tcb):
        return fail(Error.ILLEGAL_OPERATION)
    cspace = check_cspace(cspace_slot, message.argument(0))
    if cspace.status != Status.OK:
        return cspace.status
    vspace = check_vspace(vspace_slot)
    if vspace.status != Status.OK:
        return vspace.status
    handler = handler_slot.capability
    if not is_fault_handler(handler):
        return invalid_capability(1)

    status = install(handler, handler_slot, cap.tcb.fault_handler)
    if status != Status.OK:
        return status
    return install_spaces(cspace.capability, cspace_slot, vspace.capability, vspace_slot, cap.tcb)


@compiled
def decode_set_ipc_buffer(length: u64, cap: ThreadCap) -> Status:
    """SetIPCBuffer."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    slot = request.extra[0]
    if length < 1 or slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    buffer = check_buffer(slot, message.argument(0))
    if buffer.status != Status.OK:
        return buffer.status

    return install_buffer(buffer, slot, cap.tcb)


@compiled
def decode_set_timeout_endpoint(cap: ThreadCap) -> Status:
    """SetTimeoutEndpoint: who is told when the budget is used up."""
    requires(request_is_good() and waits_for_nothing(kernel.current))
    ensures(lambda: is_undisturbed(old(kernel.current.state)))
    slot = request.extra[0]
    if slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    handler = slot.capability
    if not is_fault_handler(handler):
        return invalid_capability(1)

    return install(handler, slot, cap.tcb.timeout_handler)

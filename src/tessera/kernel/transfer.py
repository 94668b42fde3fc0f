# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: from a sender to a receiver (manual: Endpoints; Capability Transfer; Faults).

A short message without capabilities touches nothing but registers.
"""

from __future__ import annotations

from tessera.abi.messages import MAX_EXTRA_CAPS, MAX_MESSAGE_LENGTH, MessageInfo
from tessera.abi.objects import WORD_BITS
from tessera.arch import registers
from tessera.kernel import cspace, derivation, faultmessage, message, rights
from tessera.kernel.capability import Capability, CNodeCap, EndpointCap, NullCap
from tessera.kernel.layout import MESSAGE_REGISTERS, Endpoint, FaultKind, IpcBuffer, Slot, Tcb
from tessera.kernel.message import buffer_of, own_buffer
from tessera.kernel.request import Status, request, request_is_good
from tessera.lang import (
    compiled,
    ensures,
    forall,
    implies,
    live,
    loop_invariant,
    min,
    old,
    range,
    record,
    requires,
    specification,
    to_word,
    trigger,
    u64,
)


@record
class Moved:
    """What became of the capabilities of a message: how many arrived, and which only as badges (a bit each)."""

    count: u64
    unwrapped: u64


@specification
def are_found(count: u64) -> bool:
    """Whether ``request.extra`` has as many slots."""
    return forall(u64, lambda index: index >= count or is_found(index))


@specification
def is_found(index: u64) -> bool:
    """Whether ``request.extra`` has a slot at a place."""
    trigger(request.extra[index])
    return request.extra[index] is not None and live(request.extra[index])


@compiled
def look_up_extra(sender: Tcb, buffer: IpcBuffer, count: u64) -> bool:
    """Find the slots of the capabilities that a message sends, into ``request.extra``. False: one is not there."""
    requires(count <= MAX_EXTRA_CAPS)
    ensures(lambda result: implies(result, are_found(count)))
    ensures(lambda: implies(old(request_is_good()), request_is_good()))
    ensures(lambda result: result or request.failed_address in (buffer.caps[0], buffer.caps[1], buffer.caps[2]))
    # Bounded by the capabilities of a message, 3.
    for index in range(count):
        loop_invariant(are_found(index))
        loop_invariant(implies(old(request_is_good()), request_is_good()))
        address = buffer.caps[index]
        found = cspace.lookup_slot(sender, address)
        if not found.ok:
            request.failed_address = address
            return False
        request.extra[index] = found.slot
    return True


@specification
def is_receive_slot(receiver: Tcb, buffer: IpcBuffer, slot: Slot) -> bool:
    """Whether a slot is the one that a receiver named, as far as the first levels say so."""
    root = receiver.cspace_root.capability
    if not isinstance(root, CNodeCap) or not cspace.has_guard(root, buffer.receive_cnode, WORD_BITS):
        return False
    if root.guard_size + root.radix < WORD_BITS:
        return True
    node = cspace.slot_of(root, cspace.part_of(buffer.receive_cnode, 0, root.radix)).capability
    return cspace.begins_with(node, buffer.receive_index, buffer.receive_depth, slot, 0)


@compiled
def receive_slot(receiver: Tcb, buffer: IpcBuffer) -> Slot | None:
    """The empty slot that the receiver named for a capability, if it named one. (seL4: getReceiveSlots.)"""
    ensures(lambda result: result is None or isinstance(result.capability, NullCap))
    ensures(lambda result: result is None or is_receive_slot(receiver, buffer, result))
    root = cspace.lookup_capability(receiver, buffer.receive_cnode)
    if not root.ok:
        return None
    target = cspace.lookup_target_slot(root.capability, buffer.receive_index, buffer.receive_depth, False)
    slot = target.slot
    if not target.ok or slot is None or not isinstance(slot.capability, NullCap):
        return None
    return slot


@compiled
def is_to(cap: Capability, endpoint: Endpoint | None) -> bool:
    """Whether a capability is to this very endpoint, so that its badge says all that it is."""
    return isinstance(cap, EndpointCap) and cap.endpoint is endpoint


@compiled
def badge_of(cap: Capability) -> u64:
    """The badge of an endpoint capability."""
    return cap.badge if isinstance(cap, EndpointCap) else u64(0)


@specification
def are_unwrapped(unwrapped: u64, count: u64, endpoint: Endpoint | None) -> bool:
    """Whether those bits are set that stand for capabilities to the endpoint, among the first ones."""
    return forall(u64, lambda index: index >= count or is_unwrapped(unwrapped, index, endpoint))


@specification
def is_unwrapped(unwrapped: u64, index: u64, endpoint: Endpoint | None) -> bool:
    """Whether the bit of a capability says whether it is to the endpoint."""
    trigger(request.extra[index])
    slot = request.extra[index]
    return slot is not None and ((unwrapped >> index) & 1 != 0) == is_to(slot.capability, endpoint)


@compiled
def move_caps(endpoint: Endpoint | None, receiver: Tcb, buffer: IpcBuffer, count: u64) -> Moved:
    """Hand over the capabilities in ``request.extra``: those to ``endpoint`` itself as badges, one other as a copy.

    It stops at the first one for which there is no slot or which cannot be derived.
    """
    requires(count <= MAX_EXTRA_CAPS and are_found(count))
    ensures(lambda result: result.count <= count and result.unwrapped < 1 << MAX_EXTRA_CAPS)
    ensures(lambda result: are_unwrapped(result.unwrapped, result.count, endpoint))
    destination = receive_slot(receiver, buffer)
    unwrapped = u64(0)
    # Bounded by the capabilities of a message, 3.
    for index in range(count):
        loop_invariant(unwrapped < u64(1) << index and u64(1) << index <= 1 << MAX_EXTRA_CAPS)
        loop_invariant(destination is None or isinstance(destination.capability, NullCap))
        loop_invariant(are_unwrapped(unwrapped, index, endpoint))
        slot = request.extra[index]
        if slot is None:
            return Moved(index, unwrapped)
        cap = slot.capability
        if is_to(cap, endpoint):
            buffer.caps[index] = badge_of(cap)
            unwrapped |= u64(1) << index
        else:
            if destination is None:
                return Moved(index, unwrapped)
            status, derived = rights.derive(slot, cap)
            if status != Status.OK or isinstance(derived, NullCap):
                return Moved(index, unwrapped)
            derivation.insert(derived, slot, destination)
            destination = None
    return Moved(count, unwrapped)


@compiled(inline="never")
def transfer_caps(sender: Tcb, endpoint: Endpoint | None, receiver: Tcb, info: MessageInfo) -> None:
    """A message with capabilities that may be handed over."""
    source = buffer_of(sender, False)
    destination = buffer_of(receiver, True)
    length = min(info.length, MAX_MESSAGE_LENGTH)
    message.copy_registers(sender, receiver, length)
    moved = Moved(u64(0), u64(0))
    if source is None or destination is None:
        length = min(length, MESSAGE_REGISTERS)
    else:
        message.copy_buffer(source, destination, length)
        count = min(info.extra_caps, MAX_EXTRA_CAPS)
        if look_up_extra(sender, source, count):
            moved = move_caps(endpoint, receiver, destination, count)
    receiver.registers[registers.MESSAGE_INFO] = to_word(
        MessageInfo(label=info.label, length=length, extra_caps=moved.count, caps_unwrapped=moved.unwrapped)
    )


@compiled
def transfer_words(sender: Tcb, receiver: Tcb, info: MessageInfo) -> None:
    """A message with words beyond the registers, and no capabilities."""
    source = buffer_of(sender, False)
    destination = buffer_of(receiver, True)
    length = min(info.length, MAX_MESSAGE_LENGTH)
    message.copy_all_registers(sender, receiver)
    if source is None or destination is None:
        length = u64(MESSAGE_REGISTERS)
    else:
        message.copy_buffer(source, destination, length)
    receiver.registers[registers.MESSAGE_INFO] = to_word(MessageInfo(label=info.label, length=length))


@compiled(inline="never")
def transfer_fault(sender: Tcb, receiver: Tcb) -> None:
    """The sender's fault, as a message of its own."""
    length = faultmessage.write(sender, receiver, buffer_of(receiver, True))
    info = MessageInfo(label=u64(sender.fault), length=length)
    receiver.registers[registers.MESSAGE_INFO] = to_word(info)


@specification
def is_delivered(sender: Tcb, receiver: Tcb, source: IpcBuffer | None, destination: IpcBuffer | None) -> bool:
    """Whether a receiver has the sender's message, or its beginning where a buffer is missing, or its fault."""
    sent = message.sent_info(sender)
    got = message.sent_info(receiver)
    if sender.fault != FaultKind.NONE:
        return got.label == u64(sender.fault)
    if source is None or destination is None:
        length = min(sent.length, MESSAGE_REGISTERS)
        same = True
    else:
        length = min(sent.length, MAX_MESSAGE_LENGTH)
        same = message.have_same_words(source, destination, length)
    same = same and message.have_same_registers(sender, receiver, min(length, MESSAGE_REGISTERS))
    return got.label == sent.label and got.length == length and got.extra_caps <= sent.extra_caps and same


@specification
def is_unchanged(slot: Slot, before: Capability) -> bool:
    """Whether a slot holds what it held."""
    trigger(slot.capability)
    return slot.capability == before


@compiled
def transfer(sender: Tcb, endpoint: Endpoint | None, badge: u64, can_grant: bool, receiver: Tcb) -> None:
    """Deliver a thread's message, or its fault if it has one. ``endpoint`` is None for the answer to a call.

    (seL4: doIPCTransfer.)
    """
    requires(sender is not receiver)
    ensures(lambda: receiver.registers[registers.BADGE] == badge)
    ensures(lambda: is_delivered(sender, receiver, old(own_buffer(sender, False)), old(own_buffer(receiver, True))))
    ensures(lambda: can_grant or sender.fault != FaultKind.NONE or message.sent_info(receiver).extra_caps == 0)
    ensures(lambda: can_grant or forall(Slot, lambda slot: is_unchanged(slot, old(slot.capability))))
    if sender.fault != FaultKind.NONE:
        transfer_fault(sender, receiver)
    else:
        info = message.sent_info(sender)
        if info.extra_caps != 0 and can_grant:
            transfer_caps(sender, endpoint, receiver, info)
        elif info.length > MESSAGE_REGISTERS:
            transfer_words(sender, receiver, info)
        else:
            message.copy_registers(sender, receiver, info.length)
            shape = MessageInfo(label=info.label, length=info.length)
            receiver.registers[registers.MESSAGE_INFO] = to_word(shape)
    receiver.registers[registers.BADGE] = badge

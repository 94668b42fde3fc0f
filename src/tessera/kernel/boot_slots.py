# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: the root task's slots while they are filled (manual: System Bootstrapping, Initial Slots)."""

from __future__ import annotations

from tessera.abi.bootinfo import MAX_UNTYPED_CAPS, BootInfo, SlotRegion, UntypedDescription
from tessera.abi.configuration import configuration
from tessera.kernel.capability import (
    AsidControlCap,
    Capability,
    CapKind,
    DomainCap,
    FrameCap,
    FrameSize,
    IrqControlCap,
    IrqHandlerCap,
    NullCap,
    SchedControlCap,
)
from tessera.kernel.cspace import slot_at
from tessera.kernel.derivation import describe, is_empty
from tessera.kernel.derivation_order import is_apart, size_of_object, start_of
from tessera.kernel.layout import DerivationLink, PageTable, Slot
from tessera.kernel.memory_invariants import is_new_memory
from tessera.kernel.object_invariants import SLOT_SIZE, is_in_window
from tessera.lang import (
    address_of,
    at_or_none,
    compiled,
    ensures,
    forall,
    ghost,
    integer,
    live,
    modifies,
    old,
    rational,
    requires,
    size_of,
    specification,
    static,
    struct,
    trigger,
    u64,
)


@struct
class RootTask:
    """Where the root CNode's slots begin, which one is free next, the root table, and the BootInfo being written."""

    slots: Slot
    next: u64
    space: PageTable
    info: BootInfo


root_task: RootTask = static(RootTask)


@specification
def root_slots() -> u64:
    """How many slots the root CNode has."""
    return u64(1) << configuration.profile.root_cnode_bits


@specification
def is_root_node() -> bool:
    """Whether the root CNode is there."""
    first = root_task.slots
    return live(first) and u64(1) << first.node_radix == root_slots() and is_in_window(address_of(first))


@specification
def is_in_root(slot: Slot, start: u64, end: u64) -> bool:
    """Whether a slot is one of the root CNode from a place up to, but not including, another one."""
    place = integer(address_of(slot)) - integer(address_of(root_task.slots))
    return integer(start) * SLOT_SIZE <= place and place < integer(end) * SLOT_SIZE


@specification
def is_kept(slot: Slot) -> bool:
    """Whether a slot is empty, or one of the root CNode before the next free one."""
    trigger(slot.object_start)
    trigger(slot.capability)
    return is_empty(slot) or is_in_root(slot, 0, root_task.next)


@specification
def is_alone(slot: Slot) -> bool:
    """Whether a slot is empty, or in a list that is its own."""
    trigger(slot.chain)
    return is_empty(slot) or slot.chain == integer(address_of(slot))


@specification
def are_alone() -> bool:
    """Whether nothing is derived from anything yet."""
    return forall(Slot, lambda slot: is_alone(slot))


@specification
def is_being_filled() -> bool:
    """Whether the root CNode has all capabilities that there are, up to the next free slot, and all are originals."""
    return is_root_node() and are_alone() and forall(Slot, lambda slot: is_kept(slot))


@specification
def is_list(first: u64) -> bool:
    """Whether room for all descriptions of untyped memory begins at an address of the kernel."""
    return forall(
        u64,
        lambda a: (
            a < first
            or a - first >= MAX_UNTYPED_CAPS * size_of(UntypedDescription)
            or (a - first) % size_of(UntypedDescription) != 0
            or live(at_or_none(UntypedDescription, a))
        ),
    )


@specification
def is_info(info: BootInfo) -> bool:
    """Whether the parts of a BootInfo that boot writes are there."""
    return (
        live(info)
        and live(info.empty)
        and live(info.user_image_frames)
        and live(info.user_image_paging)
        and live(info.extra_boot_info_pages)
        and live(info.sched_control)
        and live(info.untyped)
        and is_list(address_of(info.untyped_list[0]))
    )


@specification
def is_info_there() -> bool:
    """Whether the BootInfo can be written."""
    return is_info(root_task.info)


@specification
def is_region(region: SlotRegion, start: u64, end: u64) -> bool:
    """Whether a part of the BootInfo names these slots."""
    return region.start == start and region.end == end


@specification
def has_none_from(slot: Slot, start: u64, end: u64) -> bool:
    """Whether a slot's object has no byte of a range of physical addresses."""
    trigger(slot.object_start)
    return is_apart(integer(start), integer(end) - integer(start), slot)


@specification
def is_nobodys(start: u64, end: u64) -> bool:
    """Whether no capability is to any of a range of physical addresses."""
    return forall(Slot, lambda slot: has_none_from(slot, start, end))


@specification
def is_same_slot(slot: Slot, capability: Capability, start: integer, size: integer) -> bool:
    """Whether a slot is as it was."""
    trigger(slot.object_start)
    return slot.capability == capability and slot.object_start == start and slot.object_size == size


@specification
def is_new_slot(slot: Slot, first: u64, start: u64, end: u64) -> bool:
    """Whether a slot is one of the root CNode from a place on, and its object, which takes memory, lies in a range."""
    if not is_in_root(slot, first, root_task.next) or slot.object_size <= 0:
        return False
    return slot.object_start >= integer(start) and slot.object_start + slot.object_size <= integer(end)


@specification
def takes_memory(cap: Capability) -> bool:
    """Whether a capability is to an object, not a right to something that takes no memory."""
    return not isinstance(cap, (NullCap, IrqControlCap, IrqHandlerCap, SchedControlCap, DomainCap, AsidControlCap))


@specification
def has_nothing_of(slot: Slot, cap: Capability) -> bool:
    """Whether a slot's object has no byte of another capability's."""
    trigger(slot.object_start)
    return is_apart(start_of(cap), size_of_object(cap), slot)


@specification
def is_other_right(slot: Slot, cap: Capability) -> bool:
    """Whether a slot's capability has nothing to do with a right that takes no memory."""
    trigger(slot.capability.kind)
    return slot.capability.kind != cap.kind and slot.capability.kind != CapKind.IRQ_HANDLER


@specification
def is_first_to_memory(cap: Capability) -> bool:
    """Whether a capability is the first one to an object."""
    return takes_memory(cap) and forall(Slot, lambda slot: has_nothing_of(slot, cap))


@specification
def is_first_right(cap: Capability) -> bool:
    """Whether a capability is the first one to something that takes no memory."""
    if takes_memory(cap) or isinstance(cap, (NullCap, IrqHandlerCap)):
        return False
    return forall(Slot, lambda slot: is_other_right(slot, cap))


@compiled
def root_slot(index: u64) -> Slot:
    """A slot of the root CNode."""
    return slot_at(root_task.slots, index)


@compiled
def fill(slot: Slot, capability: Capability) -> None:
    """Put the first capability to an object into an empty slot: it has no parent."""
    requires(is_empty(slot))
    requires(is_first_to_memory(capability))
    requires(is_new_memory(capability))
    requires(are_alone())
    modifies(slot)
    ensures(lambda: slot.capability == capability and slot.node_radix == old(slot.node_radix) and are_alone())
    ensures(lambda: slot.object_start == start_of(capability) and slot.object_size == size_of_object(capability))
    with ghost:
        assert size_of_object(capability) > 0
        # Says nothing new, but names what invariants of two slots are triggered by.
        assert slot.object_start <= slot.object_start + slot.object_size
    begin_list(slot, capability)


@compiled
def fill_right(slot: Slot, capability: Capability) -> None:
    """Put the first capability to something that takes no memory into an empty slot."""
    requires(is_empty(slot))
    requires(is_first_right(capability))
    requires(are_alone())
    modifies(slot)
    ensures(lambda: slot.capability == capability and slot.node_radix == old(slot.node_radix) and are_alone())
    ensures(lambda: slot.object_start == start_of(capability) and slot.object_size == size_of_object(capability))
    with ghost:
        assert size_of_object(capability) == 0
    begin_list(slot, capability)


@compiled
def begin_list(slot: Slot, capability: Capability) -> None:
    """A list of the derivation tree that has one capability."""
    slot.capability = capability
    slot.previous = None
    slot.link = DerivationLink(revocable=True, first_badged=True)
    describe(slot, capability)
    with ghost:
        slot.low = rational(0)
        slot.high = rational(1)
        slot.chain = integer(address_of(slot))


@specification
def is_free_slot(index: u64) -> bool:
    """Whether a slot of the root CNode before the next free one is empty."""
    return index < root_task.next and root_task.next <= root_slots() and is_empty(root_slot(index))


@compiled
def put(index: u64, capability: Capability) -> None:
    """Store the first capability to an object in the root CNode."""
    fill(root_slot(index), capability)


@compiled
def put_right(index: u64, capability: Capability) -> None:
    """Store the first capability to something that takes no memory in the root CNode."""
    fill_right(root_slot(index), capability)


@compiled
def next_slot() -> u64:
    """Take the next free slot."""
    index = root_task.next
    root_task.next = index + 1
    return index


@compiled
def frame_cap(physical: u64, asid: u64, address: u64) -> FrameCap:
    """A page that is mapped with all rights."""
    return FrameCap(
        base=physical, asid=asid, size=FrameSize.PAGE, can_read=True, can_write=True, mapped_address=address
    )

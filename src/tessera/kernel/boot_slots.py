# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: the root task's slots while they are filled (manual: System Bootstrapping, Initial Slots)."""

from __future__ import annotations

from tessera.abi.bootinfo import BootInfo
from tessera.abi.objects import SLOT_BITS
from tessera.kernel.capability import Capability, FrameCap, FrameSize
from tessera.kernel.derivation import describe
from tessera.kernel.layout import DerivationLink, Slot
from tessera.lang import address_of, at, compiled, ghost, integer, rational, static, struct, u64


@struct
class RootTask:
    """Where the root CNode's slots begin, which one is free next, and the BootInfo being written."""

    slots: Slot
    next: u64
    info: BootInfo


root_task: RootTask = static(RootTask)


@compiled
def root_slot(index: u64) -> Slot:
    """A slot of the root CNode."""
    return at(Slot, address_of(root_task.slots) + (index << SLOT_BITS))


@compiled
def put(index: u64, capability: Capability) -> None:
    """Store an original capability: it has no parent."""
    slot = root_slot(index)
    slot.capability = capability
    slot.previous = None
    slot.link = DerivationLink(revocable=True, first_badged=True)
    describe(slot, capability)
    with ghost:
        slot.high = rational(1)
        slot.chain = integer(address_of(slot))


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

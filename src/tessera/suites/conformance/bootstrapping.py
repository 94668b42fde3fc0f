# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the chapter System Bootstrapping. The BootInfo as a whole is compared with the boot plan by the host."""

from __future__ import annotations

from tessera.abi.capabilities import InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.objects import PAGE_BITS, ObjectType
from tessera.lang import address_of, compiled, range, u64
from tessera.runtime.memory import cnode_copy, page_get_address
from tessera.suites.conformance.catalogue import case
from tessera.suites.guest.devices import SERIAL_PORT, TEST_DEVICE
from tessera.suites.guest.objects import CNODE, DEPTH, delete, guest, occupied, retype, revoke, take_slot
from tessera.suites.guest.report import detail, done, equal, error, false, true
from tessera.suites.guest.threads import image_start

PRESENT = (
    InitialSlot.TCB,
    InitialSlot.CNODE,
    InitialSlot.VSPACE,
    InitialSlot.IRQ_CONTROL,
    InitialSlot.ASID_CONTROL,
    InitialSlot.ASID_POOL,
    InitialSlot.BOOT_INFO_FRAME,
    InitialSlot.IPC_BUFFER,
    InitialSlot.DOMAIN,
    InitialSlot.SCHED_CONTEXT,
)
ABSENT = (
    InitialSlot.NULL,
    InitialSlot.IO_PORT_CONTROL,
    InitialSlot.IO_SPACE,
    InitialSlot.SMMU_SID_CONTROL,
    InitialSlot.SMMU_CB_CONTROL,
    InitialSlot.SMC,
)


@case
@compiled
def bootinfo_fixed_slots() -> None:
    """The fixed slots of the root CNode hold what they are named after, as far as the platform has it
    (System Bootstrapping)."""
    for slot in PRESENT:
        true(b"a fixed slot is filled", occupied(slot))
    for slot in ABSENT:
        false(b"a slot of another platform is empty", occupied(slot))


@case
@compiled
def bootinfo_regions_are_filled() -> None:
    """Every slot of the regions that the BootInfo lists holds a capability (System Bootstrapping)."""
    info = guest.boot_info
    for slot in range(info.user_image_paging.start, info.user_image_paging.end):
        true(b"page table", occupied(slot))
    for slot in range(info.user_image_frames.start, info.user_image_frames.end):
        true(b"image frame", occupied(slot))
    for slot in range(info.untyped.start, info.untyped.end):
        true(b"untyped", occupied(slot))
    equal(b"scheduling controls", info.node_count, info.sched_control.end - info.sched_control.start)
    true(b"scheduling control", occupied(info.sched_control.start))


@case
@compiled
def bootinfo_empty_slots_are_empty() -> None:
    """The slots of the region `empty` reach to the end of the root CNode and are free (System Bootstrapping)."""
    info = guest.boot_info
    equal(b"end of the CNode", u64(1) << info.init_thread_cnode_size_bits, info.empty.end)
    for slot in range(guest.next_slot, guest.next_slot + 100):
        false(b"an empty slot", occupied(slot))
    false(b"the last slot", occupied(info.empty.end - 1))


@case
@compiled
def bootinfo_cnode_size() -> None:
    """The root CNode has 2**initThreadCNodeSizeBits slots, and its guard takes the other bits
    (System Bootstrapping; Capability Spaces)."""
    bits = guest.boot_info.init_thread_cnode_size_bits
    equal(b"size", configuration.profile.root_cnode_bits, bits)
    last = (u64(1) << bits) - 1
    done(b"copy to the last slot", cnode_copy(CNODE, last, DEPTH, CNODE, InitialSlot.TCB, DEPTH, 0))
    done(b"delete from the last slot", delete(last))
    result = cnode_copy(CNODE, last + 1, DEPTH, CNODE, InitialSlot.TCB, DEPTH, 0)
    error(b"copy behind the last slot", Error.FAILED_LOOKUP, result)
    detail(b"failure", 1, u64(LookupFailure.GUARD_MISMATCH))
    detail(b"bits left", 2, 64)
    detail(b"guard", 3, 0)


@case
@compiled
def bootinfo_frames_follow_the_image() -> None:
    """The IPC buffer and then the BootInfo lie right behind the image (System Bootstrapping)."""
    info = guest.boot_info
    pages = info.user_image_frames.end - info.user_image_frames.start
    equal(b"IPC buffer", image_start() + (pages << PAGE_BITS), info.ipc_buffer)
    equal(b"BootInfo", info.ipc_buffer + (1 << PAGE_BITS), address_of(info))


@case
@compiled
def bootinfo_image_frames_are_contiguous() -> None:
    """The frames of the image are listed in the order of their addresses (System Bootstrapping)."""
    info = guest.boot_info
    first = page_get_address(info.user_image_frames.start)
    done(b"address of the first frame", first.error)
    for i in range(info.user_image_frames.end - info.user_image_frames.start):
        frame = page_get_address(info.user_image_frames.start + i)
        equal(b"address", first.value + (i << PAGE_BITS), frame.value)


@compiled
def used_by_suite(start: u64, size_bits: u64) -> bool:
    """Whether the suite took a device from this piece of memory."""
    size = u64(1) << size_bits
    has_test = start <= TEST_DEVICE and TEST_DEVICE - start < size
    has_serial = start <= SERIAL_PORT and SERIAL_PORT - start < size
    return has_test or has_serial


@case
@compiled
def bootinfo_untyped_addresses() -> None:
    """The list of untypeds tells the physical address of each (System Bootstrapping)."""
    info = guest.boot_info
    slot = take_slot()
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        untyped = info.untyped.start + i
        if (
            untyped != guest.memory
            and entry.size_bits >= PAGE_BITS
            and not used_by_suite(entry.paddr, u64(entry.size_bits))
        ):
            done(b"make a frame", retype(untyped, ObjectType.PAGE, 0, slot, 1))
            equal(b"address", entry.paddr, page_get_address(slot).value)
            done(b"delete", delete(slot))


@case
@compiled
def bootinfo_untyped_sizes() -> None:
    """An untyped of the list has exactly the size that is told (System Bootstrapping; Memory Allocation)."""
    info = guest.boot_info
    slot = take_slot()
    for i in range(info.untyped.end - info.untyped.start):
        entry = info.untyped_list[i]
        untyped = info.untyped.start + i
        size_bits = u64(entry.size_bits)
        if untyped != guest.memory and entry.is_device == 0 and size_bits <= 20:
            done(b"all of it", retype(untyped, ObjectType.UNTYPED, size_bits, slot, 1))
            error(b"no more", Error.NOT_ENOUGH_MEMORY, retype(untyped, ObjectType.UNTYPED, 4, slot + 1, 1))
            detail(b"bytes left", 0, 0)
            done(b"revoke", revoke(untyped))
            larger = retype(untyped, ObjectType.UNTYPED, size_bits + 1, slot, 1)
            error(b"nothing larger", Error.NOT_ENOUGH_MEMORY, larger)
            detail(b"bytes left", 0, u64(1) << size_bits)

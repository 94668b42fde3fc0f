# SPDX-License-Identifier: BSD-2-Clause
"""Boot under CPython: the kernel's decisions are those that ``abi.layout.plan_boot`` tells the tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tessera.abi import boards, profiles
from tessera.abi.boards import Region
from tessera.abi.bootinfo import BootInfo
from tessera.abi.configuration import configuration
from tessera.abi.layout import BootPlan, plan_boot
from tessera.arch import paging
from tessera.kernel import boot, boot_memory, boot_slots, vspace
from tessera.kernel.capability import CNodeCap, FrameCap, PageTableCap, UntypedCap
from tessera.kernel.layout import PageTable
from tessera.lang import MEMORY_BASE, Memory, address_of, at, u64
from tessera.lang.memory import static_size

MIB = 1 << 20
RAM = 8 * MIB
KERNEL_BYTES = 0x30000
IMAGE_VIRTUAL = 0x40_0000


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """A board with 8 MiB of RAM behind the firmware, whose memory lies behind the statics in a host buffer."""
    board = boards.QEMU_VIRT_RISCV64
    size = board.kernel_start - board.memory_start + RAM
    profile = replace(profiles.SEL4TEST, name="small", root_cnode_bits=9, memory_size=size)
    window = MEMORY_BASE + -(-static_size() // MIB) * MIB
    monkeypatch.setattr(configuration, "profile", profile)
    monkeypatch.setattr(configuration, "physical_window", (window - board.kernel_start) % (1 << 64))
    with Memory(window - MEMORY_BASE + RAM) as memory:
        # Memory has arbitrary contents before boot, except where the loader has put something.
        start = window - MEMORY_BASE
        memory.data[start : start + RAM] = b"\xa5" * RAM
        yield memory


def start(image_bytes: int, tree_bytes: int) -> BootPlan:
    """Boot the root task's objects, and plan the same."""
    board = configuration.board
    kernel = Region(board.kernel_start, board.kernel_start + KERNEL_BYTES)
    tree = Region(kernel.end, kernel.end + tree_bytes)
    image_start = (tree.end + 0xFFF) // 0x1000 * 0x1000
    image = Region(image_start, image_start + image_bytes)
    offset = (image.start - IMAGE_VIRTUAL) % (1 << 64)
    assert boot.make_root_task(image.start, image.end, offset, tree.start, tree_bytes, kernel.end)
    return plan_boot(
        board,
        configuration.profile,
        kernel=kernel,
        kernel_boot_end=kernel.start,
        image=image,
        image_virtual=IMAGE_VIRTUAL,
        device_tree=tree if tree_bytes else None,
    )


@pytest.mark.parametrize("image_bytes, tree_bytes", [(0x3000, 0), (0x1000, 100), (0x5000, 4421), (0x4_0000, 0)])
def test_boot_is_what_the_plan_says(small_machine: Memory, image_bytes: int, tree_bytes: int) -> None:
    plan = start(image_bytes, tree_bytes)
    info: BootInfo = boot_slots.root_task.info
    assert address_of(info) == paging.kernel_address(u64(plan.objects_start + plan.objects.boot_info))
    assert boot.plan.cnode == plan.objects_start + plan.objects.cnode
    assert boot.plan.vspace == plan.objects_start + plan.objects.vspace
    assert boot.plan.asid_pool == plan.objects_start + plan.objects.asid_pool
    assert boot.plan.tcb == plan.objects_start + plan.objects.tcb
    assert boot.plan.context == plan.objects_start + plan.objects.sched_context
    regions = {
        "user_image_paging": plan.page_tables,
        "extra_boot_info_pages": plan.extra_boot_info,
        "sched_control": plan.sched_control,
        "user_image_frames": plan.image_frames,
        "untyped": plan.untyped,
        "empty": plan.empty,
    }
    for name, slots in regions.items():
        region = getattr(info, name)
        assert (name, int(region.start), int(region.end)) == (name, slots.start, slots.end)
    assert info.ipc_buffer == plan.ipc_buffer
    assert info.init_thread_cnode_size_bits == 9
    listed = [
        (int(e.paddr), int(e.size_bits), e.is_device == 1)
        for e in (info.untyped_list[i] for i in range(len(plan.untypeds)))
    ]
    assert listed == [(u.paddr, u.bits, u.device) for u in plan.untypeds]


def test_untyped_capabilities_are_what_boot_info_lists(small_machine: Memory) -> None:
    plan = start(0x3000, 0)
    for slot, untyped in zip(range(plan.untyped.start, plan.untyped.end), plan.untypeds, strict=True):
        cap = boot_slots.root_slot(slot).capability
        assert isinstance(cap, UntypedCap)
        found = (int(cap.base), int(cap.size_bits), cap.is_device, int(cap.free_offset))
        assert found == (untyped.paddr, untyped.bits, untyped.device, 0)


def test_the_root_task_sees_its_image_and_nothing_else(small_machine: Memory) -> None:
    plan = start(0x3000, 0)
    root_cap = boot_slots.root_slot(3).capability
    assert isinstance(root_cap, PageTableCap)
    root = root_cap.table
    assert vspace.space_of(root_cap.asid) is root
    for page, slot in enumerate(range(plan.image_frames.start, plan.image_frames.end)):
        cap = boot_slots.root_slot(slot).capability
        assert isinstance(cap, FrameCap)
        address = IMAGE_VIRTUAL + page * 0x1000
        entry = vspace.read_entry(vspace.walk(root, u64(address)))
        assert (int(cap.mapped_address), int(entry.address), entry.user) == (address, int(cap.base), True)
    mapped = {plan.ipc_buffer, plan.boot_info} | {IMAGE_VIRTUAL + i * 0x1000 for i in range(3)}
    for address in (0, IMAGE_VIRTUAL - 0x1000, plan.boot_info + 0x1000, *mapped):
        place = vspace.walk(root, u64(address))
        entry = vspace.read_entry(place)
        assert (place.level == 0 and entry.valid) == (address in mapped)


def test_root_cnode_holds_itself(small_machine: Memory) -> None:
    start(0x1000, 0)
    cap = boot_slots.root_slot(2).capability
    assert isinstance(cap, CNodeCap)
    assert cap.slots is boot_slots.root_task.slots
    assert (int(cap.radix), int(cap.guard_size), int(cap.guard)) == (9, 55, 0)


@pytest.mark.parametrize("root_cnode_bits", [18, 5])
def test_too_little_memory_or_too_few_slots_are_refused(
    small_machine: Memory, monkeypatch: pytest.MonkeyPatch, root_cnode_bits: int
) -> None:
    changed = replace(configuration.profile, root_cnode_bits=root_cnode_bits)
    monkeypatch.setattr(configuration, "profile", changed)
    image = configuration.board.kernel_start + KERNEL_BYTES
    assert not boot.make_root_task(image, image + 0x1000, image - IMAGE_VIRTUAL, 0, 0, image)


def test_cutting_memory_keeps_order_and_content(small_machine: Memory) -> None:
    memory = boot_memory.boot_memory
    base = configuration.memory_start
    boot_memory.add_piece(base, base + 0x100)
    for low, high in ((0x20, 0x30), (0x80, 0x90), (0, 0x10), (0x28, 0x40), (0xF0, 0x200)):
        boot_memory.cut(base + low, base + high)
    pieces = [(int(memory.pieces[i].start) - base, int(memory.pieces[i].end) - base) for i in range(int(memory.count))]
    assert [piece for piece in pieces if piece[0] < piece[1]] == [(0x10, 0x20), (0x40, 0x80), (0x90, 0xF0)]


def test_objects_are_cleared(small_machine: Memory) -> None:
    start(0x1000, 0)
    root = at(PageTable, paging.kernel_address(boot.plan.vspace))
    assert root.entries[100] == 0

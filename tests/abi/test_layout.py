# SPDX-License-Identifier: BSD-2-Clause
"""Boot arithmetic: figures measured on upstream's kernel, and properties that hold for every boot."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.abi import layout
from tessera.abi.boards import GIB, QEMU_VIRT_RISCV64, Region
from tessera.abi.layout import BootPlan, BootPlanError, Slots, plan_boot, root_objects, split_untyped, without
from tessera.abi.profiles import MICROKIT, SEL4TEST, Profile

PAGE = 0x1000


def test_address_map() -> None:
    assert layout.kernel_virtual(0x8020_0000) == 0xFFFF_FFFF_8020_0000
    assert layout.window_virtual(0) == 0xFFFF_FFC0_0000_0000
    assert layout.window_physical(layout.window_virtual(0x1_2345_6000)) == 0x1_2345_6000
    assert layout.window_virtual(QEMU_VIRT_RISCV64.memory(3 * GIB).end) <= layout.PHYSICAL_WINDOW_TOP
    assert layout.COMPONENT_IPC_BUFFER == 0x3F_FFFF_E000
    assert layout.COMPONENT_STACK_TOP == layout.COMPONENT_IPC_BUFFER - PAGE
    assert layout.USER_TOP < 1 << 38


def test_reference_boot() -> None:
    """Upstream's test suite on upstream's kernel: image, device tree and kernel where its loader put them."""
    plan = plan_boot(
        QEMU_VIRT_RISCV64,
        SEL4TEST,
        kernel=Region(0x8020_0000, 0x8022_8000),
        kernel_boot_end=0x8020_3000,
        image=Region(0x8022_A000, 0x8064_0000),
        image_virtual=0x1_0000,
        device_tree=Region(0x8022_8000, 0x8022_8000 + 4421),
    )
    assert plan.page_tables == Slots(16, 20)
    assert plan.extra_boot_info == Slots(20, 22)
    assert plan.sched_control == Slots(22, 23)
    assert plan.image_frames == Slots(23, 1069)
    assert plan.untyped == Slots(1069, 1130)
    assert plan.empty == Slots(1130, 8192)
    listed = [(untyped.paddr, untyped.bits, untyped.device) for untyped in plan.untypeds]
    assert len(listed) == 61
    assert listed[:2] == [(0, 25, True), (0x220_0000, 21, True)]
    assert [entry for entry in listed if not entry[2]][:2] == [(0x8020_0000, 13, False), (0x8020_2000, 12, False)]


def microkit_plan(image_pages: int = 300, profile: Profile = MICROKIT) -> BootPlan:
    kernel = Region(0x8020_0000, 0x8024_0000)
    return plan_boot(
        QEMU_VIRT_RISCV64,
        profile,
        kernel=kernel,
        kernel_boot_end=0x8020_4000,
        image=Region(kernel.end, kernel.end + image_pages * PAGE),
        image_virtual=0x800_0000,
    )


def test_without_a_device_tree_there_is_no_extra_information() -> None:
    plan = microkit_plan()
    assert len(plan.extra_boot_info) == 0
    assert plan.sched_control.start == plan.page_tables.end
    assert plan.boot_info == plan.ipc_buffer + PAGE
    assert plan.ipc_buffer == 0x800_0000 + 300 * PAGE


@given(st.integers(1, 20_000))
def test_memory_is_handed_out_once(image_pages: int) -> None:
    plan = microkit_plan(image_pages)
    objects = Region(plan.objects_start, plan.objects_start + plan.objects.size)
    image = Region(0x8024_0000, 0x8024_0000 + image_pages * PAGE)
    kernel_rest = Region(0x8020_4000, 0x8024_0000)
    pieces = [Region(untyped.paddr, untyped.end) for untyped in plan.untypeds]
    everything = sorted(
        [*pieces, objects, image, kernel_rest, *QEMU_VIRT_RISCV64.kernel_devices], key=lambda r: r.start
    )
    assert all(low.end <= high.start for low, high in itertools.pairwise(everything))
    # Nothing is lost: every address up to the top of device memory has an owner.
    assert everything[0].start == 0
    assert everything[-1].end == QEMU_VIRT_RISCV64.device_top
    assert all(low.end == high.start for low, high in itertools.pairwise(everything))
    assert objects.start % (1 << plan.objects.alignment_bits) == 0
    assert plan.untyped.end - plan.untyped.start == len(plan.untypeds)


@given(st.integers(0, 1 << 39), st.integers(0, 1 << 39))
def test_untypeds_are_aligned_and_fill_the_region(first: int, second: int) -> None:
    start, end = sorted((first, second))
    pieces = split_untyped(start, end, device=True)
    assert all(4 <= piece.bits <= 38 and piece.paddr % (1 << piece.bits) == 0 for piece in pieces)
    assert all(low.end <= high.paddr for low, high in itertools.pairwise(pieces))
    covered = sum(1 << piece.bits for piece in pieces)
    inside = max((end >> 4 << 4) - (-(-start >> 4) << 4), 0)
    assert covered == inside


def test_root_objects_are_packed_by_size() -> None:
    objects = root_objects(13, 4, 13)
    assert (objects.cnode, objects.extra_boot_info, objects.vspace) == (0, 1 << 18, (1 << 18) + (1 << 13))
    assert objects.sched_context + 128 == objects.size
    assert objects.alignment_bits == 18
    assert objects.size == (1 << 18) + (1 << 13) + 4 * PAGE + 4 * PAGE + 2048 + 128
    assert root_objects(5, 0).alignment_bits == 12


@pytest.mark.parametrize("size, bits", [(0, 0), (1, 12), (4080, 12), (4081, 13), (4421, 13), (8176, 13), (8177, 14)])
def test_extra_information_is_a_power_of_two(size: int, bits: int) -> None:
    assert layout.extra_boot_info_bits(size) == bits


@pytest.mark.parametrize(
    "start, end, count",
    [(0x20_0000, 0x20_1000, 2), (0x1F_F000, 0x20_1000, 3), (0, 1 << 30, 513), (0x3FFF_F000, 0x4000_1000, 4)],
)
def test_page_tables(start: int, end: int, count: int) -> None:
    assert layout.page_tables_needed(start, end) == count


def test_rounding() -> None:
    assert [layout.round_up(n, 12) for n in (0, 1, PAGE, PAGE + 1)] == [0, PAGE, PAGE, 2 * PAGE]
    assert [layout.round_down(n, 12) for n in (0, 1, PAGE, 2 * PAGE - 1)] == [0, 0, PAGE, PAGE]


def test_cutting_regions() -> None:
    whole = [Region(0, 10), Region(20, 30)]
    assert without(whole, Region(12, 18)) == whole
    assert without(whole, Region(5, 25)) == [Region(0, 5), Region(25, 30)]
    assert without(whole, Region(2, 4)) == [Region(0, 2), Region(4, 10), Region(20, 30)]
    assert without(whole, Region(0, 30)) == []


def test_too_large_an_image_is_told() -> None:
    with pytest.raises(BootPlanError, match="slots, its CNode has 131072"):
        microkit_plan(140_000)


def test_too_little_memory_is_told() -> None:
    with pytest.raises(BootPlanError, match="largest free piece"):
        microkit_plan(523_000)

# SPDX-License-Identifier: BSD-2-Clause
"""The allocation check: order of creation, what is left, fixed addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.abi.layout import Untyped
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.allocate import allocate, creation_order
from tessera.system.capdl import Distribution, Frame, KernelObject, Notification
from tessera.system.distribute import distribute
from tessera.system.model import System
from tests.system.systems import BOARD, allocated, described, domain, images

EMPTY = System(Location("test.system", 1, 1), (), (), ())


def made_of(*objects: KernelObject) -> Distribution:
    return Distribution("test", objects, (), ())


def fit(distribution: Distribution, *untypeds: Untyped, slots: int = 1000) -> tuple[int, int]:
    found = allocate(distribution, EMPTY, untypeds, slots=slots, board=BOARD)
    return found.used, found.left


def test_fixed_addresses_come_first_then_the_largest() -> None:
    distribution = made_of(
        Notification("n"),
        Frame("late", 12, 0x9000_3000),
        Frame("small", 12),
        Frame("big", 21),
        Frame("early", 12, 0x1000),
    )
    assert [each.name for each in creation_order(distribution)] == ["early", "late", "big", "small", "n"]


def test_memory_before_a_fixed_address_is_not_lost() -> None:
    """A frame in the last page of an untyped leaves all the others to be used."""
    untyped = Untyped(0x8000_0000, 14, False)
    fixed = Frame("fixed", 12, 0x8000_3000)
    assert fit(made_of(fixed, Frame("a", 12), Frame("b", 12), Frame("c", 12)), untyped) == (0x4000, 0)
    with pytest.raises(Diagnostic, match="no memory is left for 'd'"):
        fit(made_of(fixed, *(Frame(name, 12) for name in "abcd")), untyped)


def test_device_memory_is_for_fixed_addresses_alone() -> None:
    device = Untyped(0x1000_0000, 20, True)
    assert fit(made_of(Frame("uart", 12, 0x1000_1000)), device) == (0, 0)
    with pytest.raises(Diagnostic, match="no memory is left for 'a'"):
        fit(made_of(Frame("a", 12)), device)


def test_one_address_is_not_given_twice() -> None:
    device = Untyped(0x1000_0000, 20, True)
    with pytest.raises(Diagnostic, match="physical memory of 'second'"):
        fit(made_of(Frame("first", 21, 0x1000_0000), Frame("second", 12, 0x1000_1000)), Untyped(0x1000_0000, 21, True))
    with pytest.raises(Diagnostic, match="physical memory of 'beyond'"):
        fit(made_of(Frame("beyond", 12, 0x1010_0000)), device)


def test_slots_are_counted() -> None:
    untyped = Untyped(0x8000_0000, 20, False)
    objects = made_of(*(Frame(f"f{i}", 12) for i in range(8)))
    assert fit(objects, untyped, slots=8) == (0x8000, 0xF_8000)
    with pytest.raises(Diagnostic, match="needs 8 capabilities at its start, and the initialiser has room for 7"):
        fit(objects, untyped, slots=7)


@given(
    st.lists(st.integers(5, 16), max_size=30),
    st.lists(st.integers(10, 18), min_size=1, max_size=6),
)
def test_objects_fit_exactly_when_there_is_room(sizes: list[int], pools: list[int]) -> None:
    """Powers of two in falling order: an object fits whenever a pool has as many bytes left, so greedy is exact."""
    untypeds = [Untyped(0x8000_0000 + (i << 20), bits, False) for i, bits in enumerate(pools)]
    objects = made_of(*(Sized(f"o{i}", bits) for i, bits in enumerate(sizes)))
    room = [1 << bits for bits in pools]
    fits = True
    for bits in sorted(sizes, reverse=True):
        index = next((i for i, left in enumerate(room) if left >= 1 << bits), None)
        if index is None:
            fits = False
            break
        room[index] -= 1 << bits
    if fits:
        assert fit(objects, *untypeds) == (sum(1 << bits for bits in sizes), sum(room))
    else:
        with pytest.raises(Diagnostic, match="no memory is left"):
            fit(objects, *untypeds)


class Sized(KernelObject):
    """An object of any size."""

    def __init__(self, name: str, bits: int) -> None:
        super().__init__(name)
        object.__setattr__(self, "bits", bits)

    @property
    def memory_bits(self) -> int:
        return int(self.bits)  # type: ignore[attr-defined]


def test_a_whole_system_on_the_board() -> None:
    text = (
        '<memory_region name="uart" size="0x1000" phys_addr="0x10000000" /><memory_region name="m" size="0x200000" />'
    )
    text += domain("a", '<map mr="uart" vaddr="0x3000000" /><map mr="m" vaddr="0x4000000" />')
    system = described(text)
    distribution = distribute(system, images(system))
    found = allocated(distribution, system)
    assert found.order[:2] == ("uart", "m")
    in_memory = [each for each in distribution.objects if each.memory_bits is not None and each.paddr is None]
    assert found.used == sum(1 << (each.memory_bits or 0) for each in in_memory)
    assert set(found.order) == {each.name for each in distribution.objects}


def test_memory_in_ram_can_be_at_a_fixed_address() -> None:
    text = '<memory_region name="dma" size="0x200000" />' + domain(
        "a", '<map mr="dma" vaddr="0x4000000" /><setvar symbol="dma_paddr" region_paddr="dma" />'
    )
    system = described(text)
    distribution = distribute(system, images(system))
    found = allocated(distribution, system)
    assert found.order[0] == "dma"
    assert found.fillers > 0
    assert found.used == sum(1 << each.memory_bits for each in distribution.objects if each.memory_bits is not None)

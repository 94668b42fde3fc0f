# SPDX-License-Identifier: BSD-2-Clause
"""The debug system call that tells what a capability is to."""

from __future__ import annotations

import pytest

from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.arch import registers
from tessera.kernel import syscall
from tessera.kernel.capability import CapKind
from tessera.kernel.identify import number_of
from tests.kernel.world_time import TimeWorld


@pytest.mark.parametrize("kind, number", [(ObjectType.ENDPOINT, 4), (ObjectType.NOTIFICATION, 6), (ObjectType.TCB, 12)])
def test_an_object(kind: ObjectType, number: int) -> None:
    with TimeWorld() as world:
        tcb = world.run(world.active())
        slot = world.make(kind)
        assert syscall.debug_call(tcb, world.address(slot), Syscall.DEBUG_CAP_IDENTIFY)
        assert tcb.registers[registers.CAPABILITY] == number


def test_an_empty_slot_and_no_slot_at_all() -> None:
    with TimeWorld() as world:
        tcb = world.run(world.active())
        for address in (world.address(world.slot()), 1 << 63):
            assert syscall.debug_call(tcb, address, Syscall.DEBUG_CAP_IDENTIFY)
            assert tcb.registers[registers.CAPABILITY] == 0


def test_each_kind_has_a_number_of_its_own_of_five_bits() -> None:
    numbers = {kind: int(number_of(kind)) for kind in CapKind}
    assert len(set(numbers.values())) == len(CapKind) and max(numbers.values()) < 32
    assert [kind for kind, number in numbers.items() if number == 0] == [CapKind.NULL]
    own = {CapKind.FRAME, CapKind.PAGE_TABLE, CapKind.ASID_CONTROL, CapKind.ASID_POOL}
    assert {kind for kind, number in numbers.items() if number % 2 == 1} == own

# SPDX-License-Identifier: BSD-2-Clause
"""Untyped memory and address spaces (manual: Memory Allocation Model; Address Spaces and Virtual Memory)."""

from __future__ import annotations

import pytest

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.spec.capability import FrameCap, TableCap, UntypedCap
from tessera.spec.objects import Mapping
from tests.spec.small import ASID_CONTROL, DEVICE, MEMORY, ROOT, UNTYPED, Small

OK: tuple[Error, list[int]] = (Error.NO_ERROR, [])


@pytest.fixture
def small() -> Small:
    return Small()


def retype(small: Small, kind: int, size: int, count: int = 1, memory: int = UNTYPED) -> tuple[Error, list[int]]:
    return small.call(Label.UNTYPED_RETYPE, memory, [kind, size, 0, 0, 100, count], [ROOT])


def test_objects_lie_side_by_side_and_are_aligned(small: Small) -> None:
    small.make(ObjectType.ENDPOINT, count=3)
    frame = small.make(ObjectType.PAGE)
    assert small.of(FrameCap, frame).base == MEMORY + 4096
    assert small.of(UntypedCap, UNTYPED).watermark == 8192


def test_memory_is_used_anew_when_nothing_is_left_of_it(small: Small) -> None:
    slot = small.make(ObjectType.PAGE)
    base = small.of(FrameCap, slot).base
    small.k.write_word(base, 5)
    assert small.call(Label.CNODE_REVOKE, ROOT, [UNTYPED, 64]) == OK
    again = small.of(FrameCap, small.make(ObjectType.PAGE))
    assert again.base == base and small.k.read_word(base) == 0


@pytest.mark.parametrize(
    "kind, size, count, answer",
    [
        (11, 0, 1, (Error.INVALID_ARGUMENT, [0])),
        (ObjectType.UNTYPED, 3, 1, (Error.INVALID_ARGUMENT, [1])),
        (ObjectType.CAP_TABLE, 0, 1, (Error.INVALID_ARGUMENT, [1])),
        (ObjectType.UNTYPED, 39, 1, (Error.RANGE_ERROR, [0, 38])),
        (ObjectType.ENDPOINT, 0, 0, (Error.RANGE_ERROR, [1, 256])),
        (ObjectType.ENDPOINT, 0, 257, (Error.RANGE_ERROR, [1, 256])),
        (ObjectType.ENDPOINT, 0, 200, (Error.RANGE_ERROR, [1, 156])),
        (ObjectType.UNTYPED, 24, 2, (Error.NOT_ENOUGH_MEMORY, [1 << 24])),
    ],
)
def test_what_retype_refuses(small: Small, kind: int, size: int, count: int, answer: tuple[Error, list[int]]) -> None:
    assert retype(small, kind, size, count) == answer


def test_device_memory_becomes_frames_only(small: Small) -> None:
    assert retype(small, ObjectType.TCB, 0, memory=DEVICE) == (Error.INVALID_ARGUMENT, [1])
    assert small.of(FrameCap, small.make(ObjectType.PAGE, memory=DEVICE)).is_device


@pytest.fixture
def space(small: Small) -> int:
    """A root table with an identifier."""
    memory, pool = small.make(ObjectType.UNTYPED, 12), small.free()
    assert small.call(Label.RISCV_ASID_CONTROL_MAKE_POOL, ASID_CONTROL, [pool, 64], [memory, ROOT]) == OK
    root = small.make(ObjectType.PAGE_TABLE)
    assert small.call(Label.RISCV_ASID_POOL_ASSIGN, pool, [], [root]) == OK
    assert small.of(TableCap, root).asid == 1  # 0 means none
    return root


def test_tables_are_mapped_from_the_root_down(small: Small, space: int) -> None:
    frame, tables = small.make(ObjectType.PAGE), small.make(ObjectType.PAGE_TABLE, count=2)
    words = [0x40_0000, 3, 0]
    missing = (Error.FAILED_LOOKUP, [0, LookupFailure.MISSING_CAPABILITY, 30])
    assert small.call(Label.RISCV_PAGE_MAP, frame, words, [space]) == missing
    for table in (tables, tables + 1):
        assert small.call(Label.RISCV_PAGE_TABLE_MAP, table, [0x40_0000, 0], [space]) == OK
    assert small.call(Label.RISCV_PAGE_MAP, frame, words, [space]) == OK
    cap = small.of(FrameCap, frame)
    entries = small.of(TableCap, tables + 1).table.entries
    assert entries == {0: Mapping(cap.base, True, True, True)}
    # Mapping it again at its place changes the rights; at another place it is refused.
    assert small.call(Label.RISCV_PAGE_MAP, frame, [0x40_0000, 2, 1], [space]) == OK
    assert entries == {0: Mapping(cap.base, True, False, False)}
    assert small.call(Label.RISCV_PAGE_MAP, frame, [0x40_1000, 2, 1], [space]) == (Error.INVALID_ARGUMENT, [0])
    assert small.call(Label.RISCV_PAGE_GET_ADDRESS, frame, []) == (Error.NO_ERROR, [cap.base])
    assert small.call(Label.CNODE_DELETE, ROOT, [frame, 64]) == OK
    assert entries == {}


def test_a_table_in_use_is_not_mapped_twice(small: Small, space: int) -> None:
    table = small.make(ObjectType.PAGE_TABLE)
    assert small.call(Label.RISCV_PAGE_TABLE_MAP, table, [0x40_0000, 0], [space]) == OK
    assert small.call(Label.RISCV_PAGE_TABLE_MAP, table, [0x8000_0000, 0], [space]) == (Error.INVALID_CAPABILITY, [0])
    assert small.call(Label.RISCV_PAGE_TABLE_UNMAP, space, []) == (Error.REVOKE_FIRST, [])
    assert small.call(Label.RISCV_PAGE_TABLE_UNMAP, table, []) == OK
    assert small.of(TableCap, space).table.entries == {}


def test_addresses_are_checked(small: Small, space: int) -> None:
    frame = small.make(ObjectType.PAGE)
    assert small.call(Label.RISCV_PAGE_MAP, frame, [0x123, 3, 0], [space]) == (Error.ALIGNMENT_ERROR, [])
    assert small.call(Label.RISCV_PAGE_MAP, frame, [0x3F_FFFF_F000, 3, 0], [space]) == (Error.INVALID_ARGUMENT, [0])
    assert small.call(Label.RISCV_PAGE_MAP, frame, [0x1000, 3, 0], [ROOT]) == (Error.INVALID_CAPABILITY, [1])


def test_with_its_root_a_space_is_gone(small: Small, space: int) -> None:
    table = small.make(ObjectType.PAGE_TABLE)
    assert small.call(Label.CNODE_DELETE, ROOT, [space, 64]) == OK
    (pool,) = small.k.pools.values()
    assert pool.spaces == {}
    assert small.call(Label.RISCV_PAGE_TABLE_MAP, table, [0, 0], [space]) == (Error.INVALID_CAPABILITY, [1])

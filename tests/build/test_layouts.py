# SPDX-License-Identifier: BSD-2-Clause
"""Structures written by the build are read as the same values by the code that runs on the target."""

from __future__ import annotations

import pytest

from tessera.build.layouts import Blob, pack
from tessera.lang import Array, Memory, array, at, inline, struct, u8, u16, u64
from tessera.lang.memory import MEMORY_BASE
from tessera.runtime.spec import Table


@struct
class Part:
    small: u8
    wide: u64


@struct
class Whole:
    first: u16
    part: Part = inline()
    numbers: Array[u16] = array(3)
    parts: Array[Part] = array(2)
    last: u64


def test_what_is_packed_is_what_the_language_reads() -> None:
    data = pack(
        Whole,
        first=0x1234,
        part={"small": 7, "wide": 1 << 63},
        numbers=[1, 2],
        parts=[{"small": 1}, {"wide": 5}],
        last=9,
    )
    with Memory(len(data)) as memory:
        memory.data[:] = data
        whole = at(Whole, MEMORY_BASE)
        assert (whole.first, whole.part.small, whole.part.wide, whole.last) == (0x1234, 7, 1 << 63, 9)
        assert [int(whole.numbers[i]) for i in range(3)] == [1, 2, 0]
        assert (whole.parts[0].small, whole.parts[0].wide) == (1, 0)
        assert (whole.parts[1].small, whole.parts[1].wide) == (0, 5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(KeyError):
        pack(Part, nothing=1)
    with pytest.raises(OverflowError):
        pack(Part, small=256)
    with pytest.raises(ValueError, match="4 values for an array of 3"):
        pack(Whole, numbers=[1, 2, 3, 4])


def test_a_blob_keeps_offsets_texts_and_alignment() -> None:
    blob = Blob(16)
    name = blob.text("one")
    assert blob.text("one") == name == 16
    assert blob.add(b"x" * 3, alignment=8, phase=5) % 8 == 5
    table = blob.table([pack(Part, small=1), pack(Part, small=2)])
    assert table["offset"] % 8 == 0
    assert table["count"] == 2
    data = blob.finish(pack(Table, **table))
    assert data[name : name + 4] == b"one\0"
    assert len(data) == table["offset"] + 32

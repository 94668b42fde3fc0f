# SPDX-License-Identifier: BSD-2-Clause
"""Laws of packed values: all hold for the kernel's layouts, bad layouts are refuted, and they speak of what runs."""

from __future__ import annotations

import random
from enum import IntEnum
from typing import Any

import pytest
import z3

from tessera.abi.messages import CapRights, CNodeData, MessageInfo
from tessera.arch.riscv64.paging import Entry
from tessera.ir.values import field_number, from_raw, mask_of, width_of
from tessera.kernel import state  # noqa: F401  (so that the types of all fields are known)
from tessera.kernel.capability import Capability
from tessera.kernel.layout import DerivationLink, EndpointTail
from tessera.lang import Packed, Violation, bits, packed, u8, u64, variant, word
from tessera.lang.types import is_struct
from tessera.smt.laws import fits, laws, read_bits, write_bits
from tessera.smt.solve import Portfolio

CLASSES = [Capability, DerivationLink, EndpointTail, Entry, MessageInfo, CapRights, CNodeData]


def answers(cls: Any) -> dict[str, str]:
    with Portfolio(2) as portfolio:
        return {each.name: each.status for each in portfolio.run(laws(cls))}


def test_all_laws_of_the_kernels_layouts_hold() -> None:
    queries = [query for cls in CLASSES for query in laws(cls)]
    names = [query.name for query in queries]
    assert len(set(names)) == len(names) > 300
    assert {"law: UntypedCap.base set/get", "law: ZombieCap construct", "law: Entry.address range"} <= set(names)
    assert "law: NotificationCap.badge reads as EndpointCap.badge" in names
    with Portfolio(2, cross_check=True) as portfolio:
        assert [each for each in portfolio.run(queries) if each.status != "proved"] == []


@word(u64)
class Shade(IntEnum):
    """The kinds of the layouts below."""

    LIGHT = 0
    DARK = 1


@packed(u64)
class Overlapping(Packed):
    """Two fields share four bits."""

    low: u64 = bits(0, 8)
    high: u64 = bits(4, 8)


@packed(u64)
class TooNarrow(Packed):
    """A field whose type cannot hold what is stored."""

    number: u8 = bits(0, 12)


@packed(u64, tag="shade")
class Tagged(Packed):
    """A common part with its tag."""

    shade: Shade = bits(0, 4)


@variant(Shade.DARK)
class OverTag(Tagged):
    """A field that covers the tag."""

    number: u64 = bits(3, 8)


def refuted(cls: Any) -> set[str]:
    return {name.removeprefix("law: ") for name, status in answers(cls).items() if status == "refuted"}


def test_overlapping_fields_are_refuted() -> None:
    found = refuted(Overlapping)
    assert {"Overlapping.low set keeps the rest", "Overlapping.high set keeps the rest"} <= found
    assert "Overlapping construct" in found and "Overlapping.low set/get" not in found


def test_a_type_too_narrow_for_its_field_is_refuted() -> None:
    # The upper four bits are lost when the field is read, so writing it back clears them.
    assert "TooNarrow.number get/set" in refuted(TooNarrow)


def test_a_field_over_the_tag_is_refuted() -> None:
    assert {"OverTag.number set keeps the rest", "OverTag construct"} <= refuted(OverTag)


def kinds_of(cls: Any) -> list[Any]:
    return [cls, *cls.__packed__.variants.values()]


@pytest.mark.parametrize("cls", [kind for each in CLASSES for kind in kinds_of(each)], ids=lambda cls: cls.__name__)
def test_laws_speak_of_what_runs(cls: Any) -> None:
    """Reading, writing and fitting, computed from the laws' formulas, are what the language does."""
    source = random.Random(cls.__name__)
    info = cls.__packed__
    for field in info.fields().values():
        for _ in range(60):
            raw = source.getrandbits(info.word.width)
            term = z3.BitVecVal(raw, info.word.width)
            stored = raw >> field.low & (1 << field.width) - 1
            read = field_number(field, stored)
            assert z3.simplify(read_bits(field, term)).as_long() == read
            number = source.choice([field_number(field, source.getrandbits(field.width)), source.getrandbits(64)])
            number &= mask_of(field.type)
            if isinstance(field.type, type) and issubclass(field.type, IntEnum):
                number = int(source.choice(list(field.type)))  # no other number can be given to a field of this type
            number = number or 1 if is_struct(field.type) else number
            value = z3.BitVecVal(number, width_of(field.type))
            holds = z3.is_true(z3.simplify(fits(field, value)))
            try:
                written = info.write(field, raw, from_raw(field.type, number))
            except Violation:
                assert not holds
            else:
                assert holds and z3.simplify(write_bits(field, term, value)).as_long() == written

# SPDX-License-Identifier: BSD-2-Clause
"""Packed fields of every shape, and operators with a constant operand, in native code."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import pytest

from tessera.lang import Memory, Violation, at_or_none, struct, u8, u16, u32, u64, u128, word
from tessera.lang.packed import BitField, Packed, packed
from tessera.lang.types import OptionalReference
from tessera.llvm.host import HostModule
from tessera.llvm.types import width_of
from tests.llvm.hand_made import WORDS, Case, cases, constant, edges, function, local, make, program


@word(u16)
class Sparse(IntEnum):
    A = 0
    B = 3
    C = 4
    D = 0x8001


@struct
class Thing:
    number: u64


@packed(u8)
class P8(Packed):
    pass


@packed(u32)
class P32(Packed):
    pass


@packed(u64)
class P64(Packed):
    pass


@packed(u128)
class P128(Packed):
    pass


def fields() -> Iterator[tuple[Any, BitField]]:
    """Fields at both ends and in the middle, as wide as they can be and narrow, shifted and signed or not."""
    types = (bool, u8, u16, u32, u64, u128, Sparse, OptionalReference(Thing), Thing)
    for class_, type_ in itertools.product((P8, P32, P64, P128), types):
        total, own = class_.__packed__.word.width, width_of(type_)  # type: ignore[attr-defined]
        for low, width in {(0, 1), (0, total), (3, min(total - 3, own)), (total - 2, 2), (total // 2, total // 2)}:
            for shift, signed in ((0, False), (3, False), (2, True), (0, True)):
                if type_ is bool and (width > 1 or shift or signed):
                    continue
                if isinstance(type_, OptionalReference) or type_ in (Thing, Sparse) or width <= own:
                    yield class_, BitField(f"f{low}_{width}_{shift}_{signed}", type_, low, width, shift, signed)


FIELDS = list(fields())


def name_of(verb: str, class_: Any, field: BitField) -> str:
    type_name = getattr(field.type, "__name__", "optional")
    return f"{verb}_{class_.__name__}_{type_name}_{field.name}"


def make_program(class_: Any) -> Any:
    functions = []
    for field in [f for c, f in FIELDS if c is class_]:
        get = make("get_bits", field.type, local("p", class_), data=field)
        functions.append(function(name_of("get", class_, field), {"p": class_}, field.type, get))
        set_ = make("set_bits", class_, local("p", class_), local("v", field.type), data=field)
        functions.append(function(name_of("set", class_, field), {"p": class_, "v": field.type}, class_, set_))
    return program(*functions)


def values_of(type_: Any) -> list[Any]:
    """Values of a field's type, as CPython has them."""
    if type_ is bool:
        return [False, True]
    if type_ is Sparse:
        return list(Sparse)
    if isinstance(type_, OptionalReference) or type_ is Thing:
        numbers = [8, 64, 1 << 38, (1 << 39) - 8, (1 << 64) - 8, (1 << 64) - (1 << 20), 0x20_0000_0000, 3]
        return [at_or_none(Thing, n) for n in numbers] + ([None] if type_ is not Thing else [])
    return [type_(n) for n in edges(width_of(type_))]


def raw_of(type_: Any, value: Any) -> int:
    return 0 if value is None else int(getattr(value, "_address", value))


def attempt(call: Any) -> Any:
    try:
        return call()
    except Violation as error:
        return f"broken: {error.rule}"


@pytest.mark.parametrize("class_", [P8, P32, P64, P128], ids=lambda c: c.__name__)
def test_checked_fields_equal_cpython(class_: Any) -> None:
    native = HostModule(make_program(class_), optimise=1, checked=True)
    info = class_.__packed__
    raws = edges(info.word.width)
    seen = set()
    with Memory(4096):
        for field in [f for c, f in FIELDS if c is class_]:
            get = native.function("made." + name_of("get", class_, field))
            set_ = native.function("made." + name_of("set", class_, field))
            for raw in raws:
                expected = attempt(lambda raw=raw, field=field: raw_of(field.type, info.read(field, raw)))
                found = attempt(lambda raw=raw, get=get: get.raw(raw))
                assert found == expected, (field, hex(raw))
                seen.add(expected)
                for value in values_of(field.type):
                    expected = attempt(lambda r=raw, f=field, v=value: info.write(f, r, v))
                    found = attempt(lambda r=raw, f=field, v=value, s=set_: s.raw(r, raw_of(f.type, v)))
                    assert found == expected, (field, hex(raw), value)
                    seen.add(expected)
    assert {"broken: enum", "broken: null", "broken: field"} <= seen


@pytest.mark.parametrize("class_", [P8, P32, P64, P128], ids=lambda c: c.__name__)
def test_release_fields_are_cut(class_: Any) -> None:
    native = HostModule(make_program(class_), optimise=1, checked=False)
    width = class_.__packed__.word.width
    for field in [f for c, f in FIELDS if c is class_]:
        get = native.function("made." + name_of("get", class_, field))
        set_ = native.function("made." + name_of("set", class_, field))
        own = width_of(field.type)
        for raw in edges(width):
            bits = raw >> field.low & (1 << field.width) - 1
            if field.signed and bits >> field.width - 1:
                bits -= 1 << field.width
            assert get.raw(raw) == bits << field.shift & (1 << own) - 1, (field, hex(raw))
            for value in edges(own) if own > 1 else (0, 1):
                mask = (1 << field.width) - 1
                expected = raw & ~(mask << field.low) | (value >> field.shift & mask) << field.low
                assert set_.raw(raw, value) == expected, (field, hex(raw), hex(value))


CONSTANT_OPERATIONS = "add sub mul floordiv mod shl shr arithmetic_shift_right lt ge min signed_less".split()


def with_constants() -> Iterator[tuple[Case, int, int]]:
    for case in cases():
        if case.operation in CONSTANT_OPERATIONS and case.width in (8, 64, 128):
            for number in edges(case.width):
                yield from ((case, side, number) for side in (0, 1))


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "release"])
def test_operators_with_a_constant_operand(checked: bool) -> None:
    made = []
    for case, side, number in with_constants():
        word_ = WORDS[case.width]
        operands = [local("x", word_), constant(word_, number)]
        expression = make(case.operation, case.result, *(operands if side else reversed(operands)))
        made.append(function(f"{case.name}_{side}_{number}", {"x": word_}, case.result, expression))
    native = HostModule(program(*made), checked=checked, optimise=1)
    for case, side, number in with_constants():
        call = native.function(f"made.{case.name}_{side}_{number}")
        for x in edges(case.width):
            inputs = (x, number) if side else (number, x)
            expected = (case.exact if checked else case.release)(*inputs)
            expected = f"broken: {expected}" if isinstance(expected, str) else expected
            assert attempt(lambda call=call, x=x: call.raw(x)) == expected, (case.name, inputs)

# SPDX-License-Identifier: BSD-2-Clause
"""Bit fields at every kind of place, in every reader, against a formula written here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.readers import Everywhere, edges, everywhere, functions_of, module_of

# Word, low bit, width, shift, signed, type of the field.
Layout = tuple[int, int, int, int, bool, int]


def layouts() -> Iterator[Layout]:
    for word, low, width, shift, signed, type_ in itertools.product(
        (64, 128), (0, 3, 37), (1, 8, 27, 64), (0, 12), (False, True), (8, 64)
    ):
        if low + width <= word:
            yield word, low, width, shift, signed, type_


LAYOUTS = list(layouts())
WORD_TEMPLATE = """
@packed(u{word})
class Packed{i}(Packed):
    x: u{type_} = bits({low}, {width}, shift={shift}, signed={signed})

@compiled
def get{i}(p: Packed{i}) -> u{type_}:
    return p.x

@compiled
def put{i}(p: Packed{i}, x: u{type_}) -> Packed{i}:
    return p.replace(x=x)
"""


@pytest.fixture(scope="module")
def fields() -> tuple[Any, Everywhere]:
    names = ("word", "low", "width", "shift", "signed", "type_")
    text = "".join(
        WORD_TEMPLATE.format(i=i, **dict(zip(names, layout, strict=True))) for i, layout in enumerate(LAYOUTS)
    )
    module = module_of("tests_bit_fields", text)
    return module, everywhere(functions_of(module))


def meaning(stored: int, width: int, shift: int, signed: bool, type_: int) -> int:
    """What stored bits mean."""
    if signed and stored >= 1 << width - 1:
        stored -= 1 << width
    return (stored << shift) % (1 << type_)


@pytest.mark.parametrize("index", range(len(LAYOUTS)), ids=lambda i: "-".join(map(str, LAYOUTS[i])))
def test_field(fields: tuple[Any, Everywhere], index: int) -> None:
    module, readers = fields
    word, low, width, shift, signed, type_ = LAYOUTS[index]
    mask = (1 << width) - 1
    for background in (0, (1 << word) - 1):
        for stored in edges(width) if width > 1 else (0, 1):
            raw = background & ~(mask << low) | stored << low
            found = readers.agree(getattr(module, f"get{index}"), raw, memory=None)
            assert found[True] == ("gives", meaning(stored, width, shift, signed, type_))
        for value in {*edges(type_), *(v << shift & (1 << type_) - 1 for v in edges(max(width, 2)))}:
            stored = value >> shift & mask
            changed = background & ~(mask << low) | stored << low
            found = readers.agree(getattr(module, f"put{index}"), background, value, memory=None)
            fits = meaning(stored, width, shift, signed, type_) == value
            assert found == {
                True: ("gives", changed) if fits else ("breaks", "field"),
                False: ("gives", changed),
            }, (background, value)

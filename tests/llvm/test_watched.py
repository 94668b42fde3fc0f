# SPDX-License-Identifier: BSD-2-Clause
"""Native code that is watched: ghosts, lives, what was written, which way branches went, and checks."""

from __future__ import annotations

import ctypes
from array import array

import pytest

from tessera.ir.build import build_program
from tessera.lang import MEMORY_BASE, address_of, at
from tessera.lang.memory import static_size
from tessera.llvm.host import HostModule
from tessera.llvm.instrumented import Instruments
from tessera.llvm.shadow import UNIT_BITS, Shadow
from tessera.llvm.types import FRACTION_BITS
from tessera.llvm.watch import FOUND_WORDS, LIST_BYTES, Plans
from tests.llvm import watched
from tests.llvm.watched import Item

NAMES = [f"{watched.__name__}.{name}" for name in ("put_between", "places_rise", "totals_differ")]
SIZE = 1 << 21
FREE = MEMORY_BASE + (-(-static_size() // 4096) + 1) * 4096


class Watched:
    def __init__(self) -> None:
        program = build_program([watched.put_between, watched.places_rise, watched.totals_differ], specification=True)
        self.shadow = Shadow(SIZE)
        self.instruments = Instruments(self.shadow, NAMES[:1])
        plans = Plans({"all": [(NAMES[1], ("items",)), (NAMES[2], ("items", "items"))]})
        self.module = HostModule(
            program, checked=True, memory_size=SIZE, entries=NAMES[:1], instruments=self.instruments, plans=plans
        )
        self.shadow.clear()
        self.run = self.module.plan("all")
        self.table = self.shadow.view(self.shadow.reserve("lists", LIST_BYTES), LIST_BYTES).cast("Q")
        self.found = self.shadow.view(self.shadow.reserve("found", 8 * FOUND_WORDS), 8 * FOUND_WORDS).cast("Q")

    def check(self, addresses: list[int]) -> list[int]:
        items = array("Q", addresses)
        self.table[0], self.table[1] = items.buffer_info()
        self.run()
        return self.found.tolist()


@pytest.fixture
def native() -> Watched:
    return Watched()


def test_ghosts_lives_changes_branches_and_checks(native: Watched) -> None:
    shadow, put = native.shadow, native.module.function(watched.put_between)
    root, one, two = int(address_of(watched.first)), FREE, FREE + 64
    with native.module.memory:
        shadow.set_live(Item, root, True)
        assert put(watched.first, at(Item, one), 5) == 5
        assert put(watched.first, at(Item, two), 7) == 7
    assert [shadow.load(Item, "place", a) for a in (one, two)] == [1 << FRACTION_BITS, 1 << FRACTION_BITS - 1]
    assert [shadow.load(Item, "total", a) for a in (one, two)] == [5, 7]
    assert all(shadow.is_live(Item, a) for a in (root, one, two)) and not shadow.is_live(Item, two + 16)
    written = shadow.view(native.instruments.written, 64).cast("Q").tolist()
    assert set(written[1 : 1 + written[0]]) == {a - MEMORY_BASE >> UNIT_BITS for a in (root, one, two)}
    taken = shadow.view(native.instruments.taken, len(native.instruments.outcomes)).tolist()
    ways = {(outcome.what, way) for outcome, way in zip(native.instruments.outcomes, taken, strict=True)}
    assert ways == {("true", 1), ("false", 0)}
    assert native.check([root, one, two])[0] == 0
    shadow.store(Item, "total", two, 5)
    assert native.check([root, one, two])[:3] == [2, one, two]
    shadow.store(Item, "place", two, 3)
    assert native.check([root, one, two])[:2] == [1, two]
    shadow.set_live(Item, two, False)
    assert native.check([root])[:2] == [1, root]


def test_what_is_kept_comes_back(native: Watched) -> None:
    shadow = native.shadow
    shadow.store(Item, "total", FREE, -3)
    pages = shadow.save()
    shadow.store(Item, "total", FREE, 4)
    shadow.restore(pages)
    assert shadow.load(Item, "total", FREE) == -3
    assert ctypes.c_ubyte.from_address(shadow.lives(Item).place(FREE)).value == 0

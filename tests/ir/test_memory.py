# SPDX-License-Identifier: BSD-2-Clause
"""Objects in memory in every reader: fields, arrays, references, and the bytes that they leave behind."""

from __future__ import annotations

from typing import Any

import pytest

from tessera.lang import MEMORY_BASE
from tessera.lang.structs import static_entry
from tests.readers import Everywhere, everywhere, functions_of, memory_size, module_of

SOURCE = """
@word(u16)
class State(IntEnum):
    IDLE = 0
    READY = 3
    RUNNING = 700

@packed(u128)
class Wide(Packed):
    low: u64 = bits(0, 64)
    high: u64 = bits(64, 64)

@struct
class Pair:
    first: u32
    second: u8

@struct
class Object:
    small: u8
    flag: bool
    state: State
    count: u64
    wide: Wide
    next: Object | None
    owner: Object
    pair: Pair = inline()
    words: Array[u64] = array(4)
    bytes_: Array[u8] = array(3)
    states: Array[State] = array(2)
    links: Array[Object | None] = array(2)
    pairs: Array[Pair] = array(3)

    @property
    def doubled(self) -> u64:
        return self.count * 2

    def add(self, amount: u64) -> u64:
        self.count += amount
        return self.count

@struct(size=1024, alignment=1024)
class Block:
    object: Object = inline()

first = static(Object)
second = static(Object, alignment=64)
block = static(Block)
calls = static(Pair)

@compiled
def fill() -> None:
    first.small = 0xFE
    first.flag = True
    first.state = State.RUNNING
    first.count = 0x0123456789ABCDEF
    first.wide = Wide(low=1, high=2)
    first.next = second
    first.owner = first
    first.pair.first = 77
    first.pair.second = 7
    for i in range(len(first.words)):
        first.words[i] = i * 3
    first.bytes_[2] = 9
    first.states[1] = State.READY
    first.links[0] = second
    first.links[1] = None
    row = first.pairs[2]
    row.first = 5
    first.pairs[1].second = row.second + 1
    block.object.count = size_of(Block) + offset_of(Object, "count")
    second.next = None

@compiled
def small(o: Object) -> u8:
    return o.small

@compiled
def flag(o: Object) -> bool:
    return o.flag

@compiled
def state(o: Object) -> State:
    return o.state

@compiled
def wide(o: Object) -> Wide:
    return o.wide

@compiled
def next_of(o: Object) -> Object | None:
    return o.next

@compiled
def owner(o: Object) -> Object:
    return o.owner

@compiled
def word_at(o: Object, i: u64) -> u64:
    return o.words[i]

@compiled
def set_word(o: Object, i: u64, value: u64) -> None:
    o.words[i] = value

@compiled
def set_byte(o: Object, i: u64, value: u8) -> None:
    o.bytes_[i] += value

@compiled
def pair_at(o: Object, i: u64) -> u32:
    return o.pairs[i].first

@compiled
def length(o: Object) -> u64:
    count = u64(0)
    this: Object | None = o
    while this is not None:
        count += 1
        if this.next is this:
            break
        this = this.next
    return count

@compiled
def count_at(address: u64) -> u64:
    return at(Object, address).count

@compiled
def same(address: u64) -> bool:
    found = at_or_none(Object, address)
    return found is first or found is None

@compiled
def required(address: u64) -> u64:
    found = at_or_none(Object, address)
    return small_count(found if found is not None else first)

@compiled
def small_count(o: Object) -> u64:
    return o.count

@compiled
def addresses() -> u64:
    return address_of(second) - address_of(first) + address_of(None if first.flag else first.next)

@compiled
def pick() -> Object:
    calls.first += 1
    return first

@compiled
def once() -> u32:
    pick().count += 5
    pick().words[u64(calls.first)] += 7
    return calls.first

@compiled
def methods() -> u64:
    return first.add(3) + second.add(first.doubled) + first.add(amount=1)

@compiled
def swap() -> None:
    first.count, second.count = second.count, first.count + 1
    first.state = State(u16(first.count))
"""


@pytest.fixture(scope="module")
def module() -> Any:
    return module_of("tests_memory", SOURCE)


@pytest.fixture(scope="module")
def readers(module: Any) -> Everywhere:
    return everywhere(functions_of(module))


def place(module: Any, name: str, field: str = "") -> int:
    """Offset in memory of a field of a static object."""
    reference = getattr(module, name)
    entry = static_entry(reference)
    assert entry is not None
    return entry.offset + (type(reference).__struct__.layout().fields[field].offset if field else 0)


def memory_with(*parts: tuple[int, int, int]) -> bytes:
    """Memory with numbers of some size at some offsets."""
    memory = bytearray(memory_size())
    for offset, size, value in parts:
        memory[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(memory)


def test_whole_memory_is_the_same_everywhere(module: Any, readers: Everywhere) -> None:
    assert readers.agree(module.fill)[True] == ("gives", None)
    cpython = readers.readers()[0].memory.data
    assert cpython[place(module, "first", "count") :][:8] == bytes.fromhex("efcdab8967452301")
    assert cpython[place(module, "first", "words") :][:32] == b"".join(i.to_bytes(8, "little") for i in (0, 3, 6, 9))
    second = MEMORY_BASE + place(module, "second")
    assert cpython[place(module, "first", "next") :][:8] == second.to_bytes(8, "little")
    assert second % 64 == 0 and place(module, "block") % 1024 == 0


@pytest.mark.parametrize("raw", [0, 1, 2, 3, 255])
def test_a_flag_is_set_unless_it_is_zero(module: Any, readers: Everywhere, raw: int) -> None:
    memory = memory_with((place(module, "first", "flag"), 1, raw))
    first = MEMORY_BASE + place(module, "first")
    assert readers.agree(module.flag, first, memory=memory)[True] == ("gives", int(raw != 0))


@pytest.mark.parametrize("raw", [0, 1, 3, 4, 699, 700, 65535])
def test_bits_that_are_no_member(module: Any, readers: Everywhere, raw: int) -> None:
    memory = memory_with((place(module, "first", "state"), 2, raw))
    first = MEMORY_BASE + place(module, "first")
    expected = ("gives", raw) if raw in (0, 3, 700) else ("breaks", "enum")
    assert readers.agree(module.state, first, memory=memory) == {True: expected, False: ("gives", raw)}


def test_references(module: Any, readers: Everywhere) -> None:
    first, second = (MEMORY_BASE + place(module, name) for name in ("first", "second"))
    assert readers.agree(module.next_of, first)[True] == ("gives", 0)
    assert readers.agree(module.owner, first) == {True: ("breaks", "null"), False: ("gives", 0)}
    linked = memory_with((place(module, "first", "next"), 8, second), (place(module, "first", "count"), 8, 42))
    assert readers.agree(module.length, first, memory=linked)[True] == ("gives", 2)
    circle = memory_with((place(module, "first", "next"), 8, first))
    assert readers.agree(module.length, first, memory=circle)[True] == ("gives", 1)
    assert readers.agree(module.count_at, first, memory=linked)[True] == ("gives", 42)
    for address, expected in ((first, 1), (second, 0), (0, 1)):
        assert readers.agree(module.same, address)[True] == ("gives", expected)
    assert readers.agree(module.required, 0, memory=linked)[True] == ("gives", 42)
    assert readers.agree(module.addresses)[True] == ("gives", second - first)


@pytest.mark.parametrize("function", ["count_at"])
@pytest.mark.parametrize(
    "address", [0, 1, 8, MEMORY_BASE - 16, MEMORY_BASE + 4, MEMORY_BASE + (1 << 40), (1 << 64) - 8]
)
def test_wild_references_break_a_rule(module: Any, readers: Everywhere, function: str, address: int) -> None:
    for reader in readers.readers():
        if reader.checked:
            outcome = reader.outcome(getattr(module, function), address)
            assert outcome == ("breaks", "null" if address == 0 else "address"), reader.name


@pytest.mark.parametrize("index", [0, 3, 4, 5, 1 << 63, (1 << 64) - 1])
def test_indexes(module: Any, readers: Everywhere, index: int) -> None:
    first = MEMORY_BASE + place(module, "first")
    memory = memory_with((place(module, "first", "words"), 8, 11), (place(module, "first", "words") + 24, 8, 44))
    for reader in readers.readers():
        if reader.checked:
            reader.clear()
            reader.memory.data[: len(memory)] = memory
            inside = {0: 11, 3: 44}
            expected = ("gives", inside[index]) if index in inside else ("breaks", "index")
            assert reader.outcome(module.word_at, first, index) == expected, reader.name
            outcome = reader.outcome(module.set_word, first, index, 5)
            assert outcome == (("gives", None) if index in inside else ("breaks", "index")), reader.name


def test_release_indexes_are_address_arithmetic(module: Any, readers: Everywhere) -> None:
    first = MEMORY_BASE + place(module, "first")
    memory = memory_with((place(module, "first", "words") - 8, 8, 99))
    for reader in readers.readers():
        if not reader.checked:
            reader.clear()
            reader.memory.data[: len(memory)] = memory
            assert reader.outcome(module.word_at, first, (1 << 64) - 1) == ("gives", 99), reader.name


def test_elements_of_other_sizes(module: Any, readers: Everywhere) -> None:
    first = MEMORY_BASE + place(module, "first")
    memory = memory_with((place(module, "first", "pairs") + 8, 4, 1 << 31))
    assert readers.agree(module.pair_at, first, 1, memory=memory)[True] == ("gives", 1 << 31)
    assert readers.agree(module.set_byte, first, 1, 255)[True] == ("gives", None)
    full = memory_with((place(module, "first", "bytes_") + 1, 1, 255))
    assert readers.agree(module.set_byte, first, 1, 1, memory=full)[True] == ("breaks", "overflow")


def test_evaluation_once_and_in_order(module: Any, readers: Everywhere) -> None:
    assert readers.agree(module.once)[True] == ("gives", 2)
    assert readers.agree(module.methods)[True] == ("gives", 3 + 6 + 4)
    counts = (place(module, "first", "count"), 8, 9), (place(module, "second", "count"), 8, 3)
    assert readers.agree(module.swap, memory=memory_with(*counts))[True] == ("gives", None)
    counts = (place(module, "first", "count"), 8, 9), (place(module, "second", "count"), 8, 4)
    assert readers.agree(module.swap, memory=memory_with(*counts))[True] == ("breaks", "enum")

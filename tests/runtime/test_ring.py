# SPDX-License-Identifier: BSD-2-Clause
"""The ring under CPython: what goes in comes out in order, and a side that misbehaves harms nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.build.toolchain import runtime_headers
from tessera.lang import Memory, at, offset_of, size_of, struct
from tessera.lang.memory import MEMORY_BASE, static_size
from tessera.lang.structs import inline
from tessera.runtime import ring
from tessera.runtime.ring import CAPACITY, Consumer, Producer, Ring

WRAP = 1 << 64
SIZE = 0x1000


@struct
class Both:
    """The ring and the private parts of both sides."""

    ring: Ring = inline()
    producer: Producer = inline()
    consumer: Consumer = inline()


class Sides:
    """Both sides of one ring in a fresh memory."""

    def __init__(self, first: int = 0) -> None:
        start = -(-static_size() // 64) * 64
        self.memory = Memory(start + 8192)
        self.memory.__enter__()
        both = at(Both, MEMORY_BASE + start)
        self.ring, self.producer, self.consumer = both.ring, both.producer, both.consumer
        address = MEMORY_BASE + start + offset_of(Both, "ring")
        ring.attach_producer(self.producer, address)
        ring.attach_consumer(self.consumer, address, SIZE)
        self.ring.written = self.producer.written = first
        self.ring.read = self.consumer.read = first

    def close(self) -> None:
        self.memory.__exit__(None, None, None)

    def take(self) -> tuple[int, int] | None:
        if not ring.take_entry(self.consumer):
            return None
        entry = (int(self.consumer.offset), int(self.consumer.length))
        ring.release_entry(self.consumer)
        return entry


@pytest.fixture
def sides() -> Iterator[Sides]:
    made = Sides()
    yield made
    made.close()


@given(first=st.sampled_from([0, 5, WRAP - 3, WRAP - CAPACITY]), steps=st.lists(st.booleans(), max_size=120))
def test_it_is_a_queue_of_bounded_length(first: int, steps: list[bool]) -> None:
    both = Sides(first)
    model: deque[tuple[int, int]] = deque()
    try:
        for number, put in enumerate(steps):
            if put:
                entry = (number, number % 7 + 1)
                assert ring.put_entry(both.producer, *entry) == (len(model) < CAPACITY)
                if len(model) < CAPACITY:
                    model.append(entry)
            else:
                assert both.take() == (model.popleft() if model else None)
            assert ring.in_use(both.producer) == len(model)
            assert ring.is_empty(both.consumer) == (not model)
    finally:
        both.close()


def test_an_entry_outside_of_the_shared_memory_is_taken_as_nothing(sides: Sides) -> None:
    for offset, length in ((0, SIZE + 1), (SIZE, 1), (WRAP - 8, 16), (SIZE - 1, 2)):
        ring.put_entry(sides.producer, offset, length)
        assert sides.take() == (0, 0)
    ring.put_entry(sides.producer, SIZE - 2, 2)
    assert sides.take() == (SIZE - 2, 2)


def test_a_producer_that_counts_wrongly_is_not_believed(sides: Sides) -> None:
    for written in (CAPACITY + 1, WRAP - 1, WRAP // 2):
        sides.ring.written = written
        assert sides.take() is None
    assert sides.consumer.read == 0


def test_a_consumer_that_counts_wrongly_stops_the_producer(sides: Sides) -> None:
    sides.ring.read = 5
    assert not ring.put_entry(sides.producer, 0, 1)
    assert ring.in_use(sides.producer) == CAPACITY


def test_the_other_side_cannot_change_a_counter(sides: Sides) -> None:
    ring.put_entry(sides.producer, 1, 1)
    sides.ring.written = 77
    sides.ring.read = 0
    ring.put_entry(sides.producer, 2, 1)
    assert sides.ring.written == 2


def test_the_header_for_c_agrees() -> None:
    text = (runtime_headers() / "tessera" / "ring.h").read_text()
    assert f"#define RING_CAPACITY {CAPACITY}\n" in text
    entries = offset_of(Ring, "entries")
    assert f"#define RING_BYTES ({entries} + 16 * RING_CAPACITY)" in text
    assert int(size_of(Ring)) == entries + 16 * CAPACITY
    assert list(Producer.__annotations__) == ["ring", "written"]
    assert list(Consumer.__annotations__) == ["ring", "read", "size", "offset", "length"]

# SPDX-License-Identifier: BSD-2-Clause
"""The one queue between two components: a ring in shared memory with one producer and one consumer.

An entry names bytes elsewhere in the memory that both share: their offset and length. Both counters run freely and
wrap; the number of entries in the ring is their difference. Each side keeps its own counter in private memory and
writes it to the ring for the other side, so that a side which misbehaves can harm the data, never the other side's
counter: what is read from the ring is checked before it is believed.

Zeroed memory is an empty ring, so nobody has to prepare it. The functions with a ``symbol`` are also there for C
(tessera/ring.h): there is one implementation.
"""

from __future__ import annotations

from tessera.lang import Array, array, at, compiled, min, struct, u64, wrapping_add, wrapping_sub
from tessera.runtime.machine import acquire_fence, full_fence, release_fence

# A power of two, so that free-running counters wrap in step.
CAPACITY = 32
CACHE_LINE_WORDS = 8


@struct
class Entry:
    """Bytes of the shared memory."""

    offset: u64
    length: u64


@struct(alignment=64)
class Ring:
    """The shared part: each counter has one writer, and a cache line of its own."""

    written: u64
    written_padding: Array[u64] = array(CACHE_LINE_WORDS - 1)
    read: u64
    read_padding: Array[u64] = array(CACHE_LINE_WORDS - 1)
    entries: Array[Entry] = array(CAPACITY)


@struct
class Producer:
    """The private part of the side that puts entries in; zero at the start."""

    ring: Ring | None
    written: u64


@struct
class Consumer:
    """The private part of the side that takes entries out. ``size``: bytes of the shared memory that it can see."""

    ring: Ring | None
    read: u64
    size: u64
    # The entry taken last.
    offset: u64
    length: u64


@compiled(symbol="ring_producer_init")
def attach_producer(side: Producer, address: u64) -> None:
    """Become the producer of the ring at an address."""
    side.ring = at(Ring, address)
    side.written = 0


@compiled(symbol="ring_consumer_init")
def attach_consumer(side: Consumer, address: u64, size: u64) -> None:
    """Become the consumer of the ring at an address; entries that leave ``size`` bytes of memory are not taken."""
    side.ring = at(Ring, address)
    side.read = 0
    side.size = size


@compiled(symbol="ring_put")
def put_entry(side: Producer, offset: u64, length: u64) -> bool:
    """Put an entry in; false if the ring is full (or the other side's counter makes no sense)."""
    ring = side.ring
    if ring is None:
        return False
    # The consumer has left the bytes of an entry before its counter says so.
    taken = ring.read
    acquire_fence()
    if wrapping_sub(side.written, taken) >= CAPACITY:
        return False
    entry = ring.entries[side.written % CAPACITY]
    entry.offset = offset
    entry.length = length
    release_fence()
    side.written = wrapping_add(side.written, 1)
    ring.written = side.written
    return True


@compiled(symbol="ring_in_use")
def in_use(side: Producer) -> u64:
    """Entries that the consumer has not given back; their bytes must not be changed."""
    ring = side.ring
    if ring is None:
        return u64(0)
    taken = ring.read
    acquire_fence()
    return min(wrapping_sub(side.written, taken), CAPACITY)


@compiled(symbol="ring_take")
def take_entry(side: Consumer) -> bool:
    """Take the oldest entry out, into ``side.offset`` and ``side.length``; false if there is none that can be used.

    The bytes belong to the consumer until :func:`release_entry`.
    """
    ring = side.ring
    if ring is None:
        return False
    written = ring.written
    acquire_fence()
    waiting = wrapping_sub(written, side.read)
    if waiting == 0 or waiting > CAPACITY:
        return False
    entry = ring.entries[side.read % CAPACITY]
    # Copied before it is checked: the producer may change it at any time.
    side.offset = entry.offset
    side.length = entry.length
    if side.length > side.size or side.offset > side.size - side.length:
        side.offset = 0
        side.length = 0
    return True


@compiled(symbol="ring_release")
def release_entry(side: Consumer) -> None:
    """Give the bytes of the entry taken last back to the producer."""
    ring = side.ring
    if ring is not None:
        release_fence()
        side.read = wrapping_add(side.read, 1)
        ring.read = side.read


@compiled(symbol="ring_is_empty")
def is_empty(side: Consumer) -> bool:
    """Whether nothing is there. Ask again after the last entry and before waiting, so that no signal is missed."""
    ring = side.ring
    if ring is None:
        return True
    full_fence()
    return ring.written == side.read

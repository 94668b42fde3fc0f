# SPDX-License-Identifier: BSD-2-Clause
"""The client in Python, compiled: takes greetings out of the ring, and asks the server whether they are true."""

from __future__ import annotations

from tessera.lang import at, compiled, range, static, struct, truncate, u8, u32, u64
from tessera.runtime.console import put, put_bytes_at, put_line
from tessera.runtime.microkit import MessageInfo, Variable, message_word, notify, ppcall, set_message_word
from tessera.runtime.ring import Consumer, attach_consumer, release_entry, take_entry

# Channels.
SERVER = 0
CLIENT = 1
FINISHED = 2
FAILED = 3

GREETINGS = 6

ring_vaddr: Variable = static(Variable, name="ring_vaddr")
ring_size: Variable = static(Variable, name="ring_size")


@struct
class Visit:
    """How far it has come."""

    seen: u64


@struct
class Letter:
    """One byte of a greeting."""

    value: u8


ring: Consumer = static(Consumer)
visit: Visit = static(Visit)


@compiled
def init() -> None:
    attach_consumer(ring, ring_vaddr.value, ring_size.value)


@compiled
def is_true(number: u64, address: u64, length: u64) -> bool:
    """Whether the server gives the same greeting for this number."""
    set_message_word(0, number)
    answer = ppcall(SERVER, MessageInfo(length=1))
    if answer.label != 0 or message_word(0) != length:
        return False
    for i in range(length):
        letter = truncate(u8, message_word(1 + i // 8) >> (8 * (i % 8)))
        if letter != at(Letter, address + i).value:
            return False
    return True


@compiled
def read_greeting() -> None:
    """Look at the entry that was taken."""
    address = ring_vaddr.value + ring.offset
    put(b'visitor:  I read "')
    put_bytes_at(address, ring.length)
    if is_true(visit.seen, address, ring.length):
        put_line(b'", and the server says so too')
    else:
        put_line(b'", but the server says something else')
        notify(FAILED)


@compiled
def notified(channel: u32) -> None:
    if channel != CLIENT:
        return
    while take_entry(ring):
        read_greeting()
        visit.seen += 1
        release_entry(ring)
        notify(CLIENT)
    if visit.seen == GREETINGS:
        put_line(b"visitor:  that was the last one, goodbye")
        notify(FINISHED)

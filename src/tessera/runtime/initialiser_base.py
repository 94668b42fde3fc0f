# SPDX-License-Identifier: BSD-2-Clause
"""What all steps of the initialiser share: the distribution, its own slots, and how a failure is told."""

from __future__ import annotations

from typing import NoReturn

from tessera.abi.capabilities import InitialSlot
from tessera.abi.errors import Error
from tessera.abi.objects import WORD_BITS
from tessera.lang import at, compiled, size_of, static, struct, u64
from tessera.runtime.console import put, put_line, put_text_at
from tessera.runtime.errors import put_error
from tessera.runtime.initialiser_memory import take_slot
from tessera.runtime.machine import stop
from tessera.runtime.spec import ABSENT, Header, ObjectEntry, ThreadEntry


@struct
class Start:
    """What the initialiser works with: the address of the distribution.

    Object ``i`` is in slot ``first + i``; behind them come further capabilities of frames that are mapped twice.
    """

    spec: u64


@struct
class Progress:
    """Slots of the initialiser's own CNode."""

    first: u64
    copies: u64
    copies_end: u64
    temporary: u64
    moved: u64


start: Start = static(Start)
progress: Progress = static(Progress)

CNODE = u64(InitialSlot.CNODE)
DEPTH = WORD_BITS


@compiled
def fail(error: Error, step: bytes, name: u64) -> NoReturn:
    """Tell which step failed for which object, and stop."""
    put(b"INITIALISER|ERROR: cannot ")
    put(step)
    if name != ABSENT:
        put(b' "')
        put_text_at(start.spec + name)
        put(b'"')
    put(b": ")
    put_error(error)
    put_line(b"")
    while True:
        stop()


@compiled
def check(error: Error, step: bytes, number: u64) -> None:
    """Stop unless a step succeeded; ``number`` is the object it was about."""
    if error != Error.NO_ERROR:
        fail(error, step, object_entry(number).name)


@compiled
def header() -> Header:
    """The start of the distribution."""
    return at(Header, start.spec)


@compiled
def object_entry(number: u64) -> ObjectEntry:
    """What is said of an object."""
    return at(ObjectEntry, start.spec + header().objects.offset + number * size_of(ObjectEntry))


@compiled
def slot_of(number: u64) -> u64:
    """The slot of an object's first capability."""
    return progress.first + number


@compiled
def slot_or_null(number: u64) -> u64:
    """The slot of an object that may be absent."""
    return u64(InitialSlot.NULL) if number == ABSENT else slot_of(number)


@compiled
def need_slot() -> u64:
    """An empty slot, or the end."""
    slot = take_slot()
    if slot == 0:
        fail(Error.NOT_ENOUGH_MEMORY, b"go on: the initialiser's CNode is full", ABSENT)
    return slot


@compiled
def thread_entry(number: u64) -> ThreadEntry:
    """A thread, the one with the highest priority first."""
    return at(ThreadEntry, start.spec + header().threads.offset + number * size_of(ThreadEntry))

# SPDX-License-Identifier: BSD-2-Clause
"""Message Passing: message words in registers and in IPC buffers (manual: Message Passing, IPC buffer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tessera.abi.messages import MAX_EXTRA_CAPS, MAX_MESSAGE_LENGTH, REGISTER_MESSAGE_WORDS, IpcBuffer, MessageInfo
from tessera.abi.objects import PAGE_BITS, PAGE_TABLE_INDEX_BITS, WORD_BYTES
from tessera.lang import offset_of
from tessera.spec.capability import FrameCap
from tessera.spec.objects import BUFFER, Thread
from tessera.spec.state import Kernel

MESSAGE_REGISTERS = ("a2", "a3", "a4", "a5")
BADGE = "a0"
INFO = "a1"


def _shape(name: str) -> tuple[int, int]:
    layout: Any = MessageInfo
    spec = layout.__packed__.fields()[name]
    return int(spec.low), (1 << spec.width) - 1


_LENGTH, _EXTRA, _UNWRAPPED, _LABEL = (_shape(n) for n in ("length", "extra_caps", "caps_unwrapped", "label"))

# Where the parts of an IPC buffer are, in bytes.
WORDS = int(offset_of(IpcBuffer, "message"))
CAPS = int(offset_of(IpcBuffer, "caps"))
RECEIVE_CNODE = int(offset_of(IpcBuffer, "receive_cnode"))
RECEIVE_INDEX = int(offset_of(IpcBuffer, "receive_index"))
RECEIVE_DEPTH = int(offset_of(IpcBuffer, "receive_depth"))


@dataclass(frozen=True, slots=True)
class Info:
    """The shape of a message: label, words, and capabilities sent or unwrapped."""

    label: int = 0
    length: int = 0
    extra_caps: int = 0
    unwrapped: int = 0

    @classmethod
    def of(cls, word: int) -> Info:
        """What a register says; no message is longer than 120 words."""
        length = min(word >> _LENGTH[0] & _LENGTH[1], MAX_MESSAGE_LENGTH)
        return cls(word >> _LABEL[0] & _LABEL[1], length, word >> _EXTRA[0] & _EXTRA[1])

    @property
    def word(self) -> int:
        """The register's value."""
        return (
            self.label << _LABEL[0]
            | self.length << _LENGTH[0]
            | self.extra_caps << _EXTRA[0]
            | self.unwrapped << _UNWRAPPED[0]
        )


def frame_bits(level: int) -> int:
    """The size of a frame, by the level of the table that maps it: 12, 21, 30."""
    return PAGE_BITS + PAGE_TABLE_INDEX_BITS * level


def buffer_of(thread: Thread, for_write: bool) -> int | None:
    """Where a thread's IPC buffer is; ``None`` without one, or where its frame lacks the right."""
    cap = thread.own.slots.get(BUFFER)
    if not isinstance(cap, FrameCap) or cap.is_device or not cap.can_read or (for_write and not cap.can_write):
        return None
    return cap.base + (thread.buffer_address & ((1 << frame_bits(cap.level)) - 1))


def room(buffer: int | None, length: int) -> int:
    """How many of so many words there is a place for."""
    return length if buffer is not None else min(length, REGISTER_MESSAGE_WORDS)


def read(k: Kernel, thread: Thread, buffer: int | None, count: int) -> list[int]:
    """The first words of the message that a thread sends, as many as it has a place for."""
    words = [thread.registers[name] for name in MESSAGE_REGISTERS[:count]]
    if buffer is not None:
        words += [k.read_word(buffer + WORDS + i * WORD_BYTES) for i in range(REGISTER_MESSAGE_WORDS, count)]
    return words


def write(k: Kernel, thread: Thread, buffer: int | None, words: Sequence[int]) -> int:
    """Give a thread the words of a message, as many as it has a place for. Gives how many that are."""
    for index, word in enumerate(words):
        if index < REGISTER_MESSAGE_WORDS:
            thread.registers[MESSAGE_REGISTERS[index]] = word
        elif buffer is not None:
            k.write_word(buffer + WORDS + index * WORD_BYTES, word)
    return room(buffer, len(words))


def sent_caps(k: Kernel, buffer: int | None, count: int) -> list[int]:
    """The capability pointers that a message carries."""
    if buffer is None:
        return []
    return [k.read_word(buffer + CAPS + i * WORD_BYTES) for i in range(min(count, MAX_EXTRA_CAPS))]

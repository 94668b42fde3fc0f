# SPDX-License-Identifier: BSD-2-Clause
"""The server: one protected procedure, a number in and a greeting out. Its page ``secret`` is mapped by nobody else.

The answer: label 0, word 0 the length of the text in bytes, then the text, eight bytes in each word. Label 1: there is
no greeting of this number.
"""

from __future__ import annotations

from tessera.lang import Array, array, at, compiled, range, static, struct, u32, u64
from tessera.runtime.console import put, put_decimal, put_line
from tessera.runtime.microkit import MessageInfo, Variable, message_word, set_message_word

GREETINGS = 6
NO_SUCH_GREETING = 1

secret_vaddr: Variable = static(Variable, name="secret_vaddr")


@struct
class Secret:
    """What only the server knows: how often each greeting was asked for."""

    asked: Array[u64] = array(GREETINGS)


@compiled
def init() -> None:
    put(b"server:   ready, with ")
    put_decimal(GREETINGS)
    put_line(b" greetings")


@compiled
def answer(text: bytes) -> MessageInfo:
    """Lay a text into the message."""
    length = u64(len(text))
    words = (length + 7) // 8
    set_message_word(0, length)
    for i in range(words):
        word = u64(0)
        for k in range(8):
            if 8 * i + k < length:
                word = word | (u64(text[8 * i + k]) << (8 * k))
        set_message_word(1 + i, word)
    return MessageInfo(length=1 + words)


@compiled
def protected(channel: u32, info: MessageInfo) -> MessageInfo:
    number = message_word(0)
    if info.length != 1 or number >= GREETINGS:
        return MessageInfo(label=NO_SUCH_GREETING)
    secret = at(Secret, secret_vaddr.value)
    secret.asked[number] = secret.asked[number] + 1
    match number:
        case 0:
            return answer(b"Salve, mundus!")
        case 1:
            return answer(b"Guten Tag, Welt!")
        case 2:
            return answer(b"Bonjour, le monde !")
        case 3:
            return answer(b"Hello, world!")
        case 4:
            return answer(b"Hola, mundo.")
        case _:
            return answer(b"Ciao, mondo!")

# SPDX-License-Identifier: BSD-2-Clause
"""Calls the passive server, and signals it."""

from __future__ import annotations

from tessera.lang import compiled
from tessera.runtime.console import put, put_decimal, put_line
from tessera.runtime.microkit import MessageInfo, message_word, notify, ppcall, set_message_word

CALL = 1
SIGNAL = 2


@compiled
def init() -> None:
    set_message_word(0, 100)
    answer = ppcall(CALL, MessageInfo(label=41, length=1))
    put(b"second: label ")
    put_decimal(answer.label)
    put(b", total ")
    put_decimal(message_word(0))
    put_line(b"")
    notify(SIGNAL)
    put_line(b"second: signalled")

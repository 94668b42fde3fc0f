# SPDX-License-Identifier: BSD-2-Clause
"""Receives the token, compares it with the counter, and ends the run."""

from __future__ import annotations

from tessera.lang import at, compiled, static, struct, truncate, u32, u64
from tessera.runtime.console import put, put_decimal, put_line
from tessera.runtime.microkit import MessageInfo, Variable, message_word, notify, ppcall, set_message_word

FIRST = 1000

in_vaddr: Variable = static(Variable, name="in_vaddr")
counter_channel: Variable = static(Variable, name="counter_channel")
good_channel: Variable = static(Variable, name="good_channel")
bad_channel: Variable = static(Variable, name="bad_channel")


@struct
class Token:
    """What goes through the stations."""

    value: u64


@compiled
def notified(channel: u32) -> None:
    passed = at(Token, in_vaddr.value).value - FIRST
    set_message_word(0, 0)
    ppcall(truncate(u32, counter_channel.value), MessageInfo(label=0, length=1))
    counted = message_word(0)
    put(b"sink: the token has passed ")
    put_decimal(passed)
    put(b" stations; the counter says ")
    put_decimal(counted)
    put_line(b"")
    result = good_channel.value if passed == counted and passed > 0 else bad_channel.value
    notify(truncate(u32, result))

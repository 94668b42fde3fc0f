# SPDX-License-Identifier: BSD-2-Clause
"""Adds up what its callers send, on their time: it is passive."""

from __future__ import annotations

from tessera.lang import compiled, static, struct, u32, u64
from tessera.runtime.microkit import MessageInfo, message_word, set_message_word


@struct
class Total:
    """The sum so far."""

    value: u64


total: Total = static(Total)


@compiled
def protected(channel: u32, info: MessageInfo) -> MessageInfo:
    """One word is added; the answer is the sum."""
    total.value += message_word(0)
    set_message_word(0, total.value)
    return MessageInfo(label=0, length=1)

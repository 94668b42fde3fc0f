# SPDX-License-Identifier: BSD-2-Clause
"""What a component does where it does not define it itself. A component that is never called needs no ``protected``.

``init`` may be left out too. A signal that nobody handles would be lost without a trace, so a component that is
signalled without defining ``notified`` stops, as one that is called without defining ``protected`` does: the monitor
tells where.
"""

from __future__ import annotations

from tessera.abi.messages import MessageInfo
from tessera.lang import address_of, compiled, u32, u64
from tessera.runtime.console import put, put_decimal, put_line, put_text_at
from tessera.runtime.machine import stop
from tessera.runtime.microkit import FaultReply, name


@compiled
def refuse(event: bytes, channel: u32, function: bytes) -> None:
    """Tell what happened that the component is not made for, and stop it."""
    put_text_at(address_of(name))
    put(b"|ERROR: ")
    put(event)
    put_decimal(u64(channel))
    put(b", but the program does not define ")
    put_line(function)
    stop()


@compiled(symbol="init")
def init() -> None:
    """Nothing to prepare."""


@compiled(symbol="notified")
def notified(channel: u32) -> None:
    """A signal for which the program has no function."""
    refuse(b"signalled on channel ", channel, b"notified")


@compiled(symbol="protected")
def protected(channel: u32, info: MessageInfo) -> MessageInfo:
    """A call for which the program has no function."""
    refuse(b"called on channel ", channel, b"protected")
    return info


@compiled(symbol="fault")
def fault(child: u32, info: MessageInfo, reply: FaultReply) -> bool:
    """A fault of a child for which the program has no function."""
    refuse(b"fault of child ", child, b"fault")
    return False

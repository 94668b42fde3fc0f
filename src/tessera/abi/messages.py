# SPDX-License-Identifier: BSD-2-Clause
"""The message info word, the IPC buffer, and the other words that calls carry (manual: Message Passing; IPC buffer)."""

from __future__ import annotations

from tessera.lang import Array, Packed, array, bits, packed, struct, u64

MAX_MESSAGE_LENGTH = 120
MAX_EXTRA_CAPS = 3

# Message registers that travel in machine registers, never through the IPC buffer.
REGISTER_MESSAGE_WORDS = 4


@packed(u64)
class MessageInfo(Packed):
    """The shape of a message: its label, words, and capabilities sent or unwrapped on the way."""

    length: u64 = bits(0, 7)
    extra_caps: u64 = bits(7, 2)
    caps_unwrapped: u64 = bits(9, 3)
    label: u64 = bits(12, 52)


@packed(u64)
class CapRights(Packed):
    """Rights as Copy, Mint and Page Map take them; the rest of the word is ignored."""

    write: bool = bits(0, 1)
    read: bool = bits(1, 1)
    grant: bool = bits(2, 1)
    grant_reply: bool = bits(3, 1)


@packed(u64)
class CNodeData(Packed):
    """The badge argument of Mint and Mutate when the capability is to a CNode: a new guard."""

    guard_size: u64 = bits(0, 6)
    guard: u64 = bits(6, 58)


@struct(size=1024, alignment=1024)
class IpcBuffer:
    """Memory that a thread shares with the kernel. ``caps`` holds capability pointers to send, and badges received."""

    tag: u64
    message: Array[u64] = array(MAX_MESSAGE_LENGTH)
    user_data: u64
    caps: Array[u64] = array(MAX_EXTRA_CAPS)
    receive_cnode: u64
    receive_index: u64
    receive_depth: u64


@struct
class UserContext:
    """Registers of a thread, in the order of faults.USER_CONTEXT."""

    pc: u64
    ra: u64
    sp: u64
    gp: u64
    s0: u64
    s1: u64
    s2: u64
    s3: u64
    s4: u64
    s5: u64
    s6: u64
    s7: u64
    s8: u64
    s9: u64
    s10: u64
    s11: u64
    a0: u64
    a1: u64
    a2: u64
    a3: u64
    a4: u64
    a5: u64
    a6: u64
    a7: u64
    t0: u64
    t1: u64
    t2: u64
    t3: u64
    t4: u64
    t5: u64
    t6: u64
    tp: u64

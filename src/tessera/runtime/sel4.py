# SPDX-License-Identifier: BSD-2-Clause
"""System calls and the IPC buffer (manual: System Calls; Message Passing).

The first four words of a message travel in registers, the others in the IPC buffer. Calls whose names end in
``message`` keep all words in the buffer, as the C interface does: the words that travel in registers are taken from
there before, and put there afterwards.
"""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.messages import IpcBuffer, MessageInfo
from tessera.abi.syscalls import THREAD_NAME_BYTES, Syscall
from tessera.lang import address_of, at, compiled, offset_of, range, static, struct, u8, u64
from tessera.runtime.machine import Received, debug_call, system_call, system_call_reply, system_call_send


@struct
class ThreadEnvironment:
    """What a thread knows of itself: the IPC buffer that it shares with the kernel."""

    ipc_buffer: IpcBuffer


# The name is that of the C interface, so that both languages use the same variable.
environment: ThreadEnvironment = static(ThreadEnvironment, name="__sel4_ipc_buffer")


@compiled
def message_info(label: u64, extra_caps: u64, length: u64) -> MessageInfo:
    """The shape of a message."""
    return MessageInfo(label=label, extra_caps=extra_caps, length=length)


@compiled
def set_message_word(index: u64, value: u64) -> None:
    """Set a word of the next message."""
    environment.ipc_buffer.message[index] = value


@compiled
def message_word(index: u64) -> u64:
    """A word of the last message."""
    return environment.ipc_buffer.message[index]


@compiled
def set_cap(index: u64, cap: u64) -> None:
    """Send a capability along with the next message."""
    environment.ipc_buffer.caps[index] = cap


@compiled
def set_receive_path(cnode: u64, index: u64, depth: u64) -> None:
    """Choose the slot that receives a capability."""
    buffer = environment.ipc_buffer
    buffer.receive_cnode = cnode
    buffer.receive_index = index
    buffer.receive_depth = depth


# Calls with their words in registers


@compiled(inline="always")
def call(cap: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64) -> Received:
    """Send, and wait for the reply."""
    return system_call(cap, info, word0, word1, word2, word3, Syscall.CALL)


@compiled(inline="always")
def send(cap: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64) -> None:
    """Send, and wait until the message is taken."""
    system_call(cap, info, word0, word1, word2, word3, Syscall.SEND)


@compiled(inline="always")
def nb_send(cap: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64) -> None:
    """Send if somebody waits for it; otherwise the message is lost."""
    system_call(cap, info, word0, word1, word2, word3, Syscall.NB_SEND)


@compiled(inline="always")
def signal(cap: u64) -> None:
    """Signal a notification."""
    system_call(cap, MessageInfo(), 0, 0, 0, 0, Syscall.SEND)


@compiled(inline="always")
def recv(cap: u64, reply: u64) -> Received:
    """Wait for a message; the right to answer a call goes into the reply object."""
    return system_call_reply(cap, MessageInfo(), 0, 0, 0, 0, Syscall.RECV, reply)


@compiled(inline="always")
def nb_recv(cap: u64, reply: u64) -> Received:
    """Take a message if there is one; the badge is 0 if not."""
    return system_call_reply(cap, MessageInfo(), 0, 0, 0, 0, Syscall.NB_RECV, reply)


@compiled(inline="always")
def reply_recv(cap: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64, reply: u64) -> Received:
    """Answer the call that the reply object stands for, and wait for the next message."""
    return system_call_reply(cap, info, word0, word1, word2, word3, Syscall.REPLY_RECV, reply)


@compiled(inline="always")
def nb_send_recv(
    destination: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64, cap: u64, reply: u64
) -> Received:
    """Send if somebody waits for it, and wait for the next message, in one step."""
    return system_call_send(cap, info, word0, word1, word2, word3, Syscall.NB_SEND_RECV, reply, destination)


@compiled(inline="always")
def nb_send_wait(
    destination: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64, cap: u64
) -> Received:
    """Send if somebody waits for it, and wait without a reply object, in one step."""
    # The destination is in the register that other calls have their reply object in.
    return system_call_reply(cap, info, word0, word1, word2, word3, Syscall.NB_SEND_WAIT, destination)


@compiled(inline="always")
def wait(cap: u64) -> Received:
    """Wait for a signal, or for a message that is not a call."""
    return system_call(cap, MessageInfo(), 0, 0, 0, 0, Syscall.WAIT)


@compiled(inline="always")
def nb_wait(cap: u64) -> Received:
    """Take a signal if there is one; the badge is 0 if not."""
    return system_call(cap, MessageInfo(), 0, 0, 0, 0, Syscall.NB_WAIT)


@compiled
def yield_processor() -> None:
    """Give up the rest of this period's budget."""
    debug_call(0, Syscall.YIELD)


# Calls with their words in the IPC buffer


@compiled
def keep_words(received: Received) -> None:
    """Put the words that came in registers into the IPC buffer."""
    buffer = environment.ipc_buffer
    buffer.message[0] = received.word0
    buffer.message[1] = received.word1
    buffer.message[2] = received.word2
    buffer.message[3] = received.word3


@compiled
def call_message(cap: u64, info: MessageInfo) -> MessageInfo:
    """Send, and wait for the reply."""
    m = environment.ipc_buffer
    received = call(cap, info, m.message[0], m.message[1], m.message[2], m.message[3])
    keep_words(received)
    return received.info


@compiled
def reply_recv_message(cap: u64, info: MessageInfo, reply: u64) -> Received:
    """Answer, and wait for the next message."""
    m = environment.ipc_buffer
    received = reply_recv(cap, info, m.message[0], m.message[1], m.message[2], m.message[3], reply)
    keep_words(received)
    return received


@compiled
def nb_send_recv_message(destination: u64, info: MessageInfo, cap: u64, reply: u64) -> Received:
    """Send a signal or an acknowledgement that has no words, and wait for the next message."""
    received = nb_send_recv(destination, info, 0, 0, 0, 0, cap, reply)
    keep_words(received)
    return received


@compiled
def recv_message(cap: u64, reply: u64) -> Received:
    """Wait for a message."""
    received = recv(cap, reply)
    keep_words(received)
    return received


# Debugging calls; a release kernel does not know them, so a release build does not contain them.


@compiled
def debug_put_character(character: u8) -> None:
    """Write one byte to the kernel's console."""
    if configuration.debug:
        debug_call(u64(character), Syscall.DEBUG_PUT_CHAR)


@compiled
def debug_identify(cap: u64) -> u64:
    """The kernel's number for the kind of a capability, 0 for an empty slot; always 0 in a release build."""
    if configuration.debug:
        return debug_call(cap, Syscall.DEBUG_CAP_IDENTIFY)
    return u64(0)


@struct
class TextByte:
    """One byte of a text in memory."""

    value: u8


@compiled
def debug_name_thread(tcb: u64, name: u64) -> None:
    """Tell the kernel the name of a thread: the address of a text that ends with a zero byte, at most 63 before it."""
    if configuration.debug:
        words = address_of(environment.ipc_buffer) + offset_of(IpcBuffer, "message")
        for i in range(THREAD_NAME_BYTES):
            character = at(TextByte, name + i).value
            at(TextByte, words + i).value = character
            if character == 0:
                break
        at(TextByte, words + (THREAD_NAME_BYTES - 1)).value = 0
        debug_call(tcb, Syscall.DEBUG_NAME_THREAD)

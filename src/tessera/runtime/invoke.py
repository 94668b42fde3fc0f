# SPDX-License-Identifier: BSD-2-Clause
"""How kernel objects are invoked: one message there, one back, whose label is the error (manual: Errors).

The calls themselves are in ``memory`` and ``threads``. ``tests/runtime/test_invocations.py`` compares each of them with
the table ``abi.invocations``: the order of arguments is declared there.
"""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.faults import USER_CONTEXT
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import REGISTER_MESSAGE_WORDS, UserContext
from tessera.lang import Array, address_of, array, at, compiled, range, record, static, struct, u64
from tessera.runtime.sel4 import call, environment, keep_words, message_info

CONTEXT_WORDS = len(USER_CONTEXT)


@struct
class Failure:
    """Details of the last invocation that failed: the words of its reply (abi.errors.ERROR_DETAILS)."""

    words: Array[u64] = array(REGISTER_MESSAGE_WORDS)


last_failure: Failure = static(Failure)


@record
class Answer:
    """A result that is one word; it means nothing if there is an error."""

    error: Error
    value: u64


@struct
class ContextWords:
    """The registers of a thread by number, in the order of ``UserContext``."""

    word: Array[u64] = array(CONTEXT_WORDS)


@compiled
def ask(
    service: u64, label: InvocationLabel, caps: u64, length: u64, word0: u64, word1: u64, word2: u64, word3: u64
) -> Answer:
    """Invoke an object whose answer is one word."""
    received = call(service, message_info(u64(label), caps, length), word0, word1, word2, word3)
    error = Error(received.info.label)
    if error != Error.NO_ERROR:
        last_failure.words[0] = received.word0
        last_failure.words[1] = received.word1
        last_failure.words[2] = received.word2
        last_failure.words[3] = received.word3
    return Answer(error, received.word0)


@compiled
def invoke(
    service: u64, label: InvocationLabel, caps: u64, length: u64, word0: u64, word1: u64, word2: u64, word3: u64
) -> Error:
    """Invoke an object that answers with an error or nothing."""
    return ask(service, label, caps, length, word0, word1, word2, word3).error


@compiled
def put_context(registers: UserContext, first: u64) -> None:
    """Lay registers into the message from word ``first`` on, as far as they do not travel in registers themselves."""
    context = at(ContextWords, address_of(registers))
    buffer = environment.ipc_buffer
    for i in range(CONTEXT_WORDS):
        if first + i >= REGISTER_MESSAGE_WORDS:
            buffer.message[first + i] = context.word[i]


@compiled
def read_context(service: u64, suspend: bool, flags: u64, count: u64, registers: UserContext) -> Error:
    """Read the first ``count`` registers of a thread."""
    info = message_info(u64(InvocationLabel.TCB_READ_REGISTERS), 0, 2)
    received = call(service, info, u64(suspend) | (flags << 8), count, 0, 0)
    keep_words(received)
    error = Error(received.info.label)
    if error == Error.NO_ERROR:
        context = at(ContextWords, address_of(registers))
        for i in range(CONTEXT_WORDS):
            if i < count:
                context.word[i] = environment.ipc_buffer.message[i]
    return error

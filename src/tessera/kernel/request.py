# SPDX-License-Identifier: BSD-2-Clause
"""The system call being handled: what was asked, and why it failed (manual: System Calls; Errors).

Two kinds of failure are told apart in the type: :class:`Status` ``ERROR`` is told to the caller in its reply message,
``PREEMPTED`` makes the call start again later. Faults are not failures of a request; they go to the fault handler.
"""

from __future__ import annotations

from enum import IntEnum

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.messages import MAX_MESSAGE_LENGTH
from tessera.kernel.layout import IpcBuffer, Slot
from tessera.lang import Array, array, compiled, invariant, live, specification, static, struct, u64, word


@word(u64)
class Status(IntEnum):
    """How an operation ended."""

    OK = 0
    ERROR = 1
    PREEMPTED = 2


EXTRA_CAPS = 3


@struct
class Request:
    """``slot`` holds the capability invoked, ``extra`` the capabilities passed. ``reply_length`` counts results."""

    label: u64
    length: u64
    slot: Slot
    buffer: IpcBuffer | None
    is_call: bool
    reply_length: u64
    extra: Array[Slot | None] = array(EXTRA_CAPS)
    # The error to be told, and its message words.
    error: Error
    error_words: Array[u64] = array(2)
    # The lookup that failed last, as the words of a fault message: type, then its details.
    failure: LookupFailure
    failure_words: Array[u64] = array(3)
    # The capability pointer that was looked up.
    failed_address: u64


request: Request = static(Request)


@specification
def request_is_good() -> bool:
    """Whether what the request refers to is there. Deleting capabilities can end it, so that this is no invariant."""
    return (
        (request.buffer is None or live(request.buffer))
        and (request.extra[0] is None or live(request.extra[0]))
        and (request.extra[1] is None or live(request.extra[1]))
        and (request.extra[2] is None or live(request.extra[2]))
    )


@invariant
def answer_is_a_message() -> bool:
    """An answer has no more words than a message."""
    return request.reply_length <= MAX_MESSAGE_LENGTH


@compiled
def fail(error: Error) -> Status:
    """Note an error without details."""
    request.error = error
    return Status.ERROR


@specification
def is_illegal(status: Status) -> bool:
    """Whether an operation is none of the object's."""
    return status == Status.ERROR and request.error == Error.ILLEGAL_OPERATION


@compiled
def invalid_argument(number: u64) -> Status:
    """Argument ``number`` (from 0) makes no sense."""
    request.error_words[0] = number
    return fail(Error.INVALID_ARGUMENT)


@compiled
def invalid_capability(number: u64) -> Status:
    """Capability ``number`` is of the wrong kind: 0 is the one invoked, the passed ones follow."""
    request.error_words[0] = number
    return fail(Error.INVALID_CAPABILITY)


@compiled
def range_error(least: u64, greatest: u64) -> Status:
    """An argument lies outside of ``least`` to ``greatest``."""
    request.error_words[0] = least
    request.error_words[1] = greatest
    return fail(Error.RANGE_ERROR)


@compiled
def failed_lookup(was_source: bool) -> Status:
    """A slot of a CNode operation was not found; ``request.failure`` says why."""
    request.error_words[0] = u64(was_source)
    return fail(Error.FAILED_LOOKUP)


@compiled
def not_enough_memory(bytes_left: u64) -> Status:
    """An untyped has only so many bytes left."""
    request.error_words[0] = bytes_left
    return fail(Error.NOT_ENOUGH_MEMORY)


@compiled
def lookup_invalid_root() -> None:
    """The root of a lookup is no CNode."""
    request.failure = LookupFailure.INVALID_ROOT


@compiled
def lookup_missing_capability(bits_left: u64) -> None:
    """The slot is empty."""
    request.failure = LookupFailure.MISSING_CAPABILITY
    request.failure_words[0] = bits_left


@compiled
def lookup_depth_mismatch(bits_left: u64, bits_found: u64) -> None:
    """A CNode resolves more bits than are left."""
    request.failure = LookupFailure.DEPTH_MISMATCH
    request.failure_words[0] = bits_left
    request.failure_words[1] = bits_found


@compiled
def lookup_guard_mismatch(bits_left: u64, guard: u64, guard_size: u64) -> None:
    """A CNode's guard is not what the address has in its place."""
    request.failure = LookupFailure.GUARD_MISMATCH
    request.failure_words[0] = bits_left
    request.failure_words[1] = guard
    request.failure_words[2] = guard_size

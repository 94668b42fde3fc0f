# SPDX-License-Identifier: BSD-2-Clause
"""Errors of the kernel in words, on the console (manual: Errors)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.lang import compiled
from tessera.runtime.console import put, put_decimal, put_hexadecimal
from tessera.runtime.invoke import last_failure


@compiled
def put_error(error: Error) -> None:
    """Print what an error means, with the details that the kernel gave."""
    match error:
        case Error.NO_ERROR:
            put(b"no error")
        case Error.INVALID_ARGUMENT:
            put(b"invalid argument number ")
            put_decimal(last_failure.words[0])
        case Error.INVALID_CAPABILITY:
            put(b"invalid capability number ")
            put_decimal(last_failure.words[0])
            put(b" (0 is the invoked one)")
        case Error.ILLEGAL_OPERATION:
            put(b"the operation is not allowed for this object as it is now")
        case Error.RANGE_ERROR:
            put(b"an argument is out of range: it must be between ")
            put_hexadecimal(last_failure.words[0])
            put(b" and ")
            put_hexadecimal(last_failure.words[1])
        case Error.ALIGNMENT_ERROR:
            put(b"an address is not aligned")
        case Error.FAILED_LOOKUP:
            put(b"a capability or page table was not found, lookup failure ")
            put_decimal(last_failure.words[1])
        case Error.TRUNCATED_MESSAGE:
            put(b"the message is too short")
        case Error.DELETE_FIRST:
            put(b"the place is taken already")
        case Error.REVOKE_FIRST:
            put(b"objects or capabilities that were derived are still there")
        case Error.NOT_ENOUGH_MEMORY:
            put(b"not enough memory: ")
            put_decimal(last_failure.words[0])
            put(b" bytes were left")

# SPDX-License-Identifier: BSD-2-Clause
"""Errors of an invocation and why a capability lookup failed (manual: Errors; Lookup Failure Description).

The label of a reply is an :class:`Error`; :data:`ERROR_DETAILS` says what the message registers then hold.
"""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import u64, word


@word(u64)
class Error(IntEnum):
    """The label of the reply to an invocation."""

    NO_ERROR = 0
    INVALID_ARGUMENT = 1
    INVALID_CAPABILITY = 2
    ILLEGAL_OPERATION = 3
    RANGE_ERROR = 4
    ALIGNMENT_ERROR = 5
    FAILED_LOOKUP = 6
    TRUNCATED_MESSAGE = 7
    DELETE_FIRST = 8
    REVOKE_FIRST = 9
    NOT_ENOUGH_MEMORY = 10


@word(u64)
class LookupFailure(IntEnum):
    """Why resolving a capability pointer failed."""

    NO_FAILURE = 0
    INVALID_ROOT = 1
    MISSING_CAPABILITY = 2
    DEPTH_MISMATCH = 3
    GUARD_MISMATCH = 4


# What the message registers of an error reply hold, from register 0; an error that is not here has no registers.
# After the failure type of FAILED_LOOKUP follow the registers of LOOKUP_FAILURE_DETAILS.
ERROR_DETAILS: dict[Error, tuple[str, ...]] = {
    Error.INVALID_ARGUMENT: ("number of the argument, from 0",),
    Error.INVALID_CAPABILITY: ("number of the capability: 0 is the invoked one, n the n-th extra one",),
    Error.RANGE_ERROR: ("least value allowed", "greatest value allowed"),
    Error.FAILED_LOOKUP: ("1 if the source of a copy was looked up, else 0", "lookup failure type"),
    Error.NOT_ENOUGH_MEMORY: ("bytes left in the untyped",),
}

# The registers that follow a lookup failure type, both in an error reply and in a capability fault.
LOOKUP_FAILURE_DETAILS: dict[LookupFailure, tuple[str, ...]] = {
    LookupFailure.INVALID_ROOT: (),
    LookupFailure.MISSING_CAPABILITY: ("bits left",),
    LookupFailure.DEPTH_MISMATCH: ("bits left", "bits of the level that were too many"),
    LookupFailure.GUARD_MISMATCH: ("bits left", "guard found", "bits of the guard found"),
}

# One sentence for a person.
ERROR_MEANING: dict[Error, str] = {
    Error.NO_ERROR: "the operation was done",
    Error.INVALID_ARGUMENT: "an argument is not valid",
    Error.INVALID_CAPABILITY: "a capability is of the wrong kind or in the wrong state",
    Error.ILLEGAL_OPERATION: "the object does not allow this operation",
    Error.RANGE_ERROR: "an argument is out of range",
    Error.ALIGNMENT_ERROR: "an address is not aligned",
    Error.FAILED_LOOKUP: "a slot or a paging structure on the way was not found",
    Error.TRUNCATED_MESSAGE: "the message has too few words or capabilities",
    Error.DELETE_FIRST: "the destination is occupied",
    Error.REVOKE_FIRST: "the object still has other capabilities",
    Error.NOT_ENOUGH_MEMORY: "the untyped has too little free memory",
}

LOOKUP_FAILURE_MEANING: dict[LookupFailure, str] = {
    LookupFailure.NO_FAILURE: "nothing failed",
    LookupFailure.INVALID_ROOT: "the root of the capability space is not a CNode",
    LookupFailure.MISSING_CAPABILITY: "the slot is empty",
    LookupFailure.DEPTH_MISMATCH: "the address has too few bits for the CNode it leads to",
    LookupFailure.GUARD_MISMATCH: "the address does not match the guard of a CNode",
}

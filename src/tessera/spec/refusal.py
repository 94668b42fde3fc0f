# SPDX-License-Identifier: BSD-2-Clause
"""Errors: why an invocation is refused, and why a lookup fails (manual: Errors; Lookup Failure Description)."""

from __future__ import annotations

from tessera.abi.errors import Error, LookupFailure


class LookupFailed(Exception):
    """An address leads to no slot: the words that describe it, the type first."""

    def __init__(self, kind: LookupFailure, *details: int) -> None:
        super().__init__(kind, details)
        self.words = (int(kind), *details)


class Refused(Exception):
    """The error that is told to a caller, with the words that go with it. Nothing was changed."""

    def __init__(self, error: Error, *words: int) -> None:
        super().__init__(error, words)
        self.error = error
        self.words = words


class CapabilityFault(Exception):
    """A system call names a capability that is not there: its address, the phase, and why the lookup failed."""

    def __init__(self, address: int, receiving: bool, why: LookupFailed) -> None:
        super().__init__(address, receiving)
        self.words = (address, int(receiving), *why.words)


def illegal_operation() -> Refused:
    """The object does not allow this."""
    return Refused(Error.ILLEGAL_OPERATION)


def truncated() -> Refused:
    """The message has too few words or capabilities."""
    return Refused(Error.TRUNCATED_MESSAGE)


def invalid_capability(number: int) -> Refused:
    """A capability is of the wrong kind: 0 is the invoked one."""
    return Refused(Error.INVALID_CAPABILITY, number)


def invalid_argument(number: int) -> Refused:
    """An argument makes no sense; from 0."""
    return Refused(Error.INVALID_ARGUMENT, number)


def out_of_range(least: int, greatest: int) -> Refused:
    """An argument lies outside of what is allowed."""
    return Refused(Error.RANGE_ERROR, least, greatest)


def failed_lookup(is_source: bool, why: LookupFailed) -> Refused:
    """A slot or paging structure was not found."""
    return Refused(Error.FAILED_LOOKUP, int(is_source), *why.words)

# SPDX-License-Identifier: BSD-2-Clause
"""What a case observed, as lines for the host: ``CASE|verdict|name`` and ``DIFF|what|expected|got``."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.lang import compiled, static, struct, u64
from tessera.runtime.invoke import last_failure
from tessera.suites.guest.console import put, put_number


@struct
class Verdict:
    """How the running case and the whole suite stand."""

    differs: bool
    passed: u64
    failed: u64


verdict: Verdict = static(Verdict)


@compiled
def differ(what: bytes, expected: u64, got: u64) -> None:
    """Note that something is not as it has to be."""
    verdict.differs = True
    put(b"DIFF|")
    put(what)
    put(b"|")
    put_number(expected)
    put(b"|")
    put_number(got)
    put(b"\n")


@compiled
def equal(what: bytes, expected: u64, got: u64) -> None:
    """Require that two numbers are equal."""
    if expected != got:
        differ(what, expected, got)


@compiled
def true(what: bytes, condition: bool) -> None:
    """Require that something holds."""
    equal(what, 1, u64(condition))


@compiled
def false(what: bytes, condition: bool) -> None:
    """Require that something does not hold."""
    equal(what, 0, u64(condition))


@compiled
def error(what: bytes, expected: Error, got: Error) -> None:
    """Require a result of an invocation."""
    equal(what, u64(expected), u64(got))


@compiled
def done(what: bytes, got: Error) -> None:
    """Require that an invocation succeeded."""
    error(what, Error.NO_ERROR, got)


@compiled
def detail(what: bytes, index: u64, expected: u64) -> None:
    """Require a word of the last error reply."""
    equal(what, expected, last_failure.words[index])


@compiled
def begin(name: bytes) -> None:
    """A case begins."""
    verdict.differs = False
    put(b"CASE|BEGIN|")
    put(name)
    put(b"\n")


@compiled
def end(name: bytes) -> None:
    """A case has ended."""
    if verdict.differs:
        verdict.failed += 1
        put(b"CASE|FAIL|")
    else:
        verdict.passed += 1
        put(b"CASE|PASS|")
    put(name)
    put(b"\n")

# SPDX-License-Identifier: BSD-2-Clause
"""Cases that must not pass: they show that the suite tells what it sees."""

from __future__ import annotations

from tessera.lang import compiled
from tessera.suites.conformance.catalogue import Case
from tessera.suites.guest.console import power_off
from tessera.suites.guest.objects import guest
from tessera.suites.guest.report import equal


@compiled
def good() -> None:
    """Passes."""
    equal(b"one", 1, 1)


@compiled
def differs() -> None:
    """Sees something else than it expects."""
    equal(b"the same", 7, 7)
    equal(b"one and two", 1, 2)


@compiled
def leaves_rubbish() -> None:
    """Makes it impossible to clean up."""
    guest.pool = 1 << 40


@compiled
def ends_the_run() -> None:
    """Switches the machine off in the middle."""
    power_off(True)


CASES = [Case(function.__name__, "", "", function) for function in (good, differs, leaves_rubbish, ends_the_run)]
AFTERWARDS = Case("never_reached", "", "", good)

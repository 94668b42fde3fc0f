# SPDX-License-Identifier: BSD-2-Clause
"""Calls that stop in between and are made again, and what they need for that."""

from __future__ import annotations

from collections.abc import Mapping

from tessera.build.kernel_memory import Words, fields_of
from tessera.kernel.layout import Tcb
from tessera.spec.cspace import find
from tessera.spec.objects import Thread
from tessera.spec.refusal import LookupFailed
from tessera.suites.fuzz.abstraction import SLOT_WORDS

_ROOT = fields_of(Tcb)["cspace_root"][0]


class Abandoned(Exception):
    """An operation stopped in between, and its thread does not go on with it: the whole cannot be compared."""


def slots_of_call(words: Words, caller: Thread, registers: Mapping[str, int]) -> list[int]:
    """The words with the capabilities through which a call is made: the root, and the one that is invoked."""
    # Where it sends and then receives from somewhere else, t0 says where it sends.
    address = registers.get("t0", registers.get("a0", 0))
    try:
        node, index = find(caller, address)
    except LookupFailed:
        return []
    return [words.named(caller.name) + _ROOT, words.named(node.name) + index * SLOT_WORDS]

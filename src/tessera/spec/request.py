# SPDX-License-Identifier: BSD-2-Clause
"""System Calls: what an invocation was asked (manual: System Calls; Message Passing)."""

from __future__ import annotations

from dataclasses import dataclass

from tessera.spec.capability import Capability
from tessera.spec.objects import Place, Thread
from tessera.spec.refusal import truncated
from tessera.spec.state import held


@dataclass(frozen=True, slots=True)
class Request:
    """An invocation: by whom, of the capability in which slot, with which words and capabilities."""

    caller: Thread
    place: Place
    label: int
    words: list[int]
    caps: list[Place]

    def need(self, words: int, caps: int = 0) -> None:
        """TRUNCATED_MESSAGE unless the message has so many words and capabilities."""
        if len(self.words) < words or len(self.caps) < caps:
            raise truncated()

    def cap(self, index: int) -> Capability | None:
        """What a slot passed holds."""
        return held(self.caps[index])


# The words of the answer to a call; nothing is said to others.
Result = list[int]

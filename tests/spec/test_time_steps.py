# SPDX-License-Identifier: BSD-2-Clause
"""Proofs of refinement leave steps of time out: these change nothing of what is compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tessera.proof.refinement import time_steps
from tessera.spec import objects
from tessera.suites.fuzz.campaign import Campaign
from tessera.suites.fuzz.world import Native


def view_of(k: Any) -> Any:
    """What of the abstract kernel is compared in proofs, as plain values."""
    found: dict[int, Any] = {}
    for name, thing in k.objects.items():
        match thing:
            case objects.Thread():
                found[name] = (
                    dict(thing.registers), thing.state, thing.waits_at, thing.reply, thing.fault, thing.bound,
                    thing.badge, thing.is_call, thing.can_grant, thing.can_grant_reply, thing.priority,
                    dict(thing.own.slots),
                )  # fmt: skip
            case objects.Endpoint():
                found[name] = list(thing.queue)
            case objects.Notification():
                found[name] = (list(thing.queue), thing.signals, thing.bound, thing.context)
            case objects.Reply():
                found[name] = thing.thread
            case objects.Node():
                found[name] = dict(thing.slots)
            case _:
                pass
    return found, dict(k.parent), {place: list(below) for place, below in k.children.items()}, set(k.original)


def test_steps_of_time_change_nothing_that_is_compared(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = Campaign(native, seed=3)
    seen: set[str] = set()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            before = view_of(campaign.world.k)
            result = function(*given, **named)
            assert view_of(campaign.world.k) == before, name
            seen.add(name)
            return result

        return call

    for module, name, function in time_steps():
        monkeypatch.setattr(module, name, watched(name, function))
    campaign.live(3, 400)
    assert {"can_run", "let_run", "wake_sporadic", "enter", "leave"} <= seen

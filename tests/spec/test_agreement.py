# SPDX-License-Identifier: BSD-2-Clause
"""The running kernel and the abstract one agree after every event; and a difference would be seen."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tessera.abi.errors import Error
from tessera.spec.objects import Thread
from tessera.suites.fuzz.agreement import differences
from tessera.suites.fuzz.campaign import Campaign
from tessera.suites.fuzz.world import Native, World, small_configuration

# A longer campaign: TESSERA_FUZZ_EVENTS=100000 pytest tests/spec/test_agreement.py
EVENTS = int(os.environ.get("TESSERA_FUZZ_EVENTS", "4000"))


@pytest.fixture(scope="module")
def native() -> Iterator[Native]:
    with small_configuration():
        found = Native()
        with found.module.memory:
            yield found


def test_random_system_calls(native: Native) -> None:
    result = Campaign(native, seed=1).run(EVENTS)
    assert not result.failures, "\n".join(str(failure) for failure in result.failures)
    assert result.calls >= EVENTS * 9 // 10
    assert result.succeeded > result.calls * 3 // 10
    assert {error for _, error in result.pairs} >= set(Error)


def test_a_difference_is_seen(native: Native) -> None:
    world = World(native)
    assert world.differences() == []
    thread = world.k.current
    assert isinstance(thread, Thread)
    thread.registers["s5"] ^= 1
    world.k.used += 1
    told = world.differences()
    assert len(told) == 2 and all("specified" in line for line in told)


def test_differences_name_the_place() -> None:
    assert differences({"a": (1, {"b": 2})}, {"a": (1, {"b": 3})}) == ["/a/1/b: specified 2, found 3"]

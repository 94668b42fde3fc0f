# SPDX-License-Identifier: BSD-2-Clause
"""The kernel as native code, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tessera.suites.fuzz.world import Native, small_configuration


@pytest.fixture(scope="session")
def built() -> Native:
    with small_configuration():
        return Native()


@pytest.fixture
def native(built: Native) -> Iterator[Native]:
    with small_configuration(), built.module.memory:
        yield built

# SPDX-License-Identifier: BSD-2-Clause
"""What all tests share.

Random tests are repeatable: the same tree gives the same cases. ``TESSERA_RANDOM=1`` draws new ones each time, and
``TESSERA_FUZZ_EVENTS`` lengthens the campaign on the whole kernel; that is for hunting, not for a verdict on a change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tessera.abi.configuration import configuration

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("default" if os.environ.get("TESSERA_RANDOM") else "repeatable")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def same_configuration() -> Iterator[None]:
    """A build chooses profile, board and configuration for the whole process; the next test has the usual ones."""
    before = vars(configuration).copy()
    yield
    vars(configuration).update(before)

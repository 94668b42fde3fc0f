# SPDX-License-Identifier: BSD-2-Clause
"""What all tests share.

Random tests are repeatable: the same tree gives the same cases. ``TESSERA_RANDOM=1`` draws new ones each time, and
``TESSERA_FUZZ_EVENTS`` lengthens the campaign on the whole kernel; that is for hunting, not for a verdict on a change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from tessera.abi.configuration import configuration
from tessera.lang.types import NAMED

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("default" if os.environ.get("TESSERA_RANDOM") else "repeatable")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent


def _types_of(module: ModuleType) -> dict[str, type]:
    """The named types of the language that a module holds."""
    marks = ("__struct__", "__packed__", "__record__")
    return {
        name: one
        for name, one in vars(module).items()
        if isinstance(one, type) and name == one.__name__ and any(mark in vars(one) for mark in marks)
    }


@pytest.fixture(autouse=True, scope="module")
def own_names(request: pytest.FixtureRequest) -> Iterator[None]:
    """Types are known by name in the whole process: each test module has those of the system, and its own."""
    before = dict(NAMED)
    module = request.module
    made = [one for one in vars(module).values() if isinstance(one, ModuleType) and one.__name__.startswith("tests")]
    system = [one for name, one in sys.modules.items() if name.startswith("tessera.")]
    for one in (*system, *made, module):
        NAMED.update(_types_of(one))
    yield
    NAMED.clear()
    NAMED.update(before)


@pytest.fixture(autouse=True)
def same_configuration() -> Iterator[None]:
    """A build chooses profile, board and configuration for the whole process; the next test has the usual ones."""
    before = vars(configuration).copy()
    yield
    vars(configuration).update(before)

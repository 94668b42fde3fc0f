# SPDX-License-Identifier: BSD-2-Clause
"""The written reference is what the tables say, and every error that the kernel knows has a cause in it."""

from __future__ import annotations

from pathlib import Path

from tessera.abi.errors import Error
from tessera.abi.invocations import INVOCATIONS
from tessera.abi.labels import INVOCATION_COUNT
from tessera.abi.objects import ObjectType
from tessera.abi.reference import reference


def test_the_page_is_up_to_date(repository: Path) -> None:
    written = (repository / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m tessera.abi.reference docs/reference.md"


def test_nothing_is_missing() -> None:
    page = reference()
    assert len(INVOCATIONS) == INVOCATION_COUNT - 1  # label 0 is no invocation
    for one in INVOCATIONS:
        assert page.count(f"#### `{one.c_name}(") == 1, one.c_name
    for kind in ObjectType:
        assert f"| `{kind.name}` | {int(kind)} |" in page
    caused = {cause.error for one in INVOCATIONS for cause in one.errors()}
    assert caused == set(Error) - {Error.NO_ERROR}

# SPDX-License-Identifier: BSD-2-Clause
"""One rejected program for each rule of the language, and the exact message that a person gets.

Each ``X.py`` in tests/rejected/lang and tests/rejected/ir has its message in ``X.err``; those in ``ir`` are read for
proofs, with contracts and ghost code. The name of a file begins with the rule that it breaks. Setting
TESSERA_UPDATE_GOLDENS=1 writes the messages anew; look at the difference before you commit it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tessera.ir.build import build_program
from tessera.lang.diagnostics import Diagnostics
from tessera.lang.functions import FUNCTIONS

FOLDER = Path(__file__).parent.parent / "rejected"
CASES = sorted([*FOLDER.glob("lang/*.py"), *FOLDER.glob("ir/*.py")])


def errors_of(path: Path) -> Diagnostics:
    """What building all functions of a file says."""
    name = f"rejected_{path.parent.name}_{path.stem.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    functions = [info for info in FUNCTIONS.values() if info.function.__module__ == name]
    assert functions
    with pytest.raises(Diagnostics) as caught:
        build_program(functions, specification=path.parent.name == "ir")
    return caught.value


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_message(path: Path) -> None:
    errors = errors_of(path)
    text = str(errors).replace(f"{path.parent}/", "") + "\n"
    expected = path.with_suffix(".err")
    if os.environ.get("TESSERA_UPDATE_GOLDENS"):
        expected.write_text(text)
    assert text == expected.read_text()


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_message_names_its_rule_and_place(path: Path) -> None:
    for error in errors_of(path).errors:
        assert path.stem.startswith(error.rule) or path.stem == "several-errors"
        assert error.location.file == str(path)
        assert error.location.line > 0 and error.location.column > 0


def test_every_input_has_its_message() -> None:
    assert len(CASES) >= 85
    assert {path.with_suffix(".err") for path in CASES} == {*FOLDER.glob("lang/*.err"), *FOLDER.glob("ir/*.err")}

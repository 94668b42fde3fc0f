# SPDX-License-Identifier: BSD-2-Clause
"""The tree keeps the order declared in tessera.floors, and the check itself catches what it must."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tessera import floors

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = REPOSITORY / "src" / "tessera"


def committed_or_new(paths: list[Path]) -> list[Path]:
    """``paths`` without those that git ignores (build output beside the examples, for instance)."""
    if not (REPOSITORY / ".git").exists():
        return paths
    names = "\n".join(str(path) for path in paths)
    ignored = subprocess.run(
        ["git", "check-ignore", "--stdin"], cwd=REPOSITORY, input=names, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return [path for path in paths if str(path) not in ignored]


def test_declared_order_is_an_order() -> None:
    assert floors.declared_order_errors() == []


def test_imports_keep_the_order() -> None:
    assert floors.import_errors(ROOT) == []


def test_no_import_cycle() -> None:
    assert floors.cycle_errors(ROOT) == []


def test_files_are_short_and_licensed() -> None:
    folders = [REPOSITORY / name for name in ("src", "tests", "examples", "scripts")]
    paths = committed_or_new(floors.source_files(*folders))
    assert ROOT / "floors.py" in paths
    assert floors.file_errors(paths) == []


def test_diagram_is_up_to_date() -> None:
    page = REPOSITORY / "docs" / "floors.md"
    assert page.read_text(encoding="utf-8") == floors.diagram(), "docs/floors.md is stale: run make floors"


def plant(tmp_path: Path, files: dict[str, str]) -> Path:
    root = tmp_path / "tessera"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "file, text, message",
    [
        ("kernel/a.py", "from tessera.spec import state", "kernel (floor 3) imports spec (floor 2)"),
        ("spec/a.py", "from tessera.kernel.state import x", "spec (floor 2) imports kernel (floor 3)"),
        ("lang/a.py", "import tessera.abi.labels", "lang (floor 0) imports abi (floor 1)"),
        ("lang/a.py", "import networkx", "may use the standard library alone, not networkx"),
        ("abi/a.py", "from ..arch.riscv64 import isa", "abi (floor 1) imports arch (floor 2)"),
        ("ir/a.py", "def f():\n    from tessera.abi import labels", "ir (floor 2) imports abi (floor 1)"),
        ("llvm/a.py", "from tessera import smt", "llvm (floor 3) imports smt (floor 3)"),
        ("cli/a.py", "from tessera.kernel import boot", "cli (floor 6) imports kernel (floor 3)"),
        ("kernal/a.py", "import os", "kernal is not a part of the house"),
        ("abi/a.py", "from tessera import kernal", "tessera.kernal, which is not a part of the house"),
        ("__init__.py", "from tessera.lang import words", "importing tessera must cost nothing"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, file: str, text: str, message: str) -> None:
    root = plant(tmp_path, {file: text + "\n"})
    (error,) = floors.import_errors(root)
    assert message in error
    assert error.startswith(f"tessera/{file}:{text.count(chr(10)) + 1}: ")


@pytest.mark.parametrize(
    "file, text",
    [
        ("kernel/a.py", "from tessera.arch.riscv64 import paging\nfrom . import b\nfrom .b import c\n"),
        ("lang/words.py", "import enum\nfrom tessera.lang.diagnostics import Diagnostic\n"),
        ("cli/doctor.py", "import tessera\nimport rich\nfrom tessera import __version__\n"),
        ("suites/a.py", "from tessera.kernel import state\nfrom tessera.spec import step\n"),
    ],
)
def test_an_allowed_import_is_let_through(tmp_path: Path, file: str, text: str) -> None:
    assert floors.import_errors(plant(tmp_path, {file: text})) == []


def test_a_planted_cycle_is_caught(tmp_path: Path) -> None:
    root = plant(tmp_path, {"lang/a.py": "from tessera.lang import b\n", "lang/b.py": "from .a import x\n"})
    (error,) = floors.cycle_errors(root)
    assert "tessera.lang.a" in error
    assert "tessera.lang.b" in error


def test_an_import_inside_a_function_makes_a_cycle_too(tmp_path: Path) -> None:
    text = "def f():\n    import tessera.lang.a"
    (error,) = floors.cycle_errors(plant(tmp_path, {"lang/a.py": "from .b import y\n", "lang/b.py": text}))
    assert "tessera.lang.a" in error


def test_an_import_for_the_type_checker_makes_no_cycle(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import x\n"
    assert floors.cycle_errors(plant(tmp_path, {"lang/a.py": "from .b import y\n", "lang/b.py": text})) == []


def test_a_long_or_unlicensed_file_is_caught(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "a.py": "import os\n",
            "b.S": f"/* {floors.SPDX} */\n" + "nop\n" * 400,
            "c.py": f"#!/usr/bin/env python3\n# {floors.SPDX}\n",
        },
    )
    first, second = floors.file_errors(floors.source_files(root))
    assert first.endswith(f"a.py:1: the first line must hold {floors.SPDX}")
    assert second.endswith("b.S: 401 lines; at most 400, so that it is read in one sitting")


def test_a_part_that_looks_up_is_caught() -> None:
    bad = (floors.Part("lower", 0, "", ("upper",)), floors.Part("upper", 1, ""))
    assert floors.declared_order_errors(bad) == ["lower (floor 0) may import upper, which is not below it"]

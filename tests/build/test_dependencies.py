# SPDX-License-Identifier: BSD-2-Clause
"""What a component's source needs is found by reading it."""

from __future__ import annotations

from pathlib import Path

from tessera.build.dependencies import files_needed


def names(found: list[Path], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in found]


def test_headers_are_found_through_headers_and_folders(tmp_path: Path) -> None:
    (tmp_path / "include" / "sub").mkdir(parents=True)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "main.c").write_text('#include <microkit.h>\n  #  include "near.h"\n// #include "no.h"\n')
    (tmp_path / "own" / "near.h").write_text("#include <sub/far.h>\n")
    (tmp_path / "include" / "sub" / "far.h").write_text('#include "far.h"\n#include "../top.h"\n')
    (tmp_path / "include" / "top.h").write_text("")
    (tmp_path / "own" / "no.h").write_text("")
    found = files_needed(tmp_path / "own" / "main.c", [tmp_path / "include"])
    assert sorted(names(found, tmp_path)) == ["include/sub/far.h", "include/top.h", "own/main.c", "own/near.h"]


def test_modules_are_found_through_modules(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "main.py").write_text("import os\nfrom shared import x\nfrom package import part\nimport gone\n")
    (tmp_path / "shared.py").write_text("import main\n")
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "part.py").write_text("")
    found = files_needed(tmp_path / "main.py", [])
    assert sorted(names(found, tmp_path)) == ["main.py", "package/__init__.py", "package/part.py", "shared.py"]


def test_a_module_that_is_not_python_needs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def (:\n")
    assert names(files_needed(tmp_path / "main.py", []), tmp_path) == ["main.py"]

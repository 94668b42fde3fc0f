# SPDX-License-Identifier: BSD-2-Clause
"""Systems that cannot be built because of a component's source, and the exact message that a person gets.

Each folder of tests/rejected/components has a system, its sources and ``message.err``. The name begins with the
rule that is broken. Setting TESSERA_UPDATE_GOLDENS=1 writes the messages anew; look at the difference first.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.lang.diagnostics import Diagnostic, Diagnostics

FOLDER = Path(__file__).parent.parent / "rejected" / "components"
CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rejected(case: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in case.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises((Diagnostic, Diagnostics)) as caught:
        build_system(Path("test.system"), "qemu_virt_riscv64", "debug", [])
    message = str(caught.value).replace(f"{tmp_path}/", "") + "\n"
    golden = case / "message.err"
    if os.environ.get("TESSERA_UPDATE_GOLDENS"):
        golden.write_text(message)
    assert message == golden.read_text()
    first = caught.value.errors[0] if isinstance(caught.value, Diagnostics) else caught.value
    assert case.name.startswith(first.rule) or case.name == "language-error"
    assert not (tmp_path / "build" / "test").exists() or not list((tmp_path / "build" / "test").rglob("image.elf"))

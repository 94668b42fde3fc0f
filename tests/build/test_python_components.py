# SPDX-License-Identifier: BSD-2-Clause
"""Programs in Python: the user's own modules, which belong to one component, and to what their text says now."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.build.run import boot

BOARD = "qemu_virt_riscv64"
COMPONENT = """\
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from common import LIMIT
from tessera.lang import compiled
from tessera.runtime.console import put_decimal, put_line


@compiled
def init() -> None:
    put_decimal(LIMIT)
    put_line(b" is my limit")
"""
SYSTEM = """\
<system>
    <protection_domain name="first" priority="5"><program_image path="first/program_a.elf" /></protection_domain>
    <protection_domain name="second" priority="4"><program_image path="second/program_b.elf" /></protection_domain>
</system>
"""


@pytest.fixture
def system(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))
    for folder, program, limit in (("first", "program_a", 11), ("second", "program_b", 22)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{program}.py").write_text(COMPONENT)
        (tmp_path / folder / "common.py").write_text(f"LIMIT = {limit}\n")
    (tmp_path / "test.system").write_text(SYSTEM)
    return tmp_path / "test.system"


def limits(system: Path) -> list[str]:
    built = build_system(system, BOARD, "debug", [])
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=2, stream=console) == 124
    lines = console.getvalue().partition("INITIALISER|INFO")[2].partition("tessera:")[0].splitlines()
    return [line.split()[0] for line in lines if line.endswith("is my limit")]


@pytest.mark.qemu
def test_a_module_belongs_to_its_component_and_is_read_anew(system: Path) -> None:
    before = set(sys.modules)
    assert limits(system) == ["11", "22"]
    assert "common" not in sys.modules
    assert not [name for name in sys.modules.keys() - before if name.startswith("component_")]
    # The same length, and perhaps the same second.
    (system.parent / "second" / "common.py").write_text("LIMIT = 33\n")
    assert limits(system) == ["11", "33"]
    assert not list(system.parent.rglob("__pycache__"))

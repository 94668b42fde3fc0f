# SPDX-License-Identifier: BSD-2-Clause
"""Programs in C: what they may contain, and what their compiler says."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.build.run import boot

SYSTEMS = Path(__file__).parent / "systems"
BOARD = "qemu_virt_riscv64"


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


@pytest.mark.qemu
def test_constructors_sections_and_null_pointers(tmp_path: Path) -> None:
    system = SYSTEMS / "c_program" / "c_program.system"
    built = build_system(system, BOARD, "debug", [SYSTEMS], tmp_path / "image.elf")
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=60, stream=console) == 0
    lines = console.getvalue().partition("INITIALISER|INFO")[2].splitlines()[1:]
    assert lines[0] == "12 configured 67 7"
    assert 'component "c_program" stopped: write to 0x' in lines[1]
    assert 'mapped with perms="r"; at c_program.c:46 in init' in lines[1]
    assert lines[2] == "null: before"
    assert 'component "null" stopped' in lines[3]
    assert "null.c:9 in init" in lines[3]
    assert len(lines) == 4


@pytest.mark.qemu
def test_a_failed_assertion_is_told_and_stops_the_component(tmp_path: Path) -> None:
    system = SYSTEMS / "assertion" / "assertion.system"
    built = build_system(system, BOARD, "debug", [SYSTEMS], tmp_path / "image.elf")
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=60, stream=console) == 0
    lines = console.getvalue().partition("INITIALISER|INFO")[2].splitlines()[1:]
    assert lines[:2] == [
        "assertion: the first holds",
        "assertion|ERROR: assertion failed: zero > 1, at assertion.c:15 in init",
    ]
    assert 'component "assertion" stopped: it stopped itself' in lines[2]
    assert len(lines) == 4


def test_warnings_of_the_compiler_are_told_with_their_place(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        for path in (SYSTEMS / "end.c", *(SYSTEMS / "c_program").iterdir()):
            shutil.copyfile(path, tmp_path / folder / path.name)
        built = build_system(tmp_path / folder / "c_program.system", BOARD, "debug", [])
        assert built.warnings == [
            f"{tmp_path / folder / 'c_program.c'}:35:9: warning: unused variable 'unused' [-Wunused-variable]"
        ]

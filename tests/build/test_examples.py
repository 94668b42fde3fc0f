# SPDX-License-Identifier: BSD-2-Clause
"""The examples, built and run to their end. The greeter has its own tests (test_image.py)."""

from __future__ import annotations

import io
import runpy
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.build.run import boot

BOARD = "qemu_virt_riscv64"


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


def test_the_relay_is_what_its_program_writes(repository: Path) -> None:
    folder = repository / "examples" / "relay"
    made = runpy.run_path(str(folder / "generate.py"))
    system = made["relay"](made["STATIONS"])
    assert system.text() == (folder / "relay.system").read_text()
    assert len(system.check().domains()) == 60


@pytest.mark.qemu
def test_the_token_passes_all_stations_of_the_relay(repository: Path, tmp_path: Path) -> None:
    system = repository / "examples" / "relay" / "relay.system"
    built = build_system(system, BOARD, "debug", [], tmp_path / "relay.elf")
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=60, stream=console) == 0
    lines = console.getvalue().splitlines()
    assert lines[-2:] == [
        "start: the token is on its way",
        "sink: the token has passed 56 stations; the counter says 56",
    ]
    report = built.report.read_text()
    assert all(f"station_{index} " in report for index in range(56))

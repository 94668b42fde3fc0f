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


def lines_of(name: str, repository: Path, folder: Path) -> list[str]:
    """Build and boot an example that ends with success; the lines behind those of the initialiser."""
    system = repository / "examples" / name / f"{name}.system"
    built = build_system(system, BOARD, "debug", [], folder / f"{name}.elf")
    console = io.StringIO()
    result = boot(built.image, BOARD, timeout=60, stream=console)
    lines = console.getvalue().partition("INITIALISER|INFO")[2].splitlines()[1:]
    assert result == 0, "\n".join(lines)
    return lines


def test_every_example_is_tested(repository: Path) -> None:
    found = {path.stem for path in (repository / "examples").glob("*/*.system")}
    assert found == {"greeter", "relay", "nested", "interrupt", "passive", "domains"}


def test_the_relay_is_what_its_program_writes(repository: Path) -> None:
    folder = repository / "examples" / "relay"
    made = runpy.run_path(str(folder / "generate.py"))
    system = made["relay"](made["STATIONS"])
    assert system.text() == (folder / "relay.system").read_text()
    assert len(system.check().domains()) == 60


@pytest.mark.qemu
def test_the_token_passes_all_stations_of_the_relay(repository: Path, tmp_path: Path) -> None:
    assert lines_of("relay", repository, tmp_path) == [
        "start: the token is on its way",
        "sink: the token has passed 56 stations; the counter says 56",
    ]
    report = (tmp_path / "relay-report.txt").read_text()
    assert all(f"station_{index} " in report for index in range(56))


@pytest.mark.qemu
def test_a_passive_server_runs_on_the_time_of_its_callers(repository: Path, tmp_path: Path) -> None:
    assert lines_of("passive", repository, tmp_path) == [
        "server: passive from now on",
        "first: label 2, total 11",
        "first: label 3, total 33",
        "first: label 4, total 66",
        "second: label 42, total 1266",
        "server: signalled on channel 13, the total is 1266",
    ]


@pytest.mark.qemu
def test_components_share_capabilities_and_run_in_their_parts_of_the_schedule(repository: Path, tmp_path: Path) -> None:
    assert lines_of("domains", repository, tmp_path) == [
        "manager: the worker waits",
        "worker: awake",
        "worker: signalled",
        "manager: the worker has used time of its own",
    ]


@pytest.mark.qemu
def test_a_parent_is_told_of_a_fault_and_restarts_its_child(repository: Path, tmp_path: Path) -> None:
    assert lines_of("nested", repository, tmp_path) == [
        "child: I fail",
        "parent: child 7 has a fault of kind 6 at address 4096",
        "child: I live again",
    ]


@pytest.mark.qemu
def test_interrupts_arrive_and_are_acknowledged(repository: Path, tmp_path: Path) -> None:
    assert lines_of("interrupt", repository, tmp_path) == ["driver: alarm on channel 5"] * 3

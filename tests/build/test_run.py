# SPDX-License-Identifier: BSD-2-Clause
"""Booting in QEMU: console, exit codes, time limits, and what is told when it cannot be done."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest

from tessera.build import run
from tessera.lang.diagnostics import Diagnostic
from tests.guest import assemble_guest

BOARD = "qemu_virt_riscv64"


def children() -> set[int]:
    """The processes that this one has started and that have not been waited for."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@pytest.mark.qemu
@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_and_console(tmp_path: Path, code: int) -> None:
    console = io.StringIO()
    image = assemble_guest(tmp_path, "first\r\nzweite Zeile: größer\n".encode(), code)
    assert run.boot(image, BOARD, timeout=60, stream=console) == code
    assert console.getvalue().endswith("first\nzweite Zeile: größer\n")


@pytest.mark.qemu
def test_unfinished_last_line_is_ended(tmp_path: Path) -> None:
    console = io.StringIO()
    assert run.boot(assemble_guest(tmp_path, b"no newline", 3), BOARD, timeout=60, stream=console) == 3
    assert console.getvalue().endswith("no newline\n")


@pytest.mark.qemu
def test_bytes_that_are_no_text_do_not_stop_the_console(tmp_path: Path) -> None:
    console = io.StringIO()
    image = assemble_guest(tmp_path, b"before\xffafter\n", 0)
    assert run.boot(image, BOARD, timeout=60, stream=console) == 0
    assert console.getvalue().endswith("before\ufffdafter\n")


@pytest.mark.qemu
def test_timeout_tells_the_last_lines_and_stops_qemu(tmp_path: Path) -> None:
    console = io.StringIO()
    before = children()
    start = time.monotonic()
    result = run.boot(assemble_guest(tmp_path, b"alive\n", None), BOARD, timeout=1.5, stream=console)
    assert result == run.TIMED_OUT == 124
    assert 1.5 <= time.monotonic() - start < 10
    assert children() <= before
    message = console.getvalue().split("tessera: ")[-1].splitlines()
    assert message[0] == "no result after 1.5 s, so QEMU was stopped (exit code 124); the last lines were:"
    assert message[-1] == "  | alive"
    assert len(message) == 1 + run.LAST_LINES


@pytest.mark.qemu
def test_counted_instructions_run_too(tmp_path: Path) -> None:
    console = io.StringIO()
    assert run.boot(assemble_guest(tmp_path, b"hi\n", 5), BOARD, timeout=60, stream=console, icount=True) == 5


@pytest.mark.qemu
def test_what_qemu_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    image = assemble_guest(tmp_path, b"hi\n", 0)
    with pytest.raises(Diagnostic) as caught:
        run.boot(image, BOARD, timeout=60, stream=io.StringIO(), memory_size=1 << 20)
    assert caught.value.rule == "qemu-failed"
    assert caught.value.location.file == str(image)
    assert "QEMU could not run the image: " in caught.value.what


def test_command_line_of_qemu(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    program, *arguments = run.qemu_command(image, BOARD, icount=True, memory_size=3 << 30)
    assert Path(program).name == run.QEMU
    assert " ".join(arguments[arguments.index("-icount") :][:4]) == "-icount shift=0,sleep=off -rtc clock=vm"
    assert arguments[arguments.index("-m") + 1] == "3072M"
    assert arguments[arguments.index("-kernel") + 1] == str(image)
    assert "-no-reboot" in arguments
    assert "-icount" not in run.qemu_command(image, BOARD)


def test_missing_qemu_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image"
    image.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Diagnostic) as caught:
        run.boot(image, BOARD, timeout=1, stream=io.StringIO())
    assert caught.value.rule == "qemu-missing"
    assert "apt-get install qemu-system-misc" in caught.value.fix


def test_qemu_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image"
    image.touch()
    fake = tmp_path / run.QEMU
    fake.write_bytes(b"\x7fELF but not really")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Diagnostic) as caught:
        run.boot(image, BOARD, timeout=1, stream=io.StringIO())
    assert caught.value.rule == "qemu-missing"
    assert "could not be started: Exec format error" in caught.value.what


@pytest.mark.parametrize("name, what", [("absent", "does not exist"), (".", "is not a file")])
def test_missing_image(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(Diagnostic) as caught:
        run.boot(tmp_path / name, BOARD, timeout=1, stream=io.StringIO())
    assert caught.value.rule == "image-missing"
    assert what in caught.value.what


def test_unknown_board_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Diagnostic) as caught:
        run.boot(tmp_path / "image", "qemu_virt_risc64", timeout=1, stream=io.StringIO())
    assert caught.value.rule == "unknown-board"
    assert BOARD in str(caught.value)

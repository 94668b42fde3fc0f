# SPDX-License-Identifier: BSD-2-Clause
"""`tessera build`, `kernel` and `run`: what they pass on, what they print where, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Command, environment
from tests.guest import assemble_guest


def test_build_passes_its_options_on(stand_in: Command, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    paths = ["--search-path", "one", "--search-path", "."]
    result = stand_in("x.img", "build", "a.system", *paths, "--config", "release", "-o", "o.img", "-r", "r.txt")
    assert (result.returncode, result.stdout) == (0, "")
    assert "qemu_virt_riscv64 release ['one', '.'] o.img r.txt\n" in result.stderr
    assert "image   x.img (built in 0.25 s)\nreport  report.json\n" in result.stderr
    assert "compile" not in result.stderr
    assert result.stderr.count("a.system:1:2: warning: a warning\n") == 1


def test_verbose_tells_the_phases(stand_in: Command) -> None:
    assert "  compile                            0.25 s\n" in stand_in("x.img", "build", "a.system", "-v").stderr


@pytest.mark.parametrize("arguments", [["build", "a.system"], ["kernel"], ["build", "a.system", "-v"]])
def test_json_is_alone_on_standard_output(stand_in: Command, arguments: list[str]) -> None:
    result = stand_in("x.img", *arguments, "--json")
    assert result.returncode == 0
    told = json.loads(result.stdout)
    assert told["ok"] is True
    assert told["image"] == "x.img"
    assert told["phases"] == {"compile": 0.25}
    assert told["warnings"] == ["a.system:1:2: warning: a warning"]


def test_kernel_tells_its_size(stand_in: Command) -> None:
    result = stand_in("k.elf", "kernel", "--profile", "sel4test", "-o", "out.elf")
    assert result.returncode == 0
    assert "qemu_virt_riscv64 debug [] out.elf None\n" in result.stderr
    assert "kernel  k.elf (built in 0.25 s)\n" in result.stderr
    assert "size    text 100.0 KiB, data 12 bytes, bss 3.0 MiB\n" in result.stderr


@pytest.mark.qemu
@pytest.mark.parametrize("code", [0, 9])
def test_run_ends_with_the_result_of_the_system(stand_in: Command, tmp_path: Path, code: int) -> None:
    result = stand_in(assemble_guest(tmp_path, b"spoken\n", code), "run", "a.system", "--timeout", "60")
    assert result.returncode == code
    assert result.stdout.endswith("spoken\n")
    assert f"\nresult {code}; build " in result.stderr


@pytest.mark.qemu
def test_run_with_json_keeps_the_console_off_standard_output(stand_in: Command, tmp_path: Path) -> None:
    result = stand_in(assemble_guest(tmp_path, b"spoken\n", 9), "run", "a.system", "--json", "--timeout", "60")
    assert result.returncode == 9
    told = json.loads(result.stdout)
    assert (told["ok"], told["result"]) == (False, 9)
    assert told["seconds"]["total"] >= told["seconds"]["run"] > 0
    assert told["build"]["phases"] == {"compile": 0.25}
    assert "spoken\n" in result.stderr


@pytest.mark.qemu
def test_run_out_of_time(stand_in: Command, tmp_path: Path) -> None:
    result = stand_in(assemble_guest(tmp_path, b"spoken\n", None), "run", "a.system", "--timeout", "1.5")
    assert result.returncode == 124
    assert "no result after 1.5 s" in result.stdout
    assert "  | spoken\n" in result.stdout


@pytest.mark.qemu
@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_run_streams_and_stops_qemu_when_it_is_stopped(
    stand_in: Command, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    image = assemble_guest(tmp_path, b"spoken\n", None)
    command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), "run", "a.system", "--timeout", "60"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(STAND_IN=str(image)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line == b"spoken\n":  # seen while the system still runs: the console is streamed
            break
    (qemu,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(sent)
    assert process.wait(timeout=30) == code
    assert b"Traceback" not in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(qemu), 0)

# SPDX-License-Identifier: BSD-2-Clause
"""Running the command as a user does: as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """The environment for a command: the sources under test, and nothing that changes messages."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("TESSERA_TRACEBACK", "FORCE_COLOR")}
    return {**inherited, "PYTHONPATH": str(SOURCES), "COLUMNS": "100", **more}


@pytest.fixture
def tessera(tmp_path: Path) -> Command:
    """The command `tessera`, run in an empty directory."""

    def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tessera.cli", *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(**env), capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def stand_in(tmp_path: Path) -> Command:
    """The command with a stand-in for the builder that does what the first argument says."""
    (tmp_path / "a.system").write_text("<system/>")

    def run(does: str | Path, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(STAND_IN=str(does), **env),
            capture_output=True,
            text=True,
            check=False,
        )

    return run

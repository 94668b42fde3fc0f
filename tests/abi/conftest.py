# SPDX-License-Identifier: BSD-2-Clause
"""The generated headers, and a compiler that uses them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tessera.build.toolchain import prepare_headers, user_c_command

Compile = Callable[..., str]


@pytest.fixture(scope="session")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The headers of a debug build for the profile microkit."""
    return prepare_headers(tmp_path_factory.mktemp("headers"))


@pytest.fixture
def compile_text(headers: Path, tmp_path: Path) -> Compile:
    """Compile C text with all warnings as errors; gives the text that the compiler writes, if it writes text."""

    def run(text: str, *flags: str) -> str:
        source = tmp_path / "source.c"
        source.write_text(text)
        target = os.devnull if "-c" in flags else "-"
        command = [*user_c_command(headers), "-Wall", "-Wextra", "-Werror", *flags, str(source), "-o", target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run

